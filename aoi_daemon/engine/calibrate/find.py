"""Find the target in pictures, and refuse what could not be measured by.

Process: offline. Every refusal says what to do at the camera.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.calibrate.target import MARKER, Target
from aoi_daemon.errors import AoiError

LEAST_CORNERS: Final = 20
MOST_EDGE_PX: Final = 6.0
"""From black to white, at most: corners are found to a fraction of a pixel only where edges are sharp."""
_WHITE: Final = 250


class CalibrationError(AoiError):
    """The target could not be measured by; says why, and what to do."""


class Found(NamedTuple):
    """Corners of the target: ids (n,), where each is seen (n, 2) px, and where it is on the target (n, 2) mm."""

    name: str
    ids: NDArray[np.int32]
    seen_px: NDArray[np.float64]
    target_mm: NDArray[np.float64]
    size: tuple[int, int]  # width, height in px
    edge_px: float

    @property
    def coverage(self) -> float:
        """Share of the frame that the corners span, 0..1."""
        hull = cv2.convexHull(self.seen_px.astype(np.float32))
        return float(cv2.contourArea(hull)) / (self.size[0] * self.size[1])


def find_target(name: str, image: NDArray[np.uint8], target: Target) -> Found:
    """Find the corners.

    Args:
        name: of the picture, for errors.
        image: (H, W) or (H, W, 3) uint8.
        target: what was printed.

    Raises:
        CalibrationError: it is not there, or too little of it, or blurred.
    """
    gray = _gray(image)
    corners, ids, _, marker_ids = cv2.aruco.CharucoDetector(target.board).detectBoard(gray)
    count = 0 if ids is None else len(ids)
    markers = 0 if marker_ids is None else len(marker_ids)
    if count < LEAST_CORNERS:
        _check_sharp(name, _blur_of(gray))
        if markers == 0:
            raise CalibrationError(
                f"{name}: no target in it; lay it where parts lie, lit as they are, with its print towards the camera; "
                "its squares must be at least 15 px large"
            )
        raise CalibrationError(
            f"{name}: {count} corners of the target are seen ({markers} markers), at least {LEAST_CORNERS}; bring more "
            f"of it into the view, without glare, and say what was printed (asked for: {target.text})"
        )
    seen = np.asarray(corners, np.float64).reshape(-1, 2)
    numbers = np.asarray(ids, np.int32).reshape(-1)
    places = np.asarray(target.board.getChessboardCorners(), np.float64)[numbers, :2]
    edge = _edge_at(gray, seen)
    _check_sharp(name, edge)
    return Found(name, numbers, seen, places, (gray.shape[1], gray.shape[0]), edge)


def white_of(name: str, image: NDArray[np.uint8], found: Found, target: Target) -> tuple[float, float, float]:
    """The gains of blue, green and red (BGR) that make the target's paper gray, green being 1.

    Raises:
        CalibrationError: the paper is overexposed: what its colour is cannot be told.
    """
    # The white ring between a square's border and its marker, halfway from the corner along the diagonal of the square.
    seen = cv2.perspectiveTransform(_ring(found, target)[None], _plane(found))[0]
    inside = (seen > 2).all(axis=1) & (seen < np.array(found.size) - 3).all(axis=1)
    x, y = np.round(seen[inside]).astype(int).T
    white = image[y, x].astype(np.float64)
    middle = np.median(white, axis=0)
    if (middle >= _WHITE).any():
        raise CalibrationError(
            f"{name}: the paper is overexposed ({', '.join(f'{value:.0f}' for value in middle)} of 255); its "
            "colour cannot be told: shorten the exposure until white is about 200"
        )
    blue, green, red = (float(middle[1] / max(value, 1.0)) for value in middle)
    return blue, green, red


def _gray(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) of an image (H, W), (H, W, 1) or (H, W, 3)."""
    if image.ndim == 3 and image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.ascontiguousarray(image.reshape(image.shape[:2]))


def _check_sharp(name: str, edge_px: float) -> None:
    if edge_px > MOST_EDGE_PX:
        raise CalibrationError(
            f"{name}: is blurred: from black to white takes {edge_px:.1f} px, at most {MOST_EDGE_PX:g}; focus, close "
            "the aperture, or hold the target still"
        )


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


def _plane(found: Found) -> NDArray[np.float64]:
    """From the target's mm to px of the frame, without distortion."""
    matrix, _ = cv2.findHomography(found.target_mm, found.seen_px)
    return np.asarray(matrix, np.float64)


def _edge_at(gray: NDArray[np.uint8], corners: NDArray[np.float64]) -> float:
    """Px from black to white around corners: contrast over the steepest slope; the median of all."""
    widths = [
        width
        for x, y in np.round(corners).astype(int)
        if (width := _edge_in(gray[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9])) is not None
    ]
    return float(np.median(widths)) if widths else 0.0


def _blur_of(gray: NDArray[np.uint8]) -> float:
    """Px from black to white at the steepest edges of a picture in which no target was found; 0: it has no contrast."""
    side = 32
    rows, columns = range(0, gray.shape[0], side), range(0, gray.shape[1], side)
    blocks = (gray[y : y + side, x : x + side] for y in rows for x in columns)
    widths = [width for block in blocks if (width := _edge_in(block)) is not None]
    return float(np.median(widths)) if len(widths) >= 8 else 0.0


def _edge_in(patch: NDArray[np.uint8]) -> float | None:
    """Px from black to white in a patch; None: it has too little contrast."""
    if min(patch.shape) < 5:
        return None
    low, high = np.percentile(patch, (5, 95))
    if high - low < 40:
        return None
    smooth = cv2.GaussianBlur(patch, (3, 3), 0).astype(np.float32)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8
    return float((high - low) / max(float(np.percentile(slope, 99)), 1e-3))
