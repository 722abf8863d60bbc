"""Which layers INT8 costs most, and which of them are better left in float.

Process: offline. Pure: what a trial costs and how long it takes is the caller's; the time is passed in.

Each block of layers is quantised alone, all others in float: its loss is its own, and not hidden by what the others
lose. That way round is also the quicker one on ONNX Runtime, whose INT8 layers are slower than its FP32 ones. Then the
blocks are taken out of the complete INT8 model, the worst first, one more each time, until what is lost is within the
bound or nothing is gained any more; what was taken out after the last gain goes back in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from aoi_daemon.engine.precision.graph import Graph, Node, is_conv
from aoi_daemon.engine.qualify.drift import Drift

When = Literal["auto", "always", "never"]
MOST_BLOCKS: Final = 32
"""Trials of the first pass; a model of more layers is looked at by blocks of neighbours."""
_NO_GAIN_STOPS: Final = 3
"""Blocks taken out one after the other without a gain, and the search ends."""
_FIRST_PASS: Final = 2 / 3
"""So much of the time may the first pass take."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the search.

    Attributes:
        when: `auto`: where INT8 loses more than `bound`; `always`: the table of all blocks in any case.
        bound: boxes lost and extra, over FP32's, that are good enough; 0 to below 1.
        limit_s: no trial begins later than so many seconds after the first.
    """

    when: When = "auto"
    bound: float = 0.004
    limit_s: float = 600.0


@dataclass(frozen=True)
class Trial:
    """What a model reached on the boards that choose. `map50`: mean average precision at IoU 0.5, COCO's rule."""

    map50: float
    drift: Drift


@dataclass(frozen=True)
class Block:
    """Layers that are quantised together. `alone`: with all others in float; None: there was no time."""

    layers: tuple[str, ...]
    alone: Trial | None = None
    kept_float: bool = False


@dataclass(frozen=True)
class Sensitivity:
    """What the search found.

    Attributes:
        blocks: in the order of the graph.
        steps: the blocks (indices) taken out of the complete INT8 model, in that order, and what was left of the loss.
        ended: in words, why no more were.
        best: the model with its `kept_float` blocks in float.
    """

    blocks: tuple[Block, ...]
    steps: tuple[tuple[int, Trial], ...]
    ended: str
    best: Trial

    @property
    def kept_float(self) -> frozenset[str]:
        """Names of the layers that stay in float."""
        return frozenset(name for block in self.blocks if block.kept_float for name in block.layers)


def blocks_of(graph: Graph, most: int = MOST_BLOCKS) -> list[tuple[str, ...]]:
    """The quantisable layers by name, in the order of the graph, in at most `most` blocks.

    A residual Add goes with the convolution that it follows: both of its inputs are quantised, or none.
    """
    layers: list[list[str]] = []
    place: dict[str, int] = {}
    wanted = {node.name for node in graph.quantizable()}
    for node in graph.nodes:
        if node.name not in wanted:
            continue
        before = -1 if is_conv(node) else max(place.get(name, -1) for name in _convolutions_before(graph, node))
        if before < 0:
            layers.append([])
            before = len(layers) - 1
        layers[before].append(node.name)
        place[node.name] = before
    count = min(most, len(layers))
    cuts = [(len(layers) * i // count, len(layers) * (i + 1) // count) for i in range(count)]
    return [tuple(name for layer in layers[first:end] for name in layer) for first, end in cuts]


def search(
    blocks: Sequence[tuple[str, ...]],
    everything: Trial,
    asked: Asked,
    *,
    attempt: Callable[[frozenset[str]], Trial],
    now_s: Callable[[], float],
    advance: Callable[[], None],
) -> Sensitivity:
    """Measure the blocks, and leave the worst in float where that is needed.

    Args:
        blocks: from `blocks_of`.
        everything: the trial of the complete INT8 model.
        asked: bound and time.
        attempt: makes and measures the model with these layers in float.
        now_s: a monotonic clock, s.
        advance: called after each block of the first pass.
    """
    start_s = now_s()
    names = frozenset(name for block in blocks for name in block)
    measured: list[Block] = []
    for layers in blocks:
        in_time = now_s() - start_s < asked.limit_s * _FIRST_PASS
        measured.append(Block(layers, attempt(names - frozenset(layers)) if in_time else None))
        advance()
    steps: list[tuple[int, Trial]] = []
    best, kept, ended = everything, 0, "half of the blocks were taken out"
    taken: frozenset[str] = frozenset()
    for index in _worst_first(measured)[: len(blocks) // 2]:
        if is_good_enough(best.drift, asked):
            break
        if len(steps) - kept >= _NO_GAIN_STOPS:
            ended = f"nothing was gained by {_NO_GAIN_STOPS} more"
            break
        if now_s() - start_s >= asked.limit_s:
            ended = f"{asked.limit_s:g} s were over"
            break
        taken |= frozenset(measured[index].layers)
        steps.append((index, attempt(taken)))
        drift = steps[-1][1].drift
        if (drift.flips, drift.wrong) < (best.drift.flips, best.drift.wrong):
            best, kept = steps[-1][1], len(steps)
    if is_good_enough(best.drift, asked):
        ended = f"the loss is within {asked.bound:.2%} of the boxes"
    for index, _ in steps[:kept]:
        measured[index] = replace(measured[index], kept_float=True)
    return Sensitivity(tuple(measured), tuple(steps), ended, best)


def is_good_enough(drift: Drift, asked: Asked) -> bool:
    """Whether no verdict flips and no more boxes are lost and extra than the bound says."""
    return not drift.flips and drift.share <= asked.bound


def as_json(found: Sensitivity) -> dict[str, Any]:
    """The search as JSON, block by block; `rank` 1 is the block that costs most."""
    rank = {index: place for place, index in enumerate(_worst_first(found.blocks), 1)}
    return {
        "blocks": [
            {
                "layers": list(block.layers),
                "alone": None if block.alone is None else trial_json(block.alone),
                "rank": rank.get(index),
                "kept_float": block.kept_float,
            }
            for index, block in enumerate(found.blocks)
        ],
        "taken_out": [{"layers": list(found.blocks[index].layers), **trial_json(left)} for index, left in found.steps],
        "ended": found.ended,
        "reached": trial_json(found.best),
    }


def trial_json(trial: Trial) -> dict[str, Any]:
    """A trial's figures by name."""
    return {"map50": trial.map50, **asdict(trial.drift)}


def _worst_first(blocks: Sequence[Block]) -> list[int]:
    """Indices of the blocks that were measured, the one that costs most first."""
    ranks = {index: block.alone.drift.rank for index, block in enumerate(blocks) if block.alone is not None}
    return sorted(ranks, key=lambda index: ranks[index], reverse=True)


def _convolutions_before(graph: Graph, node: Node) -> set[str]:
    """The convolutions that `node` takes its inputs from, with no other between."""
    found: set[str] = set()
    pending = [graph.makers[name] for name in node.input if name in graph.makers]
    while pending:
        maker = pending.pop()
        if is_conv(maker):
            found.add(maker.name)
        else:
            pending += [graph.makers[name] for name in maker.input if name in graph.makers]
    return found
