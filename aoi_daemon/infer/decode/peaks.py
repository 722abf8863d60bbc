"""The greatest values of heads and maps, which tell where in them a reader need look. Pure.

`build-engine` adds them to the network as an output of its own, `peaks` float32 (engine/build/peaks.py), so that the
GPU looks through the megabytes and the CPU through some kB. By task:

- yolo: (1, 3, N), for each candidate its greatest probability, its least, and the mean of its place and probabilities.
- segment, anomaly: (1, classes or 1, 3 h + w), for each row its greatest value, then for each column; then
  for each row its least value, then its mean.

The mean is there for NaN and infinity alone: a GPU's maximum passes over NaN, a mean hands it on. Peaks choose what is
looked at, never what is found: they may be rounded to half precision, and where they do not prove that all is as it
should be, everything is read. A plan that was built without, ONNX Runtime and OpenVINO give none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.infer.executor import TensorInfo

PEAKS: Final = "peaks"
"""The output's name."""
_HALF: Final = 2.0**-10, 2.0**-24
"""Twice what half precision rounds by: a share of the value, and where that is next to nothing."""
_OF_MEANS: Final = 2.0**-6
"""So far from another's a mean may be, as a share of the greatest value."""

_Floats = NDArray[np.float32]


def peaks_of(manifest: Manifest) -> TensorInfo | None:
    """What an engine may put out beside `outputs_of`; None: nothing with this task."""
    if manifest.task == "yolo":
        return TensorInfo(PEAKS, "float32", (1, 3, None))
    if manifest.task in ("segment", "anomaly"):
        return TensorInfo(PEAKS, "float32", (1, len(manifest.classes), None))
    return None


def near(threshold: float) -> float:
    """From which peak on, as float32 can say it, there may be a value of at least `threshold`."""
    return float(np.float32(threshold - abs(threshold) * _HALF[0] - _HALF[1]))


def head_peaks(heads: _Floats) -> _Floats:
    """As the GPU makes them of heads (4 + classes, N): (3, N), NaN where there is one."""
    scores = heads[4:]
    return np.stack((scores.max(axis=0), scores.min(axis=0), heads.mean(axis=0)))


def map_peaks(maps: _Floats) -> _Floats:
    """As the GPU makes them of maps (classes, h, w): (classes, 3 h + w), NaN where there is one."""
    return np.concatenate((maps.max(axis=2), maps.max(axis=1), maps.min(axis=2), maps.mean(axis=2)), axis=1)


def is_true(peaks: _Floats, outputs: Sequence[NDArray[Any]]) -> bool:
    """Whether `peaks` are those of the one output beside them (1, ...), but for rounding to half precision."""
    values = outputs[0][0]
    expected = head_peaks(values) if values.ndim == 2 else map_peaks(values)
    if expected.shape != peaks.shape[1:]:
        return False
    found = peaks[0]
    means = np.zeros(found.shape, np.bool_)
    if values.ndim == 2:
        means[2] = True
    else:
        means[:, -values.shape[1] :] = True
    rounding = np.abs(expected) * _HALF[0] + _HALF[1]
    # Added up in another order, and only there for what is not finite.
    rounding[means] = _OF_MEANS * np.abs(values).max()
    return bool((np.abs(found - expected) <= rounding).all())
