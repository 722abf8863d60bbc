"""OpenCV and Pillow for the reader of each kind: what they fail at, or warn of, is a refusal; nothing is printed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

LONGEST_PX: Final = 16_384

ALPHA: Final = "has transparency, which no camera has: save it without (flattened, no alpha channel)"
SEVERAL: Final = "holds several pictures (pages or an animation): save one of them alone"
_EXIF_ORIENTATION: Final = 0x0112

# Both are the process' own settings; nothing else in this program uses either library's.
Image.MAX_IMAGE_PIXELS = LONGEST_PX**2
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
_filters = threading.Lock()

Pixels = NDArray[Any]


class RefusedError(Exception):
    """Why a file is not read; whoever knows its name says it with the name."""


class Opened(NamedTuple):
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


def orientation(value: Any) -> int:
    """An EXIF orientation, 1 to 8. Raises RefusedError for any other value."""
    if value not in range(1, 9):
        raise RefusedError(f"its EXIF orientation is {value}, allowed are 1 to 8: save it without EXIF")
    return int(value)


def orientation_of(exif: bytes | None) -> int:
    """The orientation that an EXIF block states, 1 where there is none. Raises RefusedError."""
    if not exif:
        return 1
    with by_pillow("EXIF"):
        tags = Image.Exif()
        tags.load(exif)
        return orientation(tags.get(_EXIF_ORIENTATION, 1))


def by_opencv(raw: bytes, flags: int, kind: str) -> Pixels:
    """The pixels as OpenCV decodes them; `kind` is what an error calls the file. Raises RefusedError."""
    try:
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    except cv2.error:  # a damaged file raises or gives None, as the decoder likes
        image = None
    if image is None:
        raise RefusedError(f"is a damaged {kind}, or one that OpenCV cannot decode: save it anew, as PNG")
    return np.asarray(image)


def colour_flag(channels: int) -> int:
    """How OpenCV is asked for 1 or 3 channels, whatever the file has."""
    return (cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION


@contextmanager
def by_pillow(kind: str) -> Iterator[None]:
    """Pillow at work: what it fails at, or warns of, is a refusal, and nothing is printed."""
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\b")
        try:
            yield
        except RefusedError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise RefusedError(f"is larger than {LONGEST_PX} x {LONGEST_PX} px") from error
        except UnidentifiedImageError as error:
            raise RefusedError(f"is a damaged {kind}, or of a kind that is not read") from error
        except Exception as error:  # a plug-in of Pillow's raises what it happens to meet
            text = " ".join(str(error).split())[:100]
            raise RefusedError(f"is a damaged {kind} ({text or type(error).__name__})") from error
