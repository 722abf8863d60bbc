"""BMP and TIFF: OpenCV passes over damage in silence, so that two decoders must agree on the pixels."""

from __future__ import annotations

import io
from functools import partial
from typing import Final

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from aoi_daemon.pictures.decoders import (
    ALPHA,
    SEVERAL,
    Opened,
    Pixels,
    RefusedError,
    by_opencv,
    by_pillow,
    colour_flag,
    orientation,
)

_TIFF_COLOURS: Final = {0: "gray", 1: "gray", 2: "colour", 3: "palette"}


def open_bmp(raw: bytes) -> Opened:
    """A BMP whose head was read. Raises RefusedError."""
    with by_pillow("BMP"):
        image = Image.open(io.BytesIO(raw), formats=("BMP",))
        if image.mode not in ("1", "L", "P", "RGB"):
            raise RefusedError(ALPHA)
    depth = 1 if image.mode == "1" else 8
    return Opened("BMP", *image.size, depth, 1, partial(_agreed, raw, "BMP", gray=image.mode in ("1", "L")))


def open_tiff(raw: bytes) -> Opened:
    """A TIFF whose head was read. Raises RefusedError."""
    with by_pillow("TIFF"):
        file = io.BytesIO(raw)
        tags = TiffImagePlugin.ImageFileDirectory_v2(raw[:16] if 43 in raw[2:4] else raw[:8])
        file.seek(tags.next)
        tags.load(file)
        if tags.next:
            raise RefusedError(SEVERAL)
        samples, depths, colour = tags.get(277, 1), set(tags.get(258, (1,))), tags.get(262)
        if colour not in _TIFF_COLOURS:
            raise RefusedError("has colours other than gray or RGB (CMYK, Lab, YCbCr): save it as gray or RGB")
        gray, depth = _TIFF_COLOURS[colour] == "gray", int(max(depths))
        if 338 in tags or samples != (3 if colour == 2 else 1):
            raise RefusedError(ALPHA)
        if set(tags.get(339, (1,))) != {1}:
            raise RefusedError("has floating-point or signed values: save it with 8 bits a sample")
        if depth > 8 and not gray:
            raise RefusedError(f"has {depth} bits a sample in colour, gray alone is read so: save it with 8 bits")
        if depths not in ({1}, {8}, {16}) or (depth, colour) == (16, 0):
            raise RefusedError(f"has {depth} bits a sample in a layout that is not read: save it with 8 or 16 bits")
        width_px, height_px = int(tags[256]), int(tags[257])
        if orientation(tags.get(274, 1)) >= 5:
            # Both decoders turn a TIFF themselves.
            width_px, height_px = height_px, width_px
    return Opened("TIFF", width_px, height_px, depth, 1, partial(_agreed, raw, "TIFF", gray=gray))


def _agreed(raw: bytes, kind: str, channels: int, *, gray: bool) -> Pixels:
    """The pixels that both decoders read. OpenCV's gray of a colour file is its own affair: the colours agreed."""
    with by_pillow(kind):
        image = Image.open(io.BytesIO(raw), formats=(kind,))
        if image.mode.startswith("I;16"):
            theirs, flag = np.asarray(image), cv2.IMREAD_UNCHANGED
        elif gray:
            theirs, flag = np.asarray(image.convert("L")), colour_flag(1)
        else:
            theirs, flag = np.asarray(image.convert("RGB"))[:, :, ::-1], colour_flag(3)
    ours = by_opencv(raw, flag, kind)
    if not np.array_equal(ours, theirs):
        raise RefusedError(f"is a damaged {kind}, or of a kind that two decoders read in two ways: save it as PNG")
    return ours if gray or channels == 3 else by_opencv(raw, colour_flag(1), kind)
