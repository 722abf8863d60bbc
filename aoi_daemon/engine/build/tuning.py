"""Options of the builder that cost or gain speed: sparse kernels, how long it looks for kernels, version compatibility.

Process: offline. Each is refused by name before the build where the package, the GPU or the model cannot have it:
TensorRT itself would ignore some of them without a word.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt.vendor import Vendor

_LEVEL: Final = "builder_optimization_level"
SPARSE_SINCE: Final = 80
"""Compute capability 8.0: Ampere was the first with sparse Tensor Cores."""


@dataclass(frozen=True)
class Tuning:
    """What `build-engine` was asked for beside model and precision.

    Attributes:
        sparse_weights: let TensorRT take sparse kernels for weights that are 2:4.
        optimization_level: 0 to 5, how long it looks for faster kernels; None: as the package does by itself.
        version_compatible: a later TensorRT runs the plan too, and the lean runtime does.
    """

    sparse_weights: bool = False
    optimization_level: int | None = None
    version_compatible: bool = False


NO_TUNING: Final = Tuning()


def check_tuning(tuning: Tuning, vendor: Vendor, target: str, onnx: Path) -> None:
    """Before anything is built: can `tuning` be had at all?

    Raises:
        ModelError: naming the option, and the package and its version, the GPU or the file that does not have it.
    """
    package = f"{vendor.flavour} {vendor.version}"
    if tuning.version_compatible:
        if vendor.is_rtx:
            # Its bindings have the flag; 1.7 looks for a lean runtime that no RTX package has.
            raise ModelError(
                f"--version-compatible: {package} has no such plans: a plan of TensorRT-RTX belongs to its release; "
                "build with TensorRT (aoi-daemon[gpu]) on the machine's own GPU"
            )
        _flag(vendor, "VERSION_COMPATIBLE", "--version-compatible")
    if tuning.optimization_level is not None and not hasattr(vendor.api.IBuilderConfig, _LEVEL):
        raise ModelError(f"--optimization-level: {package} has no {_LEVEL} (8.6 has it)")
    if tuning.sparse_weights:
        _flag(vendor, "SPARSE_WEIGHTS", "--sparse-weights")
        _check_sparse(target, onnx)


def apply_tuning(tuning: Tuning, vendor: Vendor, config: Any) -> None:
    """Tell the builder; `check_tuning` has been asked."""
    if tuning.sparse_weights:
        config.set_flag(vendor.api.BuilderFlag.SPARSE_WEIGHTS)
    if tuning.version_compatible:
        config.set_flag(vendor.api.BuilderFlag.VERSION_COMPATIBLE)
    if tuning.optimization_level is not None:
        config.builder_optimization_level = tuning.optimization_level


def _flag(vendor: Vendor, name: str, option: str) -> None:
    if not hasattr(vendor.api.BuilderFlag, name):
        raise ModelError(f"{option}: {vendor.flavour} {vendor.version} has no BuilderFlag.{name} (8.6 has it)")


def _check_sparse(target: str, onnx: Path) -> None:
    if int(target.removeprefix("sm")) < SPARSE_SINCE:
        raise ModelError(f"--sparse-weights: {target} has no sparse Tensor Cores, sm{SPARSE_SINCE} and later have")
    if importlib.util.find_spec("onnx") is None:
        raise ModelError("--sparse-weights looks at the weights, which needs onnx: pip install 'aoi-daemon[engine]'")
    from aoi_daemon.engine.precision.graph import load_model  # noqa: PLC0415
    from aoi_daemon.engine.precision.sparsity import layers_of  # noqa: PLC0415

    found = layers_of(load_model(onnx))
    if not any(each.is_sparse for each in found):
        raise ModelError(
            f"--sparse-weights: {onnx}: none of its {len(found)} layers with weights is 2:4, so no sparse kernel would "
            "be taken; aoi-daemon bundle make --prune 2:4 makes such a model"
        )
