"""What must be known of an ONNX file before a back end opens it, without the package `onnx`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

# Field numbers of the messages that are read, and wire types: onnx/onnx.proto, protobuf's encoding.
_GRAPH, _OPSET_IMPORT, _METADATA, _TRAINING, _FUNCTIONS = 7, 8, 14, 20, 25
_DOMAIN, _VERSION = 1, 2
_KEY, _VALUE = 1, 2
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE_INITIALIZER = 1, 5, 11, 12, 15
_NODE_INPUT, _NODE_OUTPUT, _OP_TYPE = 1, 2, 4
_NAME, _TYPE = 1, 2
_TENSOR_TYPE, _ELEMENT, _SHAPE, _DIM, _DIM_VALUE = 1, 1, 2, 1, 1
_TENSOR_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_TENSOR: Final = "TensorProto"
_HOLDS_TENSORS: Final[Mapping[str, Mapping[int, str]]] = {
    "ModelProto": {_GRAPH: "GraphProto", _TRAINING: "TrainingInfoProto", _FUNCTIONS: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {_NODE: "NodeProto", _INITIALIZER: _TENSOR, _SPARSE_INITIALIZER: "SparseTensorProto"},
    "SparseTensorProto": {1: _TENSOR, 2: _TENSOR},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: _TENSOR, 10: _TENSOR, 6: "GraphProto", 11: "GraphProto", 22: "SparseTensorProto", 23: "SparseTensorProto",
    },
}  # fmt: skip
"""By message, the fields in which a tensor may lie, and the message that each holds."""
_DTYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip

_HALF_SCALES_SINCE: Final = 19
"""The first opset whose QuantizeLinear and DequantizeLinear take FP16 scales."""




class Declared(NamedTuple):
    """What a file says of itself.

    Attributes:
        inputs, outputs: (name, type as numpy names it, sizes; None: any) each.
        metadata: what the exporter wrote beside the graph.
        makers: by name of an output, the operator that computes it.
    """

    inputs: tuple[tuple[str, str, tuple[int | None, ...]], ...]
    outputs: tuple[tuple[str, str, tuple[int | None, ...]], ...]
    metadata: Mapping[str, str]
    makers: Mapping[str, str]


def declared(model: bytes) -> Declared:
    """Read what the model says of itself; its weights are passed over.

    Raises:
        ValueError: this is no ONNX model, or a damaged one.
    """
    try:
        return _declared(memoryview(model))
    except (IndexError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def _declared(model: memoryview) -> Declared:
    metadata: dict[str, str] = {}
    tensors: dict[int, list[tuple[str, str, tuple[int | None, ...]]]] = {_INPUT: [], _OUTPUT: []}
    weights: set[str] = set()
    made_by: dict[str, tuple[str, str]] = {}  # an output's operator and first input
    for number, value in _fields(model):
        if number == _METADATA:
            entry = dict(_fields(_message(value)))
            metadata[_text(entry.get(_KEY, b""))] = _text(entry.get(_VALUE, b""))
        elif number == _GRAPH:
            for part, item in _fields(_message(value)):
                if part in tensors:
                    tensors[part].append(_value_info(_message(item)))
                elif part == _INITIALIZER:
                    weights.update(_text(v) for n, v in _fields(_message(item)) if n == _TENSOR_NAME)
                elif part == _NODE:
                    node = list(_fields(_message(item)))
                    kind = next((_text(v) for n, v in node if n == _OP_TYPE), "")
                    first = next((_text(v) for n, v in node if n == _NODE_INPUT), "")
                    made_by.update((_text(v), (kind, first)) for n, v in node if n == _NODE_OUTPUT)
    inputs = tuple(tensor for tensor in tensors[_INPUT] if tensor[0] not in weights)
    makers = {name: _maker(name, made_by) for name, _, _ in tensors[_OUTPUT]}
    return Declared(inputs, tuple(tensors[_OUTPUT]), metadata, makers)


def _maker(name: str, made_by: Mapping[str, tuple[str, str]]) -> str:
    """The operator behind `name`, whatever hands its output on as it is; "" where there is none."""
    for _ in range(len(made_by)):
        kind, first = made_by.get(name, ("", ""))
        if kind != "Identity":
            return kind
        name = first
    return ""


def _value_info(message: memoryview) -> tuple[str, str, tuple[int | None, ...]]:
    info = dict(_fields(message))
    kind = dict(_fields(_message(info.get(_TYPE, memoryview(b"")))))
    if _TENSOR_TYPE not in kind:
        return _text(info.get(_NAME, b"")), "no tensor", ()
    tensor = dict(_fields(_message(kind[_TENSOR_TYPE])))
    element = tensor.get(_ELEMENT, 0)
    sizes: list[int | None] = []
    for number, dim in _fields(_message(tensor.get(_SHAPE, memoryview(b"")))):
        if number == _DIM:
            size = dict(_fields(_message(dim))).get(_DIM_VALUE)
            sizes.append(size if isinstance(size, int) else None)
    dtype = _DTYPES.get(element, f"type {element}") if isinstance(element, int) else "no tensor"
    return _text(info.get(_NAME, b"")), dtype, tuple(sizes)


def weights_elsewhere(model: bytes) -> list[str]:
    """The names of the tensors whose numbers lie in another file, in subgraphs and functions too.

    Raises:
        ValueError: this is no ONNX model, or a damaged one.
    """
    found: list[str] = []
    pending = [("ModelProto", memoryview(model))]
    try:
        while pending:  # no recursion: a file may nest its graphs as deeply as it likes
            kind, message = pending.pop()
            inner = _HOLDS_TENSORS[kind]
            for number, value in _fields(message):
                holds = inner.get(number)
                if holds == _TENSOR:
                    found += _elsewhere(_message(value))
                elif holds is not None:
                    pending.append((holds, _message(value)))
    except (IndexError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error
    return found


def _elsewhere(tensor: memoryview) -> list[str]:
    name, elsewhere = "", False
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            name = _text(value)
        elsewhere |= number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
    return [name or "a tensor without a name"] if elsewhere else []


def _message(value: int | memoryview | bytes) -> memoryview:
    if isinstance(value, int):
        raise TypeError(f"a number, {value}, stands where a message is expected")
    return memoryview(value)


def _text(value: int | memoryview | bytes) -> str:
    return bytes(_message(value)).decode()


def has_half_scales(model: bytes) -> bool:
    """Whether the model may be quantised with FP16 scales.

    ONNX Runtime's CPU provider fuses such Q/DQ pairs into kernels that compute
    something else; without the fusion (session.disable_quant_qdq) it is right,
    and slower. Our own bundles are opset 17 at most, where no such scale exists.
    """
    return b"DequantizeLinear" in model and default_opset(model) >= _HALF_SCALES_SINCE


def default_opset(model: bytes) -> int:
    """The version of ONNX's own operators that the model asks for; 0 where it says none or is damaged."""
    try:
        for number, value in _fields(memoryview(model)):
            if number == _OPSET_IMPORT and isinstance(value, memoryview):
                opset = dict(_fields(value))
                version = opset.get(_VERSION, 0)
                if opset.get(_DOMAIN, b"") in (b"", b"ai.onnx") and isinstance(version, int):
                    return version
    except (IndexError, ValueError):
        pass  # whoever opens the file says what is wrong with it
    return 0


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a protobuf message: numbers as int, all else as bytes (views: a model may be large)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(wire)
        if at + size > len(message):
            raise ValueError(f"{size} bytes are announced, {len(message) - at} are there")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number is longer than any")
