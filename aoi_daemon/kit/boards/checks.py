"""Is a defect what its label says? Judged on the binarised image before and after.

Pure functions on small regions: 1 is copper, 0 substrate, uint8 (rows, columns).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.options import DefectClass

Mask = NDArray[np.uint8]
Labels = NDArray[np.int32]

# The smallest defects that DeepPCB labels change 25 to 54 pixels (1st percentile of each class).
MIN_DAMAGE_PX: Final = 26
# Thicker than a hair; dust, of 3 px at most, falls below MIN_DAMAGE_PX.
MIN_THICKNESS_PX: Final = 3
# A piece of copper counts as a part of a net when it is no crumb.
MIN_PIECE_PX: Final = 12
# Edges of good boards wander by up to this much: a bite or a spur must reach further, by a core that is no speck.
EDGE_WANDER_PX: Final = 2
MIN_CORE_PX: Final = 8
CROSS: Final = np.asarray(cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.uint8)


def holds(kind: DefectClass, before: Mask, after: Mask, nets: Labels) -> bool:
    """Tell whether the change from `before` to `after` is a visible defect of this kind, and only that.

    It must be of this kind with all copper a pixel thinner and a pixel thicker, too: a bite that leaves
    a thread, or a cut with a hair across it, has no one right label.
    `nets` labels each copper pixel's net on the whole undamaged board, int32, 0 on substrate.
    """
    changed = before ^ after
    if not _is_visible(changed):
        return False
    removes = kind in (DefectClass.OPEN, DefectClass.MOUSEBITE, DefectClass.PIN_HOLE)
    if ((after if removes else before) & changed).any():
        return False
    for change_width in (None, cv2.erode, cv2.dilate):
        if change_width is not None:
            old, new = (np.asarray(change_width(mask, CROSS), np.uint8) for mask in (before, after))
        else:
            old, new = before, after
        found = _removal(old, new) if removes else _addition(old, new, nets)
        if found is not kind:
            return False
    return True


def stands_out(kind: DefectClass, nominal: Mask, after: Mask) -> bool:
    """Tell whether a bite or a spur goes beyond what the edge of a good board does.

    `nominal` is the undamaged copper with smooth edges. Other kinds change what hangs together, or lie
    away from every edge, and stand out by that.
    """
    if kind not in (DefectClass.MOUSEBITE, DefectClass.SPUR):
        return True
    wander = np.ones((2 * EDGE_WANDER_PX + 1,) * 2, np.uint8)
    if kind is DefectClass.MOUSEBITE:
        core = np.asarray(cv2.erode(nominal, wander), np.uint8) & (1 - after)
    else:
        core = (1 - np.asarray(cv2.dilate(nominal, wander), np.uint8)) & after
    return int(np.count_nonzero(core)) >= MIN_CORE_PX


def _removal(before: Mask, after: Mask) -> DefectClass | None:
    changed = before ^ after
    if not changed.any():
        return None
    if _splits(before, after):
        return DefectClass.OPEN
    return DefectClass.MOUSEBITE if _reaches_substrate(before, after, changed) else DefectClass.PIN_HOLE


def _addition(before: Mask, after: Mask, nets: Labels) -> DefectClass | None:
    changed = before ^ after
    if not changed.any():
        return None
    if _joined(before, after, changed, nets) >= 2:
        return DefectClass.SHORT
    pieces = _joined(before, after, changed, _label(before))
    if pieces >= 2:
        # A bridge between two parts of one net: neither a spur nor, electrically, a short.
        return None
    return DefectClass.SPUR if pieces else DefectClass.COPPER


def _is_visible(changed: Mask) -> bool:
    if int(np.count_nonzero(changed)) < MIN_DAMAGE_PX:
        return False
    framed = cv2.copyMakeBorder(changed, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = np.asarray(cv2.distanceTransform(framed, cv2.DIST_C, 3))
    # Chessboard distance d: a square of 2 d - 1 px fits in.
    return bool(2 * float(depth.max()) - 1 >= MIN_THICKNESS_PX)


def _label(mask: Mask) -> Labels:
    return np.asarray(cv2.connectedComponents(mask, connectivity=8)[1], np.int32)


def _reaches_substrate(before: Mask, after: Mask, changed: Mask) -> bool:
    """Is most of the removed copper connected to substrate that was there before?"""
    pieces = _label(1 - after)
    grounded = np.zeros(int(pieces.max()) + 1, np.bool_)
    grounded[pieces[before == 0]] = True
    return bool(np.mean(grounded[pieces[changed.astype(bool)]]) > 0.5)


def _splits(before: Mask, after: Mask) -> bool:
    """Did one piece of copper become two that both go on beyond the region?"""
    old, new = _label(before), _label(after)
    rim = np.zeros(before.shape, np.bool_)
    rim[0], rim[-1], rim[:, 0], rim[:, -1] = True, True, True, True
    count = int(new.max()) + 1
    sizes = np.bincount(new.ravel(), minlength=count)
    at_rim = np.zeros(count, np.bool_)
    at_rim[new[rim]] = True
    whole = (sizes >= MIN_PIECE_PX) & at_rim
    whole[0] = False
    owner = np.zeros(count, np.int32)
    owner[new.ravel()] = old.ravel()
    owners = owner[whole]
    return len(np.unique(owners)) < len(owners)


def _joined(before: Mask, after: Mask, changed: Mask, names: Labels) -> int:
    """How many of the names hang together on any one piece of the added copper."""
    pieces = _label(after)
    named = before.astype(bool) & (names > 0)
    most = 0
    for piece in np.unique(pieces[changed.astype(bool)]):
        most = max(most, len(np.unique(names[named & (pieces == piece)])))
    return most
