"""Generated boards that lie exactly so far beside their template, and marks painted on them."""

from unittest import mock

import cv2
import numpy as np

from aoi_daemon.kit.boards import imaging
from aoi_daemon.kit.boards.canvas import BORDER_PX
from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.options import BoardOptions, Colour, Style


def board_at(index, dx_px, dy_px, *, turn_deg=0.0, style=Style.MIXED, good=0.3, size=(640, 640), colour=Colour.MONO):
    """(test, template), (H, W, C) uint8: dust, rough edges and defects as ever, the test shifted and turned (clockwise)."""

    def place(_rng, layout, height_px, width_px):
        centre = ((layout.shape[1] - 1) / 2, (layout.shape[0] - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, -turn_deg, 1.0)
        matrix[:, 2] += dx_px - BORDER_PX, dy_px - BORDER_PX
        return cv2.warpAffine(layout, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR)

    width_px, height_px = size
    options = BoardOptions(width_px=width_px, height_px=height_px, style=style, good_fraction=good, colour=colour)
    with mock.patch.object(imaging, "register", place):
        board = generate(77, index, options)
    return tuple(np.ascontiguousarray(image.reshape(height_px, width_px, -1)) for image in (board.test, board.template))


def moved(image, dx_px, dy_px):
    """`image` (H, W, C) itself, so far to the right and down; the border goes on outwards."""
    matrix = np.array([[1.0, 0.0, dx_px], [0.0, 1.0, dy_px]])
    found = cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(image.shape)


def with_discs(image, places, radius_px=14.0):
    """Dark discs on light squares at `places` (x, y), between pixels too."""
    found = image.astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for at_x, at_y in places:
        away = np.hypot(x - at_x, y - at_y)[..., None]
        # Larger than what is cut out as the mark: its own edges lie on whole pixels.
        found[(np.abs(x - at_x) <= 44) & (np.abs(y - at_y) <= 44)] = 220
        found -= 180 * np.clip(radius_px + 0.5 - away, 0, 1)
    return np.clip(found, 0, 255).astype(np.uint8)
