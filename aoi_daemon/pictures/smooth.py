"""A picture made smaller as Pillow does it: the filter grows with the scale, so that no pixel goes unseen.

torchvision, timm, anomalib and Keras show pictures to their models so, or within rounding of it. Memory: Pillow takes
that of the smaller picture, and of a copy of a coloured one, for each call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_smoothly(source: NDArray[np.uint8], into: NDArray[np.uint8]) -> None:
    """Write `source` (H, W, C) uint8, C 1 or 3, into `into` (h, w, C) by Pillow's bilinear filter; larger is linear."""
    given = Image.fromarray(source[..., 0] if source.shape[2] == 1 else source)
    found = given.resize((into.shape[1], into.shape[0]), Image.Resampling.BILINEAR)
    np.copyto(into, np.asarray(found).reshape(into.shape))
