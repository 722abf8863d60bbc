"""How high the maps of a segmentation or anomaly model rise on labelled defects, and where nothing is.

Process: offline. Blocks in the executor. Areas say it only from a threshold on, and that is what is to be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.labels import Pair
from aoi_daemon.engine.qualify.qualify import Board
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, Executor, FrameShape

_AROUND: Final = 1
"""Places of the map around a label that are looked at with it: a map may be coarser than the frame."""
_NOTHING: Final = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


class Peaks(NamedTuple):
    """Of one board: as the model gave them."""

    labels: NDArray[np.float32]
    """(labels,) of each label's class within its box."""
    maps: NDArray[np.float32]
    """(classes,) of each map."""


def map_peaks(executor: Executor, boards: Sequence[Board], advance: Callable[[], None]) -> list[Peaks]:
    """The peaks of each board's maps; `advance` is called after each.

    Raises:
        BoardsError: an image cannot be read.
        InferenceError: the model does not take it.
    """
    found, kept = [], _Kept()
    usual, executor.decoder = executor.decoder, kept
    try:
        for board in boards:
            image, template = board.frame.read()
            executor.infer(image, template, NO_DEADLINE)
            found.append(peaks_of(kept.maps, board.pair))
            advance()
    finally:
        executor.decoder = usual
    return found


def peaks_of(maps: NDArray[np.float32], pair: Pair) -> Peaks:
    """The peaks of maps (classes, h, w) on a board."""
    height, width = maps.shape[1:]
    scale = np.array((width / pair.width_px, height / pair.height_px) * 2)
    of_labels = []
    for box, kind in zip(pair.boxes, pair.classes, strict=True):
        x1, y1, x2, y2 = box * scale
        rows = slice(max(0, int(np.floor(y1)) - _AROUND), int(np.ceil(y2)) + _AROUND)
        columns = slice(max(0, int(np.floor(x1)) - _AROUND), int(np.ceil(x2)) + _AROUND)
        of_labels.append(maps[kind, rows, columns].max())
    return Peaks(np.array(of_labels, np.float32), maps.reshape(len(maps), -1).max(axis=1))


class _Kept:
    """A decoder that keeps the maps, and finds nothing."""

    def __init__(self) -> None:
        self.maps: NDArray[np.float32] = np.zeros((0, 1, 1), np.float32)

    def decode(self, outputs: Sequence[NDArray[Any]], _shape: FrameShape) -> Detections:
        """See `Decoder`."""
        self.maps = outputs[0][0].copy()
        return _NOTHING
