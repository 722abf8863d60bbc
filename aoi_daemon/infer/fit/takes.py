"""Which plan frames of a recipe are fitted by, by what the model's file says of itself.

Process: inspection and commands, before a line runs. Blocks: while the file is read.
"""

from __future__ import annotations

import math
from pathlib import Path

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.fit.geometry import Plan, Takes, plan_fit
from aoi_daemon.infer.fit.maps import enlarging_problem
from aoi_daemon.infer.onnx.file import declared


def takes_of(file: Path, manifest: Manifest) -> Takes:
    """What frames the model in `file` takes. Raises ModelError where it cannot be read, or is no ONNX model."""
    try:
        found = declared(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{file}: is no ONNX model, or a damaged one ({error})") from error
    sizes = next((sizes for name, _, sizes in found.inputs if name == "image"), ())
    height, width = sizes[1:3] if len(sizes) == 4 else (None, None)
    said = found.metadata.get("stride", "")
    stride = int(said) if said.isdecimal() and 0 < int(said) < 10_000 else 1
    return Takes(height, width, math.lcm(manifest.stride_px, stride))


def plan_for(fit: Fit, frame: FrameShape, file: Path, manifest: Manifest) -> Plan | None:
    """How frames become what the model in `file` takes; None: they go to it as they are.

    Args:
        fit: the recipe's.
        frame: (height_px, width_px, channels) of the recipe's frames.
        file: the ONNX file; of an engine, the one that it was built of.
        manifest: the bundle's.

    Raises:
        ModelError: the file cannot be read, or the fit does not come out with it; says which would do.
    """
    if fit.kind == "exact":
        return None
    try:
        plan = plan_fit(fit, frame, takes_of(file, manifest))
    except ValueError as error:
        raise ModelError(str(error)) from error
    if plan is not None and manifest.task in ("segment", "anomaly"):
        for piece in plan.pieces[:1]:
            if problem := enlarging_problem(plan, piece):
                raise ModelError(problem)
    return plan


def check_looked_at(recipe: Recipe, plan: Plan) -> None:
    """Refuse a crop that leaves out what the recipe asks to be looked at.

    Raises:
        ValueError: naming the region, and the crop.
    """
    if plan.kind != "crop":
        return
    piece, per_unit = plan.pieces[0], recipe.px_per_unit
    low, high = (piece.x, piece.y), (piece.x + piece.width, piece.y + piece.height)
    for number, region in enumerate(recipe.regions):
        corners = [(x * per_unit, y * per_unit) for x, y in region.corners]
        if region.kind == "inspect" and not all(
            start <= at <= end for corner in corners for start, at, end in zip(low, corner, high, strict=True)
        ):
            raise ValueError(
                f"regions[{number}]: reaches beyond what fit 'crop' looks at, x {low[0]} to {high[0]} and y "
                f"{low[1]} to {high[1]} px: nothing is found there. Move the crop or the region, or take fit = 'tiles'"
            )
