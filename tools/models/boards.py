"""Coloured boards with known defects, drawn: for every task, with boxes, outlines, angles and maps.

Pure: numpy and OpenCV. Red and blue defects are alike but for their colour, so that a model which is shown red for
blue must be seen to fail.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

CLASSES: Final = ("flux", "ink", "scratch")
"""Red residue, blue ink, a pale line."""
GOOD: Final = "good"
_COLOURS: Final = ((40, 40, 205), (205, 60, 40), (150, 225, 235))
"""BGR, of each class."""
_GOOD_SHARE: Final = 0.3
_MOST_DEFECTS: Final = 3
_TRIES: Final = 30
_SCALE: Final = 4
"""Defects are drawn so many times larger and averaged down: their edges lie between pixels."""
_CORNERS: Final = 24

Image = NDArray[np.uint8]
Points = NDArray[np.float64]


class Defect(NamedTuple):
    """One defect; px of the picture, corners of pixels at whole numbers.

    Attributes:
        label: index into CLASSES.
        outline: (n, 2), x y.
        corners: (4, 2) of the turned rectangle around it.
    """

    label: int
    outline: Points
    corners: Points

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1 y1 x2 y2."""
        low, high = self.outline.min(axis=0), self.outline.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


class Board(NamedTuple):
    """image: (height_px, width_px, 3) uint8, BGR."""

    image: Image
    defects: tuple[Defect, ...]


def boards(
    count: int, width_px: int, height_px: int, seed: int, *, only: int | None = None, most: int = _MOST_DEFECTS
) -> Iterator[Board]:
    """Draw `count` boards; the same numbers give the same boards.

    Args:
        count: how many.
        width_px: of each.
        height_px: of each.
        seed: of all that is drawn by lot.
        only: each board has defects of this class alone, at least one; -1: each is good; None: as it comes, three in
            ten are good.
        most: defects of a board.
    """
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        image = _bare(rng, width_px, height_px)
        found: list[Defect] = []
        if only != -1 and (only is not None or rng.random() >= _GOOD_SHARE):
            for _ in range(int(rng.integers(1, most + 1))):
                label = int(rng.integers(len(CLASSES))) if only is None else only
                if (defect := _placed(rng, label, width_px, height_px, found)) is not None:
                    _draw(rng, image, defect)
                    found.append(defect)
        noise = rng.normal(0, 3.0, image.shape)
        yield Board(np.clip(image + noise, 0, 255).astype(np.uint8), tuple(found))


def label_map(board: Board) -> Image:
    """(height_px, width_px) uint8: 0 where it is good, else 1 + the label of the defect there."""
    height, width = board.image.shape[:2]
    found = np.zeros((height, width), np.uint8)
    for defect in board.defects:
        cv2.fillPoly(found, [np.rint(defect.outline - 0.5).astype(np.int32)], 1 + defect.label)
    return found


def _bare(rng: np.random.Generator, width_px: int, height_px: int) -> NDArray[np.float32]:
    """Solder mask with traces and parts; no saturated red or blue, and nothing as pale as a scratch."""
    mask = np.array((rng.uniform(25, 60), rng.uniform(70, 120), rng.uniform(15, 50)))
    coarse = rng.normal(0, 8.0, (6, 6)).astype(np.float32)
    light = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    image = (mask[None, None] + light[..., None]).astype(np.float32)
    side = min(width_px, height_px)
    for _ in range(int(rng.integers(4, 9))):
        ends = rng.uniform(0, (width_px, height_px), (2, 2))
        ends[1, int(rng.integers(2))] = ends[0, int(rng.integers(2))]
        colour = tuple(float(value) for value in mask * 1.35)
        first, second = (tuple(int(value) for value in end) for end in ends)
        cv2.line(image, first, second, colour, max(1, round(side * rng.uniform(0.01, 0.03))), cv2.LINE_AA)
    for _ in range(int(rng.integers(3, 8))):
        centre, size = rng.uniform(0, (width_px, height_px)), side * rng.uniform(0.06, 0.2, 2)
        first, second = (tuple(int(value) for value in centre + sign * size / 2) for sign in (-1, 1))
        gray = rng.uniform(15, 70) if rng.random() < 0.6 else rng.uniform(120, 160)
        colour = tuple(float(value) for value in gray * np.array((1.0, 1.0, 1.0)) * rng.uniform(0.92, 1.08, 3))
        cv2.rectangle(image, first, second, colour, -1, cv2.LINE_AA)
    return image


def _placed(rng: np.random.Generator, label: int, width_px: int, height_px: int, others: list[Defect]) -> Defect | None:
    """A defect that lies on the board and apart from `others`; None: there was no room."""
    side = min(width_px, height_px)
    for _ in range(_TRIES):
        angle = rng.uniform(0, math.pi)
        if CLASSES[label] == "scratch":
            size = side * np.array((rng.uniform(0.2, 0.36), rng.uniform(0.03, 0.05)))
        else:
            size = side * rng.uniform(0.09, 0.17) * np.array((1.0, rng.uniform(0.55, 0.9)))
        reach = float(np.hypot(*size)) / 2 + 1
        centre = rng.uniform((reach, reach), (width_px - reach, height_px - reach))
        turn = np.array(((math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))))
        corners = np.array(((-1, -1), (1, -1), (1, 1), (-1, 1))) * size / 2
        around = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
        ellipse = np.stack((np.cos(around), np.sin(around)), axis=1) * size / 2
        outline = corners if CLASSES[label] == "scratch" else ellipse
        defect = Defect(label, outline @ turn + centre, corners @ turn + centre)
        if not any(_touch(defect.box, other.box) for other in others):
            return defect
    return None


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    gap = 4.0
    return bool(
        min(one[2], other[2]) + gap > max(one[0], other[0]) and min(one[3], other[3]) + gap > max(one[1], other[1])
    )


def _draw(rng: np.random.Generator, image: NDArray[np.float32], defect: Defect) -> None:
    """Paint it over `image`, in place."""
    height, width = image.shape[:2]
    large = np.zeros((height * _SCALE, width * _SCALE), np.uint8)
    cv2.fillPoly(large, [np.rint(defect.outline * _SCALE - 0.5).astype(np.int32)], 255)
    cover = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    colour = np.clip(np.array(_COLOURS[defect.label]) + rng.normal(0, 10, 3), 0, 255).astype(np.float32)
    image += cover * (colour - image)
