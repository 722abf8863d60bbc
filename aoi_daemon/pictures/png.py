"""PNG: each chunk has a check sum, and nothing but what makes the pixels reaches the decoder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import cv2

from aoi_daemon.pictures.decoders import (
    ALPHA,
    SEVERAL,
    Opened,
    Pixels,
    RefusedError,
    by_opencv,
    colour_flag,
    orientation_of,
)

PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = struct.Struct(">IIBBBBB")
PALETTE: Final = 3
# libpng warns on stderr of what it dislikes in the others; these alone make the pixels.
_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"gAMA", b"cHRM", b"sRGB", b"IDAT", b"IEND"})


def open_png(raw: bytes) -> Opened:
    """A PNG whose check sums hold. Raises RefusedError."""
    chunks = list(_chunks(raw))
    kind, head = chunks[0]
    if kind != b"IHDR" or len(head) != _HEAD.size + 12:
        raise RefusedError("is a damaged PNG (it does not begin with its size)")
    width_px, height_px, depth, colour, *_ = _HEAD.unpack_from(head, 8)
    kinds = {kind for kind, _ in chunks}
    if b"acTL" in kinds:
        raise RefusedError(SEVERAL)
    if b"tRNS" in kinds or colour in (4, 6):
        raise RefusedError(ALPHA)
    if depth == 16 and colour:
        raise RefusedError("has 16 bits a sample in colour, gray alone is read so: save it with 8 bits")
    gray = colour == 0
    exif = next((bytes(chunk[8:-4]) for kind, chunk in chunks if kind == b"eXIf"), None)

    def pixels(channels: int) -> Pixels:
        kept = b"".join([PNG, *(chunk for kind, chunk in chunks if kind in _KEPT)])
        return by_opencv(kept, cv2.IMREAD_UNCHANGED if depth > 8 else colour_flag(1 if gray else channels), "PNG")

    return Opened("PNG", width_px, height_px, 8 if colour == PALETTE else depth, orientation_of(exif), pixels)


def _chunks(raw: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk's kind, and all of it; its check sum holds."""
    view, at = memoryview(raw), len(PNG)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(raw):
            raise RefusedError(f"is a PNG that is cut short ({len(raw)} bytes): copy it again")
        length, kind = struct.unpack_from(">I4s", raw, at)
        end = at + 12 + length
        if end > len(raw):
            raise RefusedError(f"is a PNG that is cut short ({len(raw)} of at least {end} bytes): copy it again")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise RefusedError(f"is a damaged PNG (a check sum before byte {end} is wrong): copy it again")
        yield kind, view[at:end]
        at = end
