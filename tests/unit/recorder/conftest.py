"""A frame ring with frames, and a records folder, for the recorder's parts."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.recorder.flight import FlightRecorder
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from tests.unit.records.conftest import records

__all__ = ["records"]  # a fixture that is defined elsewhere

SIZE = 16


class FakeLog:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict]] = []

    def info(self, event, **fields) -> None:
        self.events.append((event, fields))

    warning = error = info

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


class Frames:
    """acquire's side of one ring: `come` publishes a frame whose pixels are its number."""

    def __init__(self, slots: int, camera: int = 0) -> None:
        layout = RingLayout(slots, SIZE, SIZE, 1)
        self.memory = SharedMemory.create(f"ring{camera}", layout.size_bytes)
        self.ring = FrameRing(self.memory, layout)
        self.camera = camera
        self.newest = 0

    def come(self, count: int = 1, *, template: bool = False, trigger_ns: int = 0) -> int:
        for _ in range(count):
            self.newest += 1
            self.ring.begin(self.newest)
            image, plane = self.ring.planes(self.newest)
            image[:] = self.newest
            plane[:] = 200
            self.ring.publish(
                self.newest, (SIZE, SIZE, 1), fov=3, trigger_ns=trigger_ns, ready_ns=self.newest * 1000, has_template=template
            )
        return self.newest

    def flight(self, keep: int = 4, spare: int = 2) -> FlightRecorder:
        return FlightRecorder(self.ring, self.camera, keep=keep, spare=spare)


@pytest.fixture
def frames():
    made: list[Frames] = []

    def make(slots: int = 4) -> Frames:
        made.append(Frames(slots, len(made)))
        return made[-1]

    yield make
    for each in made:
        each.memory.close()


@pytest.fixture
def log():
    return FakeLog()


def section(**keys) -> RecorderSection:
    return RecorderSection(**{"min_free_gb": 0.0, **keys})


def picture(value: int = 0) -> np.ndarray:
    return np.full((SIZE, SIZE, 1), value, np.uint8)
