"""The executor of `inspection.backend = "auto"`: picked by what is remembered, or measured; another where it fails.

Process: inspection, before it is ready. Blocks: while candidates are measured.

    remembered -> opened, its golden parts hold: it judges
               -> crashed inspection again and again (the supervisor says so): the next best of the table
               -> does not open, or does not hold: measured anew, it is left out
    nothing remembered -> measured
    none holds -> the reference, whose own golden parts say whether the line is READY
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.inspection.auto.candidates import Found, allowed, candidates, named, reference
from aoi_daemon.inspection.auto.choice import Row, Table, choose, others, reason, shortened
from aoi_daemon.inspection.auto.lane_choice import NO_CPU
from aoi_daemon.inspection.auto.machine import key, this_machine
from aoi_daemon.inspection.auto.measure import TOTAL_S, Trials
from aoi_daemon.inspection.auto.memory import Memory
from aoi_daemon.inspection.auto.subject import Subject
from aoi_daemon.inspection.auto.trial import Order
from aoi_daemon.stage.stage import Stage

_OF_START: Final = 0.5
"""The share of supervisor.start_s that measuring may take: the one that is chosen has to open and prove itself."""
_MOST_ROWS: Final = 32


class Picked(NamedTuple):
    """Which executor, by its names, why it is that one, and a line for each of the others."""

    section: InspectionSection
    name: str
    why: str
    rows: tuple[str, ...]


class Auto:
    """Picks. `failed` says that the one picked last does not do, `settled` that it does.

    Args:
        stage: of inspection.
        bundle: of the views that it is to judge.
        subject: the first of them.
        measure: as `measured_here`.
    """

    def __init__(
        self, stage: Stage, bundle: Bundle, subject: Subject,
        measure: Callable[[Stage, Bundle, Subject, set[str]], Table] | None = None,
    ) -> None:  # fmt: skip
        setup = stage.setup
        self._stage, self._bundle, self._subject = stage, bundle, subject
        self._section = stage.config.inspection
        self._reference = reference(self._section)
        self._measure = measure or measured_here
        self._memory = Memory(setup.engines, stage.log)
        self._key = key(bundle, self._section, subject.recipe.shape, subject.recipe.fit)
        self._crashed = {name: why for name, why in setup.left_out.items() if name != self._reference.name}
        self._failed: dict[str, str] = {}
        found = self._memory.find(self._key, setup.product, setup.run)
        self._table = None if found is None else allowed(bundle.manifest, self._section, found)
        self._fresh = False
        self._now: Row | None = None

    def pick(self) -> Picked:
        """The one to be opened now."""
        if self._table is None:
            self._table = self._measured()
        left_out = self._left_out(self._table)
        self._now = choose(self._table.rows, left_out)
        if self._now is None and not self._fresh:
            self._table = self._measured()
            left_out = self._left_out(self._table)
            self._now = choose(self._table.rows, left_out)
        candidate = self._reference if self._now is None or self._now.candidate is None else self._now.candidate
        rows = others(self._table, candidate.name, left_out)[:_MOST_ROWS]
        return Picked(named(self._section, candidate), candidate.name, reason(self._table, self._now), rows)

    def _left_out(self, table: Table) -> dict[str, str]:
        """What must not be taken, by name, and why."""
        found = self._crashed | self._failed
        if self._stage.setup.lanes > 1:
            # They were chosen for an executor on the processor, which has failed since.
            of_one = [row for row in table.rows if row.candidate is not None and row.candidate.device != "cpu"]
            found |= {row.name: NO_CPU for row in of_one}
        return found

    def failed(self, why: object) -> bool:
        """The one picked last does not open or does not hold. Whether there is another to try."""
        if self._now is None:
            return False
        name, self._now = self._now.name, None
        self._failed[name] = shortened(why)
        self._stage.log.warning("engine_left_out", engine=name, why=self._failed[name])
        if not self._fresh:
            self._table = None
        return True

    def settled(self) -> None:
        """The one picked last judges: what was measured is kept, unless it is what was kept already."""
        if not self._fresh or self._table is None or self._now is None:
            return
        setup = self._stage.setup
        once = self._table.beside or bool(self._crashed) or any(row.missed for row in self._table.rows)
        rows = [
            row.model_copy(update={"why": self._failed[row.name]}) if row.name in self._failed else row
            for row in self._table.rows
        ]
        table = Table(rows=tuple(rows), beside=self._table.beside, run=setup.run if once else "")
        self._memory.keep(self._key, setup.product if self._failed else "", table)

    def _measured(self) -> Table:
        self._fresh = True
        return self._measure(self._stage, self._bundle, self._subject, {*self._crashed, *self._failed})


def measured_here(stage: Stage, bundle: Bundle, subject: Subject, but: set[str]) -> Table:
    """Measure what there is but those named `but`; each step is logged, and told to the supervisor for `status`."""
    setup, section, log = stage.setup, stage.config.inspection, stage.log
    total_s = min(TOTAL_S, _OF_START * stage.config.supervisor.start_s) / subject.share
    log.info("engines_measured", bundle=bundle.manifest.name, at_most_s=total_s, standby=setup.standby)
    trials = Trials(total_s=total_s)

    def begin(name: str) -> None:
        stage.tell(tell="engine", step=f"measuring {name}", standby=setup.standby)

    begin("this machine")
    here = this_machine(bundle, section, subject.recipe.shape, trials.devices, subject.recipe.fit)
    found = candidates(bundle.manifest, section, here)

    def tell(row: Row) -> None:
        log.info("engine_trial", engine=row.name, p95_ms=row.p95_ms, why=row.why or "golden parts hold")

    table = measured_by(
        trials, found, section, but=but, tell=tell, begin=begin,
        recipe=subject.recipe, view=subject.view, fov=subject.fov, alone=subject.alone, config_file=setup.config_file,
        product=setup.product,
    )  # fmt: skip
    return table.model_copy(update={"beside": setup.standby})


def measured_by(
    trials: Trials, found: Found, section: InspectionSection, *, but: set[str], tell: Callable[[Row], None],
    begin: Callable[[str], None], **of_product: Any,
) -> Table:  # fmt: skip
    """The table of all candidates but those named; `of_product` is what an order says of it."""
    tried = [candidate for candidate in found.candidates if candidate.name not in but]
    rows = trials.rows(
        tried, lambda candidate: Order(section=named(section, candidate), **of_product), tell,
        lambda candidate: begin(candidate.name),
    )  # fmt: skip
    left = [
        Row(name=candidate.name, candidate=candidate, why="failed here, not tried again")
        for candidate in found.candidates
        if candidate.name in but
    ]
    return Table(rows=(*rows, *left, *found.refused))
