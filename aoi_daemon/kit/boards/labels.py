"""Labels in DeepPCB's layout: reading is the package's, writing is here."""

from __future__ import annotations

from collections.abc import Sequence

from aoi_daemon.engine.labels import (
    CLASS_NAMES,
    BoardsError,
    Pair,
    image_size,
    read_image,
    read_label,
    read_pairs,
)

__all__ = [
    "CLASS_NAMES",
    "BoardsError",
    "Pair",
    "image_size",
    "label_text",
    "read_image",
    "read_label",
    "read_pairs",
]


def label_text(boxes: Sequence[tuple[int, int, int, int]], kinds: Sequence[int]) -> str:
    """Format boxes and DeepPCB ids (1 to 6) as a label file's text."""
    return "".join(f"{x1} {y1} {x2} {y2} {int(k)}\n" for (x1, y1, x2, y2), k in zip(boxes, kinds, strict=True))
