"""Bring an exported graph to an opset that every step and back end here reads.

Process: offline. Needs the package `onnx`. Pure.

PyTorch's dynamo exporter writes opset 18 at least, TensorRT 8.6 reads 17 at most; INT8 by channel needs 13. Upwards
ONNX's own converter goes. Downwards it knows no way for Pad, Resize, Split and GridSample, which half of all
exports have: those are written as opset 17 has them here (lower.py).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import onnx
from onnx import helper, inliner, version_converter

from aoi_daemon.engine.exports.lower import lowered
from aoi_daemon.engine.precision.graph import Model, opset
from aoi_daemon.engine.precision.prepare import MIN_OPSET

OLDEST: Final = 11
NEWEST: Final = 22
COMMON: Final = 17
"""The last that TensorRT 8.6 reads."""


class Brought(NamedTuple):
    """A model, and what a person should know of its opset ("": nothing)."""

    model: Model
    note: str


def to_common(model: Model) -> Brought:
    """The same model in an opset of 13 to 17, or in its own with the reason why.

    Functions that the file defines are spelled out in place. What the exporter says of the model is kept.

    Raises:
        ValueError: the opset is not 11 to 22, or an older one cannot be brought to 13; says what to do.
    """
    version = opset(model)
    if not OLDEST <= version <= NEWEST:
        raise ValueError(f"opset {version}; export it with opset {COMMON} ({OLDEST} to {NEWEST} are read)")
    said = {entry.key: entry.value for entry in model.metadata_props}
    if model.functions:
        model = inliner.inline_local_functions(model)
    if version < MIN_OPSET:
        made, note = _raised(model, version), f"opset {version} was brought to {MIN_OPSET}"
    elif version > COMMON:
        try:
            made, note = lowered(model, COMMON), f"opset {version} was brought to {COMMON}"
        except ValueError as error:
            made = model
            note = (
                f"opset {version} is kept ({error}): TensorRT 8.6 reads {COMMON} at most, and there is no INT8; "
                f"export it with opset {COMMON} where that is wanted"
            )
    else:
        return Brought(model, "")
    helper.set_model_props(made, said)
    return Brought(made, note)


def _raised(model: Model, version: int) -> Model:
    try:
        made = version_converter.convert_version(model, MIN_OPSET)
        onnx.checker.check_model(made)
    except Exception as error:  # the converter's and the checker's errors have no common base
        why = " ".join(str(error).split())[:200]
        raise ValueError(
            f"opset {version} cannot be brought to {MIN_OPSET} ({why}); export it with opset {COMMON}"
        ) from error
    return made
