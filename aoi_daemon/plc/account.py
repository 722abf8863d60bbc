"""What became of each part: the verdict ring, the counts on the board, the stop rules.

Process: plc. Blocks: nowhere. Memory: writes the verdict ring, and the board's cells of parts.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.tasks import MAX_CLASSES
from aoi_daemon.config.views import expected_of, views_of
from aoi_daemon.decide.rules import ProcessFeedback, Stop, StopWatch
from aoi_daemon.messages import Judgement, Outcome, Reason, unpack_defects
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plc.parts import Part
from aoi_daemon.plc.report import NO_JUDGEMENT, recipe_of
from aoi_daemon.ring.verdicts import SIZE_BYTES, VerdictWriter
from aoi_daemon.stage.board import Cell, Stopped, bypassed, pack_view_fault, reason_cell
from aoi_daemon.stage.stage import Stage

_VIEW_FAULTS: Final = frozenset(
    {Reason.NO_IMAGE, Reason.INCOMPLETE, Reason.LATE, Reason.NO_RECIPE, Reason.DOUBLED}
)  # fmt: skip
"""Of several views one is missing, in pieces, late, from where no view looks or of another size, or comes twice."""


class Account:
    """Each part is entered once, also the one that a killed predecessor had on the wire."""

    def __init__(self, stage: Stage) -> None:
        self._board = stage.board
        self._log = stage.log
        self.outcomes = VerdictWriter(stage.memory("verdicts", SIZE_BYTES))
        if self.outcomes.recovered is not None:
            # The part that a killed predecessor had on the wire: recorded, and counted with it.
            self._count(self.outcomes.recovered)
        self.gate = Gate(stage.config.plc.poll, self._board, self._log)
        if self.outcomes.recovered is not None:
            self.gate.entered(self.outcomes.recovered)
        self._cameras = stage.config.cameras
        self._begin(stage.setup.recipe)

    def _begin(self, recipe: Recipe) -> None:
        self._is(recipe)
        scales = {view.key: view.recipe.px_per_unit for view in self.views if recipe.views}
        self.rules = StopWatch(recipe.stop, recipe.px_per_unit, scales)
        self.feedback = ProcessFeedback(recipe.stop.window, MAX_CLASSES)

    def use(self, recipe: Recipe) -> None:
        """Another recipe: what has been counted goes on for the same product by the same rules, else it begins anew."""
        before = self.recipe, [(view.key, view.recipe.px_per_unit) for view in self.views]
        self._is(recipe)
        now = [(view.key, view.recipe.px_per_unit) for view in self.views]
        if (before[0].id, before[0].stop, before[1]) != (recipe.id, recipe.stop, now):
            self._begin(recipe)

    def _is(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.views = views_of(recipe, self._cameras)
        self.expected = expected_of(self.views)

    def reset(self) -> None:
        """A person has looked at what a stop rule, or a reject that was not confirmed, stopped."""
        self.rules.reset()
        self.gate.reset()
        self._board[Cell.STOPPED_BY_RULE] = 0

    def outcome(self, part: Part, reason: Reason, sent_ns: int) -> Outcome:
        """The record of `part`, whose verdict goes out at `sent_ns` (CLOCK_MONOTONIC) and is not answered yet."""
        view = part.views.get(part.decided_by)
        # One that never came has a name and no sequence; when the part was there, the first view says.
        camera, fov = part.decided_by if view is None else (view.camera, view.fov)
        sequence = 0 if view is None else view.sequence
        view = view or part.first
        judgement = part.judgement or NO_JUDGEMENT
        return Outcome(
            part.number, reason is Reason.NONE, reason, camera, judgement.worst_class,
            judgement.defect_count, recipe_of(judgement, self._board), max(fov, 0), sequence, judgement.bundle,
            judgement.offset_x, judgement.offset_y, view.trigger_ns, view.ready_ns, part.deadline_ns,
            judgement.picked_ns, judgement.inferred_ns, judgement.judged_ns, sent_ns, 0, judgement.defects,
            part.trigger_id, bypassed(self._board), self._board[Cell.PROVEN],
        )  # fmt: skip

    def enter(self, part: Part, outcome: Outcome) -> None:
        """Take in what became of `part`, once its verdict has been answered, or never will be."""
        # Before the record: whoever comes after us goes on with the next number.
        self._board[Cell.PARTS] = outcome.part
        self.outcomes.append(outcome)
        self._count(outcome)
        if len(part.expected.keys) > 1:
            self._saw_fault(outcome)
        self.gate.entered(outcome)
        self.feedback.add(passed=outcome.passed, worst_class=outcome.worst_class)
        if outcome.bypassed:
            return  # a person tries something out: such parts say nothing of the process
        stop = self.rules.saw_part(Reason(outcome.reason))
        for view, judgement in part.judged.items():
            stop = self._saw_view(part.views[view].fov, view[0], judgement) or stop
        if stop is not None:
            self._board[Cell.STOPPED_BY_RULE] |= Stopped.RULE
            self._log.error("stop_rule", cause=stop.cause.value, part=outcome.part, parts=stop.parts)

    def _saw_fault(self, outcome: Outcome) -> None:
        """Of a part of several views: count those in a row of which one was not seen as it must be."""
        if outcome.reason in _VIEW_FAULTS:
            self._board[Cell.VIEW_FAULT] = pack_view_fault(outcome.reason, outcome.camera, outcome.fov)
            self._board.add(Cell.VIEW_FAULTS)
        elif outcome.reason != Reason.NOT_READY:
            self._board[Cell.VIEW_FAULTS] = 0

    def _saw_view(self, fov: int, camera: int, judgement: Judgement) -> Stop | None:
        if judgement.passed:
            # One that says both contradicts itself: a fault of ours, which says nothing of the part.
            return self.rules.saw_view(fov, camera, ()) if judgement.reason == Reason.NONE else None
        if judgement.reason != Reason.DEFECT:
            return None  # REGISTRATION too: its defects were not looked for
        return self.rules.saw_view(fov, camera, unpack_defects(judgement.defects, judgement.defect_count))

    def _count(self, outcome: Outcome) -> None:
        board = self._board
        board[Cell.PARTS] = outcome.part
        board.add(Cell.PASSED if outcome.passed else Cell.REJECTED)
        board.add(reason_cell(outcome.reason))
        board.add(Cell.UNDELIVERED, not outcome.answered_ns)
        board.add(Cell.DEADLINE_MISSES, outcome.missed)
