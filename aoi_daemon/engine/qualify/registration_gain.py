"""What registration gains on boards that lie beside their template, and what it costs.

Process: offline. Blocks in ONNX Runtime. Every board is moved by known amounts and judged twice, as it comes and
aligned first, by what the line runs. Boxes and labels are compared where they lie on the board, so a box that is
a little off its label costs both ways alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.registration import GREATEST_SHARE, Registration
from aoi_daemon.decide.judge import Verdict, judge
from aoi_daemon.decide.overlap import suppress_overlaps
from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.labels import BoardsError
from aoi_daemon.engine.qualify.qualify import Board, Judging, Measured, Run, measure
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.decode.decode import decode
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, Executor
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.registration.registrar import Alignment, Registrar
from aoi_daemon.inspection.gauge import LEAST_SCORE
from aoi_daemon.messages import Reason

Shift = tuple[float, float]
"""To the right and down, in px."""

SHIFTS_PX: Final[tuple[Shift, ...]] = ((0.0, 0.0), (1.5, -1.0), (-3.0, 2.5), (5.0, 5.0), (-8.0, 6.0))
"""DeepPCB's own boards lie 0.4 px beside their templates in the median, 2.9 px in the 95th percentile."""
_ROOM_PX: Final = 6.0
"""Beyond the greatest shift: what the boards bring with them."""
_WARM_UP_RUNS: Final = 3
_NOTHING: Final = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))

_Image = NDArray[np.uint8]


@dataclass(frozen=True)
class AtShift:
    """Boards moved by `shift_px`, judged as they come and aligned first.

    `unaligned` counts those that registration rejected: nothing was found on them, and none of them passed.
    """

    shift_px: Shift
    as_it_comes: Measured
    aligned: Measured
    unaligned: int


@dataclass(frozen=True)
class RegistrationGain:
    """The gain by shift, and the cost in ms a frame, with a template that comes along (a recipe's is learnt once)."""

    boards: int
    max_offset_px: float
    shifts: tuple[AtShift, ...]
    median_ms: float
    p99_ms: float


def measure_gain(
    bundle: Bundle,
    boards: Sequence[Board],
    shifts: Sequence[Shift] = SHIFTS_PX,
    *,
    judging: Judging | None = None,
    precision: str = "fp32",
    threads: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> RegistrationGain:
    """Judge every board at every shift, with and without registration by phase.

    Args:
        bundle: whose model judges.
        boards: labelled; their templates are read even where the model takes none.
        shifts: what every board is moved by.
        judging: None: by the bundle's golden limits.
        precision: which of the bundle's models.
        threads: of ONNX Runtime.
        advance: called after each board of each shift.

    Raises:
        BoardsError: no boards, no shifts, an image cannot be read, or a frame is too small for the shifts.
        ModelError: the bundle has no such model.
    """
    if not boards or not shifts:
        raise BoardsError("registration: there is no board, or no shift, to measure with")
    judging = judging or Judging(bundle.manifest, None)
    max_offset_px = max(math.hypot(*shift) for shift in shifts) + _ROOM_PX
    registrars: dict[tuple[int, ...], Registrar] = {}
    took_ns = []
    rows = []
    with OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=threads) as executor:
        for shift in shifts:
            as_it_comes, aligned = _Judged(executor, judging), _Judged(executor, judging)
            for board in boards:
                image, template = _read(board, shift)
                if image.shape not in registrars:
                    registrars[image.shape] = _registrar(board, image, max_offset_px)
                alignment = registrars[image.shape].align(image, template, 0)
                took_ns.append(alignment.took_ns)
                given = template if bundle.manifest.has_template else None
                as_it_comes.look(image, given, shift)
                if alignment.image is None:
                    aligned.reject()
                else:
                    aligned.look(alignment.image, given, _on_board(alignment, image, shift))
                advance()
            figures = [
                measure(judged.run(precision, threads), boards, judging, None) for judged in (as_it_comes, aligned)
            ]
            rows.append(AtShift(shift, figures[0], figures[1], aligned.rejected))
    took_ms = np.array(took_ns) / 1e6
    return RegistrationGain(
        len(boards), max_offset_px, tuple(rows), float(np.median(took_ms)), float(np.percentile(took_ms, 99))
    )


def as_json(gain: RegistrationGain) -> dict[str, Any]:
    """The record for report.json."""
    return {
        "boards": gain.boards,
        "max_offset_px": gain.max_offset_px,
        "cost_ms": {"median": gain.median_ms, "p99": gain.p99_ms},
        "shifts": [
            {
                "shift_px": list(row.shift_px),
                "unaligned": row.unaligned,
                "as_it_comes": _figures(row.as_it_comes),
                "aligned": _figures(row.aligned),
            }
            for row in gain.shifts
        ],
    }


class _Judged:
    """What one way of judging has found so far."""

    def __init__(self, executor: Executor, judging: Judging) -> None:
        self._executor = executor
        self._judging = judging
        self._found: list[Detections] = []
        self._verdicts: list[Verdict] = []
        self._took_ns: list[int] = []
        self.rejected = 0

    def look(self, image: _Image, template: _Image | None, shift: Shift) -> None:
        """Judge one frame whose pixels lie `shift` beside the labels."""
        criteria = self._judging.criteria(image.shape[1], image.shape[0])
        start_ns = time.monotonic_ns()
        raw = self._executor.infer(image, template, NO_DEADLINE)
        self._took_ns.append(time.monotonic_ns() - start_ns)
        self._verdicts.append(judge(raw, criteria, 0, slack_ns=0))
        seen = decode(raw, floor=LEAST_SCORE, class_count=len(criteria.classes))
        kept = suppress_overlaps(seen.boxes, seen.scores, seen.classes, criteria.overlap)
        boxes = seen.boxes[kept] - np.array((*shift, *shift), np.float32)
        self._found.append(Detections(boxes, seen.scores[kept], seen.classes[kept]))

    def reject(self) -> None:
        """One frame that registration has rejected."""
        self._took_ns.append(0)
        self._verdicts.append(Verdict.reject(Reason.REGISTRATION))
        self._found.append(_NOTHING)
        self.rejected += 1

    def run(self, precision: str, threads: int) -> Run:
        """All of it as `measure` takes it."""
        return Run(
            precision, self._executor.name, threads, tuple(self._found), tuple(self._verdicts),
            np.array(self._took_ns, np.int64),
        )  # fmt: skip


def _read(board: Board, shift: Shift) -> tuple[_Image, _Image]:
    """The board's frame, moved, and its template, (H, W, C) uint8 each. The border goes on outwards."""
    frame = board.frame
    image, template = Frame(frame.name, frame.image, board.pair.template_path, frame.channels, frame.bits).read()
    if template is None:
        raise BoardsError(f"{frame.image}: has no template")
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8).reshape(image.shape), template


def _on_board(alignment: Alignment, image: _Image, shift: Shift) -> Shift:
    """Where the pixels of an aligned frame lie beside the labels."""
    # A turn is not taken back: registration by phase gives none.
    left = (0.0, 0.0) if alignment.image is image else (alignment.pose.dx_px, alignment.pose.dy_px)
    return shift[0] - left[0], shift[1] - left[1]


def _registrar(board: Board, image: _Image, max_offset_px: float) -> Registrar:
    height_px, width_px, channels = image.shape
    if max_offset_px > GREATEST_SHARE * min(height_px, width_px):
        raise BoardsError(
            f"{board.frame.image}: is {width_px}x{height_px} px, too small to be looked for {max_offset_px:g} px around"
        )
    recipe = Recipe(
        id=1, name="registration", bundle=Path(), width_px=width_px, height_px=height_px,
        channels=1 if channels == 1 else 3, registration=Registration(max_offset=max_offset_px),
    )  # fmt: skip
    registrar = Registrar(recipe, {})
    registrar.warm_up(_WARM_UP_RUNS)
    return registrar


def _figures(measured: Measured) -> dict[str, Any]:
    seen = measured.agreement
    return {
        "map33": measured.map33,
        "map50": measured.map50,
        "f_score": measured.at_limits.f_score,
        "escapes": seen.escapes.count,
        "bad_boards": seen.escapes.of,
        "false_calls": seen.false_calls.count,
        "good_boards": seen.false_calls.of,
    }
