"""Turn what a camera sends into what the model sees: uint8, mono or BGR.

Process: acquire, and whoever tests it. Blocks: never. Memory: writes the caller's plane; scratch is
taken when a converter is made, nothing after.

Formats are PFNC names (EMVA, GenICam Pixel Format Naming Convention 2.x). 10 and 12 bit pixels are
shifted down to their upper 8 bits: the models are fed uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import CameraSettingError

Pixels = NDArray[np.uint8]
Unpack = Callable[[Pixels, Pixels, Pixels], None]
"""From packed lines (H, bytes) to (H, W), with a scratch of the shape (H, groups)."""


@dataclass(frozen=True)
class _Format:
    """`group_px` pixels lie in `group_bytes` bytes; a line must end where a group ends.

    `to_mono` and `to_bgr` are OpenCV's conversion codes, None where the pixels are right as they are.
    A format with `unpack` becomes 8 bit mono by it, and then what the codes say.
    """

    group_bytes: int
    group_px: int = 1
    bands: int = 1
    to_mono: int | None = None
    to_bgr: int | None = cv2.COLOR_GRAY2BGR
    unpack: Unpack | None = None


def _unpack_10(packed: Pixels, out: Pixels, _: Pixels) -> None:
    np.right_shift(packed.view("<u2"), 2, out=out, dtype=np.uint16, casting="unsafe")


def _unpack_12(packed: Pixels, out: Pixels, _: Pixels) -> None:
    np.right_shift(packed.view("<u2"), 4, out=out, dtype=np.uint16, casting="unsafe")


def _unpack_10p(packed: Pixels, out: Pixels, scratch: Pixels) -> None:
    # A stream of bits, least significant first: pixel i is bits 10 i to 10 i + 9, of which the upper 8
    # lie in bytes i (from bit 2 + 2 i) and i + 1.
    for i in range(4):
        pixels = out[:, i::4]
        np.right_shift(packed[:, i::5], 2 + 2 * i, out=pixels)
        np.left_shift(packed[:, i + 1 :: 5], 6 - 2 * i, out=scratch)
        np.bitwise_or(pixels, scratch, out=pixels)


def _unpack_12p(packed: Pixels, out: Pixels, scratch: Pixels) -> None:
    # Bits 0 to 11 and 12 to 23 of three bytes, least significant first.
    even = out[:, 0::2]
    np.right_shift(packed[:, 0::3], 4, out=even)
    np.left_shift(packed[:, 1::3], 4, out=scratch)
    np.bitwise_or(even, scratch, out=even)
    np.copyto(out[:, 1::2], packed[:, 2::3])


def _unpack_gige(packed: Pixels, out: Pixels, _: Pixels) -> None:
    # GigE Vision's own packing puts the upper 8 bits in bytes of their own; the lower 2 or 4 bits of
    # both pixels share the byte between.
    np.copyto(out[:, 0::2], packed[:, 0::3])
    np.copyto(out[:, 1::2], packed[:, 2::3])


def _bayer(pattern: str) -> _Format:
    # OpenCV's old names shift the pattern (COLOR_BayerBG2BGR is PFNC's BayerRG8), the four-letter ones
    # do not.
    return _Format(
        1,
        to_mono=getattr(cv2, f"COLOR_Bayer{pattern}2GRAY"),
        to_bgr=getattr(cv2, f"COLOR_Bayer{pattern}2BGR"),
    )


_RGB = _Format(3, bands=3, to_mono=cv2.COLOR_RGB2GRAY, to_bgr=cv2.COLOR_RGB2BGR)
_BGR = _Format(3, bands=3, to_mono=cv2.COLOR_BGR2GRAY, to_bgr=None)
_RGBA = _Format(4, bands=4, to_mono=cv2.COLOR_RGBA2GRAY, to_bgr=cv2.COLOR_RGBA2BGR)
_BGRA = _Format(4, bands=4, to_mono=cv2.COLOR_BGRA2GRAY, to_bgr=cv2.COLOR_BGRA2BGR)

FORMATS: Final[dict[str, _Format]] = {
    "Mono8": _Format(1),
    "Mono10": _Format(2, unpack=_unpack_10),
    "Mono12": _Format(2, unpack=_unpack_12),
    "Mono10p": _Format(5, group_px=4, unpack=_unpack_10p),
    "Mono12p": _Format(3, group_px=2, unpack=_unpack_12p),
    "Mono10Packed": _Format(3, group_px=2, unpack=_unpack_gige),
    "Mono12Packed": _Format(3, group_px=2, unpack=_unpack_gige),
    "BayerRG8": _bayer("RGGB"),
    "BayerGB8": _bayer("GBRG"),
    "BayerGR8": _bayer("GRBG"),
    "BayerBG8": _bayer("BGGR"),
    "RGB8": _RGB,
    "BGR8": _BGR,
    "RGBa8": _RGBA,
    "BGRa8": _BGRA,
    # The names of SFNC 1.x, before PFNC; the codes are the same.
    "RGB8Packed": _RGB,
    "BGR8Packed": _BGR,
    "RGBA8Packed": _RGBA,
    "BGRA8Packed": _BGRA,
}


def use_one_thread() -> None:
    """Keep OpenCV's pool asleep, in all of the process.

    Waking it costs more than it saves: on two loaded cores the p99 of 640x640 RGBa8 to mono went from
    0.2 ms to 4 ms with two threads.
    """
    cv2.setNumThreads(1)


def check_format(source_format: str) -> None:
    """Raise CameraSettingError unless frames of this format can be converted."""
    if source_format not in FORMATS:
        raise CameraSettingError(
            f"pixel format {source_format} is not supported; set PixelFormat to one of {', '.join(FORMATS)}"
        )


class Converter:
    """From one source format and geometry to (height_px, width_px, channels) uint8.

    Args:
        source_format: a name in `FORMATS`.
        channels: 1: mono, 3: BGR. Colour becomes mono by the weights of ITU-R BT.601.
        x_padding: bytes after each line's pixels, as GenTL's BUFFER_INFO_XPADDING counts them.

    Attributes:
        shape: (height_px, width_px, channels) of what is written.
        source_bytes: least size of a source; the padding of the last line may be missing.

    Raises:
        CameraSettingError: the format is not supported, or its lines do not end on a byte at this width.
    """

    def __init__(self, source_format: str, channels: int, width_px: int, height_px: int, x_padding: int = 0) -> None:
        check_format(source_format)
        if min(width_px, height_px) < 1 or x_padding < 0:
            raise CameraSettingError(
                f"a frame of {width_px}x{height_px} px with {x_padding} bytes of line padding is none"
            )
        self._format = pixel = FORMATS[source_format]
        # What follows a line that ends inside a byte is not the same for all transport layers.
        if width_px % pixel.group_px:
            raise CameraSettingError(
                f"{source_format} with Width {width_px}: lines do not end on a byte; "
                f"set Width to a multiple of {pixel.group_px}"
            )
        self.shape = (height_px, width_px, channels)
        line_bytes = width_px // pixel.group_px * pixel.group_bytes
        self._stride = line_bytes + x_padding
        self.source_bytes = self._stride * (height_px - 1) + line_bytes
        self._code = pixel.to_bgr if channels == 3 else pixel.to_mono
        self._target = self.shape if channels == 3 else self.shape[:2]
        self._size = height_px * width_px * channels
        self._view: tuple[int, ...] = (height_px, line_bytes)
        self._strides: tuple[int, ...] = (self._stride, 1)
        if pixel.bands > 1:
            self._view = (height_px, width_px, pixel.bands)
            self._strides = (self._stride, pixel.bands, 1)
        unpacked = (height_px, width_px) if pixel.unpack and self._code is not None else (0, 0)
        self._mono = np.empty(unpacked, np.uint8)
        groups = width_px // pixel.group_px if pixel.unpack else 0
        self._scratch = np.empty((height_px, groups), np.uint8)

    def convert(self, source: bytes | Pixels, offset: int, out: Pixels) -> None:
        """Write the frame that begins at byte `offset` of `source` to the front of `out` (flat uint8).

        Raises:
            ValueError: the source is smaller than `source_bytes` after the offset, or `out` than the frame.
        """
        if out.size < self._size:
            raise ValueError(f"the plane holds {out.size} bytes, the frame takes {self._size}")
        if len(source) - offset < self.source_bytes:
            raise ValueError(f"{len(source) - offset} bytes are no frame of {self.source_bytes}")
        pixels: Pixels = np.ndarray(self._view, np.uint8, source, offset, self._strides)
        target = out[: self._size].reshape(self._target)
        if self._format.unpack is not None:
            if self._code is None:
                self._format.unpack(pixels, target, self._scratch)
                return
            self._format.unpack(pixels, self._mono, self._scratch)
            pixels = self._mono
        if self._code is None:
            np.copyto(target, pixels)
        else:
            # With dst of the right shape and type OpenCV writes in place: the conversion is the copy.
            cv2.cvtColor(pixels, self._code, dst=target)
