"""The target as a camera of known optics sees it: scale, turn, tilt, distortion, blur, noise, light."""

from __future__ import annotations

import cv2
import numpy as np

from aoi_daemon.target.board import Target, picture

PRINT = 8
"""Px per mm of the flat print that is looked at."""
PAPER_PX = 200
"""White around it."""


def seen(
    target: Target, *, size=(640, 480), px_per_mm=4.4, turn_deg=3.0, tilt=0.0, k1=0.0, k2=0.0, blur_px=0.6, noise=2.0,
    shift_px=(0.0, 0.0), wave_px=0.0, light=(40, 210), tint=None, seed=0,
):  # fmt: skip
    """A frame (H, W) uint8, or (H, W, 3) BGR with a `tint`.

    `tilt`: by so much the scale grows over the width of the frame. k1, k2: what lies at r from the middle, in half
    diagonals, is seen at r (1 + k1 r^2 + k2 r^4). `wave_px`: how far the paper is out of flat, as it is seen.
    """
    width, height = size
    paper = cv2.copyMakeBorder(picture(target, PRINT), *[PAPER_PX] * 4, cv2.BORDER_CONSTANT, value=255)
    fine = 2  # samples a side for each pixel: a sensor sees areas
    y, x = (np.mgrid[: height * fine, : width * fine].astype(np.float32) + 0.5) / fine - 0.5
    middle, radius = np.array(((width - 1) / 2, (height - 1) / 2), np.float32), np.float32(np.hypot(width, height) / 2)
    at = (np.stack((x, y), axis=-1) - middle) / radius
    # The radius alone is distorted: its inverse from a table.
    true = np.linspace(0, 1.6, 4096)
    r = np.hypot(at[..., 0], at[..., 1])
    factor = np.interp(r, true * (1 + k1 * true**2 + k2 * true**4), true) / np.maximum(r, 1e-6)
    plane = at * factor[..., None].astype(np.float32) * radius - np.array(shift_px, np.float32)
    if wave_px:
        plane = plane + wave_px * np.sin(plane[..., ::-1] / 60)
    plane = plane / (px_per_mm * (1 + tilt * plane[..., :1] / width))
    turn = np.deg2rad(turn_deg)
    plane = plane @ np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))))
    # Pixel 0 of the print covers 0 to 1 / PRINT mm: its middle lies half of it in.
    on_print = (plane + np.array((target.columns, target.rows)) * target.square_mm / 2) * PRINT + PAPER_PX - 0.5
    shown = cv2.remap(
        paper, on_print[..., 0].astype(np.float32), on_print[..., 1].astype(np.float32), cv2.INTER_LINEAR, borderValue=255
    )  # fmt: skip
    shown = cv2.resize(shown.astype(np.float32), size, interpolation=cv2.INTER_AREA) / 255
    shown = cv2.GaussianBlur(light[0] + (light[1] - light[0]) * shown, (0, 0), blur_px)
    if tint is not None:
        shown = shown[..., None] * np.array(tint)
    return np.clip(shown + np.random.default_rng(seed).normal(0, noise, shown.shape), 0, 255).astype(np.uint8)


def distorted(points, size, k1, k2):
    """Where points (n, 2) of the frame without distortion are seen."""
    middle, radius = (np.array(size) - 1) / 2, np.hypot(*size) / 2
    at = (np.asarray(points, np.float64) - middle) / radius
    squared = (at**2).sum(axis=-1, keepdims=True)
    return at * (1 + k1 * squared + k2 * squared**2) * radius + middle
