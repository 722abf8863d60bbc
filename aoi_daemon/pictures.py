"""Read picture files as they were meant, or refuse them by name: the one reader for every picture in the product.

Process: any. Blocks: in the disk and the decoder. A file is read once: what is hashed can be what is decoded.

PNG, JPEG, BMP and TIFF, told by what is in the file; its name does not count. What is read, and how:

- 8 bits a sample, gray or colour: as it is. Gray of a colour file is its luma (BT.601, as OpenCV's and libjpeg's
  decoders have it); colour of a gray file is the gray three times. Interlaced and progressive files are read.
- 1, 2 or 4 bits gray: 0 is black, the greatest is 255, and what lies between them evenly. A palette: its colours.
- 9 to 16 bits gray, kept as 16: with the depth stated, `value >> (bits - 8)`; a value of 2**bits or more is
  refused, and so is a depth stated for a file of 8 bits. Nothing in such a file says what white is.
- EXIF orientation (TIFF: its own tag): the picture as a person sees it, before anything looks at its size.

Refused: transparency of any kind, CMYK and other colours, 16 bit colour, floating point, signed values, 12 bit JPEG,
several pictures in a file (animation, pages), any side over 16384 px, what is cut short or damaged, and everything
but a regular file. PNG has check sums. JPEG must be complete, but holds no check sum: damage between its marks is
not seen. BMP and TIFF are decoded by Pillow and by OpenCV, which must agree: OpenCV passes over damage in silence.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from aoi_daemon.errors import PictureError

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""What `list_pictures` takes for a picture, in small or capital letters."""
LONGEST_PX: Final = 16_384
LEAST_BITS: Final = 9
MOST_BITS: Final = 16

_MOST_BYTES: Final = 2**31
_ORIENTATION: Final = 0x0112
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD: Final = struct.Struct(">IIBBBBB")
_PNG_PALETTE: Final = 3
# libpng warns on stderr of what it dislikes in the others; these alone make the pixels.
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"gAMA", b"cHRM", b"sRGB", b"IDAT", b"IEND"})
_JPEG_TABLES: Final = frozenset({0xC4, 0xC8, 0xCC})
_ALPHA: Final = "has transparency, which no camera has: save it without (flattened, no alpha channel)"
_SEVERAL: Final = "holds several pictures (pages or an animation): save one of them alone"
_TIFF_COLOURS: Final = {0: "gray", 1: "gray", 2: "colour", 3: "palette"}
_OTHERS: Final = (
    (b"GIF8", "a GIF"), (b"RIFF", "a WebP or another RIFF file"), (b"\0\0\0\x0cjP", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"), (b"P5", "a PGM"), (b"P6", "a PPM"), (b"%PDF", "a PDF"),
)  # fmt: skip

# Both are the process' own settings; nothing else in this program uses either library's.
Image.MAX_IMAGE_PIXELS = LONGEST_PX**2
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
_filters = threading.Lock()

Pixels = NDArray[Any]
Channels = Literal[1, 3]


class _RefusedError(Exception):
    """Why a file is not read; whoever knows its name says it with the name."""


class _Opened(NamedTuple):
    """A file whose head was read. `pixels`: (H, W) or (H, W, 3) BGR, uint8, uint16 where `depth` is above 8."""

    kind: str
    width_px: int
    height_px: int
    depth: int
    turn: int
    pixels: Callable[[int], Pixels]

    @property
    def size(self) -> tuple[int, int]:
        """(width_px, height_px) once it is turned."""
        return (self.height_px, self.width_px) if self.turn >= 5 else (self.width_px, self.height_px)


def read_picture(file: Path, channels: Channels, *, bits: int | None = None) -> NDArray[np.uint8]:
    """The picture in `file`, (H, W, `channels`) uint8, 1 gray or 3 BGR; by the rules above.

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
            raise _RefusedError(f"has {opened.depth} bits a sample, bits = {bits} is stated: take `bits` out")
        image = opened.pixels(1 if opened.depth > 8 else channels)
        if image.shape[:2] != (opened.height_px, opened.width_px):
            raise _RefusedError(f"is damaged: its head says {opened.width_px} x {opened.height_px} px, its pixels not")
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


def size_of(raw: bytes, name: Path | str) -> tuple[int, int]:
    """As `picture_size`, of a file's content; `name` is what the error calls it."""
    with _named(name):
        return _open(raw).size


def list_pictures(folder: Path) -> list[Path]:
    """The picture files that lie in `folder` itself, board2 before board10.

    Left out: hidden files, links that lead nowhere or in a circle, and what is no regular file.

    Raises:
        PictureError: the folder cannot be listed.
    """
    try:
        found = [entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise PictureError(f"{folder}: cannot be listed: {error.strerror}") from error
    return sorted((entry for entry in found if not entry.name.startswith(".") and _is_file(entry)), key=natural)


def natural(path: Path) -> list[tuple[bool, int, str]]:
    """A key that sorts board2 before board10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.stem.lower())
    key = [(part[0] in "0123456789", int(part) if part[0] in "0123456789" else 0, part) for part in parts]
    return [*key, (False, 0, path.name)]


def read_bytes(file: Path) -> bytes:
    """The content of a regular file. Raises PictureError for any other, at once: a pipe is not waited for."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
                raise PictureError(f"{file}: is {what}, not a picture file")
            if found.st_size > _MOST_BYTES:
                raise PictureError(f"{file}: has {found.st_size} bytes, a picture file has {_MOST_BYTES} at most")
            with open(opened, "rb", closefd=False) as reader:
                return reader.read()
        finally:
            os.close(opened)
    except OSError as error:
        raise PictureError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"{file}: is no name of a file: {error}") from error


def _is_file(entry: Path) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False


@contextmanager
def _named(name: Path | str) -> Iterator[None]:
    try:
        yield
    except _RefusedError as error:
        raise PictureError(f"{name}: {error}") from error


def _open(raw: bytes) -> _Opened:
    opener = next((opener for begin, opener in _OPENERS if raw.startswith(begin)), None)
    if opener is None:
        other = next((what for begin, what in _OTHERS if raw.startswith(begin)), f"no picture ({len(raw)} bytes)")
        raise _RefusedError(f"is {other if raw else 'empty'}: PNG, JPEG, BMP and TIFF are read")
    opened = opener(raw)
    if not (0 < opened.width_px <= LONGEST_PX and 0 < opened.height_px <= LONGEST_PX):
        size = f"{opened.width_px} x {opened.height_px}"
        raise _RefusedError(f"is {size} px; allowed are 1 to {LONGEST_PX} on each side")
    return opened


def _to_8_bits(image: Pixels, bits: int | None) -> NDArray[np.uint8]:
    greatest = int(image.max())
    fits = max(LEAST_BITS, greatest.bit_length())
    if bits is None:
        raise _RefusedError(
            f"has more than 8 bits a sample and nothing says how many count; greatest value {greatest}: "
            f"state bits = {fits} if that is the camera's depth, or save it with 8 bits"
        )
    if greatest >= 1 << bits:
        raise _RefusedError(f"greatest value {greatest} does not fit bits = {bits} (at most {(1 << bits) - 1})")
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


def _orientation(value: Any) -> int:
    if value not in range(1, 9):
        raise _RefusedError(f"its EXIF orientation is {value}, allowed are 1 to 8: save it without EXIF")
    return int(value)


def _orientation_of(exif: bytes | None) -> int:
    if not exif:
        return 1
    with _pillow("EXIF"):
        tags = Image.Exif()
        tags.load(exif)
        return _orientation(tags.get(_ORIENTATION, 1))


def _opencv(raw: bytes, flags: int, kind: str) -> Pixels:
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error:  # a damaged file raises or gives None, as the decoder likes
        image = None
    if image is None:
        raise _RefusedError(f"is a damaged {kind}, or one that OpenCV cannot decode: save it anew, as PNG")
    return np.asarray(image)


def _colour_flag(channels: int) -> int:
    return (cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION


@contextmanager
def _pillow(kind: str) -> Iterator[None]:
    """Pillow at work: what it fails at, or warns of, is a refusal, and nothing is printed."""
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\b")
        try:
            yield
        except _RefusedError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _RefusedError(f"is larger than {LONGEST_PX} x {LONGEST_PX} px") from error
        except UnidentifiedImageError as error:
            raise _RefusedError(f"is a damaged {kind}, or of a kind that is not read") from error
        except Exception as error:  # a plug-in of Pillow's raises what it happens to meet
            text = " ".join(str(error).split())[:100]
            raise _RefusedError(f"is a damaged {kind} ({text or type(error).__name__})") from error


# -- PNG -------------------------------------------------------------------------------------------------------------


def _open_png(raw: bytes) -> _Opened:
    chunks = list(_png_chunks(raw))
    kind, head = chunks[0]
    if kind != b"IHDR" or len(head) != _PNG_HEAD.size + 12:
        raise _RefusedError("is a damaged PNG (it does not begin with its size)")
    width_px, height_px, depth, colour, *_ = _PNG_HEAD.unpack_from(head, 8)
    kinds = {kind for kind, _ in chunks}
    if b"acTL" in kinds:
        raise _RefusedError(_SEVERAL)
    if b"tRNS" in kinds or colour in (4, 6):
        raise _RefusedError(_ALPHA)
    if depth == 16 and colour:
        raise _RefusedError("has 16 bits a sample in colour, gray alone is read so: save it with 8 bits")
    gray = colour == 0
    exif = next((bytes(chunk[8:-4]) for kind, chunk in chunks if kind == b"eXIf"), None)

    def pixels(channels: int) -> Pixels:
        kept = b"".join([_PNG, *(chunk for kind, chunk in chunks if kind in _PNG_KEPT)])
        return _opencv(kept, cv2.IMREAD_UNCHANGED if depth > 8 else _colour_flag(1 if gray else channels), "PNG")

    return _Opened("PNG", width_px, height_px, 8 if colour == _PNG_PALETTE else depth, _orientation_of(exif), pixels)


def _png_chunks(raw: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk's kind, and all of it; its check sum holds."""
    view, at = memoryview(raw), len(_PNG)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(raw):
            raise _RefusedError(f"is a PNG that is cut short ({len(raw)} bytes): copy it again")
        length, kind = struct.unpack_from(">I4s", raw, at)
        end = at + 12 + length
        if end > len(raw):
            raise _RefusedError(f"is a PNG that is cut short ({len(raw)} of at least {end} bytes): copy it again")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise _RefusedError(f"is a damaged PNG (a check sum before byte {end} is wrong): copy it again")
        yield kind, view[at:end]
        at = end


# -- JPEG ------------------------------------------------------------------------------------------------------------


def _open_jpeg(raw: bytes) -> _Opened:
    depth = _jpeg_depth(raw)
    if depth not in (0, 8):
        raise _RefusedError(f"is a JPEG of {depth} bits a sample: save it as PNG of 16 bits and state `bits`")
    with _pillow("JPEG"):
        image = Image.open(io.BytesIO(raw), formats=("JPEG",))
        if getattr(image, "n_frames", 1) > 1:
            raise _RefusedError(_SEVERAL)
        if image.mode not in ("L", "RGB"):
            raise _RefusedError(f"has {image.mode} colours: save it as gray or RGB")
    turn = _orientation_of(image.info.get("exif"))

    def pixels(channels: int) -> Pixels:
        # Decoded by Pillow: OpenCV has the same values, and prints on stderr what libjpeg makes of damage.
        with _pillow("JPEG"):
            if channels == 1:
                image.draft("L", None)
            found = np.asarray(image)
        return found if found.ndim == 2 else cv2.cvtColor(found, cv2.COLOR_RGB2BGR)

    return _Opened("JPEG", *image.size, 8, turn, pixels)


def _jpeg_depth(raw: bytes) -> int:
    """Bits a sample by the frame header; 0 where none is found."""
    at = 2
    while at + 5 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _JPEG_TABLES:
            return raw[at + 4]
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
    return 0


# -- BMP and TIFF ----------------------------------------------------------------------------------------------------


def _open_bmp(raw: bytes) -> _Opened:
    with _pillow("BMP"):
        image = Image.open(io.BytesIO(raw), formats=("BMP",))
        if image.mode not in ("1", "L", "P", "RGB"):
            raise _RefusedError(_ALPHA)
    depth = 1 if image.mode == "1" else 8
    return _Opened("BMP", *image.size, depth, 1, partial(_agreed, raw, "BMP", gray=image.mode in ("1", "L")))


def _open_tiff(raw: bytes) -> _Opened:
    with _pillow("TIFF"):
        file = io.BytesIO(raw)
        tags = TiffImagePlugin.ImageFileDirectory_v2(raw[:16] if 43 in raw[2:4] else raw[:8])
        file.seek(tags.next)
        tags.load(file)
        if tags.next:
            raise _RefusedError(_SEVERAL)
        samples, depths, colour = tags.get(277, 1), set(tags.get(258, (1,))), tags.get(262)
        if colour not in _TIFF_COLOURS:
            raise _RefusedError("has colours other than gray or RGB (CMYK, Lab, YCbCr): save it as gray or RGB")
        gray, depth = _TIFF_COLOURS[colour] == "gray", int(max(depths))
        if 338 in tags or samples != (3 if colour == 2 else 1):
            raise _RefusedError(_ALPHA)
        if set(tags.get(339, (1,))) != {1}:
            raise _RefusedError("has floating-point or signed values: save it with 8 bits a sample")
        if depth > 8 and not gray:
            raise _RefusedError(f"has {depth} bits a sample in colour, gray alone is read so: save it with 8 bits")
        if depths not in ({1}, {8}, {16}) or (depth, colour) == (16, 0):
            raise _RefusedError(f"has {depth} bits a sample in a layout that is not read: save it with 8 or 16 bits")
        width_px, height_px = int(tags[256]), int(tags[257])
        if _orientation(tags.get(274, 1)) >= 5:
            # Both decoders turn a TIFF themselves.
            width_px, height_px = height_px, width_px
    return _Opened("TIFF", width_px, height_px, depth, 1, partial(_agreed, raw, "TIFF", gray=gray))


def _agreed(raw: bytes, kind: str, channels: int, *, gray: bool) -> Pixels:
    """The pixels that both decoders read. OpenCV's gray of a colour file is its own affair: the colours agreed."""
    with _pillow(kind):
        image = Image.open(io.BytesIO(raw), formats=(kind,))
        if image.mode.startswith("I;16"):
            theirs, flag = np.asarray(image), cv2.IMREAD_UNCHANGED
        elif gray:
            theirs, flag = np.asarray(image.convert("L")), _colour_flag(1)
        else:
            theirs, flag = np.asarray(image.convert("RGB"))[:, :, ::-1], _colour_flag(3)
    ours = _opencv(raw, flag, kind)
    if not np.array_equal(ours, theirs):
        raise _RefusedError(f"is a damaged {kind}, or of a kind that two decoders read in two ways: save it as PNG")
    return ours if gray or channels == 3 else _opencv(raw, _colour_flag(1), kind)


_OPENERS: Final[tuple[tuple[bytes | tuple[bytes, ...], Callable[[bytes], _Opened]], ...]] = (
    (_PNG, _open_png),
    (b"\xff\xd8\xff", _open_jpeg),
    (b"BM", _open_bmp),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _open_tiff),
)
