"""What of any exported graph is refused, whatever its outputs are: opset, operators, precision. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from onnx import TensorProto, defs

from aoi_daemon.engine.exports.facts import Facts
from aoi_daemon.errors import ModelError

OLDEST_OPSET: Final = 11
NEWEST_OPSET: Final = 22
_BEST_OPSET: Final = 17

_ONNX: Final = ("", "ai.onnx")
_QUANTISED: Final = frozenset(
    {
        "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QLinearAdd",
        "QLinearMul", "ConvInteger", "MatMulInteger", "QAttention", "QGemm",
    }
)  # fmt: skip
_HALVES: Final = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
_FEW: Final = 2
"""Numbers that a constant in double precision may have: exporters write a scale or an epsilon so, and cast it."""


def check_graph(facts: Facts) -> None:
    """Refuse what cannot be made a bundle's model.

    Raises:
        ModelError: naming what was found and the export that would do; all of it, where it is more than one.
    """
    checks: tuple[Callable[[Facts], str], ...] = (_opset, _quantised, _operators, _precision, _damage)
    problems = [problem for check in checks if (problem := check(facts))]
    if problems:
        raise ModelError(f"{facts.file}: " + "; ".join(problems))


def _opset(facts: Facts) -> str:
    if OLDEST_OPSET <= facts.opset <= NEWEST_OPSET:
        return ""
    return (
        f"is of opset {facts.opset or 'none'}; export it with opset {_BEST_OPSET} ({OLDEST_OPSET} to {NEWEST_OPSET} "
        "are read)"
    )


def _quantised(facts: Facts) -> str:
    found = sorted(_QUANTISED & facts.operators)
    if not found:
        return ""
    return (
        f"is quantised already ({', '.join(found[:3])}): export it in float32 (Ultralytics: without int8=True), the "
        "bundle makes its own int8 and measures what that costs"
    )


def _operators(facts: Facts) -> str:
    """Operators that no back end here has: of other domains, or that this opset does not know."""
    functions = {(item.domain, item.name) for item in facts.model.functions}
    unknown = set()
    for node in facts.nodes:
        if (node.domain, node.op_type) in functions or node.op_type in _QUANTISED:
            continue
        if node.domain not in _ONNX:
            unknown.add(f"{node.domain}.{node.op_type}")
        elif not _is_known(node.op_type, facts.opset):
            unknown.add(node.op_type)
    if not unknown:
        return ""
    names = ", ".join(sorted(unknown)[:4])
    if any(name.startswith("com.microsoft") for name in unknown):
        remedy = "it was optimised or fused by ONNX Runtime: give the file as it was exported, before that"
    elif any("TRT" in name for name in unknown):
        remedy = "they are plugins of TensorRT: export it without them (its suppression of overlaps is made here)"
    else:
        remedy = f"export it with ONNX's own operators, opset {_BEST_OPSET}"
    return f"has operators that are not ONNX's ({names}); {remedy}"


def _is_known(kind: str, opset: int) -> bool:
    try:
        return not defs.get_schema(kind, max(opset, OLDEST_OPSET), "").deprecated
    except defs.SchemaError:
        return False


def _precision(facts: Facts) -> str:
    for tensor in (*facts.inputs, *facts.outputs):
        if tensor.dtype in ("float16", "bfloat16", "float64"):
            return _half(tensor.dtype, tensor.name)
    for item in facts.weights.values():
        if item.data_type in _HALVES:
            return _half(_HALVES[item.data_type], f"weight {item.name}")
        if item.data_type == TensorProto.DOUBLE and math.prod(item.dims) > _FEW:
            return _half("float64", f"weight {item.name}")
    return ""


def _half(kind: str, which: str) -> str:
    return (
        f"is {kind} already ({which}): export it in float32 (PyTorch: model.float(); Ultralytics: half=False, or "
        "quantize=32), the bundle makes its own fp16"
    )


def _damage(facts: Facts) -> str:
    """A graph that does not hang together: an edited or a truncated one."""
    made = {name for node in facts.nodes for name in node.output} | set(facts.weights)
    made |= {value.name for value in facts.model.graph.input}
    made |= {item.values.name for item in facts.model.graph.sparse_initializer}
    for node in facts.model.graph.node:
        missing = next((name for name in node.input if name and name not in made), None)
        if missing is not None:
            return f"is damaged: {node.op_type} {node.name} takes {missing}, which nothing makes; export it again"
    lost = next((output.name for output in facts.outputs if output.name not in made), None)
    if lost is not None:
        return f"is damaged: nothing makes its output {lost}; export it again"
    names = [tensor.name for tensor in facts.outputs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"has two outputs named {twice}; export it again"
    return "" if names else "has no outputs; export it again"
