"""The command `aoi-daemon build-engine`, which is tools/build_engine.py as well.

Exit codes: 0 built; 1 refused, with the reason; 2 the command line is wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aoi_daemon.engine.build.arguments import SizePx, add_parser, check, parser_of_its_own
from aoi_daemon.errors import AoiError, ModelError

if TYPE_CHECKING:
    from aoi_daemon.infer.trt.plan import Plan, PlanManifest

__all__ = ["add_parser", "main", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Build what was asked for; the exit code.

    Raises:
        AoiError: it was refused.
        SystemExit: code 2, the options do not go together.
    """
    check(arguments)
    # Here, not above: this module is loaded by every command.
    from aoi_daemon.config.load import read_model  # noqa: PLC0415
    from aoi_daemon.config.recipe import Recipe  # noqa: PLC0415
    from aoi_daemon.config.views import recipe_of  # noqa: PLC0415
    from aoi_daemon.engine.build.build import Order, build_plan  # noqa: PLC0415
    from aoi_daemon.engine.build.bundle import build_for_bundle  # noqa: PLC0415
    from aoi_daemon.engine.build.plan import write_plan  # noqa: PLC0415
    from aoi_daemon.engine.build.progress import shown  # noqa: PLC0415
    from aoi_daemon.engine.build.shapes import group_shapes  # noqa: PLC0415
    from aoi_daemon.engine.build.tuning import Tuning  # noqa: PLC0415

    tuning = Tuning(arguments.sparse_weights, arguments.optimization_level, arguments.version_compatible)
    sizes: list[SizePx] = list(arguments.size)
    for file in arguments.recipe:
        recipe = read_model(file, Recipe)
        of_views = [recipe_of(recipe, view) for view in recipe.views] or [recipe]
        sizes += [(each.width_px, each.height_px) for each in of_views]
    try:
        with shown() as progress:
            if arguments.bundle is not None:
                plans = build_for_bundle(
                    arguments.bundle, arguments.target, [arguments.precision], sizes,
                    progress=progress, workspace_mb=arguments.workspace_mb, timing_cache=arguments.timing_cache,
                    device=arguments.device, tuning=tuning,
                )  # fmt: skip
            else:
                order = Order(
                    onnx=arguments.onnx_model,
                    file=arguments.output_engine,
                    precision=arguments.precision,
                    sizes=sizes,
                    shapes=group_shapes(arguments.shape),
                    workspace_mb=arguments.workspace_mb,
                    target=arguments.target,
                    device=arguments.device,
                    calibration=arguments.calib_dir,
                    timing_cache=arguments.timing_cache,
                    tuning=tuning,
                )
                plan = build_plan(order, progress)
                write_plan(plan)
                plans = [plan]
    except KeyboardInterrupt:
        sys.stderr.write("build-engine: interrupted, what was not finished was not written\n")
        return 130
    for plan in plans:
        sys.stdout.write(described(plan) + "\n")
    if arguments.report is not None:
        report = [plan.manifest.model_dump() | {"bytes": len(plan.content)} for plan in plans]
        try:
            arguments.report.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ModelError(f"{arguments.report}: cannot be written: {error.strerror}") from error
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """As a program of its own: the exit code."""
    try:
        return run(parser_of_its_own().parse_args(argv))
    except AoiError as error:
        sys.stderr.write(f"build_engine: {error}\n")
        return 1


def described(plan: Plan) -> str:
    """One line on a plan that was built."""
    manifest = plan.manifest
    types = ", ".join(f"{count} {name}" for name, count in manifest.types.items())
    return (
        f"{plan.file}: {manifest.precision} for {manifest.gpu or manifest.target} by {manifest.flavour} "
        f"{manifest.flavour_version}, {len(plan.content) / 1e6:.1f} MB, {manifest.build_s:.1f} s, "
        f"{len(manifest.profiles) or 'no'} profiles, {_tuned(manifest)}layers of the {manifest.types_from}: {types}"
    )


def _tuned(manifest: PlanManifest) -> str:
    words = ["sparse kernels allowed"] if manifest.sparse_weights else []
    words += ["version-compatible"] if manifest.version_compatible else []
    words += [] if manifest.optimization_level is None else [f"optimization level {manifest.optimization_level}"]
    return "".join(f"{word}, " for word in words)
