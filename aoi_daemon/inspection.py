"""The inspection stage, the hot loop: infer, then decide, one part at a time.

Process: inspection. Blocks: on the doorbell of the cameras, and in the
executor. One thread owns the engine. Memory: reads the frame rings in place.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.board import CameraCell, Cell, StageState, camera_cell
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, Verdict, judge
from aoi_daemon.decide.optics import optics_fault
from aoi_daemon.errors import DoorbellFullError, FrameOverrunError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.bundle import Bundle, load_bundle, read_image
from aoi_daemon.infer.decode import decoder_for
from aoi_daemon.infer.executor import Executor, warm_up
from aoi_daemon.infer.registration import Registrar
from aoi_daemon.messages import ANNOUNCEMENT, Announcement, Judgement, Reason, pack_defects
from aoi_daemon.ring.doorbell import drain, ring
from aoi_daemon.stage import Stage, now_ns

_IDLE_S: Final = 0.05
"""Longest wait for a part: the loop says that it moves at least this often."""
_GOLDEN_OVERLAP: Final = 0.5
_PARTS_IN_TIME: Final = 100
"""So many parts in a row without a time-out give the stage its priority back."""
_GPU_WARM_UP_RUNS: Final = 200
_GOLDEN_S: Final = 5.0
"""Time allowed to one golden part; it is not on the takt."""

Image = NDArray[np.uint8]


class Seen(NamedTuple):
    """What was found on one view. `inferred_ns` 0: no model has run; offsets as `Judgement` has them."""

    verdict: Verdict
    inferred_ns: int = 0
    offset_x: int = 0
    offset_y: int = 0


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
        self._parts_to_go = 0  # until the priority comes back; 0: the stage has it
        self.templates = read_templates(self.recipe)
        self.registrar = None if self.recipe.registration is None else Registrar(self.recipe, self.templates)
        read_from = [*self.templates.values()]
        for frames in self.rings:
            read_from += [plane for slot in range(frames.layout.slots) for plane in frames.planes(slot)]
        if self.registrar is not None:
            read_from.append(self.registrar.aligned)
        self.executor = make_executor(stage, self.bundle, read_from)

    def qualify(self) -> bool:
        """Warm the executor up and run the golden parts; False when a verdict does not hold."""
        recipe = self.recipe
        shape = (recipe.height_px, recipe.width_px, recipe.channels)
        runs = self.stage.config.inspection.warm_up_runs
        warm_up(self.executor, shape, runs=runs)
        if self.registrar is not None:
            self.registrar.warm_up(runs)
        self.board[Cell.INSPECTION_NS] = now_ns()
        wrong = check_golden(self.executor, self.bundle, recipe, self._progress)
        if wrong:
            self.log.error("golden_failed", parts=wrong, remedy="another bundle, or the engine built anew")
        # Not before: golden parts are read as the bundle says, not as the product does.
        self.executor.decoder = decoder_for(self.bundle.manifest, recipe)
        return not wrong

    def _progress(self) -> None:
        self.board[Cell.INSPECTION_NS] = now_ns()

    def run(self) -> None:
        """Judge parts until stopped."""
        control = self.stage.control.fileno()
        watched = [self.frames_fd, control]
        while not self.stage.stopping:
            self._progress()
            ready, _, _ = select.select(watched, [], [], _IDLE_S)
            for announcement in drain(self.frames_fd, Announcement.unpack, ANNOUNCEMENT.size):
                self._progress()
                self.inspect(announcement)
            if control in ready:
                for command in self.stage.commands():
                    self.obey(command)

    def obey(self, command: dict[str, str]) -> None:
        """Between two parts: `recipe` swaps the criteria (the supervisor has validated them)."""
        if command["do"] == "recipe":
            self.recipe = Recipe.model_validate_json(command["recipe"])
            self.criteria = Criteria.compile(self.recipe, self.bundle.manifest.classes)
            self.executor.decoder = decoder_for(self.bundle.manifest, self.recipe)
            self.log.info("recipe_swapped", recipe=self.recipe.name)

    def inspect(self, part: Announcement) -> None:
        """Judge one view and send what was found. Every view that is still in the ring is answered."""
        picked_ns = now_ns()
        frames = self.rings[part.camera]
        released = camera_cell(part.camera, CameraCell.RELEASED)
        try:
            seen = self._look(part, *frames.frame(part.frame), picked_ns)
            frames.check(part.frame)
        except FrameOverrunError:
            # Acquire took the slot back and has said so; plc rejects the part by its word.
            return
        except InferenceTimeoutError:
            seen = Seen(Verdict.reject(Reason.LATE))
            self._timed_out()
        else:
            self._in_time()
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

    def _timed_out(self) -> None:
        """A model that is too slow for the takt may load every core: it must not do so above ordinary work."""
        if self._parts_to_go == 0:
            self.stage.yield_priority()
        self._parts_to_go = _PARTS_IN_TIME

    def _in_time(self) -> None:
        if self._parts_to_go:
            self._parts_to_go -= 1
            if self._parts_to_go == 0:
                self.stage.take_priority()

    def _look(self, part: Announcement, image: Image, own_template: Image | None, picked_ns: int) -> Seen:
        """Judge one view's image, by its own template where one came with it.

        Raises:
            InferenceTimeoutError: the part's time ran out; it is LATE.
        """
        recipe = self.recipe
        if image.shape != (recipe.height_px, recipe.width_px, recipe.channels):
            return Seen(Verdict.reject(Reason.NO_RECIPE))
        template = own_template if own_template is not None else self.templates.get(part.fov)
        if template is None and (self.bundle.manifest.has_template or self.registrar is not None):
            return Seen(Verdict.reject(Reason.NO_RECIPE))
        if part.deadline_ns <= picked_ns:
            return Seen(Verdict.reject(Reason.LATE))
        if recipe.optics is not None and optics_fault(image, recipe.optics):
            return Seen(Verdict.reject(Reason.OPTICS))
        offset_x = offset_y = 0
        if self.registrar is not None:
            alignment = self.registrar.align(image, own_template, part.fov)
            offset_x, offset_y = alignment.offset_x, alignment.offset_y
            if alignment.image is None:
                reason = Reason.REGISTRATION if now_ns() < part.deadline_ns else Reason.LATE
                return Seen(Verdict.reject(reason), 0, offset_x, offset_y)
            image = alignment.image
        found = self.executor.infer(image, template, part.deadline_ns)
        inferred_ns = now_ns()
        verdict = judge(found, self.criteria, part.fov, slack_ns=part.deadline_ns - inferred_ns)
        return Seen(verdict, inferred_ns, offset_x, offset_y)


def make_executor(stage: Stage, bundle: Bundle, frames: Sequence[Image]) -> Executor:
    """The back end that the configuration names; `frames` is the memory that it will read frames from.

    GPU packages are imported only where used.
    """
    section, recipe = stage.config.inspection, stage.setup.recipe
    if section.backend == "tensorrt":
        from aoi_daemon.infer.trt_open import open_executor  # noqa: PLC0415

        executor = open_executor(
            bundle, section.precision, [(recipe.height_px, recipe.width_px, recipe.channels)],
            device=section.device, wait=section.wait, cuda_graph=section.cuda_graph,
            warm_up_runs=max(_GPU_WARM_UP_RUNS, section.warm_up_runs), pinned=frames,
        )  # fmt: skip
        stage.log.info("engine_open", engine=executor.name, notes=executor.notes)
        return executor
    from aoi_daemon.infer.onnx import OnnxExecutor  # noqa: PLC0415

    return OnnxExecutor(bundle.model_path(section.precision), bundle.manifest, threads=section.threads)


def read_templates(recipe: Recipe) -> dict[int, Image]:
    """The recipe's golden templates by fov, (H, W, channels) uint8. Raises ModelError on a wrong size."""
    found: dict[int, Image] = {}
    for template in recipe.templates:
        image = read_image(template.image, recipe.channels)
        if image.shape[:2] != (recipe.height_px, recipe.width_px):
            raise ModelError(
                f"template {template.image} of fov {template.fov} is {image.shape[1]} x {image.shape[0]} px, "
                f"the recipe is {recipe.width_px} x {recipe.height_px}"
            )
        found[template.fov] = image
    return found


def check_golden(executor: Executor, bundle: Bundle, recipe: Recipe, progress: Callable[[], None]) -> list[str]:
    """Judge the bundle's golden parts by its own limits; the names of those with another verdict."""
    criteria = Criteria.compile(
        # The bundle's own limits, in pixels: what a recipe asks of its product changes no golden verdict.
        recipe.model_copy(
            update={"limits": bundle.manifest.golden_limits, "regions": (), "unit": "px", "overlap": _GOLDEN_OVERLAP}
        ),
        bundle.manifest.classes,
    )
    wrong: list[str] = []
    for part in bundle.golden():
        found = executor.infer(part.image, part.template, now_ns() + int(_GOLDEN_S * 1e9))
        if judge(found, criteria, 0, slack_ns=1).passed is not part.passed:
            wrong.append(part.name)
        progress()
    return wrong


def main(stage: Stage) -> None:
    """Entry of the process. An engine that fails ends it: the supervisor starts a new one."""
    stage.prepare_realtime()
    # Waking OpenCV's pool costs more than it saves, and its threads have no core of their own (acquire does the same).
    cv2.setNumThreads(1)
    inspection = Inspection(stage)
    with inspection.executor:
        stage.board[Cell.RECIPE] = inspection.recipe.id
        stage.board[Cell.BUNDLE] = inspection.bundle_id >> 1  # cells are signed
        passed = inspection.qualify()
        stage.board[Cell.GOLDEN_PASSED] = passed
        # What was announced before READY has been rejected already.
        for _ in drain(inspection.frames_fd, Announcement.unpack, ANNOUNCEMENT.size):
            pass
        stage.go_realtime()
        stage.board[Cell.INSPECTION_STATE] = StageState.READY if passed else StageState.REFUSED
        stage.log.info("inspection_ready", bundle=inspection.bundle.manifest.name, golden=passed)
        inspection.run()
