"""One exported file with all its weights in memory, read from the files it lies in.

Process: offline. Blocks in reading files. Needs the package `onnx`.

Exporters put large weights into a file of their own beside the graph (PyTorch's `model.onnx.data`). A bundle's model
is one file, for its hash must cover every number. ONNX is a protobuf message, which ends at 2 GiB: what is larger
cannot be one file, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from aoi_daemon.engine.precision.graph import Model
from aoi_daemon.errors import ModelError

MAX_BYTES: Final = 2**31 - 2**24
"""Of a graph with its weights: protobuf's 2 GiB, less room for what is put before and behind."""

_NOT_FLOAT32: Final = {
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "float64",
}
_FEW: Final = 2
"""Numbers that a constant in double precision may have: exporters write a scale or an epsilon so, and cast it."""


def read_export(file: Path, *, most_bytes: int = MAX_BYTES) -> Model:
    """Read an ONNX file, and what it keeps in files beside it.

    Args:
        file: the graph; its side-cars lie in the same folder, or below it.
        most_bytes: of graph and weights.

    Raises:
        ModelError: a file is missing, damaged, too short, too large, or lies elsewhere; names it, and the remedy.
    """
    raw = _read(file, most_bytes)
    try:
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf's DecodeError has no public base
        raise ModelError(f"{file}: is not an ONNX model ({len(raw)} bytes): {error}") from error
    if not model.graph.node:
        raise ModelError(f"{file}: is not an ONNX model ({len(raw)} bytes): it has no nodes")
    outside = [tensor for tensor in _tensors(model) if tensor.external_data or tensor.data_location]
    sizes = {id(tensor): _bytes_of(tensor, file) for tensor in outside}
    total = len(raw) + sum(sizes.values())
    if total > most_bytes:
        raise _too_large(file, total, most_bytes)
    for tensor in outside:
        _fetch(tensor, sizes[id(tensor)], file)
    return model


def check_float32(model: Model, file: Path) -> None:
    """Refuse a model whose numbers are not float32: each precision of a bundle is made from that.

    Raises:
        ModelError: names the first input or weight that is not, and how to export.
    """
    for value in model.graph.input:
        if (kind := _NOT_FLOAT32.get(value.type.tensor_type.elem_type)) is not None:
            raise _not_float32(file, f"input {value.name}", kind)
    for tensor in _tensors(model):
        kind = _NOT_FLOAT32.get(tensor.data_type)
        if kind is not None and (kind != "float64" or math.prod(tensor.dims) > _FEW):
            raise _not_float32(file, f"weight {tensor.name or 'without a name'}", kind)


def _not_float32(file: Path, which: str, kind: str) -> ModelError:
    return ModelError(
        f"{file}: is {kind} already (its {which}); export it in float32 (PyTorch: model.float(); Ultralytics: "
        "half=False, or quantize=32), the bundle makes its own fp16"
    )


def _tensors(model: Model) -> Iterator[Any]:
    """Every tensor of a model, in subgraphs and functions too."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Any) -> Iterator[Any]:
    # Recursion ends: protobuf reads no message that is nested deeper than a hundred times.
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _of_graph(attribute.g)
            for graph in attribute.graphs:
                yield from _of_graph(graph)


def _bytes_of(tensor: Any, file: Path) -> int:
    try:
        each = int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{file}: weight {tensor.name} is of type {tensor.data_type}, which is not known") from error
    if any(size < 0 for size in tensor.dims):
        raise ModelError(f"{file}: weight {tensor.name} has sizes {list(tensor.dims)}")
    return each * math.prod(int(size) for size in tensor.dims)


def _fetch(tensor: Any, size: int, file: Path) -> None:
    """Put the numbers of `tensor`, `size` bytes, in place of where they lie."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    side = _side_car(said.get("location", ""), tensor.name, file)
    try:
        offset, length = int(said.get("offset", "0")), int(said.get("length", str(size)))
    except ValueError as error:
        raise ModelError(f"{file}: where in {side.name} weight {tensor.name} lies is no number ({error})") from error
    try:
        there = side.stat().st_size
        if offset < 0 or length != size or offset + size > there:
            raise ModelError(
                f"{file}: weight {tensor.name} needs {size} bytes at {offset} of {side.name}; {length} are announced, "
                f"the file has {there}: it belongs to another export, or was not copied completely"
            )
        with side.open("rb") as opened:
            opened.seek(offset)
            tensor.raw_data = opened.read(size)
    except OSError as error:
        raise ModelError(
            f"{file}: keeps weights in {side.name}, which cannot be read ({error.strerror}); copy it from where the "
            "model was exported into the same folder, under that name"
        ) from error
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _side_car(location: str, weight: str, file: Path) -> Path:
    """The file `location`, which must lie in the folder of `file`, links followed."""
    parts = PurePosixPath(location)
    folder = file.parent.resolve()
    side = folder / parts
    if not location or parts.is_absolute() or not side.resolve().is_relative_to(folder):
        raise ModelError(
            f"{file}: says that weight {weight} lies in {location!r}; only files in its own folder are read: export "
            "it again, into one folder"
        )
    return side


def _read(file: Path, most_bytes: int) -> bytes:
    try:
        if file.stat().st_size > most_bytes:
            raise _too_large(file, file.stat().st_size, most_bytes)
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error


def _too_large(file: Path, total: int, most_bytes: int) -> ModelError:
    return ModelError(
        f"{file}: has {total / 2**20:.0f} MiB with its weights; a bundle's model is one file of at most "
        f"{most_bytes / 2**20:.0f} MiB (protobuf's limit): train a smaller model of the same kind"
    )
