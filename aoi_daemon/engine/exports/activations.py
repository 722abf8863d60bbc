"""What has become of a model's scores where they leave it: probabilities, or the logits that an activation still needs.

Pure.
"""

from __future__ import annotations

from typing import Final, Literal

from aoi_daemon.engine.exports.facts import Facts
from aoi_daemon.engine.precision.graph import Node
from aoi_daemon.infer.exports import is_probability

Scores = Literal["probabilities", "logits", "unknown"]

_SHAPES: Final = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_KEEPS: Final = frozenset(
    {"Identity", "Dropout", "Resize", "Upsample", "AveragePool", "GlobalAveragePool", "ReduceMean"}
)
"""Operators behind which probabilities are still such, and logits too."""
_WEIGHTS: Final = frozenset({"Gemm", "MatMul", "Conv", "ConvTranspose", "BatchNormalization", "Einsum"})
_SUMS: Final = frozenset({"Add", "Sub"})
_LAST_BY_DEFAULT: Final = 13
"""The first opset whose Softmax is over one axis; before, it is over all from its axis on."""


def scores_of(facts: Facts, name: str, axis: int | None) -> Scores:
    """What the output `name` is, by the operators behind it.

    Args:
        facts: of the graph.
        name: of the output.
        axis: of its dimensions the one of the classes, from 0; None: any.
    """
    seen: set[str] = set()
    found: set[Scores] = set()
    pending: list[tuple[str, int | None, bool]] = [(name, axis, False)]
    while pending:
        tensor, at, changed = pending.pop()
        node = facts.made_by(tensor)
        if node is None or tensor in seen:
            found.add("unknown")
            continue
        seen.add(tensor)
        moved = [each for each in node.input if each and not facts.is_constant(each)]
        if is_probability(node.op_type):
            # A sum of probabilities is none; nor is what went through an activation twice.
            is_once = node.input[0] not in seen and scores_of(facts, node.input[0], None) != "probabilities"
            found.add("probabilities" if is_once and not changed and _is_over(facts, node, at) else "unknown")
        elif node.op_type in _WEIGHTS and len(moved) == 1:
            found.add("logits")
        elif node.op_type == "Transpose":
            pending.append((node.input[0], _before(node, at), changed))
        elif node.op_type in _SHAPES or (node.op_type in _KEEPS and moved):
            pending.append((node.input[0], at if node.op_type in _KEEPS else None, changed))
        elif node.op_type in _SUMS:
            pending += [(each, at, True) for each in moved]
        else:
            found.add("unknown")
    return next(iter(found)) if len(found) == 1 else "unknown"


def _before(node: Node, axis: int | None) -> int | None:
    """Where the dimension `axis` of a Transpose's output was in its input."""
    order = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
    return order[axis] if order is not None and axis is not None and axis < len(order) else None


def _is_over(facts: Facts, node: Node, axis: int | None) -> bool:
    """Whether a softmax is over the classes; a sigmoid is over nothing."""
    rank = len(facts.size_of(node.input[0]))
    if "Softmax" not in node.op_type or axis is None or not rank:
        return True
    default = -1 if facts.opset >= _LAST_BY_DEFAULT else 1
    over = next((int(a.i) for a in node.attribute if a.name == "axis"), default) % rank
    return over == axis and (facts.opset >= _LAST_BY_DEFAULT or over == rank - 1)
