"""From an ONNX file to a TensorRT network of the precision that was asked for.

Precision lives in the ONNX file. TensorRT from 10.12 on, and RTX, take it from
there (strong typing); before, flags allow the builder what it may use (weak
typing). A file in FP32 is brought to FP16 or INT8 first, in memory, where the
file alone decides.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import TensorInfo
from aoi_daemon.infer.trt.plan import Precision
from aoi_daemon.infer.trt.vendor import Vendor, dtype_name

_QUANTISED: Final = ("QUANTIZE", "DEQUANTIZE")
_PINNED: Final = ("ACTIVATION", "CONVOLUTION", "ELEMENTWISE", "MATRIX_MULTIPLY", "POOLING", "REDUCE", "UNARY")
"""Kinds of layers that compute, and take a precision."""


@dataclass(frozen=True)
class Parsed:
    """A parsed model. TensorRT's network points into its parser, which holds the weights."""

    network: Any
    parser: Any
    builder: Any
    inputs: list[TensorInfo]
    precision: Precision
    types: dict[str, int]


def parse(vendor: Vendor, model: bytes, name: str) -> Parsed:
    """Parse an ONNX model, batch explicit.

    Raises:
        ModelError: with each of the parser's errors.
    """
    api = vendor.api
    builder = vendor.make("Builder", f"{name}: no builder")
    network = builder.create_network(network_flags(vendor))
    parser = api.OnnxParser(network, vendor.logger)
    if not parser.parse(model):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise vendor.refusal(f"{name}: {'; '.join(errors) or 'is not an ONNX model'}")
    inputs = []
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(size if size >= 0 else None for size in tensor.shape)
        inputs.append(TensorInfo(tensor.name, dtype_name(tensor.dtype), shape))
    types, kinds = _layers(network)
    precision: Precision = "fp32"
    if any(kind in kinds for kind in _QUANTISED):
        precision = "int8"
    elif types.get("float16"):
        precision = "fp16"
    return Parsed(network, parser, builder, inputs, precision, types)


def network_flags(vendor: Vendor) -> int:
    """The flags of create_network, by what this version knows: EXPLICIT_BATCH is gone from 11 on."""
    flags = vendor.api.NetworkDefinitionCreationFlag
    names = ["EXPLICIT_BATCH", "STRONGLY_TYPED"] if vendor.strongly_typed else ["EXPLICIT_BATCH"]
    return sum(1 << int(getattr(flags, name)) for name in names if hasattr(flags, name))


def set_precision(vendor: Vendor, parsed: Parsed, config: Any, asked: Precision, file: Path) -> None:
    """Allow the builder what `asked` needs, or hold the network to it where the types alone decide.

    Raises:
        ModelError: the file is not in that precision, and nothing brings it there.
    """
    if vendor.strongly_typed:
        if parsed.precision != asked:
            raise ModelError(f"{file}: is {parsed.precision}; asked for is {asked}")
        return
    if parsed.precision not in ("fp32", asked):
        raise ModelError(f"{file}: is {parsed.precision}; asked for is {asked}")
    flags = vendor.api.BuilderFlag
    if asked in ("fp16", "int8"):
        config.set_flag(flags.FP16)
    if asked == "int8":
        config.set_flag(flags.INT8)
    if asked == parsed.precision == "fp16":
        _keep_float_layers(vendor, parsed.network, config)


def _keep_float_layers(vendor: Vendor, network: Any, config: Any) -> None:
    """Weak typing: layers that the FP16 file has in FP32 stay there, boxes beyond pixel 2048 among them."""
    api = vendor.api
    # PREFER, not OBEY: where no such kernel exists the build goes on, and the golden parts have the last word.
    config.set_flag(api.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type.name in _PINNED and layer.get_output(0).dtype == api.DataType.FLOAT:
            layer.precision = api.DataType.FLOAT


def _layers(network: Any) -> tuple[dict[str, int], Counter[str]]:
    """Layers by the type of what they put out, and by kind."""
    types: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        kinds[layer.type.name] += 1
        types.update({dtype_name(layer.get_output(0).dtype)} if layer.num_outputs else ())
    return dict(sorted(types.items())), kinds
