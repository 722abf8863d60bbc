"""What became of each part: the verdict ring, the counts on the board, the stop rules.

Process: plc. Blocks: nowhere. Memory: writes the verdict ring, and the board's cells of parts.
"""

from __future__ import annotations

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.tasks import MAX_CLASSES
from aoi_daemon.decide.rules import ProcessFeedback, Stop, StopWatch
from aoi_daemon.messages import Judgement, Outcome, Reason, unpack_defects
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plc.parts import Part
from aoi_daemon.plc.report import NO_JUDGEMENT, recipe_of
from aoi_daemon.ring.verdicts import SIZE_BYTES, VerdictWriter
from aoi_daemon.stage.board import Cell, Stopped, bypassed, reason_cell
from aoi_daemon.stage.stage import Stage


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
        self._begin(stage.setup.recipe)

    def _begin(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.rules = StopWatch(recipe.stop, recipe.px_per_unit)
        self.feedback = ProcessFeedback(recipe.stop.window, MAX_CLASSES)

    def use(self, recipe: Recipe) -> None:
        """Another recipe: what has been counted goes on for the same product by the same rules, else it begins anew."""
        before, self.recipe = self.recipe, recipe
        if (before.id, before.stop, before.px_per_unit) != (recipe.id, recipe.stop, recipe.px_per_unit):
            self._begin(recipe)

    def reset(self) -> None:
        """A person has looked at what a stop rule, or a reject that was not confirmed, stopped."""
        self.rules.reset()
        self.gate.reset()
        self._board[Cell.STOPPED_BY_RULE] = 0

    def outcome(self, part: Part, reason: Reason, sent_ns: int) -> Outcome:
        """The record of `part`, whose verdict goes out at `sent_ns` (CLOCK_MONOTONIC) and is not answered yet."""
        view = part.views.get(part.decided_by, part.first)
        judgement = part.judgement or NO_JUDGEMENT
        return Outcome(
            part.number, reason is Reason.NONE, reason, view.camera, judgement.worst_class,
            judgement.defect_count, recipe_of(judgement, self._board), view.fov, view.sequence, judgement.bundle,
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
        self.gate.entered(outcome)
        self.feedback.add(passed=outcome.passed, worst_class=outcome.worst_class)
        if outcome.bypassed:
            return  # a person tries something out: such parts say nothing of the process
        stop = self.rules.saw_part(Reason(outcome.reason))
        for camera, judgement in part.judged.items():
            stop = self._saw_view(part.views[camera].fov, camera, judgement) or stop
        if stop is not None:
            self._board[Cell.STOPPED_BY_RULE] |= Stopped.RULE
            self._log.error("stop_rule", cause=stop.cause.value, part=outcome.part, parts=stop.parts)

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
