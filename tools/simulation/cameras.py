"""The cameras: which picture they take of a part, and when the daemon has it."""

from __future__ import annotations

from typing import Final

from aoi_daemon.messages import Arrival
from tools.simulation.faults import Kind
from tools.simulation.life import Life
from tools.simulation.plan import Plan, judge_of
from tools.simulation.timeline import MS, Timeline, chance
from tools.simulation.world import Part, Weather

_NO_VIEW: Final = 9
"""A field of view that no recipe names."""


class Cameras:
    """The acquire processes."""

    def __init__(self, timeline: Timeline, plan: Plan, weather: Weather, life: Life) -> None:
        self._timeline = timeline
        self._plan = plan
        self._weather = weather
        self._life = life
        count = plan.shape.views
        self._lost_before = [0] * count  # frames that were lost since the last that came
        self._held: list[Part | None] = [None] * count  # a frame that another has overtaken
        self.away_until_ns = [0] * plan.shape.cameras

    def triggered(self, part: Part, faults: set[Kind]) -> None:
        """`part` is in front of the cameras."""
        plan = self._plan
        for view in range(plan.shape.views):
            self._one(part, view, faults)

    def _one(self, part: Part, view: int, faults: set[Kind]) -> None:
        plan, shape, timeline = self._plan, self._plan.shape, self._timeline
        mark = part.number * 8 + view
        hit = view == int(chance(plan.seed, 50, part.number) * shape.views)
        struck = {kind for kind in faults if hit}
        if timeline.now < self.away_until_ns[shape.picture(view)[0]] or Kind.MISSES in struck:
            return
        if Kind.GAP in struck:
            self._lost_before[view] += 1
            return
        taken = part.arrives + int(shape.late * chance(plan.seed, 51, mark))
        ready = taken + int(0.08 * judge_of(shape)[1] * chance(plan.seed, 52, mark)) if shape.stamped else taken
        if Kind.LATE_FRAME in struck:
            ready += int(shape.takt * (0.1 + 1.3 * chance(plan.seed, 53, mark)))
        arrival = Arrival.INCOMPLETE if Kind.INCOMPLETE in struck else Arrival.FRAME
        if Kind.SWAP in struck and self._held[view] is None:
            self._held[view] = part
            return
        fov = _NO_VIEW if Kind.UNNAMED in struck else shape.picture(view)[1]
        timeline.at(ready, self._comes, part, view, fov, taken, arrival)
        if Kind.TWICE in struck:
            again = ready + int(shape.takt * (0.05 + 0.5 * chance(plan.seed, 54, mark)))
            timeline.at(again, self._comes, part, view, fov, again if shape.stamped else taken, arrival)
        held = self._held[view]
        if held is not None:
            # Its id fell back: no gap is told before it, and one was before the frame that overtook it.
            self._held[view] = None
            self._lost_before[view] += 1
            timeline.at(ready + MS // 2, self._comes, held, view, fov, held.arrives, Arrival.FRAME)

    def _comes(self, part: Part, view: int, fov: int, taken: int, arrival: Arrival) -> None:
        camera, own = self._plan.shape.picture(view)
        lost, self._lost_before[view] = self._lost_before[view], 0
        for _ in range(lost):
            self._life.announce(0, camera, Arrival.NO_IMAGE, 0, 0, fov=own)
        trigger_ns = taken if self._plan.shape.stamped else 0
        self._life.announce(part.number, camera, arrival, trigger_ns, part.trigger_id, fov=fov)
