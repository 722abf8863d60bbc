"""Whether what was found on a bad part is what its labels say is there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.config.boxes import Box
from aoi_daemon.messages import Defect

LEAST_OVERLAP: Final = 0.1
"""A box is met by a detection with this IoU, or with its centre in the box.

Ours: labels are drawn by hand, mostly larger than the defect, and a detection may be one end of a long scratch. What
must not happen is that a detection elsewhere on the part is taken for the defect, and for that it is strict enough.
"""


def unmet(
    boxes: Sequence[Box], defects: Sequence[Defect], classes: Sequence[str], shift: tuple[float, float] = (0.0, 0.0)
) -> list[Box]:
    """The labelled boxes that no defect meets.

    Args:
        boxes: in px of the picture.
        defects: all that were counted.
        classes: the bundle's, for boxes that name one.
        shift: px to add to the defects' corners to have them on the picture.
    """
    return [box for box in boxes if not any(_meets(defect, box, classes, *shift) for defect in defects)]


def _meets(defect: Defect, box: Box, classes: Sequence[str], dx: float, dy: float) -> bool:
    if box.label and classes[defect.label] != box.label:
        return False
    x1, y1, x2, y2 = defect.x1 + dx, defect.y1 + dy, defect.x2 + dx, defect.y2 + dy
    if box.x1 <= (x1 + x2) / 2 <= box.x2 and box.y1 <= (y1 + y2) / 2 <= box.y2:
        return True
    shared = max(0.0, min(x2, box.x2) - max(x1, box.x1)) * max(0.0, min(y2, box.y2) - max(y1, box.y1))
    either = (x2 - x1) * (y2 - y1) + (box.x2 - box.x1) * (box.y2 - box.y1) - shared
    return shared >= LEAST_OVERLAP * either
