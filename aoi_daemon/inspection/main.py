"""The inspection stage, the hot loop: infer, then decide, one part at a time.

Process: inspection. Blocks: on the doorbell of the cameras, and in the
executor. One thread owns the engine. Memory: reads the frame rings in place.

There may be two for a while: one is on the line, and writes the board's cells
of inspection; the other proves itself (standby), or has just left and waits
until it is certain that it is not needed again. It writes none.
"""

from __future__ import annotations

import fcntl
import select
import struct
import termios
from contextlib import ExitStack
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria, Verdict
from aoi_daemon.decide.priority import PriorityTrial
from aoi_daemon.errors import DoorbellFullError, FrameOverrunError, InferenceTimeoutError
from aoi_daemon.golden.manifest import folder_of
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import Executor, warm_up
from aoi_daemon.infer.fit.executor import runs_of
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection.backend import check_golden, make_executor
from aoi_daemon.inspection.look import Seen, look, read_templates
from aoi_daemon.inspection.opening import open_engine
from aoi_daemon.inspection.prove import Product, proven
from aoi_daemon.messages import ANNOUNCEMENT, Announcement, Judgement, Proof, Reason, pack_defects
from aoi_daemon.ring.doorbell import drain, ring
from aoi_daemon.stage.board import CameraCell, Cell, StageState, camera_cell, pack_size
from aoi_daemon.stage.stage import Stage, now_ns

_IDLE_S: Final = 0.05
"""Longest wait for a part: the loop says that it moves at least this often."""
_HANDOVER_NS: Final = 50_000_000
"""Longest wait for plc to take the last judgement; it may be waiting for the PLC."""
_LOOK_AGAIN_S: Final = 0.0005
_LONGEST_ERROR: Final = 2000

Image = NDArray[np.uint8]


class Inspection:
    """The loop and what it needs: executor, criteria, templates."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.board = stage.board
        self.log = stage.log
        self.rings = [stage.frame_ring(camera) for camera in range(len(stage.config.cameras))]
        self.frames_fd = stage.fds["frames_r"]
        self.judgements_fd = stage.fds["judgements_w"]
        self.recipe = stage.setup.recipe
        self.bundle = load_bundle(self.recipe.bundle)
        self.bundle_id = int(self.bundle.hash[:16], 16)
        self.criteria = Criteria.compile(self.recipe, self.bundle.manifest.classes)
        self._misfits = [0] * len(self.rings)  # what this process wrote to the cells MISFIT
        self._priority = PriorityTrial()
        self._retiring = False
        self._golden_passed = False
        self.product = Product()
        self._upgraded = stage.setup.upgraded
        self.templates = read_templates(self.recipe)
        self.registrar = None if self.recipe.registration is None else Registrar(self.recipe, self.templates)
        read_from = [*self.templates.values()]
        for frames in self.rings:
            read_from += [plane for slot in range(frames.layout.slots) for plane in frames.planes(slot)]
        if self.registrar is not None:
            read_from.append(self.registrar.aligned)
        self._read_from = read_from
        self.executor: Executor
        self.wrong: list[str] = []
        """Golden parts of the bundle whose verdict does not hold."""
        self._opened = ExitStack()
        self.engine = open_engine(stage, self.bundle, self.recipe.shape, self._open)

    def _open(self, section: InspectionSection) -> str:
        """Open what `section` names and run the golden parts; why they do not hold, "" where they do."""
        self._opened.close()  # one that did not hold
        templates = list(self.templates.values())
        executor = make_executor(self.stage, self.bundle, section, self._read_from, templates)
        self.executor = self._opened.enter_context(executor)
        self.wrong = self.qualify()
        if self.wrong:
            return f"golden parts do not hold: {', '.join(self.wrong)}"
        return f"the product's golden parts do not hold: {'; '.join(wrong)}" if (wrong := self.product.wrong) else ""

    def qualify(self) -> list[str]:
        """Warm the executor up and run the golden parts; the names of those whose verdict does not hold."""
        recipe = self.recipe
        runs = self.stage.config.inspection.warm_up_runs
        progress = _no_progress if self.stage.setup.standby else self._progress
        warm_up(self.executor, recipe.shape, runs=runs_of(self.executor, runs))
        if self.registrar is not None:
            self.registrar.warm_up(runs)
        progress()
        wrong = check_golden(self.executor, self.bundle, recipe, progress)
        if wrong:
            self.log.error("golden_failed", parts=wrong, remedy="another bundle, or the engine built anew")
        # Not before: golden parts are read as the bundle says, not as the product does.
        self.executor.decoder = decoder_for(self.bundle.manifest, recipe)
        self._golden_passed = not wrong
        setup = self.stage.setup
        golden = folder_of(setup.config_file, setup.product)
        self.product = Product() if wrong else proven(self, golden, progress)
        return wrong

    @property
    def proof(self) -> Proof:
        """Of the product, by the recipe as it is now."""
        accepted = self.recipe.accept_unproven is not None
        return self.product.proof(accepted=accepted, upgraded=self._upgraded)

    def _said(self) -> dict[str, Any]:
        """The proof for the supervisor: it raises the alarm, and writes down who answers for it."""
        return {"proof": self.proof, "text": self.product.text(self.stage.setup.product)[:_LONGEST_ERROR]}

    def refusal(self, wrong: list[str]) -> str:
        """Why this process must not take the line from another one; "" where it may."""
        if wrong:
            return f"golden parts got the wrong verdict: {', '.join(wrong)}"
        if self.proof is Proof.NOT_PROVEN:
            return f"NOT PROVEN: {self.product.text(self.stage.setup.product)}"
        return ""

    def _progress(self) -> None:
        self.board[Cell.INSPECTION_NS] = now_ns()

    def wait_turn(self) -> None:
        """Until the supervisor gives this process the line, or stops it. The board is another's meanwhile."""
        control = self.stage.control.fileno()
        while not self.stage.stopping:
            select.select([control], [], [])
            if any(command["do"] == "live" for command in self.stage.commands()):
                return

    def go_live(self) -> None:
        """Take the line: what was ready before this moment has been rejected, or will be."""
        board = self.board
        board[Cell.RECIPE] = self.recipe.id
        board[Cell.BUNDLE] = self.bundle_id >> 1  # cells are signed
        board[Cell.GOLDEN_PASSED] = self._golden_passed
        board[Cell.PROVEN] = self.proof
        self.stage.take_priority()
        self._priority = PriorityTrial()
        self._retiring = False
        for camera in range(len(self.rings)):
            # Another's word on another recipe: the next frame says what is true by now.
            self._fits(camera, 0)
        live_ns = now_ns()
        board[Cell.INSPECTION_NS] = board[Cell.LIVE_NS] = live_ns
        came = drain(self.frames_fd, Announcement.unpack, ANNOUNCEMENT.size)
        waiting = [part for part in came if part.ready_ns >= live_ns]
        board[Cell.INSPECTION_STATE] = StageState.READY if self._golden_passed else StageState.REFUSED
        self.stage.tell(tell="live", **self._said(), engine=self.engine._asdict())
        self.log.info(
            "inspection_ready", bundle=self.bundle.manifest.name, golden=self._golden_passed, proof=self.proof.name
        )
        for part in waiting:
            self.inspect(part)

    def retire(self) -> None:
        """Leave the line in order: what has been judged is with plc before the board says that nobody judges."""
        until_ns = now_ns() + _HANDOVER_NS
        while _unread(self.judgements_fd) and now_ns() < until_ns:
            select.select([], [], [], _LOOK_AGAIN_S)
        self.board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
        self.stage.tell(tell="retired")
        # What comes now, the end of an engine at the worst, is no work for the line.
        self.stage.yield_priority()

    def run(self) -> None:
        """Judge parts until stopped, or told to retire."""
        control = self.stage.control.fileno()
        watched = [self.frames_fd, control]
        while not (self.stage.stopping or self._retiring):
            self._progress()
            ready, _, _ = select.select(watched, [], [], _IDLE_S)
            for announcement in drain(self.frames_fd, Announcement.unpack, ANNOUNCEMENT.size):
                self._progress()
                self.inspect(announcement)
            if control in ready:
                for command in self.stage.commands():
                    self.obey(command)

    def obey(self, command: dict[str, Any]) -> None:
        """Between two parts: `recipe` swaps a recipe that judges as the one before; `retire` leaves."""
        if command["do"] == "recipe":
            self.recipe = recipe = Recipe.model_validate_json(command["recipe"])
            self._upgraded = bool(command["upgraded"])
            self.board[Cell.RECIPE] = recipe.id
            self.board[Cell.PROVEN] = self.proof
            self.stage.tell(tell="swapped", **self._said())
            self.log.info("recipe_swapped", recipe=recipe.name)
        elif command["do"] == "retire":
            self._retiring = True

    def inspect(self, part: Announcement) -> None:
        """Judge one view and send what was found. Every view that is still in the ring is answered."""
        picked_ns = now_ns()
        if self._priority.due(picked_ns):
            self.stage.take_priority()
        frames = self.rings[part.camera]
        released = camera_cell(part.camera, CameraCell.RELEASED)
        try:
            image, own_template = frames.frame(part.frame)
            seen = self._look(part, image, own_template, picked_ns)
            frames.check(part.frame)
        except FrameOverrunError:
            # Acquire took the slot back and has said so; plc rejects the part by its word.
            return
        except InferenceTimeoutError:
            seen = Seen(Verdict.reject(Reason.LATE))
            self._timed_out()
        else:
            if seen.verdict.reason is Reason.NO_RECIPE or self._misfits[part.camera]:
                self._fits(part.camera, _misfit(image, self.recipe))
        self.board[released] = part.frame
        self.board.add(Cell.JUDGED)
        verdict = seen.verdict
        judgement = Judgement(
            verdict.passed, verdict.reason, part.camera, verdict.worst_class, verdict.defect_count,
            self.recipe.id, part.sequence, self.bundle_id, seen.offset_x, seen.offset_y,
            picked_ns, seen.inferred_ns, now_ns(), pack_defects(verdict.defects),
        )  # fmt: skip
        try:
            ring(self.judgements_fd, judgement)
        except DoorbellFullError:
            self.board.add(Cell.ENGINE_FAULTS)  # plc has not read for hundreds of parts; it rejects them as late

    def _fits(self, camera: int, misfit: int) -> None:
        """Say what size the last frame of `camera` has; 0: the recipe's."""
        self._misfits[camera] = self.board[camera_cell(camera, CameraCell.MISFIT)] = misfit

    def _timed_out(self) -> None:
        """A model that is too slow for the takt may load every core: it must not do so above ordinary work."""
        if self._priority.timed_out(now_ns()):
            self.stage.yield_priority()

    def _look(self, part: Announcement, image: Image, own_template: Image | None, picked_ns: int) -> Seen:
        """Judge one view's image, by its own template where one came with it.

        Raises:
            InferenceTimeoutError: the part's time ran out; it is LATE.
        """
        return look(
            self, image, own_template, fov=part.fov, deadline_ns=part.deadline_ns, picked_ns=picked_ns, clock=now_ns
        )


def _misfit(image: Image, recipe: Recipe) -> int:
    """The size of `image`, packed, where it is not that of `recipe`, else 0."""
    height_px, width_px, channels = image.shape
    return 0 if image.shape == recipe.shape else pack_size(width_px, height_px, channels)


def _no_progress() -> None:
    """Of a standby: the cell is another's."""


def _unread(pipe_fd: int) -> int:
    """Bytes in a pipe that its reader has not taken yet."""
    found: int = struct.unpack("i", fcntl.ioctl(pipe_fd, termios.FIONREAD, b"\0" * 4))[0]
    return found


def main(stage: Stage) -> None:
    """Entry of the process. An engine that fails ends it: the supervisor starts a new one, or keeps the one it has."""
    stage.prepare_realtime()
    # Waking OpenCV's pool costs more than it saves, and its threads have no core of their own (acquire does the same).
    cv2.setNumThreads(1)
    try:
        inspection = Inspection(stage)
    except Exception as error:
        if stage.setup.standby:
            stage.tell(tell="standby", passed=False, error=f"{error or type(error).__name__}"[:_LONGEST_ERROR])
        raise
    with inspection.executor:
        stage.freeze()
        stage.ready()
        if stage.setup.standby:
            refusal = inspection.refusal(inspection.wrong)[:_LONGEST_ERROR]
            stage.tell(tell="standby", passed=not refusal, error=refusal)
            inspection.wait_turn()
        while not stage.stopping:
            inspection.go_live()
            inspection.run()
            if not stage.stopping:
                inspection.retire()
                inspection.wait_turn()
