"""Which lane judges which cameras, and how many lanes there are: as line.toml says, or as start-up measures (`auto`).

Process: inspection, before it is ready. Blocks: while lanes are measured, in processes of their own.

    a number -> that many; one camera, or an executor that is not on the processor -> one, nothing is measured
    remembered -> that many
    else the executor first: lane 0 opens and proves all views; then lanes are measured with what it opened, and where
    more than one are quicker, it keeps its own cameras and starts the others
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.inspection.auto.lane_choice import (
    NO_CPU,
    LaneRow,
    LaneTable,
    choose,
    counts,
    divided,
    lanes_text,
    on_cpu,
    only,
    told,
)
from aoi_daemon.inspection.auto.machine import key
from aoi_daemon.inspection.auto.measure import Trials
from aoi_daemon.inspection.auto.memory import Memory
from aoi_daemon.inspection.auto.subject import subject_of
from aoi_daemon.inspection.auto.trial import Order
from aoi_daemon.inspection.lanes import cameras_of, lanes_of
from aoi_daemon.inspection.opening import Engine
from aoi_daemon.inspection.views import Views
from aoi_daemon.stage.stage import Stage

TOTAL_S: Final = 20.0
"""All numbers of lanes together."""
_OF_START: Final = 0.25
"""The share of supervisor.start_s that measuring lanes may take, after as much again for executors."""

Measure = Callable[[Stage, dict[int, Order]], LaneTable]
Make = Callable[[Sequence[int]], Views]


class Dealt(NamedTuple):
    """The cameras that this process judges, their views, what they are judged with, and why there are so many lanes.

    `engine` is None where the views are not open yet; `lanes` is "" where line.toml names their number.
    """

    cameras: list[int]
    views: Views
    engine: Engine | None
    lanes: str


def deal(
    stage: Stage, recipe: Recipe, make: Make, open_by: Callable[[Views], Engine], measure: Measure | None = None
) -> Dealt:  # fmt: skip
    """Which cameras this process judges.

    Args:
        stage: of inspection; it is told how many lanes were chosen.
        recipe: of the product.
        make: the views of the cameras of those numbers, not opened.
        open_by: opens views and proves them.
        measure: as `measured_here`.
    """
    cameras = len(stage.config.cameras)
    section = stage.config.inspection
    if section.lanes != "auto" or stage.setup.lanes:
        mine = cameras_of(stage.setup.index, lanes_of(stage), cameras)
        return Dealt(mine, make(mine), None, "")
    every = list(range(cameras))
    views = make(every)
    tried = counts(len({camera for camera, _ in views.pictures}), section.threads, len(os.sched_getaffinity(0)))
    if len(tried) == 1:
        return Dealt(every, views, None, f"{lanes_text(1)}: {only(cameras)}, nothing is measured")
    memory = Memory(stage.setup.engines, stage.log)
    found, engine = memory.find_lanes(key_of(stage, views), stage.setup.run), None
    if found is None:
        engine = open_by(views)
        if not all(on_cpu(one.section) for one in views.engines):
            return Dealt(every, views, engine, f"{lanes_text(1)}: {NO_CPU}, nothing is measured")
        found = (measure or measured_here)(stage, {lanes: order_of(stage, recipe, views, lanes) for lanes in tried})
        memory.keep_lanes(key_of(stage, views), found)
    text, chosen = told(found), choose(found.rows)
    stage.log.info("lanes_chosen", lanes=1 if chosen is None else chosen.lanes, why=text)
    if chosen is None or chosen.lanes == 1 or chosen.lanes not in tried:
        return Dealt(every, views, engine, text)
    views.close()
    # From here on it is one of several, to itself and to those that it starts.
    stage.setup = replace(stage.setup, lanes=chosen.lanes)
    mine = cameras_of(0, chosen.lanes, cameras)
    return Dealt(mine, make(mine), None, text)


def key_of(stage: Stage, views: Views) -> str:
    """What one measurement of lanes is good for: that of each view's executor, and which camera it is of."""
    section = stage.config.inspection
    facts = [
        f"{camera} {key(looker.bundle, section, looker.recipe.shape, looker.recipe.fit)}"
        for camera, looker in views.pictures
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def order_of(stage: Stage, recipe: Recipe, views: Views, lanes: int) -> Order:
    """What `lanes` lanes are tried with: the views of each, opened as they were by lane 0, and its share of threads."""
    setup, cameras = stage.setup, len(stage.config.cameras)
    sections = {id(looker): one.section for one in views.engines for looker in one.lookers}
    sides = []
    for lane in range(lanes):
        mine = cameras_of(lane, lanes, cameras)
        side = []
        for camera, looker in views.pictures:
            if camera in mine:
                subject = subject_of(looker.view, recipe)
                side.append(
                    Order(
                        section=divided(sections[id(looker)], lanes), recipe=looker.recipe, view=subject.view,
                        fov=subject.fov, alone=subject.alone, config_file=setup.config_file, product=setup.product,
                    )
                )  # fmt: skip
        if side:
            sides.append(tuple(side))
    return Order(do="lanes", sides=tuple(sides))


def measured_here(stage: Stage, orders: dict[int, Order]) -> LaneTable:
    """Measure each; each step is logged, and told to the supervisor for `status`."""
    setup, log = stage.setup, stage.log
    total_s = min(TOTAL_S, _OF_START * stage.config.supervisor.start_s)
    log.info("lanes_measured", lanes=list(orders), at_most_s=total_s, standby=setup.standby)

    def begin(lanes: int) -> None:
        stage.tell(tell="engine", step=f"measuring {lanes_text(lanes)}", standby=setup.standby)

    def tell(row: LaneRow) -> None:
        log.info("lane_trial", lanes=row.lanes, p95_ms=row.p95_ms, why=row.why)

    rows = Trials(total_s=total_s).lanes(orders, tell, begin)
    once = setup.standby or any(row.missed for row in rows)
    return LaneTable(rows=rows, beside=setup.standby, run=setup.run if once else "")
