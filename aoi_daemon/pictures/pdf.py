"""One black and white picture as a PDF page of an exact size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aoi_daemon.files import replace_file

_MM_PER_INCH: Final = 25.4


def write_page(file: Path, page: NDArray[np.uint8], px_per_mm: int) -> None:
    """Write `page`, (H, W) uint8 of which 128 and more is white, so that `px_per_mm` of it are 1 mm.

    Raises:
        OSError: the file cannot be written.
    """
    content = io.BytesIO()
    Image.fromarray(page).convert("1", dither=Image.Dither.NONE).save(
        content, "PDF", resolution=px_per_mm * _MM_PER_INCH
    )
    replace_file(file, content.getvalue())
