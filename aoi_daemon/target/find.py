"""Find the target in pictures, and refuse what could not be measured by.

Process: commands, and the recorder's thread that watches targets; milliseconds to a tenth of a second for a frame, in
OpenCV, without Python's lock. Every refusal says what to do at the camera.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import AoiError
from aoi_daemon.target.board import MARKER, Target

LEAST_CORNERS: Final = 20
"""To measure a camera by."""
LEAST_SQUARE_PX: Final = 15
_AROUND_PX: Final = 3
"""Corners are looked at so far around; beyond it markers begin to differ."""
_MOST_BLOCKS: Final = 400
_MOST_SKEW: Final = 0.15
"""Mean difference of opposite px, in shares of the contrast."""
MOST_EDGE_PX: Final = 6.0
"""From black to white, at most: corners are found to a fraction of a pixel only where edges are sharp."""


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


def find_target(name: str, image: NDArray[np.uint8], target: Target, *, least: int = LEAST_CORNERS) -> Found:
    """Find the corners.

    Args:
        name: of the picture, for errors.
        image: (H, W), (H, W, 1) or (H, W, 3) uint8.
        target: what was printed.
        least: so many of its corners must be seen.

    Raises:
        CalibrationError: it is not there, or too little of it, or blurred.
    """
    gray = _gray(image)
    corners, ids, _, marker_ids = _detector(target, max(gray.shape)).detectBoard(gray)
    seen = np.empty((0, 2)) if ids is None else np.asarray(corners, np.float64).reshape(-1, 2)
    clear = _clear(gray, seen)
    seen, count = seen[clear], int(clear.sum())
    markers = 0 if marker_ids is None else len(marker_ids)
    if count < least:
        _check_sharp(name, _blur_of(gray))
        if markers == 0:
            raise CalibrationError(
                f"{name}: no target in it; lay it where parts lie, lit as they are, with its print towards the camera; "
                f"its squares must be at least {LEAST_SQUARE_PX} px large"
            )
        raise CalibrationError(
            f"{name}: {count} corners of the target are seen ({markers} markers), at least {least}; bring more "
            f"of it into the view, without glare, and say what was printed (asked for: {target.text})"
        )
    numbers = np.asarray(ids, np.int32).reshape(-1)[clear]
    places = np.asarray(target.board.getChessboardCorners(), np.float64)[numbers, :2]
    edge = _edge_at(gray, seen)
    _check_sharp(name, edge)
    return Found(name, numbers, seen, places, (gray.shape[1], gray.shape[0]), edge)


def _detector(target: Target, longest_px: int) -> cv2.aruco.CharucoDetector:
    """OpenCV's, for frames whose longer side has so many px."""
    markers = cv2.aruco.DetectorParameters()
    # By default it is a share of the frame: in a large one a small target would be passed over.
    markers.minMarkerPerimeterRate = min(markers.minMarkerPerimeterRate, 4 * MARKER * LEAST_SQUARE_PX / longest_px)
    # Of 120 rendered pictures with markers of 2.4 to 3.5 px a square, all corners are found in 88 by OpenCV's 4 samples
    # a side of each, in 116 by 8, in 120 where it also looks again in the places that the others lead to.
    markers.perspectiveRemovePixelPerCell = 8
    corners = cv2.aruco.CharucoParameters()
    corners.tryRefineMarkers = True
    return cv2.aruco.CharucoDetector(target.board, corners, markers)


def _clear(gray: NDArray[np.uint8], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which corners look the same turned by half a circle, as a corner of four squares does.

    An edge of what covers the target, or of glare, draws the corner beside it to itself, by a px and more.
    """
    side = 2 * _AROUND_PX + 1
    patches = [cv2.getRectSubPix(gray, (side, side), (float(x), float(y))).astype(np.float32) for x, y in corners]
    return np.array([np.abs(patch - patch[::-1, ::-1]).mean() <= _MOST_SKEW * np.ptp(patch) for patch in patches], bool)


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
    # Not all of a large frame: that would be seconds of Python, beside the recorder's reader.
    step = max(side, int((gray.size / _MOST_BLOCKS) ** 0.5))
    rows, columns = range(0, gray.shape[0], step), range(0, gray.shape[1], step)
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
