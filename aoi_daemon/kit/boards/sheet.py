"""A contact sheet: many boards on one picture, their defects boxed, for a person to look at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import PictureError
from aoi_daemon.kit.boards.labels import CLASS_NAMES, BoardsError, Pair
from aoi_daemon.pictures import read_picture

# BGR, one for each class; told apart by people who see red and green alike, too.
COLOURS: Final = ((32, 32, 220), (20, 150, 20), (220, 90, 0), (190, 30, 190), (0, 140, 255), (170, 170, 0))
LEGEND_PX: Final = 28
GAP_PX: Final = 4


def write_sheet(path: Path, pairs: Sequence[Pair], *, columns: int = 4, tile_px: int = 400) -> None:
    """Write a PNG of the boards under test with their labels.

    Raises:
        BoardsError: an image cannot be read or the sheet cannot be written.
    """
    columns = min(columns, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    tiles = [_tile(pair, tile_px) for pair in pairs]
    step_x, step_y = tile_px + GAP_PX, max(tile.shape[0] for tile in tiles) + GAP_PX
    sheet = np.full((LEGEND_PX + rows * step_y, columns * step_x, 3), 90, np.uint8)
    _legend(sheet)
    for place, tile in enumerate(tiles):
        y, x = LEGEND_PX + place // columns * step_y, place % columns * step_x
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    ok, raw = cv2.imencode(".png", sheet)
    if not ok:
        raise BoardsError(f"{path}: a sheet of {sheet.shape[1]}x{sheet.shape[0]} px cannot be encoded as PNG")
    try:
        path.write_bytes(raw.tobytes())
    except OSError as e:
        raise BoardsError(f"{path}: cannot be written: {e}") from e


def _tile(pair: Pair, tile_px: int) -> NDArray[np.uint8]:
    try:
        image = read_picture(pair.test_path, 3, bits=pair.bits)
    except PictureError as error:
        raise BoardsError(str(error)) from error
    scale = tile_px / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    tile = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    for (x1, y1, x2, y2), kind in zip(pair.boxes * scale, pair.classes, strict=True):
        cv2.rectangle(tile, (round(x1), round(y1)), (round(x2), round(y2)), COLOURS[int(kind)], 1)
    return tile


def _legend(sheet: NDArray[np.uint8]) -> None:
    x = 8
    for name, colour in zip(CLASS_NAMES, COLOURS, strict=True):
        cv2.rectangle(sheet, (x, 8), (x + 12, 20), colour, -1)
        cv2.putText(sheet, name, (x + 18, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        x += 34 + 8 * len(name)
