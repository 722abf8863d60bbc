"""A loop that judges views: lane 0, which is the inspection process itself, or another. From doorbell to judgement.

It judges by the truth of the part: how good a model is, is not tried here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aoi_daemon.inspection.lanes import cameras_of
from aoi_daemon.messages import Announcement, Defect, Judgement, Reason, pack_defects
from aoi_daemon.stage.board import CameraCell, camera_cell
from tools.simulation.faults import Kind
from tools.simulation.plan import Plan, judge_of
from tools.simulation.timeline import MS, Timeline, chance
from tools.simulation.world import Weather

if TYPE_CHECKING:
    from tools.simulation.life import Life

BUNDLE: Final = 0x1234
_DEFECT: Final = pack_defects((Defect(1, 0.9, 10.0, 10.0, 30.0, 30.0),))
_TOO_LATE_NS: Final = MS // 10
"""A view whose time is up is told so, and not inferred."""
_OTHER_REASONS: Final = (Reason.OPTICS, Reason.REGISTRATION, Reason.NO_RECIPE, Reason.ENGINE_FAULT)


class Judging:
    """The loop of lane `number` of an inspection.

    Args:
        by: which inspection it is of, and the recipe that it judges by.
        moved: called where the loop turns, with the time.
    """

    def __init__(
        self, timeline: Timeline, plan: Plan, weather: Weather, life: Life, *, number: int, by: tuple[int, int],
        moved: Callable[[int], None],
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._plan = plan
        self._weather = weather
        self._life = life
        self._by = by
        self._moved = moved
        shape = plan.shape
        self._cameras = frozenset(cameras_of(number, shape.lanes, shape.cameras))
        self._views = sum(shape.picture(view)[0] in self._cameras for view in range(shape.views))
        self._least, self._most = judge_of(shape)
        self._beside = number > 0
        self._turn = 0  # since it took the line last, or left it
        self.on = False
        """It has the line."""
        self.hung = False
        self.busy = False
        self.hand: deque[Announcement] = deque()
        """What it has read of its doorbells, and not judged yet."""
        self._leaves: Callable[[], None] | None = None
        self._looked = False  # at its doorbells for the last time, before it obeys
        self._has_left = False
        self.moved_ns = 0
        """When it turned last."""

    @property
    def free(self) -> bool:
        """It would look at what it is told: it is not in the midst of a view, and does not hang."""
        return not (self.busy or self.hung)

    def takes_up(self) -> int:
        """It takes the line: since when. What was ready before is nobody's."""
        now = self._timeline.now
        self._turn += 1
        self.on, self.hung, self.busy = True, False, False
        self._leaves, self._looked, self._has_left = None, False, False
        doors = self._life.frame_doors
        kept = [said for said in doors if said.ready_ns >= now or said.camera not in self._cameras]
        doors.clear()
        doors.extend(kept)
        self.moves()
        return now

    def ends(self) -> None:
        """It judges no more: it has left the line, or is gone."""
        self._turn += 1
        self.on = self.busy = False
        self._leaves = None
        self.hand.clear()

    def leaves(self, done: Callable[[], None]) -> None:
        """It is told to leave: it ends what it has read, and says so when plc has what it judged."""
        self._leaves = done
        if self.free:
            self._left()

    def _left(self) -> None:
        done, turn = self._leaves, self._turn
        self._has_left = True

        def gone() -> None:
            if turn == self._turn and done is not None:
                done()

        # plc has read by then, or may be waiting for the PLC: 50 ms at most.
        self._timeline.at(self._timeline.now + MS, gone)

    def hangs(self, for_ns: int) -> None:
        """It stands for so long."""
        self.hung = True
        self._timeline.at(self._timeline.now + for_ns, self._goes_on, self._turn)

    def _goes_on(self, turn: int) -> None:
        if turn == self._turn and self.on:
            self.hung = False
            self.moves()
            self._turns()

    def moves(self) -> None:
        """Its loop turns."""
        if self.on and not self.hung:
            self.moved_ns = self._timeline.now
            self._moved(self.moved_ns)

    def _turns(self) -> None:
        """It has judged a view, or goes on: doorbells come before commands, which it saw together."""
        if not self.hand and not (self._leaves is not None and self._looked):
            self._looked = self._leaves is not None
            self._reads()
        if self.hand:
            self._picks()
        elif self._leaves is not None and not self._has_left:
            self._left()

    def takes(self) -> None:
        """One of its doorbells may have rung: where it waits for them, it picks the next view."""
        if self.on and self.free and self._leaves is None:
            self._reads()
            if self.hand:
                self._picks()

    def _reads(self) -> None:
        doors = self._life.frame_doors
        self.hand.extend(said for said in doors if said.camera in self._cameras)
        if self.hand:
            left = [said for said in doors if said.camera not in self._cameras]
            doors.clear()
            doors.extend(left)

    def _picks(self) -> None:
        said = self.hand.popleft()
        self.busy = True
        mark = mark_of(said)
        share = chance(self._plan.seed, 60, mark)
        # The first view may reject the part alone: it comes no sooner than a scan after the trigger, either.
        took = max(self._least, (self._least + share * (self._most - self._least)) / self._views)
        slow = self._weather.strikes(Kind.JUDGES_SLOWLY, mark)
        if self._beside and not slow:
            slow = self._weather.strikes(Kind.LANE_SLOW, mark)
        now = self._timeline.now
        if said.deadline_ns <= now:
            took = _TOO_LATE_NS
        elif slow:
            took += slow * 2.5 * self._plan.shape.takt
        self.moves()
        self._timeline.at(now + int(took), self._judge, said, now, self._turn)

    def _judge(self, said: Announcement, picked_ns: int, turn: int) -> None:
        if turn != self._turn or not self.on:
            return
        now = self._timeline.now
        if self.hung:
            self._timeline.at(now + 10 * MS, self._judge, said, picked_ns, turn)
            return
        self.busy = False
        self._life.board[camera_cell(said.camera, CameraCell.RELEASED)] = said.frame
        self._life.board.add(camera_cell(said.camera, CameraCell.JUDGED))
        self.moves()
        reason = self._reason(said)
        defect = reason is Reason.DEFECT
        judgement = Judgement(
            reason is Reason.NONE, reason, said.camera, 1 if defect else -1, int(defect), self._by[1], said.sequence,
            BUNDLE, 0, 0, picked_ns, now, now, _DEFECT if defect else b"", said.fov,
        )  # fmt: skip
        self._life.doors.ring("judgements", judgement.pack())
        if reason is not Reason.LATE:
            self._life.doors.judged.append((said.camera, said.sequence))
        self._turns()

    def _reason(self, said: Announcement) -> Reason:
        """What it finds, NONE: nothing; and the part has that it was found good, by whom."""
        frame = self._life.frames[said.camera, said.sequence]
        part = self._life.part(frame.part)
        shape = self._plan.shape
        shown = next((view for view in range(shape.views) if shape.picture(view) == (said.camera, said.fov)), None)
        bad = part.bad and part.defect_view == shown
        if self._timeline.now > said.deadline_ns:
            return Reason.LATE
        if shown is None:
            return Reason.NO_RECIPE
        if bad and chance(self._plan.seed, 61, mark_of(said)) < 0.15:
            return _OTHER_REASONS[said.sequence % len(_OTHER_REASONS)]
        if bad:
            return Reason.DEFECT
        part.found_good.setdefault(self._by, set()).add(shown)
        return Reason.NONE


def mark_of(said: Announcement) -> int:
    """A number of the view, for chance."""
    return said.sequence * 8 + said.camera
