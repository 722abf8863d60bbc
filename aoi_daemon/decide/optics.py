"""Is the picture one to judge by? A dead lamp must not look like a bad product, nor like a good one. Pure."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.limits import Optics

_STEP: Final = 8
"""Every eighth pixel of every eighth row: brightness is a matter of the complete picture."""


def optics_fault(image: NDArray[np.uint8], limits: Optics) -> str:
    """What is wrong with `image`, (H, W, C) uint8; "" when nothing is."""
    sample = np.ascontiguousarray(image[::_STEP, ::_STEP, 0])
    mean, deviation = cv2.meanStdDev(sample)
    brightness, contrast = mean.item(), deviation.item()
    if brightness < limits.min_brightness:
        return f"too dark: {brightness:.0f}, at least {limits.min_brightness:g}"
    if brightness > limits.max_brightness:
        return f"too bright: {brightness:.0f}, at most {limits.max_brightness:g}"
    if contrast < limits.min_contrast:
        return f"no contrast: {contrast:.0f}, at least {limits.min_contrast:g}"
    return ""
