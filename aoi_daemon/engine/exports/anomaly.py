"""anomalib's models and others that tell how strange each place is: map and score become `maps`.

Process: offline. Pure.

anomalib judges a part by its score and a place by its map, each with a threshold of its own, and neither follows from
the other: PatchCore weighs its score, thresholds are learnt apart. Here a part is bad where some place of its map is.
So the map is capped by the score, and its strangest place is given the score. Then the strangest place of a part is
what anomalib scores it, a part is bad where anomalib's label says so, and what is marked in a bad part is anomalib's
mask (or its strangest place, where that is empty).
"""

from __future__ import annotations

import math

import numpy as np
from onnx import TensorProto

from aoi_daemon.config.tasks import MapReading, ModelOutput
from aoi_daemon.engine.exports.adapted import Adapted
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.exports.told import NOTHING, Told
from aoi_daemon.errors import ModelError


def adapt_anomaly(sewn: Sewn, described: Described, told: Told = NOTHING) -> Adapted:
    """The task anomaly, with `maps.threshold` 0.5 and twice the file's own threshold as `full_score`.

    Args:
        sewn: the file's graph behind the frame.
        described: its outputs are a map of four dimensions (anomaly_map) and, where it has one, a score (pred_score);
            from pred_label and pred_mask the thresholds are read.
        told: one class for what is strange, else `anomaly`; the threshold of the score (of the map, where there is no
            score), else the file's.

    Raises:
        ModelError: there is no map, or nobody says from which value on it is bad.
    """
    mapped = _pick(described, "anomaly_map", 4)
    if mapped is None:
        raise ModelError(f"{sewn.source}: has no map of how strange each place is; expected anomaly_map [1, 1, h, w]")
    classes = told.classes or ("anomaly",)
    if len(classes) != 1:
        raise ModelError(f"{sewn.source}: an anomaly map has one class, not {len(classes)} ({', '.join(classes)})")
    scored = _pick(described, "pred_score", 2) or _pick(described, "pred_score", 1)
    maps = sewn.output(mapped.name)
    if described.layout == "NHWC":
        maps = sewn.put("Transpose", maps, perm=[0, 3, 1, 2])
    if scored is None:
        limit = _limit(sewn, described, "pred_mask", told.threshold)
    else:
        limit = _limit(sewn, described, "pred_label", told.threshold)
        is_masked = told.threshold is None and any(out.name == "pred_mask" for out in described.outputs)
        of_place = _limit(sewn, described, "pred_mask", None) if is_masked else limit
        if of_place != limit:
            # One number is read here for both; the map's own becomes the score's.
            maps = sewn.put("Mul", maps, sewn.constant(np.array(limit / of_place, np.float32)))
        maps = _capped(sewn, maps, sewn.output(scored.name))
    sizes = mapped.shape[1:3] if described.layout == "NHWC" else mapped.shape[2:]
    height, width = sizes if sewn.height_px else (None, None)
    model = sewn.finished({"maps": (maps, TensorProto.FLOAT, (1, 1, height, width))})
    task = ModelOutput(task="anomaly", classes=classes, full_score=2 * limit, maps=MapReading(threshold=0.5))
    return Adapted(model, task, described.stride_px)


def _pick(described: Described, name: str, dimensions: int) -> Tensor | None:
    """The output `name`; else, where names are others, the first of floats of so many dimensions."""
    found = [out for out in described.outputs if out.dtype == "float32" and len(out.shape) == dimensions]
    return next((out for out in found if out.name == name), found[0] if found else None)


def _limit(sewn: Sewn, described: Described, name: str, told: float | None) -> float:
    """The number that the output `name` is compared with; `told`, where there is no such output."""
    limit = told
    if told is None and any(out.name == name for out in described.outputs):
        limit = sewn.compared_with(name)
    if limit is None:
        raise ModelError(
            f"{sewn.source}: nothing in it says from which value on a part is bad (an older anomalib writes it into "
            "metadata.json: image_threshold); say it with --threshold"
        )
    if not (math.isfinite(limit) and limit > 0):
        raise ModelError(
            f"{sewn.source}: a part is bad from {limit:g} on, it says, which is no threshold; validate the model with "
            "good and bad parts before it is exported, or say it with --threshold"
        )
    return limit


def _capped(sewn: Sewn, maps: str, score: str) -> str:
    """`maps` with no value above `score`, and it at the greatest."""
    part = sewn.put("Reshape", score, sewn.constant(np.array([1, 1, 1, 1], np.int64)))
    top = sewn.put("GlobalMaxPool", maps)
    return sewn.put("Where", sewn.put("Equal", maps, top), part, sewn.put("Min", maps, part))
