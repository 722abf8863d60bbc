"""Pictures of a run: precision over recall, and boards with what was found on them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aoi_daemon.engine.qualify.metrics import DEEPPCB_IOU, Rule, average_precision, curve, match
from aoi_daemon.kit.boards.labels import CLASS_NAMES, BoardsError, Pair, read_image
from aoi_daemon.kit.boards.sheet import COLOURS
from tools.detector.checkpoint import write_whole
from tools.detector.evaluate import Detections, Truth, matched

EXAMPLES: Final = 12
COLUMNS: Final = 4
TILE_PX: Final = 420


def write_curves(
    path: Path, tests: Mapping[str, tuple[Sequence[Detections], Sequence[Truth]]], names: Sequence[str] = CLASS_NAMES
) -> None:
    """Draw one panel for each test and IoU (0.33 and 0.5), a line for each class of `names`, as PNG."""
    mpl.use("agg")
    figure = Figure(figsize=(10, 4.4 * len(tests)), layout="constrained")
    panels = np.atleast_2d(figure.subplots(len(tests), 2, squeeze=False))
    for row, (name, (found, truths)) in zip(panels, tests.items(), strict=True):
        for panel, iou in zip(row, (DEEPPCB_IOU, 0.5), strict=True):
            matches = matched(found, truths, iou, len(names))
            for kind, class_name in enumerate(names):
                points = curve(matches, kind)
                if points is not None:
                    colour = tuple(value / 255 for value in reversed(_colour(kind)))
                    label = f"{class_name} {100 * average_precision(points, Rule.AREA):.2f} %"
                    panel.plot(points.recall, points.precision, color=colour, label=label)
            panel.set(title=f"{name}, IoU > {iou}", xlabel="recall", ylabel="precision")
            panel.set(xlim=(0.8, 1.005), ylim=(0.8, 1.005))
            panel.grid(alpha=0.3)
            panel.legend(loc="lower left", fontsize=8)
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=110)
    write_whole(path, raw.getvalue())


def write_examples(
    path: Path,
    pairs: Sequence[Pair],
    found: Sequence[Detections],
    threshold: float,
    names: Sequence[str] = CLASS_NAMES,
) -> None:
    """Draw boards, the worst judged first: thin boxes are labels, thick ones detections, with their class of `names`.

    Raises:
        BoardsError: an image is unreadable or the sheet cannot be written.
    """
    order = sorted(range(len(pairs)), key=lambda i: -_mistakes(pairs[i], found[i], threshold))
    # Half of them with mistakes, if there are any, and half as they come.
    plain = [i for i in range(len(pairs)) if i not in order[: EXAMPLES // 2]]
    chosen = order[: EXAMPLES // 2] + plain[: EXAMPLES - EXAMPLES // 2]
    tiles = [_tile(pairs[i], found[i], threshold, names) for i in chosen]
    rows = []
    for start in range(0, len(tiles), COLUMNS):
        row = tiles[start : start + COLUMNS]
        row += [np.full_like(tiles[0], 90)] * (COLUMNS - len(row))
        rows.append(np.hstack(row))
    ok, raw = cv2.imencode(".png", np.vstack(rows))
    if not ok:
        raise BoardsError(f"{path}: the examples cannot be encoded as PNG")
    write_whole(path, raw.tobytes())


def _mistakes(pair: Pair, found: Detections, threshold: float) -> int:
    called = found.scores >= threshold
    kept = Detections(found.boxes[called], found.scores[called], found.classes[called])
    right = int(np.count_nonzero(match(kept, pair, DEEPPCB_IOU) >= 0))
    return (len(kept.scores) - right) + (len(pair.boxes) - right)


def _colour(kind: int) -> tuple[int, int, int]:
    """BGR; more classes than colours share them."""
    return COLOURS[kind % len(COLOURS)]


def _tile(pair: Pair, found: Detections, threshold: float, names: Sequence[str]) -> NDArray[np.uint8]:
    image = np.asarray(cv2.cvtColor(read_image(pair.test_path, pair.bits), cv2.COLOR_GRAY2BGR), np.uint8)
    for (x1, y1, x2, y2), kind in zip(pair.boxes.tolist(), pair.classes, strict=True):
        cv2.rectangle(image, (x1 - 3, y1 - 3), (x2 + 3, y2 + 3), _colour(int(kind)), 1)
    for box, score, kind in zip(found.boxes, found.scores, found.classes, strict=True):
        if score < threshold:
            continue
        x1, y1, x2, y2 = (round(float(v)) for v in box)
        cv2.rectangle(image, (x1, y1), (x2, y2), _colour(int(kind)), 2)
        words = f"{names[int(kind)]} {100 * score:.0f}"
        cv2.putText(image, words, (x1, max(12, y1 - 6)), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _colour(int(kind)), 1)
    scale = TILE_PX / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile = np.full((TILE_PX + 6, TILE_PX + 6, 3), 90, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return tile
