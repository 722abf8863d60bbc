"""Stages whose system has no room, a line's desk, and a board of a line that runs."""

from __future__ import annotations

import errno
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.load import Configuration, load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Proof
from aoi_daemon.ring import events
from aoi_daemon.ring.events import EventReader, EventWriter
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage import process as stage_process
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup
from aoi_daemon.supervisor import attendants, keeper
from aoi_daemon.supervisor.alarm_watch import AlarmWatch
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.control import ControlServer
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.main import Supervisor
from aoi_daemon.supervisor.plc_says import PlcSays
from aoi_daemon.supervisor.shared import Shared

ROOT = Path(__file__).parents[3]
S = SECOND = 1_000_000_000


@pytest.fixture
def configuration():
    return load(ROOT / "config" / "line.toml")


class NoRoom:
    """The system has no room for a process until `there_is` says so. Stands in for subprocess.Popen."""

    def __init__(self, monkeypatch) -> None:
        self.there_is = False
        self.tries: list[int] = []
        self.now = 100 * SECOND
        self._popen = subprocess.Popen
        monkeypatch.setattr(stage_process.subprocess, "Popen", self)
        for module in (stage_process, keeper, attendants):
            monkeypatch.setattr(module, "now_ns", lambda: self.now)

    def __call__(self, *arguments, **more):
        if not self.there_is:
            self.tries.append(self.now)
            raise OSError(errno.EMFILE, "Too many open files")
        return self._popen(*arguments, **more)


@pytest.fixture
def no_room(monkeypatch):
    return NoRoom(monkeypatch)


@pytest.fixture
def shared(configuration):
    with Shared(configuration.line) as shared:
        yield shared


@pytest.fixture
def kept(configuration, shared, no_room, tmp_path):
    """A keeper, and the events that it has told."""
    log = (tmp_path / "log").open("wb")
    events = []

    def make(name, index, fds):
        return Setup(
            name, index, configuration.line, configuration.recipe, "json", "f" * 32, configuration.file, Path("none"), fds
        )

    found = StageKeeper(
        configuration, shared, make, lambda kind, **body: events.append((kind, body)),
        process=lambda name, index: StageProcess(name, index, log.fileno()), clock=SimpleNamespace(now_ns=lambda: no_room.now),
    )  # fmt: skip
    yield found, events
    for stage in found.processes:
        if stage.pid:
            stage.signal(signal.SIGKILL)
            stage.reap()
    log.close()


LINE = LineConfig.model_validate({
    "cameras": [{"kind": "replay", "source": ".", "name": "top"}, {"kind": "replay", "source": ".", "name": "side"}],
    "plc": {"host": "10.0.0.5"},
})  # fmt: skip


@pytest.fixture
def board():
    """A line that runs and is READY."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        found = Board(memory)
        found[Cell.LINE_STATE] = Line.RUNNING
        found[Cell.INSPECTION_STATE] = found[Cell.PLC_STATE] = StageState.READY
        found[Cell.LINK], found[Cell.READY] = Link.UP, 1
        found[Cell.PROVEN] = Proof.PROVEN
        for camera in range(2):
            found[camera_cell(camera, CameraCell.STATE)] = StageState.READY
            found[camera_cell(camera, CameraCell.PRESENT)] = 1
        yield found
        found._cells.release()


QUIET = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)


@pytest.fixture
def desk():
    """A line that runs, with no camera; `desk.now` is the time."""
    with SharedMemory.create("board", SIZE_BYTES) as memory, SharedMemory.create("events", events.SIZE_BYTES) as ring:
        board = Board(memory)
        board[Cell.LINE_STATE], board[Cell.LINK] = Line.RUNNING, Link.UP
        board[Cell.INSPECTION_STATE] = 2
        found = SimpleNamespace(board=board, now=S, events=EventReader(ring), resets=0, plc=SimpleNamespace(pid=7))
        chronicle = Chronicle(EventWriter(ring), QUIET, lambda: found.now)
        found.watch = AlarmWatch(board, Conditions(board, 0), chronicle)

        def reset(by, via):
            found.resets += 1
            chronicle.audit("reset", by, via)

        found.says = PlcSays(found.plc, found.watch, chronicle, reset)
        found.alarms = lambda: look(found)
        yield found
        board._cells.release()


def look(desk):
    """The active alarms with their details, as the status has them."""
    desk.now += S // 20
    desk.says.look(desk.now)
    desk.watch.look(desk.now, {})
    return {row["name"]: row["detail"] for row in desk.watch.snapshot() if row["active"]}


PID = 4711


class Process:
    """One in a /proc of the test's own."""

    def __init__(self, root) -> None:
        self.root = root
        self.folder = root / str(PID)
        self.folder.mkdir()
        self.does(ticks=1)

    def does(self, *, ticks: int = 0, faults: int = 0, read: int = 0) -> None:
        fields = ["R", "1", "1", "1", "0", "-1", "0", "100", "0", str(faults), "0", str(ticks), "0", "0", "0"]
        (self.folder / "stat").write_text(f"{PID} (aoi-hmi) ) x) {' '.join(fields)}\n")
        (self.folder / "io").write_text(f"rchar: {read}\nwchar: 5\n")


@pytest.fixture
def process(tmp_path):
    return Process(tmp_path)


@pytest.fixture
def server(tmp_path):
    server = ControlServer(tmp_path / "c.sock")
    yield server
    server.close()


@pytest.fixture
def supervisor(tmp_path):
    """A supervisor that has not started its stages; its signals are the test's again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    found = None
    try:
        found = Supervisor(configuration_in(tmp_path), "json", 2)
        yield found
    finally:
        if found is not None:
            found._owned.close()
            found.board._cells.release()
        for number, handler in before.items():
            signal.signal(number, handler)


def configuration_in(folder: Path) -> Configuration:
    (folder / "recipes").mkdir(exist_ok=True)
    line = LineConfig.model_validate({
        "line": {"recipe": "demo"}, "cameras": [{"name": "top", "kind": "replay", "source": "images"}],
        "supervisor": {"socket": str(folder / "c.sock"), "state_folder": str(folder)},
    })  # fmt: skip
    recipe = Recipe.model_validate({"id": 1, "name": "demo", "bundle": "b", "width_px": 64, "height_px": 64})
    return Configuration(folder / "line.toml", line, {"demo": recipe})
