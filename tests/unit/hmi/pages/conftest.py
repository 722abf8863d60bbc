"""What a page's process is given: real shared memory, a real configuration, a records folder with parts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Defect, Outcome, Reason
from aoi_daemon.records import parts
from aoi_daemon.records.database import writing
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import VerdictWriter
from aoi_daemon.stage.board import SIZE_BYTES as BOARD_BYTES
from aoi_daemon.stage.board import Board
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.stage import ring_layout
from tests.unit.records.conftest import MS, NOON, RUN, Records, make_outcome


def outcome(part: int, reason: Reason = Reason.NONE, **fields) -> Outcome:
    """A part that took 10 ms of 50; one that is rejected for a defect has one, of class 1."""
    answered = {"answered_ns": part * 50 * MS + 10 * MS}
    return make_outcome(part, reason, (Defect(1, 0.9, 1.0, 2.0, 30.0, 40.0),), **(answered | fields))


class FakeStage:
    """A stage without its supervisor: what would come from it is put there by the test."""

    def __init__(self, folder: Path, owned: ExitStack, line: dict) -> None:
        self._owned = owned
        self._memories: dict[str, SharedMemory] = {}
        recipe = {"id": 1, "name": "demo", "bundle": str(folder / "bundle"), "width_px": 64, "height_px": 48}
        self.config = LineConfig.model_validate(line)
        self.setup = SimpleNamespace(
            recipe=Recipe.model_validate(recipe), run=RUN, config_file=folder / "line.toml", socket=folder / "none.sock"
        )
        self.board = Board(self.memory("board", BOARD_BYTES))
        self.stopping = False
        self.told: list[dict] = []
        self.waiting: list[dict] = []
        self.log = logger()

    def memory(self, name: str, size_bytes: int) -> SharedMemory:
        if name not in self._memories:
            self._memories[name] = self._owned.enter_context(SharedMemory.create(name, size_bytes))
        return self._memories[name]

    def frame_ring(self, camera: int) -> FrameRing:
        layout = ring_layout(self.config, camera)
        return FrameRing(self.memory(f"ring{camera}", layout.size_bytes), layout)

    def commands(self) -> list[dict]:
        found, self.waiting = self.waiting, []
        return found

    def tell(self, **message) -> None:
        self.told.append(message)

    def verdicts(self) -> VerdictWriter:
        return VerdictWriter(self.memory("verdicts", verdicts.SIZE_BYTES))

    def events(self) -> EventWriter:
        return EventWriter(self.memory("events", events.SIZE_BYTES))


def line_dict(**sections) -> dict:
    camera = {"kind": "replay", "source": "/boards", "max_width_px": 64, "max_height_px": 48}
    return {"cameras": [camera], "hmi": {}, **sections}


@pytest.fixture
def make_stage(tmp_path):
    """`make_stage(**sections)`: a stage with these sections of line.toml."""
    with ExitStack() as owned:
        yield lambda **sections: FakeStage(tmp_path, owned, line_dict(**sections))


@pytest.fixture
def stage(make_stage):
    return make_stage()


class PageRecords(Records):
    """A records folder with pictures that can be looked at, and events."""

    def add(self, part: int, reason: Reason = Reason.NONE, at: float | None = None, **fields) -> int:
        row = super().add(part, reason, at, **fields)
        assert row is not None
        return row

    def add_picture(self, row: int, file: str, kind: str = "frame") -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.full((48, 64), 90, np.uint8))
        image = parts.Image(NOON, "top", kind, "reject", "", file, path.stat().st_size, 64, 48)
        with writing(self.writer):
            parts.insert_image(self.writer, image, part=row)

    def event(self, number: int, at: float, kind: str, **body) -> None:
        with writing(self.writer):
            parts.insert_event(self.writer, self.run, number, at=at, kind=kind, body=body)


@pytest.fixture
def records(tmp_path):
    found = PageRecords(tmp_path / "records")
    yield found
    found.close()
