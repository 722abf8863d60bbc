"""What must be known of an ONNX file before a back end opens it, without the package `onnx`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

# Field numbers of ModelProto and OperatorSetIdProto, and wire types: onnx/onnx.proto, protobuf's encoding.
_OPSET_IMPORT: Final = 8
_DOMAIN, _VERSION = 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_HALF_SCALES_SINCE: Final = 19
"""The first opset whose QuantizeLinear and DequantizeLinear take FP16 scales."""


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
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
