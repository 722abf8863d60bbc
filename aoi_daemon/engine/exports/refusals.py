"""What of any exported graph is refused, whatever its outputs are: opset, operators, precision. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from onnx import defs

from aoi_daemon.engine.exports.facts import Facts
from aoi_daemon.engine.exports.gather import check_float32
from aoi_daemon.engine.exports.opsets import COMMON, NEWEST, OLDEST
from aoi_daemon.errors import ModelError

_ONNX: Final = ("", "ai.onnx")
_QUANTISED: Final = frozenset(
    {
        "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QLinearAdd",
        "QLinearMul", "ConvInteger", "MatMulInteger", "QAttention", "QGemm",
    }
)  # fmt: skip


def check_graph(facts: Facts) -> None:
    """Refuse what cannot be made a bundle's model.

    Raises:
        ModelError: naming what was found and the export that would do; all of it, where it is more than one.
    """
    checks: tuple[Callable[[Facts], str], ...] = (_opset, _quantised, _operators, _damage)
    problems = [problem for check in checks if (problem := check(facts))]
    if problems:
        raise ModelError(f"{facts.file}: " + "; ".join(problems))
    check_float32(facts.model, facts.file)


def _opset(facts: Facts) -> str:
    if OLDEST <= facts.opset <= NEWEST:
        return ""
    return f"is of opset {facts.opset or 'none'}; export it with opset {COMMON} ({OLDEST} to {NEWEST} are read)"


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
        remedy = f"export it with ONNX's own operators, opset {COMMON}"
    return f"has operators that are not ONNX's ({names}); {remedy}"


def _is_known(kind: str, opset: int) -> bool:
    try:
        return not defs.get_schema(kind, max(opset, OLDEST), "").deprecated
    except defs.SchemaError:
        return False


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
