"""The inspection stage, the hot loop: infer, then decide, one part at a time.

Process: inspection. Blocks: on the doorbell of the cameras, and in the
executor. One thread owns the engine. Memory: reads the frame rings in place.

There may be two for a while: one is on the line, and writes the board's cells
of inspection; the other proves itself (standby), or has just left and waits
until it is certain that it is not needed again. It writes none.

Where there are several lanes, this process is lane 0, or one that lane 0 has
started (`lanes`): that one judges views of its own cameras, and no more.
"""

from __future__ import annotations

import fcntl
import select
import struct
import termios
from contextlib import closing
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Verdict
from aoi_daemon.decide.priority import PriorityTrial
from aoi_daemon.errors import DoorbellFullError, FrameOverrunError, InferenceTimeoutError
from aoi_daemon.golden.manifest import folder_of
from aoi_daemon.inspection.deal import deal
from aoi_daemon.inspection.lanes import LANE_S, Lanes
from aoi_daemon.inspection.look import Looker, Seen, look
from aoi_daemon.inspection.prove import Product, together
from aoi_daemon.inspection.views import Views
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
_NOT_NAMED: Final = Seen(Verdict.reject(Reason.NO_RECIPE))
"""Of a picture that no view of the recipe is of."""

Image = NDArray[np.uint8]


class Inspection:
    """The loop and what it needs: the views of the product."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.board = stage.board
        self.log = stage.log
        self.rings = [stage.frame_ring(camera) for camera in range(len(stage.config.cameras))]
        self.judgements_fd = stage.fds["judgements_w"]
        self.recipe = stage.setup.recipe
        self._misfits = [0] * len(self.rings)  # what this process wrote to the cells MISFIT
        self._priority = PriorityTrial()
        setup = stage.setup
        self._retiring, self._upgraded = False, setup.upgraded
        self.lanes = Lanes(stage)  # as many as line.toml names
        progress = _no_progress if setup.standby else self._progress
        folder = folder_of(setup.config_file, setup.product)
        make = partial(Views, stage, self.recipe, self.rings)
        dealt = deal(stage, self.recipe, make, lambda views: views.open(folder, progress))
        self.cameras, self.views, self.lanes = dealt.cameras, dealt.views, Lanes(stage)
        self.frames_fds = [stage.fds[f"frames{camera}_r"] for camera in self.cameras]
        auto = stage.config.inspection.backend == "auto"
        if not auto:
            self.lanes.start()
        self.engine = (dealt.engine or self.views.open(folder, progress))._replace(lanes=dealt.lanes)
        if auto:  # what this one has measured, alone on the PC, the others find
            self.lanes.start()
        said = self.lanes.hear("lane", stage.config.supervisor.start_s)
        others = [Product(good, bad, tuple(wrong), view) for one in said for good, bad, wrong, view in one["products"]]
        self.product = self._of_all([*self.views.products, *others])
        self.wrong = [*self.views.wrong, *(name for one in said for name in one["wrong"])]
        """Golden parts of the bundles whose verdict does not hold."""

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

    def _of_all(self, products: list[Product]) -> Product:
        if self.recipe.views or not products:
            return together(products, self.views.strays)
        # Each lane has judged the same parts.
        return products[0]._replace(wrong=tuple(dict.fromkeys(wrong for each in products for wrong in each.wrong)))

    def _progress(self) -> None:
        self.board[Cell.INSPECTION_NS] = self.lanes.slowest_ns(now_ns())

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
        self.lanes.tell(do="live")
        self.lanes.hear("lane_live", LANE_S)
        board[Cell.RECIPE] = self.recipe.id
        board[Cell.BUNDLE] = self.views.bundle_id >> 1  # cells are signed
        board[Cell.VIEWS] = self.views.expected.code
        board[Cell.GOLDEN_PASSED] = not self.wrong
        board[Cell.PROVEN] = self.proof
        live_ns, waiting = self._take_up()
        board[Cell.INSPECTION_NS] = board[Cell.LIVE_NS] = live_ns
        board[Cell.INSPECTION_STATE] = StageState.REFUSED if self.wrong else StageState.READY
        self.stage.tell(tell="live", **self._said(), engine=self.engine._asdict())
        self.log.info(
            "inspection_ready", bundle=", ".join(dict.fromkeys(one.bundle.manifest.name for one in self.views.engines)),
            golden=not self.wrong, proof=self.proof.name,
        )  # fmt: skip
        for part in waiting:
            self.inspect(part)

    def _take_up(self) -> tuple[int, list[Announcement]]:
        """Begin to judge: since when, in ns, and what has come since."""
        self.stage.take_priority()
        self._priority = PriorityTrial()
        self._retiring = False
        for camera in self.cameras:
            # Another's word on another recipe: the next frame says what is true by now.
            self._fits(camera, 0)
        live_ns = now_ns()
        came = [part for fd in self.frames_fds for part in drain(fd, Announcement.unpack, ANNOUNCEMENT.size)]
        return live_ns, [part for part in came if part.ready_ns >= live_ns]

    def _hand_over(self) -> None:
        until_ns = now_ns() + _HANDOVER_NS
        while _unread(self.judgements_fd) and now_ns() < until_ns:
            select.select([], [], [], _LOOK_AGAIN_S)

    def retire(self) -> None:
        """Leave the line in order: what has been judged is with plc before the board says that nobody judges."""
        self.lanes.tell(do="retire")
        self.lanes.hear("lane_retired", LANE_S)
        self._hand_over()
        self.board[Cell.INSPECTION_STATE] = StageState.CHANGEOVER
        self.stage.tell(tell="retired")
        # What comes now, the end of an engine at the worst, is no work for the line.
        self.stage.yield_priority()

    def run(self) -> None:
        """Judge parts until stopped, or told to retire."""
        control = self.stage.control.fileno()
        watched = [*self.frames_fds, control, *self.lanes.fds]
        while not (self.stage.stopping or self._retiring):
            self._progress()
            ready, _, _ = select.select(watched, [], [], _IDLE_S)
            for fd in ready:
                if fd not in self.frames_fds:
                    continue
                for announcement in drain(fd, Announcement.unpack, ANNOUNCEMENT.size):
                    self._progress()
                    self.inspect(announcement)
            if control in ready:
                for command in self.stage.commands():
                    self.obey(command)
            self.lanes.check()

    def obey(self, command: dict[str, Any]) -> None:
        """Between two parts: `recipe` swaps a recipe that judges as the one before; `retire` leaves."""
        if command["do"] == "recipe":
            self.lanes.tell(**command)
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
        view = self.views.of(part.camera, part.fov)
        try:
            image, own_template = frames.frame(part.frame)
            seen = _NOT_NAMED if view is None else _look(view, part, image, own_template, picked_ns)
            frames.check(part.frame)
        except FrameOverrunError:
            # Acquire took the slot back and has said so; plc rejects the part by its word.
            return
        except InferenceTimeoutError:
            seen = Seen(Verdict.reject(Reason.LATE))
            self._timed_out()
        else:
            if view is not None and (seen.verdict.reason is Reason.NO_RECIPE or self._misfits[part.camera]):
                self._fits(part.camera, _misfit(image, view.recipe))
        self.board[released] = part.frame
        self.board.add(camera_cell(part.camera, CameraCell.JUDGED))
        verdict = seen.verdict
        judgement = Judgement(
            verdict.passed, verdict.reason, part.camera, verdict.worst_class, verdict.defect_count,
            self.recipe.id, part.sequence, 0 if view is None else view.bundle_id, seen.offset_x, seen.offset_y,
            picked_ns, seen.inferred_ns, now_ns(), pack_defects(verdict.defects), part.fov,
        )  # fmt: skip
        try:
            ring(self.judgements_fd, judgement)
        except DoorbellFullError:
            # plc has not read for hundreds of parts; it rejects them as late.
            self.board.add(camera_cell(part.camera, CameraCell.ENGINE_FAULTS))

    def _fits(self, camera: int, misfit: int) -> None:
        """Say what size the last frame of `camera` has; 0: the recipe's."""
        self._misfits[camera] = self.board[camera_cell(camera, CameraCell.MISFIT)] = misfit

    def _timed_out(self) -> None:
        """A model that is too slow for the takt may load every core: it must not do so above ordinary work."""
        if self._priority.timed_out(now_ns()):
            self.stage.yield_priority()


def _look(by: Looker, part: Announcement, image: Image, own_template: Image | None, picked_ns: int) -> Seen:
    """Judge one view's image, by its own template where one came with it.

    Raises:
        InferenceTimeoutError: the part's time ran out; it is LATE.
    """
    return look(by, image, own_template, fov=part.fov, deadline_ns=part.deadline_ns, picked_ns=picked_ns, clock=now_ns)


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
    from aoi_daemon.inspection.lane import Lane  # noqa: PLC0415  which is an Inspection

    stage.prepare_realtime()
    # Waking OpenCV's pool costs more than it saves, and its threads have no core of their own (acquire does the same).
    cv2.setNumThreads(1)
    try:
        inspection = Lane(stage) if stage.setup.index else Inspection(stage)
    except Exception as error:
        if stage.setup.standby and not stage.setup.index:
            stage.tell(tell="standby", passed=False, error=f"{error or type(error).__name__}"[:_LONGEST_ERROR])
        raise
    with closing(inspection.lanes), closing(inspection.views):
        stage.freeze()
        stage.ready()
        if isinstance(inspection, Lane):
            inspection.serve()
            return
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
