"""Fresh boards while the GPU trains: worker processes that generate without end.

Workers (spawned, one thread each) write tiles into slots of one memory-mapped scratch file and announce
a slot's number; the trainer copies it and hands the slot back. A file, not POSIX shared memory: containers
often give the latter 64 MB.
"""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
from dataclasses import dataclass, replace
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.labels import BoardsError
from aoi_daemon.kit.boards.options import BoardOptions, Colour
from tools.detector.data import TILE_PX, Tiles, empty_tiles, fill_labels, is_binary
from tools.detector.processes import end

# Boards in a slot: large enough that messages are few, small enough that the first comes soon.
BATCH: Final = 8
SLOTS_FOR_EACH_WORKER: Final = 3

Slot = tuple[int, NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class _Job:
    """What a worker needs to know. It makes boards number, number + of, number + 2 of and so on."""

    path: Path
    slots: int
    seed: int
    number: int
    of: int
    options: BoardOptions


class BoardStream:
    """A context that generates boards of the tile's size from `seed` in `workers` processes."""

    def __init__(self, seed: int, workers: int, options: BoardOptions | None = None) -> None:
        options = replace(options or BoardOptions(), width_px=TILE_PX, height_px=TILE_PX, colour=Colour.MONO)
        self._folder = tempfile.TemporaryDirectory(prefix="boards-")
        path = Path(self._folder.name) / "slots"
        self._count = workers * SLOTS_FOR_EACH_WORKER
        self._images = _map(path, self._count, create=True)
        context = multiprocessing.get_context("spawn")
        self._free: Queue[int] = context.Queue()
        self._full: Queue[Slot] = context.Queue()
        for slot in range(self._count):
            self._free.put(slot)
        jobs = [_Job(path, self._count, seed, i, workers, options) for i in range(workers)]
        self._workers = [context.Process(target=_run, args=(job, self._free, self._full), daemon=True) for job in jobs]

    def __enter__(self) -> BoardStream:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._workers, (self._free, self._full))
        del self._images
        self._folder.cleanup()

    def take(self, timeout_s: float = 0.0) -> Tiles | None:
        """Return the next `BATCH` boards, or None if none is ready within the time.

        Raises:
            BoardsError: a worker has died.
        """
        try:
            slot, boxes, classes, binary = self._full.get(timeout_s > 0, timeout_s)
        except queue.Empty:
            if any(worker.exitcode is not None for worker in self._workers):
                raise BoardsError("a board generator process died; its message is above") from None
            return None
        tiles = replace(empty_tiles(0), images=np.array(self._images[slot]))
        self._free.put(slot)
        return replace(tiles, boxes=boxes, classes=classes, binary=binary, areas=empty_tiles(len(boxes), 0).areas)


def _map(path: Path, count: int, *, create: bool) -> Any:
    shape = (count, BATCH, 2, TILE_PX, TILE_PX)
    return np.memmap(path, np.uint8, "w+" if create else "r+", shape=shape)


def _run(job: _Job, free: Queue[int], full: Queue[Slot]) -> None:
    cv2.setNumThreads(1)
    images = _map(job.path, job.slots, create=False)
    index = job.number
    while True:
        slot = free.get()
        tiles = empty_tiles(BATCH)
        for i in range(BATCH):
            board = generate(job.seed, index, job.options)
            index += job.of
            images[slot, i, 0], images[slot, i, 1] = board.test, board.template
            boxes = np.array([d.box for d in board.defects], np.int32).reshape(-1, 4)
            kinds = np.array([int(d.kind) - 1 for d in board.defects], np.int32)
            fill_labels(tiles, i, boxes, kinds, f"generated board {index}")
            tiles.binary[i] = is_binary(board.test)
        full.put((slot, tiles.boxes, tiles.classes, tiles.binary))
