"""All that can be known to be wrong before a process starts, or a reload lands."""

from __future__ import annotations

from pathlib import Path

from aoi_daemon.config.load import Configuration, load
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.errors import ConfigError, ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode import decoder_for


def check(file: Path) -> Configuration:
    """Load `file` with all its recipes, and hold each recipe against its bundle.

    Raises:
        ConfigError: naming file, key, value and bound, or the bundle's fault.
    """
    configuration = load(file)
    for name, recipe in configuration.recipes.items():
        path = configuration.file.parent / "recipes" / f"{name}.toml"
        try:
            manifest = load_bundle(recipe.bundle).manifest
            Criteria.compile(recipe, manifest.classes)
            decoder_for(manifest, recipe)
        except (ModelError, ValueError) as error:
            raise ConfigError(path, [f"bundle = {str(recipe.bundle)!r}: {error}"]) from error
        problems: list[str] = []
        for key in ("width_px", "height_px"):
            if getattr(recipe, key) % manifest.stride_px:
                problems.append(f"{key} = {getattr(recipe, key)}: no multiple of the model's {manifest.stride_px} px")
        if recipe.channels != manifest.channels:
            problems.append(f"channels = {recipe.channels}: the model has {manifest.channels}")
        precision = configuration.line.inspection.precision
        if precision not in manifest.models:
            there = ", ".join(manifest.models)
            problems.append(
                f"bundle = {str(recipe.bundle)!r}: has no {precision} (inspection.precision; there: {there})"
            )
        if problems:
            raise ConfigError(path, problems)
    return configuration
