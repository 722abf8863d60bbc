"""From real frames to the ranges of a model's activations.

Process: offline. Needs `onnx`; blocks in ONNX Runtime. Memory: one frame's activations at a time.

Two passes over the frames: how far each tensor reaches, then a histogram of fixed width. All methods
are read off the same histograms. What was found is kept in a cache, by the hash of the model, of the
frames and of the methods, for it takes minutes and changes only with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.frames import Frame, set_hash
from aoi_daemon.engine.precision.graph import Graph, Model
from aoi_daemon.engine.precision.inside import feed_of, open_inside, values_of
from aoi_daemon.engine.precision.ranges import BINS, LEVELS, PERCENTILE, entropy_range, histogram, percentile_range
from aoi_daemon.errors import ModelError
from aoi_daemon.files import make_folder, replace_file

Method = Literal["max", "percentile-99.999", "percentile", "entropy"]
METHODS: Final[tuple[Method, ...]] = ("max", "percentile-99.999", "percentile", "entropy")
"""`max` clips nothing that was seen, `percentile` is of PERCENTILE, `entropy` clips most."""
Ranges = dict[str, float]
"""The greatest magnitude of a tensor that INT8 keeps, by the tensor's name."""

_RECIPE: Final = f"abs histogram {BINS}, entropy {LEVELS}, percentile {PERCENTILE}, zero bin replaced; 99.999, max; 2"
"""Part of the cache's key: changed whenever the ranges would be."""


def calibrate(
    model: Model,
    frames: Sequence[Frame],
    *,
    threads: int,
    advance: Callable[[], None],
    cache: Path | None = None,
) -> dict[Method, Ranges]:
    """The ranges of all activations that INT8 quantises, by method.

    Args:
        model: prepared FP32.
        frames: real ones; each is run twice.
        threads: of ONNX Runtime.
        advance: called 2 * len(frames) times, at once where the cache knows the answer.
        cache: folder to keep the answer in; None: nowhere.

    Raises:
        ModelError: the model has nothing to quantise, or a frame is not one that it takes.
        BoardsError: a frame cannot be read.
    """
    graph = Graph(model)
    tensors = sorted({name for node in graph.quantizable() for name in graph.activations(node)})
    if not tensors:
        raise ModelError("has no convolution between the first and the last: there is nothing to quantise")
    file = None if cache is None else cache / f"{_key(model, frames)}.json"
    known = _read_cache(file, tensors)
    if known is not None:
        for _ in range(2 * len(frames)):
            advance()
        return known
    histograms = _collect(model, tensors, frames, threads, advance)
    ranges: dict[Method, Ranges] = {
        "max": {name: reach for name, (_, reach) in histograms.items()},
        "percentile-99.999": {name: percentile_range(counts, r, 99.999) for name, (counts, r) in histograms.items()},
        "entropy": {name: entropy_range(counts, reach) for name, (counts, reach) in histograms.items()},
        "percentile": {name: percentile_range(counts, reach) for name, (counts, reach) in histograms.items()},
    }
    _write_cache(file, ranges)
    return ranges


def _collect(
    model: Model, tensors: Sequence[str], frames: Sequence[Frame], threads: int, advance: Callable[[], None]
) -> dict[str, tuple[NDArray[np.int64], float]]:
    """A histogram of magnitudes and the greatest of them, by tensor."""
    session = open_inside(model, tensors, threads)
    reach = dict.fromkeys(tensors, 0.0)
    for frame in frames:
        for name, values in _values(session, tensors, frame):
            reach[name] = max(reach[name], float(np.abs(values).max(initial=0.0)))
        advance()
    wild = [name for name, value in reach.items() if not np.isfinite(value)]
    if wild:
        raise ModelError(f"tensor {wild[0]} is not finite on the calibration frames")
    counts = {name: np.zeros(BINS, np.int64) for name in tensors}
    for frame in frames:
        for name, values in _values(session, tensors, frame):
            counts[name] += histogram(values, reach[name])
        advance()
    return {name: (counts[name], reach[name]) for name in tensors}


def _values(session: Any, tensors: Sequence[str], frame: Frame) -> Iterator[tuple[str, NDArray[np.float32]]]:
    return zip(tensors, values_of(session, tensors, feed_of(frame), frame), strict=True)


def _key(model: Model, frames: Sequence[Frame]) -> str:
    parts = (hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(), set_hash(frames), _RECIPE)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read_cache(file: Path | None, tensors: Sequence[str]) -> dict[Method, Ranges] | None:
    if file is None:
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        known: dict[Method, Ranges] = {m: {name: float(found[m][name]) for name in tensors} for m in METHODS}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: it is made anew
    return known


def _write_cache(file: Path | None, ranges: Mapping[Method, Ranges]) -> None:
    if file is None:
        return
    try:
        make_folder(file.parent)
        replace_file(file, json.dumps(ranges, indent=1).encode(), 0o600)
    except OSError:
        pass  # a cache that cannot be written costs time, not the bundle
