"""What the target's paper says of light and colour: too dark, overexposed, and the gains that make it gray.

Process: offline. Nothing is applied to pixels: the camera does that itself, once it is set so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.cameras import NodeSetting
from aoi_daemon.target.board import MARKER, Target
from aoi_daemon.target.find import Found

_BRIGHTEST: Final = 250
_DARKEST: Final = 80
_BRIGHT_SHARE: Final = 0.05
"""Of the places on the paper, at most so many may be overexposed."""
COLOURS: Final = ("Blue", "Green", "Red")
"""Of a picture's channels, as SFNC names them."""


class White(NamedTuple):
    """The paper as it is seen.

    Attributes:
        levels: median of each channel (gray; or blue, green, red), 0..255.
        overexposed: share of its places that are so in any channel, 0..1.
    """

    levels: tuple[float, ...]
    overexposed: float

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the light, with what to do."""
        said = ", ".join(f"{level:.0f}" for level in self.levels)
        if self.is_overexposed:
            return [
                f"the paper is overexposed (median {said} of 255, {self.overexposed:.0%} of it at {_BRIGHTEST} or "
                "more); shorten the exposure until white is about 200"
            ]
        if max(self.levels) < _DARKEST:
            return [f"the paper is dark (median {said} of 255); lengthen the exposure until white is about 200"]
        return []

    @property
    def is_overexposed(self) -> bool:
        """Its colour cannot be told."""
        return max(self.levels) >= _BRIGHTEST or self.overexposed > _BRIGHT_SHARE

    @property
    def gains(self) -> tuple[float, float, float] | None:
        """Of blue, green and red, what makes the paper gray, green being 1; None: gray picture, or overexposed."""
        if len(self.levels) != 3 or self.is_overexposed:
            return None
        blue, green, red = (self.levels[1] / max(level, 1.0) for level in self.levels)
        return blue, green, red


def white_of(image: NDArray[np.uint8], found: Found, target: Target) -> White:
    """How the paper of the target is seen.

    Args:
        image: (H, W, 1) or (H, W, 3) BGR uint8.
        found: the target in it.
        target: what was printed.
    """
    # The white ring between a square's border and its marker, halfway from the corner along the diagonal of the square.
    plane, _ = cv2.findHomography(found.target_mm, found.seen_px)
    seen = cv2.perspectiveTransform(_ring(found, target)[None], np.asarray(plane, np.float64))[0]
    inside = (seen > 2).all(axis=1) & (seen < np.array(found.size) - 3).all(axis=1)
    x, y = np.round(seen[inside]).astype(int).T
    paper = image[y, x]
    levels = tuple(float(level) for level in np.median(paper, axis=0))
    return White(levels, float((paper >= _BRIGHTEST).any(axis=1).mean()))


def balance(gains: Sequence[float], settings: Sequence[NodeSetting]) -> list[NodeSetting]:
    """What a GenICam camera is to be set to, in order, by SFNC's features.

    Args:
        gains: of blue, green and red, times those that the camera has.
        settings: of line.toml, by which the camera was set when the picture was taken; a ratio that they do not name is
            taken as 1, which is what it is where nobody has set it.
    """
    there: dict[str, float] = {}
    selected: object = None
    for setting in settings:
        if setting.node == "BalanceRatioSelector":
            selected = setting.value
        elif setting.node == "BalanceRatio" and isinstance(selected, str) and isinstance(setting.value, (int, float)):
            there[selected] = float(setting.value)
    # A camera that balances by itself would undo it with the next frame.
    found = [NodeSetting(node="BalanceWhiteAuto", value="Off")]
    for colour, gain in zip(COLOURS, gains, strict=True):
        found += [
            NodeSetting(node="BalanceRatioSelector", value=colour),
            NodeSetting(node="BalanceRatio", value=round(gain * there.get(colour, 1.0), 3)),
        ]
    return found


def _ring(found: Found, target: Target) -> NDArray[np.float32]:
    """Places on the target, mm, that are white paper: within white squares, beside their marker."""
    half = (1 - MARKER) / 4 * target.square_mm
    places = []
    for column, row in {tuple(np.round(at / target.square_mm).astype(int)) for at in found.target_mm}:
        for dx, dy in ((0, 0), (-1, -1), (0, -1), (-1, 0)):
            x, y = column + dx, row + dy
            if (x + y) % 2:  # of the squares around a corner two are white
                places += [((x + 0.5) * target.square_mm, y * target.square_mm + half)]
    return np.array(places, np.float32)
