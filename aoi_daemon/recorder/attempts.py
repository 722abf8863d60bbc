"""Do something on the disk: timed, its fault told, and once more where the disk was full and something old has gone."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from aoi_daemon.recorder.health import DISK_FULL, Health, fault_of
from aoi_daemon.recorder.retention import free_bytes

T = TypeVar("T")


class Attempts:
    """Of the disk that `folder` lies on; `health` is what the reader thread tells of it."""

    def __init__(self, folder: Path, health: Health) -> None:
        self._folder = folder
        self._health = health

    def timed(self, act: Callable[[], T], more_ns: int = 0) -> T:
        """Do `act`, which may take `more_ns` longer than a write before the disk is called slow."""
        self._health.begin(time.monotonic_ns(), more_ns)
        try:
            return act()
        finally:
            self._health.end(time.monotonic_ns())

    def with_room(self, act: Callable[[], T], make_room: Callable[[], bool], more_ns: int = 0) -> T:
        """Do `act`; where the disk is full, once more after something old has gone."""
        try:
            return self.timed(act, more_ns)
        except (OSError, sqlite3.Error) as error:
            if self.fault(error) != DISK_FULL or not self.timed(make_room):
                raise
        return self.timed(act, more_ns)

    def fault(self, error: Exception) -> str:
        """Tell that the disk is at fault; what it is, in the words of `health`."""
        what = fault_of(error, free_bytes(self._folder))
        self._health.fault(what, time.monotonic_ns())
        return what
