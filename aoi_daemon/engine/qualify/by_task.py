"""Choose the scores from which something counts, by the task of the model. Pure.

Boxes: class by class, as thresholds.py says. A classification is judged by the class that scores highest on the frame,
so each class's threshold lies between the bad and the good frames on which it does. Maps have one threshold for all
classes, from which on areas are drawn, and each class a score that an area's peak must reach: no area is drawn that
no class counts, so the one is the least of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.labels import Pair
from aoi_daemon.engine.qualify.map_peaks import Peaks
from aoi_daemon.engine.qualify.thresholds import Recommendation, between
from aoi_daemon.infer.executor import Detections

_ROOM: Final = 0.9
"""Where good parts reach this share of what scores 1, nothing is left above to tell defects apart by."""


def recommend_frames(
    found: Sequence[Detections], pairs: Sequence[Pair], class_count: int, least: float
) -> list[Recommendation]:
    """A threshold for each class of a classification; see the module.

    Args:
        found: by frame, a row for each class of defect.
        pairs: labelled; a bad frame counts for the class that scores highest on it, whatever its label is.
        class_count: of the manifest.
        least: no threshold is below.
    """
    true: list[list[float]] = [[] for _ in range(class_count)]
    false: list[list[float]] = [[] for _ in range(class_count)]
    for seen, pair in zip(found, pairs, strict=True):
        if len(seen.scores):
            row = int(np.argmax(seen.scores))
            (false if pair.is_good else true)[seen.classes[row]].append(float(seen.scores[row]))
    return [between(np.array(true[kind]), np.array(false[kind]), least) for kind in range(class_count)]


def recommend_maps(
    peaks: Sequence[Peaks], pairs: Sequence[Pair], manifest: Manifest, least: float
) -> tuple[Manifest, list[Recommendation]]:
    """A threshold for each class of a segmentation or anomaly model, and the manifest with that of its maps.

    An anomaly model whose good parts reach what scores 1 gets a `full_score` that leaves room: its highest peak.
    """
    if manifest.task == "anomaly":
        tops = [float(each.maps.max()) for each in peaks]
        good = max((top for top, pair in zip(tops, pairs, strict=True) if pair.is_good), default=0.0)
        top = max(tops)
        if good > _ROOM * manifest.full_score and top > manifest.full_score:
            manifest = manifest.model_copy(update={"full_score": top})
    rows = _of_maps(peaks, pairs, manifest, least)
    named = zip(manifest.classes, rows, strict=True)
    threshold = min(row.threshold for name, row in named if name not in manifest.good_classes)
    maps = manifest.maps.model_copy(update={"threshold": threshold})
    return manifest.model_copy(update={"maps": maps}), rows


def _of_maps(
    peaks: Sequence[Peaks], pairs: Sequence[Pair], manifest: Manifest, least: float
) -> list[Recommendation]:
    full = manifest.full_score if manifest.task == "anomaly" else 1.0
    rows = []
    for kind in range(len(manifest.classes)):
        true = [float(each.labels[i]) for each, pair in zip(peaks, pairs, strict=True)
                for i in np.flatnonzero(pair.classes == kind)]  # fmt: skip
        false = [float(each.maps[kind]) for each, pair in zip(peaks, pairs, strict=True) if pair.is_good]
        if manifest.classes[kind] in manifest.good_classes:
            false = []  # it is where nothing is
        scores = [np.clip(np.array(values) / full, 0.0, 1.0) for values in (true, false)]
        rows.append(between(scores[0], scores[1], least))
    return rows
