"""Turn copper coverage into what a camera delivers: registration, edges, dust, light, noise.

Measured between DeepPCB's test and template images, outside the labelled boxes: the shift is 0.43 px in
the median, 2.9 px at the 95th and 6.2 px at the 99th percentile; the rotation 0.05 degrees (0.28 at the
99th); after alignment 0.47 pixels differ for each pixel of edge (0.26 at the 5th, 1.04 at the 95th
percentile); single specks are rare. The ranges here go beyond that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.canvas import BORDER_PX
from aoi_daemon.kit.boards.options import Style
from aoi_daemon.kit.boards.parts import Rng, log_uniform

Mask = NDArray[np.uint8]
Field = NDArray[np.float32]

# Edge noise may move an edge but never make a speck of its own: 0.5 would.
NOISE_LIMIT: Final = 0.4
# A pixel counts as damaged when it moved by this part of the copper's contrast.
VISIBLE: Final = 0.25
# Of the Gaussian kernels below: a region must be this much larger to be rendered as in the whole image.
BLUR_REACH_PX: Final = 8


@dataclass(frozen=True)
class Scene:
    """How one of the two images of a board is taken.

    Attributes:
        blur_px: standard deviation of the optics' point spread.
        threshold: float32 (height_px, width_px), around 0.5: where coverage counts as copper. Its
            variation is the edge's roughness and the etching's deviation in width.
    """

    blur_px: float
    threshold: Field

    def soft(self, coverage: Mask) -> Field:
        """Blur coverage 0 to 255 into float32 0 to 1 of the same shape."""
        image = np.asarray(coverage, np.float32) * np.float32(1 / 255)
        size = 2 * min(BLUR_REACH_PX, math.ceil(3 * self.blur_px)) + 1
        return np.asarray(cv2.GaussianBlur(image, (size, size), self.blur_px), np.float32)

    def copper(self, coverage: Mask) -> Mask:
        """Binarise coverage: 1 is copper, uint8 of the same shape."""
        return np.asarray(self.soft(coverage) > self.threshold, np.uint8)

    def nominal(self, coverage: Mask) -> Mask:
        """Binarise coverage as if its edges were smooth: 1 is copper, uint8 of the same shape."""
        return np.asarray(self.soft(coverage) > np.float32(0.5), np.uint8)

    def cut(self, x: int, y: int, region: Mask) -> Scene:
        """Return the same scene for a region of the image whose first pixel lies at (x, y)."""
        rows, columns = region.shape
        return Scene(self.blur_px, self.threshold[y : y + rows, x : x + columns])


def draw_scene(rng: Rng, height_px: int, width_px: int, blur_px: float) -> Scene:
    """Draw the edge noise of one image around the board's common `blur_px`."""
    blur_px = blur_px * rng.uniform(0.9, 1.1)
    # The slope of a blurred straight edge; a threshold change over it is a shift of the edge in px.
    slope = 1.0 / (blur_px * math.sqrt(2 * math.pi))
    noise = _white(rng, height_px, width_px)
    grain_px = rng.uniform(0.35, 1.6)
    if grain_px > 0.5:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), grain_px), np.float32)
        # A blurred white field keeps 1 / (2 sqrt(pi) sigma) of its deviation.
        noise *= np.float32(2 * math.sqrt(math.pi) * grain_px)
    # Real edges are smooth from pixel to pixel and wander over 4 to 16 of them.
    noise *= np.float32(log_uniform(rng, 0.05, 0.45) * slope)
    knots = max(height_px, width_px) // int(rng.integers(4, 17))
    noise += _slow_field(rng, height_px, width_px, knots) * np.float32(log_uniform(rng, 0.15, 1.3) * slope)
    width_change_px = rng.normal(0.0, 0.1) if rng.random() < 0.88 else rng.uniform(-0.6, 0.6)
    drift = _slow_field(rng, height_px, width_px, 9) * np.float32(rng.uniform(0.0, 0.35) * slope)
    noise += drift + np.float32(width_change_px * slope)
    np.clip(noise, -NOISE_LIMIT, NOISE_LIMIT, out=noise)
    noise += np.float32(0.5)
    return Scene(blur_px, noise)


def register(rng: Rng, layout: Mask, height_px: int, width_px: int) -> Mask:
    """Place the board under the camera, uint8 (height_px, width_px), a little shifted and turned."""
    kind = rng.random()
    spread_px = 0.35 if kind < 0.7 else 1.2
    shift = rng.uniform(-4.5, 4.5, 2) if kind > 0.95 else np.clip(rng.normal(0.0, spread_px, 2), -5.0, 5.0)
    turn_deg = float(np.clip(rng.normal(0.0, 0.06 if rng.random() < 0.9 else 0.15), -0.35, 0.35))
    centre = (layout.shape[1] / 2, layout.shape[0] / 2)
    # Measured on 640 px; a larger board's corners must not come nearer than BORDER_PX either.
    turn_deg *= min(1.0, 640.0 / max(height_px, width_px))
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, turn_deg, 1.0), np.float64)
    matrix[:, 2] = matrix[:, 2] + shift - BORDER_PX
    return np.asarray(cv2.warpAffine(layout, matrix, (width_px, height_px), flags=cv2.INTER_LINEAR), np.uint8)


def untouched(layout: Mask, height_px: int, width_px: int) -> Mask:
    """Cut the template's view out of the layout, uint8 (height_px, width_px)."""
    view = layout[BORDER_PX : BORDER_PX + height_px, BORDER_PX : BORDER_PX + width_px]
    return np.ascontiguousarray(view)


def scatter_dust(rng: Rng, coverage: Mask) -> None:
    """Put specks on the board, in place. None is as large as the smallest defect."""
    height_px, width_px = coverage.shape
    count = int(rng.poisson(0.4 if rng.random() < 0.8 else 6.0))
    for _ in range(count):
        x, y = int(rng.integers(2, width_px - 2)), int(rng.integers(2, height_px - 2))
        value = 255 if coverage[y, x] < 128 else 0
        cv2.ellipse(
            coverage, (x * 4, y * 4), (int(rng.integers(2, 7)), int(rng.integers(2, 7))),
            float(rng.uniform(0, 180)), 0, 360, value, -1, cv2.LINE_8, 2,
        )  # fmt: skip


def render_binary(scene: Scene, coverage: Mask) -> Mask:
    """DeepPCB's one-bit scan: copper 0, substrate 255."""
    return np.asarray((1 - scene.copper(coverage)) * np.uint8(255), np.uint8)


@dataclass(frozen=True)
class Light:
    """Gray levels of one board, common to test and template."""

    substrate: float
    copper: float
    noise: float
    grain: float


def draw_light(rng: Rng) -> Light:
    """Draw levels at least 75 gray levels apart, copper the darker."""
    copper = float(rng.uniform(5, 115))
    substrate = float(rng.uniform(copper + 75, 250))
    return Light(substrate, copper, log_uniform(rng, 0.6, 6.0), log_uniform(rng, 0.5, 5.0))


def render_gray(rng: Rng, scene: Scene, coverage: Mask, light: Light) -> Mask:
    """A camera's gray image of the board, uint8 of the coverage's shape."""
    height_px, width_px = coverage.shape
    soft = gray_copper(scene, coverage)
    noise = _white(rng, height_px, width_px)
    # Copper is grainy in patches, the sensor pixel by pixel: one white field serves both.
    grain = np.asarray(cv2.blur(noise, (3, 3)), np.float32) * np.float32(3 * light.grain)
    image = soft * np.float32(light.copper - light.substrate) + np.float32(light.substrate)
    gain = 1.0 + rng.normal(0.0, 0.025)
    image *= _slow_field(rng, height_px, width_px, 3) * np.float32(rng.uniform(0.0, 0.06)) + np.float32(gain)
    image += grain * soft
    image += noise * np.float32(light.noise * rng.uniform(0.6, 1.0))
    np.clip(image, 0, 255, out=image)
    return np.asarray(image, np.uint8)


def gray_copper(scene: Scene, coverage: Mask) -> Field:
    """Coverage as the gray renderer sees it, float32 0 to 1: blurred, its edges roughened."""
    soft = scene.soft(coverage)
    # 4 s (1 - s) is 1 in the middle of an edge and 0 away from it.
    rough = (np.float32(0.5) - scene.threshold) * (soft * (np.float32(1) - soft) * np.float32(4))
    return np.asarray(np.clip(soft + rough, 0, 1), np.float32)


def damaged_pixels(scene: Scene, style: Style, clean: Mask, damaged: Mask) -> Mask:
    """Mark with 1 where the two coverages look different in the image, uint8 of their shape."""
    if style is Style.BINARY:
        return np.asarray(scene.copper(clean) ^ scene.copper(damaged), np.uint8)
    change = np.abs(gray_copper(scene, clean) - gray_copper(scene, damaged))
    return np.asarray(change > VISIBLE, np.uint8)


def tint(rng: Rng, mono: Mask) -> Mask:
    """Colour a gray image like a laminate lit from behind, uint8 (height_px, width_px, 3) BGR."""
    weights = np.array([0.114, 0.587, 0.299])
    glow = np.array([rng.uniform(0.55, 0.95), rng.uniform(0.95, 1.08), rng.uniform(0.8, 1.02)])
    glow /= float(weights @ glow)
    levels = np.arange(256)[:, None] * glow[None, :]
    table = np.asarray(np.clip(levels, 0, 255), np.uint8)
    return np.asarray(table[mono], np.uint8)


def _white(rng: Rng, height_px: int, width_px: int) -> Field:
    """White noise of unit deviation, float32 (height_px, width_px).

    The sum of two random bytes: a triangle instead of a bell, in a seventh of the time.
    """
    raw = np.frombuffer(rng.bytes(2 * height_px * width_px), np.uint8).reshape(2, height_px, width_px)
    total = np.asarray(cv2.add(raw[0], raw[1], dtype=cv2.CV_32F), np.float32)
    # Each byte is uniform over 256 values: variance (256 ** 2 - 1) / 12, mean 127.5.
    total -= np.float32(255.0)
    total *= np.float32(1.0 / math.sqrt(2 * (256**2 - 1) / 12))
    return total


def _slow_field(rng: Rng, height_px: int, width_px: int, knots: int) -> Field:
    """A smooth random field of about unit size, float32 (height_px, width_px)."""
    coarse = rng.uniform(-1.0, 1.0, (knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32)
