"""Bring an FP32 model to the precision that was asked for, in memory, before it is parsed.

For TensorRT that takes the precision from the file alone. A bundle holds each
precision as a file already; this is for a single FP32 file given to build-engine.
Needs the packages of the extra `engine`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.errors import AoiError, ModelError
from aoi_daemon.infer.executor import TensorInfo

_CALIBRATION_FRAMES: Final = 200


def to_fp16(file: Path) -> bytes:
    """The core of the FP32 model in half precision; stem, tail, inputs and outputs keep theirs."""
    try:
        from aoi_daemon.engine.precision.prepare import convert_fp16, prepare_fp32  # noqa: PLC0415  # needs the package onnx
    except ImportError as error:
        raise _no_onnx(file, error) from error
    converted: bytes = convert_fp16(prepare_fp32(file)).SerializeToString()
    return converted


def to_int8(file: Path, inputs: Sequence[TensorInfo], folder: Path, step: Callable[[], None]) -> bytes:
    """The FP32 model with Q/DQ, its ranges found by entropy calibration on the frames in `folder`.

    Args:
        file: the model, of the contract of infer/executor.py.
        inputs: of the model.
        folder: frames, NAME_test and NAME_temp where the model takes a template.
        step: called now and then.

    Raises:
        ModelError: the model or a frame does not fit.
    """
    try:
        from aoi_daemon.engine.frames import list_frames, spread  # noqa: PLC0415
        from aoi_daemon.engine.precision.calibrate import calibrate  # noqa: PLC0415
        from aoi_daemon.engine.precision.prepare import prepare_fp32  # noqa: PLC0415
        from aoi_daemon.engine.precision.quantize import quantise  # noqa: PLC0415
    except ImportError as error:
        raise _no_onnx(file, error) from error
    manifest = manifest_of(file, inputs)
    model = prepare_fp32(file)
    try:
        frames = spread(list_frames(folder, manifest), _CALIBRATION_FRAMES)
        ranges = calibrate(model, frames, threads=os.cpu_count() or 1, advance=step)
        quantised: bytes = quantise(model, ranges["entropy"], frames[0]).SerializeToString()
    except ModelError:
        raise
    except AoiError as error:  # a frame that cannot be read
        raise ModelError(str(error)) from error
    return quantised


def manifest_of(file: Path, inputs: Sequence[TensorInfo]) -> Manifest:
    """What calibration must know of a model that belongs to no bundle. Raises ModelError where it is no frame's."""
    by_name = {tensor.name: tensor for tensor in inputs}
    image = by_name.get("image")
    if image is None or image.dtype != "uint8" or len(image.shape) != 4 or image.shape[3] not in (1, 3):
        raise ModelError(
            f"{file}: calibration frames go into an input `image` uint8 (1, H, W, 1 or 3); "
            f"the inputs are {', '.join(map(str, inputs))}"
        )
    return Manifest(
        name="calibration", classes=("any",), channels=3 if image.shape[3] == 3 else 1,
        has_template="template" in by_name, models={"fp32": Model(file=file.name, sha256="0" * 64)},
    )  # fmt: skip


def _no_onnx(file: Path, error: ImportError) -> ModelError:
    return ModelError(
        f"{file}: is fp32, and converting it needs packages that are not there ({error}); "
        "install aoi-daemon[engine], or give a file in the precision asked for"
    )
