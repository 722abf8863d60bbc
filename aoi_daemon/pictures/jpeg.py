"""JPEG: complete, but without a check sum: damage between its marks is not seen."""

from __future__ import annotations

import io
from typing import Final

import cv2
import numpy as np
from PIL import Image

from aoi_daemon.pictures.decoders import SEVERAL, Opened, Pixels, RefusedError, by_pillow, orientation_of

_TABLES: Final = frozenset({0xC4, 0xC8, 0xCC})


def open_jpeg(raw: bytes) -> Opened:
    """A JPEG whose head was read. Raises RefusedError."""
    depth = _depth(raw)
    if depth not in (0, 8):
        raise RefusedError(f"is a JPEG of {depth} bits a sample: save it as PNG of 16 bits and state `bits`")
    with by_pillow("JPEG"):
        image = Image.open(io.BytesIO(raw), formats=("JPEG",))
        if getattr(image, "n_frames", 1) > 1:
            raise RefusedError(SEVERAL)
        if image.mode not in ("L", "RGB"):
            raise RefusedError(f"has {image.mode} colours: save it as gray or RGB")
    turn = orientation_of(image.info.get("exif"))

    def pixels(channels: int) -> Pixels:
        # Decoded by Pillow: OpenCV has the same values, and prints on stderr what libjpeg makes of damage.
        with by_pillow("JPEG"):
            if channels == 1:
                image.draft("L", None)
            found = np.asarray(image)
        return found if found.ndim == 2 else cv2.cvtColor(found, cv2.COLOR_RGB2BGR)

    return Opened("JPEG", *image.size, 8, turn, pixels)


def _depth(raw: bytes) -> int:
    """Bits a sample by the frame header; 0 where none is found."""
    at = 2
    while at + 5 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _TABLES:
            return raw[at + 4]
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return 0
