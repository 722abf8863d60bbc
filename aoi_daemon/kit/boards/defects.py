"""Put defects where etching, drilling and handling put them, and prove that each one is there.

A defect is proposed from the board's geometry, laid on, rendered in its own region and judged by
`checks.holds`; what fails is tried elsewhere. A board may end up with fewer defects than asked for
when it has no place for them (no two nets within reach for a short, say), never with a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards import checks, strokes
from aoi_daemon.kit.boards.imaging import BLUR_REACH_PX, Scene, damaged_pixels
from aoi_daemon.kit.boards.options import BoardOptions, Defect, DefectClass, Style
from aoi_daemon.kit.boards.parts import Rng
from aoi_daemon.kit.boards.proposals import PROPOSE
from aoi_daemon.kit.boards.sites import Sites
from aoi_daemon.kit.boards.strokes import Patch

Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]

TRIES: Final = 14
# Damage of two defects stays this far apart, so that each pixel of damage has one owner.
APART_PX: Final = 7
# Around a patch, what `checks` needs to see of the neighbourhood.
AROUND_PX: Final = 4
# Shares of the classes in DeepPCB's 6,873 labels.
SHARES: Final[Mapping[DefectClass, float]] = {
    DefectClass.OPEN: 1283,
    DefectClass.SHORT: 1028,
    DefectClass.MOUSEBITE: 1379,
    DefectClass.SPUR: 1142,
    DefectClass.COPPER: 1010,
    DefectClass.PIN_HOLE: 1031,
}
REMOVES: Final = frozenset({DefectClass.OPEN, DefectClass.MOUSEBITE, DefectClass.PIN_HOLE})


def damage(rng: Rng, scene: Scene, style: Style, clean: Mask, options: BoardOptions) -> tuple[Mask, tuple[Defect, ...]]:
    """Lay defects on `clean`, the undamaged board's coverage as the camera sees it.

    Returns:
        The damaged coverage, uint8 (height_px, width_px), and its defects, each with its exact box.
    """
    bench = _Bench(scene, style, clean, clean.copy(), Sites(rng, clean), [])
    kinds, shares = list(SHARES), np.array(list(SHARES.values()))
    count = int(rng.integers(options.defects_min, options.defects_max + 1))
    placed = []
    for drawn in rng.choice(len(kinds), count, p=shares / shares.sum()):
        kind = kinds[int(drawn)]
        if _place(rng, kind, bench):
            placed.append((kind, bench.regions[-1]))
    changed = damaged_pixels(scene, style, clean, bench.damaged)
    return bench.damaged, tuple(_measure(kind, box, changed, options.margin_px) for kind, box in placed)


@dataclass(frozen=True)
class _Bench:
    """A board under work.

    Attributes:
        clean, damaged: coverage without and with the defects placed so far.
        regions: each holds all pixels that one of the placed defects changes.
    """

    scene: Scene
    style: Style
    clean: Mask
    damaged: Mask
    sites: Sites
    regions: list[Box]


def _place(rng: Rng, kind: DefectClass, bench: _Bench) -> bool:
    """Try to put one defect of this kind on the board."""
    height_px, width_px = bench.clean.shape
    for _ in range(TRIES):
        lines = PROPOSE[kind](rng, bench.sites)
        if not lines:
            continue
        patch = strokes.patch_of(rng, lines)
        rows, columns = patch.opacity.shape
        # The blur carries the change beyond the patch; the region to judge must hold all of it.
        region = (
            patch.x - AROUND_PX,
            patch.y - AROUND_PX,
            patch.x + columns + AROUND_PX,
            patch.y + rows + AROUND_PX,
        )
        if min(region[:2]) < 2 or region[2] > width_px - 2 or region[3] > height_px - 2:
            continue
        if any(_near(region, other) for other in bench.regions):
            continue
        if _holds(kind, bench, patch, region):
            part = bench.damaged[patch.y : patch.y + rows, patch.x : patch.x + columns]
            _lay(part, patch.opacity, removes=kind in REMOVES)
            bench.regions.append(region)
            return True
    return False


def _holds(kind: DefectClass, bench: _Bench, patch: Patch, region: Box) -> bool:
    """Render the region with and without the patch, as the final image will be, and judge it."""
    x1, y1, x2, y2 = region
    left, top = max(0, x1 - BLUR_REACH_PX), max(0, y1 - BLUR_REACH_PX)
    before = bench.clean[top : y2 + BLUR_REACH_PX, left : x2 + BLUR_REACH_PX]
    after = before.copy()
    rows, columns = patch.opacity.shape
    part = after[patch.y - top : patch.y - top + rows, patch.x - left : patch.x - left + columns]
    _lay(part, patch.opacity, removes=kind in REMOVES)
    view = bench.scene.cut(left, top, before)
    inner = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    copper_before, copper_after = view.copper(before)[inner], view.copper(after)[inner]
    if not checks.holds(kind, copper_before, copper_after, bench.sites.nets[y1:y2, x1:x2]):
        return False
    if not checks.stands_out(kind, view.nominal(before)[inner], copper_after):
        return False
    if bench.style is Style.BINARY:
        return True
    visible = damaged_pixels(view, bench.style, before, after)[inner]
    return int(np.count_nonzero(visible)) >= checks.MIN_DAMAGE_PX


def _lay(part: Mask, opacity: Mask, *, removes: bool) -> None:
    if removes:
        np.minimum(part, 255 - opacity, out=part)
    else:
        np.maximum(part, opacity, out=part)


def _near(box: Box, other: Box) -> bool:
    return (
        box[0] < other[2] + APART_PX
        and other[0] < box[2] + APART_PX
        and box[1] < other[3] + APART_PX
        and other[1] < box[3] + APART_PX
    )


def _measure(kind: DefectClass, region: Box, changed: Mask, margin_px: int) -> Defect:
    x1, y1, x2, y2 = region
    height_px, width_px = changed.shape
    left, top, columns, rows = cv2.boundingRect(changed[y1:y2, x1:x2])
    exact = (x1 + left, y1 + top, x1 + left + columns, y1 + top + rows)
    # DeepPCB counts ten from the last damaged pixel, not from the one past it: hence the lesser side.
    far = max(0, margin_px - 1)
    grown = (
        max(0, exact[0] - margin_px),
        max(0, exact[1] - margin_px),
        min(width_px, exact[2] + far),
        min(height_px, exact[3] + far),
    )
    return Defect(kind, grown, exact)
