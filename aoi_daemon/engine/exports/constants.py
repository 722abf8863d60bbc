"""What a tensor of a graph is worth, where nothing of the picture goes into it. Pure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

_MOST: Final = 64
"""Operators that a constant may be computed by: an exporter that folds none leaves a few."""


def constant_value(graph: Any, name: str) -> NDArray[Any] | None:
    """The value of the tensor `name`; None where it depends on an input, or on more than a few operators."""
    weights = {item.name: item for item in graph.initializer}
    if name in weights:
        return np.asarray(numpy_helper.to_array(weights[name]))
    makers = {made: node for node in graph.node for made in node.output}
    needed: set[str] = set()
    used: dict[str, Any] = {}
    pending = [name]
    while pending:
        tensor = pending.pop()
        if tensor in weights:
            used[tensor] = weights[tensor]
        elif tensor not in makers or len(needed) > _MOST:
            return None
        elif tensor not in needed:
            needed.add(tensor)
            pending += [part for part in makers[tensor].input if part]
    nodes = [node for node in graph.node if needed.intersection(node.output)]
    alone = helper.make_graph(nodes, "constant", [], [helper.make_empty_tensor_value_info(name)], list(used.values()))
    return np.asarray(ReferenceEvaluator(helper.make_model(alone)).run(None, {})[0])
