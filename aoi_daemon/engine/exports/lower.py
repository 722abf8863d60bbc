"""Write a graph of opset 18 to 22 as opset 17 has it, where that means the same.

Process: offline. Needs the package `onnx`. Pure.

Most operators changed their types alone. Of the others it is known what changed, and what is asked for that opset 17
does not have stops it: nothing is left out that could change a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import onnx
from onnx import helper, inliner, numpy_helper, shape_inference

from aoi_daemon.engine.precision.graph import Model, opset

_REDUCTIONS: Final = frozenset(
    f"Reduce{how}" for how in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
)
"""Whose axes became an input in 18; those of ReduceSum did in 13."""
_CHANGED: Final = _REDUCTIONS | {"AveragePool", "Cast", "CastLike", "LpPool", "Pad", "Resize", "Split"}
"""Whose attributes or inputs changed, in a way that is known here."""
_AT_REST: Final[Mapping[str, object]] = {
    "saturate": 1,
    "ceil_mode": 0,
    "antialias": 0,
    "keep_aspect_ratio_policy": b"stretch",
}
"""New attributes, and the value with which they do what older opsets did anyway."""
_NEW_VALUES: Final[Mapping[tuple[str, str], frozenset[bytes]]] = {
    ("Pad", "mode"): frozenset((b"wrap",)),
    ("Resize", "coordinate_transformation_mode"): frozenset((b"half_pixel_symmetric",)),
    ("ScatterElements", "reduction"): frozenset((b"max", b"min")),
    ("ScatterND", "reduction"): frozenset((b"max", b"min")),
}
"""Values that an attribute has had since 18 or later alone."""
_GRID_MODES: Final = {b"linear": b"bilinear", b"cubic": b"bicubic"}
"""GridSample's modes have other names since opset 20."""
_SHORT: Final = ("AffineGrid", "CenterCropPad", "Gelu", "GroupNormalization", "Mish")
"""Operators of opset 18 to 22 that ONNX itself spells out in older ones."""


def lowered(model: Model, version: int) -> Model:
    """`model` in opset `version`, 17.

    Raises:
        ValueError: it has an operator that cannot be written so; names it.
    """
    source = opset(model)
    made = onnx.ModelProto()
    made.CopyFrom(_spelled_out(model))
    _lower_graph(made.graph, _Known(source, version, _sizes(made), {}))
    for entry in made.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = version
    try:
        onnx.checker.check_model(made)
    except onnx.checker.ValidationError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    return made


def _spelled_out(model: Model) -> Model:
    """`model` with what is short for several operators written as these."""
    short = sorted({node.op_type for node in model.graph.node}.intersection(_SHORT))
    if not short:
        return model
    try:
        return inliner.inline_selected_functions(model, [("", name) for name in short], inline_schema_functions=True)
    except TypeError:  # onnx 1.16 does not know how
        return model


class _Known(NamedTuple):
    """What is known where a node stands.

    Attributes:
        source, target: opsets, from and to.
        sizes: of tensors, by name; None where one is open.
        constants: by name; subgraphs see those around them.
    """

    source: int
    target: int
    sizes: Mapping[str, tuple[int | None, ...]]
    constants: Mapping[str, Any]


def _sizes(model: Model) -> dict[str, tuple[int | None, ...]]:
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    return {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim
        )
        for value in (*inferred.graph.value_info, *inferred.graph.input)
    }


def _lower_graph(graph: Any, known: _Known) -> None:
    """In place, subgraphs too."""
    constants = {**known.constants, **{item.name: item for item in graph.initializer}}
    for node in graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], a.t) for a in node.attribute if a.name == "value")
        here = known._replace(constants=constants)
        if node.domain in ("", "ai.onnx"):
            _lower_node(node, here)
        for inner in _graphs(node):
            _lower_graph(inner, here)


def _graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _lower_node(node: Any, known: _Known) -> None:
    kind, version = node.op_type, known.target
    try:
        new, old = (onnx.defs.get_schema(kind, at) for at in (known.source, version))
    except onnx.defs.SchemaError as error:
        raise ValueError(f"{kind} is not in opset {version}") from error
    for attribute in node.attribute:
        if attribute.s in _NEW_VALUES.get((kind, attribute.name), ()):
            raise ValueError(f"{kind} with {attribute.name} = {attribute.s.decode()} is not in opset {version}")
    if new.since_version == old.since_version:
        return
    if kind == "GridSample" and known.source >= 20:
        _rename_modes(node)
        return
    attributes = set(new.attributes) - set(old.attributes)
    if kind not in _CHANGED:
        if attributes or len(new.inputs) != len(old.inputs) or kind == "DFT":
            raise ValueError(f"{kind} changed after opset {version}")
        return
    if kind in _REDUCTIONS:
        _axes_to_attribute(node, known.constants)
    elif kind == "Pad" and len(node.input) > 3 and node.input[3]:
        raise ValueError(f"Pad with axes is not in opset {version}")
    elif kind == "Split" and not _splits_evenly(node, known.sizes):
        # With num_outputs the last part may be smaller.
        raise ValueError(f"Split by number is not in opset {version}")
    _drop_resting(node, attributes, version)


def _axes_to_attribute(node: Any, constants: Mapping[str, Any]) -> None:
    axes = node.input[1] if len(node.input) > 1 else ""
    keeps_all = any(a.name == "noop_with_empty_axes" and a.i for a in node.attribute)
    values: list[int] = []
    if axes:
        if axes not in constants:
            raise ValueError(f"{node.op_type} over axes that are computed")
        values = [int(axis) for axis in numpy_helper.to_array(constants[axes]).reshape(-1)]
    if not values and keeps_all:
        raise ValueError(f"{node.op_type} over no axes")
    del node.input[1:]
    _keep(node, lambda attribute: attribute.name != "noop_with_empty_axes")
    if values:
        node.attribute.append(helper.make_attribute("axes", values))


def _splits_evenly(node: Any, sizes: Mapping[str, tuple[int | None, ...]]) -> bool:
    """Whether the parts are listed, or known to be of one size."""
    if len(node.input) > 1 and node.input[1]:
        return True
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    of = sizes.get(node.input[0], ())
    size = of[axis] if -len(of) <= axis < len(of) else None
    return size is not None and size % len(node.output) == 0


def _rename_modes(node: Any) -> None:
    for attribute in node.attribute:
        if attribute.name == "mode":
            attribute.s = _GRID_MODES.get(attribute.s, attribute.s)


def _drop_resting(node: Any, attributes: set[str], version: int) -> None:
    for attribute in node.attribute:
        if attribute.name not in attributes or attribute.name in ("axes", "noop_with_empty_axes", "num_outputs"):
            continue
        value = helper.get_attribute_value(attribute)
        rests = all(each == 1 for each in value) if attribute.name == "dilations" else value == _AT_REST[attribute.name]
        if not rests:
            raise ValueError(f"{node.op_type} with {attribute.name} is not in opset {version}")
    if node.op_type == "Resize" and any(a.name == "axes" for a in node.attribute):
        raise ValueError(f"Resize with axes is not in opset {version}")
    _keep(node, lambda attribute: attribute.name not in attributes)


def _keep(node: Any, wanted: Any) -> None:
    # Copies: clearing the list frees the messages that it holds.
    kept = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in node.attribute if wanted(a)]
    del node.attribute[:]
    node.attribute.extend(kept)
