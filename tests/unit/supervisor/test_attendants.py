"""Recorder, page, publisher and notifier are started again for as long as it takes: supervisor/attendants.py."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from aoi_daemon.supervisor import attendants
from aoi_daemon.supervisor.attendants import Attendant, Attendants
from aoi_daemon.supervisor.progress import Progress
from tests.unit.supervisor.conftest import PID, SECOND, S


def test_those_beside_the_path_are_tried_ever_later_too(held, configuration, shared, no_room, monkeypatch):
    """Also one that had run for long before."""
    line = configuration.line
    monkeypatch.setattr(attendants, "OFF_PATH", ("recorder",))
    configuration = SimpleNamespace(line=line.model_copy(update={"recorder": line.recorder or object()}))
    found = Attendants(configuration, shared, 2, lambda *_: pytest.fail("no"))
    monkeypatch.setattr(found, "_setup", lambda name, fds: SimpleNamespace(send=lambda _: None))
    found.all["recorder"].process.started_ns = no_room.now - 1000 * SECOND
    before = held()
    for _ in range(600):
        no_room.now += SECOND // 20
        found.look(no_room.now, paused=False)
    waits = [(b - a) / SECOND for a, b in itertools.pairwise(no_room.tries)]
    assert waits[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2], abs=0.06)
    assert held() == before
    assert found.trouble("recorder", no_room.now)


def test_a_page_that_starts_is_asked_for_its_progress_and_one_that_runs_for_its_word(process):
    attendant = Attendant("hmi", 2)
    attendant._progress = Progress(process.root)
    attendant.process._process = type("Popen", (), {"pid": PID})()
    attendant.process.started_ns = 100 * S
    for second in range(0, 300, 5):
        process.does(ticks=second + 1)
        assert not attendant.hangs(100 * S + second * S), second
    attendant.heard_ns = 400 * S
    assert not attendant.hangs(410 * S)
    assert attendant.hangs(420 * S), "it has said that all is well, and then nothing for 20 s"
