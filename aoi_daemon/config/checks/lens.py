"""Whether what was measured of a camera goes with a recipe. Pure."""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.cameras import CameraSection
from aoi_daemon.config.recipe import Recipe

_MOST: Final = 0.02
"""So much the recipe's scale may differ from the camera's: what a person rounds."""


def lens_problem(camera: CameraSection, recipe: Recipe) -> str:
    """What does not go together, with what to write; "": it does, or nothing was measured."""
    lens = camera.calibration
    if lens is None:
        return ""
    if (lens.width_px, lens.height_px) != (recipe.width_px, recipe.height_px):
        return (
            f"was measured on frames of {lens.width_px} x {lens.height_px} px, those of recipe {recipe.name!r} are "
            f"{recipe.width_px} x {recipe.height_px}; measure it on such frames (aoi-daemon calibrate measure)"
        )
    said = recipe.unit == "mm" or "px_per_mm" in recipe.model_fields_set
    if said and abs(recipe.px_per_mm / lens.px_per_mm - 1) > _MOST:
        return (
            f"{lens.px_per_mm:.4f} px per mm were measured, recipe {recipe.name!r} has "
            f"px_per_mm = {recipe.px_per_mm:g}; write px_per_mm = {lens.px_per_mm:.4f} there, or measure again"
        )
    return ""
