"""Read one picture by the rules of this package, whatever its kind, or refuse it by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import PictureError
from aoi_daemon.pictures.bmp_tiff import open_bmp, open_tiff
from aoi_daemon.pictures.decoders import LONGEST_PX, Opened, Pixels, RefusedError
from aoi_daemon.pictures.files import read_bytes
from aoi_daemon.pictures.jpeg import open_jpeg
from aoi_daemon.pictures.png import PALETTE, PNG, open_png

LEAST_BITS: Final = 9
MOST_BITS: Final = 16

Channels = Literal[1, 3]

_OTHERS: Final = (
    (b"GIF8", "a GIF"), (b"RIFF", "a WebP or another RIFF file"), (b"\0\0\0\x0cjP", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"), (b"P5", "a PGM"), (b"P6", "a PPM"), (b"%PDF", "a PDF"),
)  # fmt: skip
_OPENERS: Final[tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], Opened]], ...]] = (
    (PNG, open_png),
    (b"\xff\xd8\xff", open_jpeg),
    (b"BM", open_bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), open_tiff),
)


def read_picture(file: Path, channels: Channels, *, bits: int | None = None) -> NDArray[np.uint8]:
    """The picture in `file`, (H, W, `channels`) uint8, 1 gray or 3 BGR; by the rules of this package.

    Args:
        file: a regular file.
        channels: what is asked for, whatever the file has.
        bits: 9 to 16: so many of a file of 16 bits a sample count; None: it has 8 or fewer.

    Raises:
        PictureError: naming the file, why it is not read and what to do about it.
    """
    return decode_picture(read_bytes(file), file, channels, bits=bits)


def decode_picture(
    raw: bytes, name: Path | str, channels: Channels, *, bits: int | None = None
) -> NDArray[np.uint8]:  # fmt: skip
    """As `read_picture`, of a file's content; `name` is what the error calls it."""
    with _named(name):
        opened = _open(raw)
        if bits is not None and opened.depth <= 8:
            raise RefusedError(f"has {opened.depth} bits a sample, bits = {bits} is stated: take `bits` out")
        image = opened.pixels(1 if opened.depth > 8 else channels)
        if image.shape[:2] != (opened.height_px, opened.width_px):
            raise RefusedError(f"is damaged: its head says {opened.width_px} x {opened.height_px} px, its pixels not")
        if opened.depth > 8:
            image = _to_8_bits(image, bits)
    image = _turned(image, opened.turn)
    if channels == 3 and image.ndim == 2:
        image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image, np.uint8).reshape(*image.shape[:2], channels)


def picture_size(file: Path) -> tuple[int, int]:
    """(width_px, height_px) of the picture in `file` as `read_picture` gives it, without its pixels.

    Raises:
        PictureError: the file is missing, or what can be told without decoding it is wrong.
    """
    return size_of(read_bytes(file), file)


def picture_is_turned(file: Path) -> bool:
    """Whether EXIF turns the picture in `file`, as `read_picture` does. Raises as `picture_size`."""
    with _named(file):
        return _open(read_bytes(file)).turn != 1


def picture_is_indexed(file: Path) -> bool:
    """Whether the samples of a PNG are numbers of a palette's colours. Raises as `picture_size`."""
    raw = read_bytes(file)
    with _named(file):
        _open(raw)
    return raw.startswith(PNG) and raw[25] == PALETTE


def size_of(raw: bytes, name: Path | str) -> tuple[int, int]:
    """As `picture_size`, of a file's content; `name` is what the error calls it."""
    with _named(name):
        return _open(raw).size


@contextmanager
def _named(name: Path | str) -> Iterator[None]:
    try:
        yield
    except RefusedError as error:
        raise PictureError(f"{name}: {error}") from error


def _open(raw: bytes) -> Opened:
    opener = next((opener for begin, opener in _OPENERS if raw.startswith(begin)), None)
    if opener is None:
        other = next((what for begin, what in _OTHERS if raw.startswith(begin)), f"no picture ({len(raw)} bytes)")
        raise RefusedError(f"is {other if raw else 'empty'}: PNG, JPEG, BMP and TIFF are read")
    opened = opener(raw)
    if not (0 < opened.width_px <= LONGEST_PX and 0 < opened.height_px <= LONGEST_PX):
        size = f"{opened.width_px} x {opened.height_px}"
        raise RefusedError(f"is {size} px; allowed are 1 to {LONGEST_PX} on each side")
    return opened


def _to_8_bits(image: Pixels, bits: int | None) -> NDArray[np.uint8]:
    greatest = int(image.max())
    fits = max(LEAST_BITS, greatest.bit_length())
    if bits is None:
        raise RefusedError(
            f"has more than 8 bits a sample and nothing says how many count; greatest value {greatest}: "
            f"state bits = {fits} if that is the camera's depth, or save it with 8 bits"
        )
    if greatest >= 1 << bits:
        raise RefusedError(f"greatest value {greatest} does not fit bits = {bits} (at most {(1 << bits) - 1})")
    return (image >> (bits - 8)).astype(np.uint8)


def _turned(image: Pixels, orientation: int) -> Pixels:
    """`image` as a person sees it: EXIF's orientation says where its first row and column belong."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image
