"""Pictures of boards that were judged wrongly, or otherwise than by FP32: the crop beside its template.

Process: offline. Each picture is one SVG that carries its pixels, so the page needs no other file.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from aoi_daemon.engine.bundle.golden import BILEVEL
from aoi_daemon.engine.qualify.metrics import iou_matrix
from aoi_daemon.engine.report.report import REFERENCE, Report
from aoi_daemon.infer.executor import Detections
from aoi_daemon.markup.svg import element, join

CROP_PX: Final = 192
MOST: Final = 200
"""Pictures on one page; more are listed by name."""
_TRUTH, _COUNTED, _BELOW = "#0b7285", "#c21d27", "#b26a00"
_NEAR_MISS: Final = 0.25
"""A detection from this share of its threshold on is drawn, dashed."""
_SAME_PLACE: Final = 0.3

Image = NDArray[np.uint8]


class Figure(NamedTuple):
    """One board of the page: `reasons` it is there, what was found in `words`, `views` of board and template."""

    name: str
    reasons: Sequence[str]
    words: str
    views: Markup


def wrong_boards(report: Report) -> list[tuple[int, list[str]]]:
    """Boards (indices) worth a look, and why: `escape fp32`, `flip int8`, `false call fp16`."""
    reasons: dict[int, list[str]] = {}
    for precision in report.runs:
        for what, boards in (
            ("escape", report.escapes(precision)),
            ("false call", report.false_calls(precision)),
            ("flip", report.flips(precision)),
        ):
            for index in boards:
                reasons.setdefault(index, []).append(f"{what} {precision}")
    # Escapes first: they are what a line must not have.
    return sorted(reasons.items(), key=lambda item: (not any(r.startswith("escape") for r in item[1]), item[0]))


def figure(report: Report, index: int, reasons: Sequence[str]) -> Figure:
    """One board: the crop around what matters with its boxes, the template, and what was found."""
    board = report.boards[index]
    precision = reasons[0].split()[-1]
    seen = report.runs[precision].found[index]
    image, template = board.frame.read()
    box = _key_box(report, index, precision)
    window = _window(box, image.shape[1], image.shape[0])
    views = [_view(image, window, _boxes(report, index, seen))]
    if template is not None:
        views.append(_view(template, window))
    return Figure(board.pair.name, reasons, _words(report, index, precision), join(*views))


def _words(report: Report, index: int, precision: str) -> str:
    """What is there, and what was found of it."""
    board = report.boards[index]
    kinds = [report.classes[k] for k in board.pair.classes]
    truth = ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds)) or "good board"
    answers = []
    for name in dict.fromkeys((precision, REFERENCE)):
        seen = report.runs[name].found[index]
        best = "nothing"
        if len(seen.scores):
            row = int(np.argmax(seen.scores / np.array(report.thresholds)[seen.classes]))
            kind = report.classes[seen.classes[row]]
            best = f"{kind} {seen.scores[row]:.3f} (counts from {report.thresholds[seen.classes[row]]:.3f})"
        verdict = "PASS" if report.runs[name].verdicts[index].passed else "REJECT"
        answers.append(f"{name}: {verdict}, best {best}")
    return f"truth: {truth}. {'; '.join(answers)}"


def _key_box(report: Report, index: int, precision: str) -> NDArray[np.float64]:
    """What to look at: the worst defect that was called by either, else the first label."""
    for name in (precision, REFERENCE):
        defects = report.runs[name].verdicts[index].defects
        if defects:
            worst = defects[0]
            return np.array([worst.x1, worst.y1, worst.x2, worst.y2])
    boxes = report.boards[index].pair.boxes
    if len(boxes):
        return np.array(boxes[0], np.float64)
    return np.zeros(4)


def _window(box: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int]:
    """A square of CROP_PX (or as large as the box needs) around the box, inside the image."""
    side = int(max(CROP_PX, 1.25 * (box[2] - box[0]), 1.25 * (box[3] - box[1])))
    corners = []
    for low, high, size in ((box[0], box[2], width), (box[1], box[3], height)):
        start = int(min(max(0, (low + high - side) / 2), max(0, size - side)))
        corners.append((start, min(size, start + side)))
    return corners[0][0], corners[1][0], corners[0][1], corners[1][1]


def _boxes(report: Report, index: int, seen: Detections) -> Markup:
    parts = [
        _rect(box, _TRUTH, report.classes[kind], dash=None, below=True)
        for box, kind in zip(report.boards[index].pair.boxes, report.boards[index].pair.classes, strict=True)
    ]
    shares = seen.scores / np.maximum(np.array(report.thresholds)[seen.classes], 1e-9)
    drawn: list[int] = []
    for row in np.argsort(-shares, kind="stable").tolist():
        if shares[row] < _NEAR_MISS:
            break
        # Of several guesses at one place the nearest to its threshold is shown, or none could be read.
        if shares[row] < 1 and drawn and iou_matrix(seen.boxes[[row]], seen.boxes[drawn]).max() > _SAME_PLACE:
            continue
        drawn.append(row)
        colour, dash = (_COUNTED, None) if shares[row] >= 1 else (_BELOW, "3 2")
        words = f"{report.classes[seen.classes[row]]} {seen.scores[row]:.2f}"
        parts.append(_rect(seen.boxes[row], colour, words, dash=dash, below=False))
    return join(*parts)


def _rect(box: NDArray[np.generic], colour: str, words: str, *, dash: str | None, below: bool) -> Markup:
    x1, y1, x2, y2 = (float(v) for v in box)
    y = y2 + 8 if below else y1 - 2
    return join(
        element(
            "rect", x=round(x1, 1), y=round(y1, 1), width=round(x2 - x1, 1), height=round(y2 - y1, 1), fill="none",
            stroke=colour, stroke_width=1.2, stroke_dasharray=dash,
        ),
        element("text", words, class_="tag", x=round(x1, 1), y=round(y, 1), fill=colour),
    )  # fmt: skip


def _view(image: Image, window: tuple[int, int, int, int], boxes: Markup | None = None) -> Markup:
    x1, y1, x2, y2 = window
    pixels = element("image", x=x1, y=y1, width=x2 - x1, height=y2 - y1, href=_data_uri(image[y1:y2, x1:x2]))
    return element("svg", pixels, boxes or "", class_="view", viewBox=f"{x1} {y1} {x2 - x1} {y2 - y1}")


def _data_uri(crop: Image) -> str:
    # Scans of black and white are smallest as one bit a pixel; JPEG would also blur their edges.
    bilevel = crop.shape[2] == 1 and bool(np.isin(crop, (0, 255)).all())
    kind, options = ("png", BILEVEL) if bilevel else ("jpeg", (cv2.IMWRITE_JPEG_QUALITY, 85))
    _, raw = cv2.imencode(f".{kind}", np.ascontiguousarray(crop), options)
    return f"data:image/{kind};base64,{base64.b64encode(raw.tobytes()).decode()}"
