"""The supervisor's loop: what it hears goes to whom it concerns, and each request has one answer."""

from __future__ import annotations

import errno
import json
import mmap
import os
import pwd
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.errors import AoiError
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.events import EventReader
from aoi_daemon.stage.control import connect
from aoi_daemon.supervisor import main as module
from aoi_daemon.supervisor.main import Supervisor


def test_a_camera_clock_that_is_refused_is_an_alarm_that_a_reset_does_not_end(desk):
    supervisor, stage = SimpleNamespace(alarms=desk.watch), SimpleNamespace()

    def hear(camera, detail):
        Supervisor._heard(supervisor, stage, {"tell": "camera_clock", "camera": camera, "detail": detail})

    hear(0, "camera top: its clock ticks at 1e+08 Hz")
    assert desk.alarms() == {"CAMERA_CLOCK": "camera top: its clock ticks at 1e+08 Hz"}
    desk.watch.reset("anna", desk.now)
    assert "CAMERA_CLOCK" in desk.alarms()
    hear(1, "camera side: it stands still")
    assert desk.alarms()["CAMERA_CLOCK"] == "camera top: its clock ticks at 1e+08 Hz; camera side: it stands still"
    hear(0, "")
    hear(1, "")
    hear(1, "")
    assert desk.alarms() == {}


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


def asked(supervisor, **request) -> tuple[dict[str, Any], list[int]]:
    """What a client of the control socket hears at once, and the descriptors that come with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.settimeout(5)
        supervisor._serve(ours, request)
        data, fds, _, _ = socket.recv_fds(theirs, 1 << 20, 4)
        theirs.settimeout(0)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        return json.loads(data), list(fds)


def test_the_status_is_json_and_says_what_runs(supervisor):
    answer, _ = asked(supervisor, do="status")
    status = answer["status"]
    assert (status["name"], status["pid"], status["product"]) == ("line-1", os.getpid(), "demo")
    assert status["stages"] == {"plc": 0, "inspection": 0, "acquire-0": 0}
    assert status["recipes"] == [{"id": 1, "name": "demo"}]
    assert (status["forced"], status["recipe_asked"]) == (-1, -1), "nothing is, as opposed to 0"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({"do": "dance"}, "unknown request 'dance'"),
        ({}, "unknown request None"),
        ({"do": "recipe", "id": 7}, "recipe 7: there is none of this id or name (there: 1 demo)"),
        ({"do": "force", "word": 70_000}, "must be a whole number from 0 to 65535"),
        ({"do": "force", "word": 1}, "plc does not run"),
        ({"do": "acknowledge", "alarm": "NO_SUCH"}, "NO_SUCH"),
        ({"do": "clock", "reason": "x"}, "recorder"),
    ],
)
def test_what_cannot_be_done_is_answered_once_with_why(supervisor, request_, error):
    answer, fds = asked(supervisor, **request_)
    assert (answer["ok"], fds) == (False, [])
    assert error in answer["error"]


@pytest.mark.parametrize(("do", "size_bytes"), [("watch", verdicts.SIZE_BYTES), ("events", events.SIZE_BYTES)])
def test_who_watches_gets_memory_that_it_cannot_write(supervisor, do, size_bytes):
    """A page with a fault must not be able to change what the line remembers."""
    answer, (fd,) = asked(supervisor, do=do)
    try:
        assert answer == {"ok": True}
        with mmap.mmap(fd, size_bytes, prot=mmap.PROT_READ) as seen:
            assert len(seen) == size_bytes
        with pytest.raises(PermissionError):
            mmap.mmap(fd, size_bytes, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        with pytest.raises(OSError):
            os.pwrite(fd, b"x", 0)
    finally:
        os.close(fd)


def test_a_system_without_a_descriptor_left_is_an_answer(supervisor, monkeypatch):
    def full():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(supervisor.shared.verdict_memory, "read_only_fd", full)
    answer, fds = asked(supervisor, do="watch")
    assert (answer, fds) == ({"ok": False, "error": "the system has no room: Too many open files"}, [])


def test_a_reset_is_written_down_with_who_it_was_and_how_they_came(supervisor):
    """Cut to a length that no client can fill the ring with."""
    reader = EventReader(supervisor.shared.event_memory)
    assert asked(supervisor, do="reset", by="anna" * 100, via="page" * 100)[0]["ok"]
    (body,) = (event.body for event in reader.read() if event.kind == "audit")
    assert (body["what"], body["by"], body["via"]) == ("reset", ("anna" * 100)[:80], ("page" * 100)[:16])
    asked(supervisor, do="audit", what="login" * 100, detail="x" * 1000, ok=False, by="bert")
    (body,) = (event.body for event in reader.read() if event.kind == "audit")
    assert (len(body["what"]), len(body["detail"]), body["ok"], body["via"]) == (40, 400, False, "command")


def test_who_says_no_name_is_named_by_the_kernel(supervisor):
    reader = EventReader(supervisor.shared.event_memory)
    asked(supervisor, do="reset")
    (body,) = (event.body for event in reader.read() if event.kind == "audit")
    assert body["by"] == pwd.getpwuid(os.getuid()).pw_name


def test_a_signal_sets_a_flag_and_does_nothing_by_itself(supervisor):
    """It may come in the midst of a step."""
    before = asked(supervisor, do="status")[0]["status"]["changeover"]
    os.kill(os.getpid(), signal.SIGHUP)
    assert (supervisor.reload_wanted, supervisor.stopping) == (True, False)
    assert asked(supervisor, do="status")[0]["status"]["changeover"] == before
    os.kill(os.getpid(), signal.SIGTERM)
    assert supervisor.stopping


def test_a_supervisor_that_is_told_to_end_while_it_begins_starts_nothing(supervisor, monkeypatch):
    monkeypatch.setattr(supervisor.keeper, "start_all", lambda: pytest.fail("it was told to end"))
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        assert supervisor.run() == 0
    finally:
        signal.set_wakeup_fd(-1)
    assert not supervisor.control.path.exists()


@pytest.mark.parametrize(("late_s", "paused"), [(0.05, False), (0.5, False), (0.51, True), (60, True)])
def test_a_machine_that_stood_still_makes_nobody_hang(supervisor, monkeypatch, late_s, paused):
    """A laptop lid, a migrated machine: all have stood, and none is killed for it."""
    seen = []
    monkeypatch.setattr(supervisor.keeper, "look", lambda *, paused: seen.append(paused))
    monkeypatch.setattr(supervisor.attendants, "look", lambda now, *, paused: seen.append(paused))
    monkeypatch.setattr(module, "now_ns", lambda: supervisor._ticked_ns + round(late_s * 1e9))
    supervisor._tick()
    assert seen == [paused, paused]


def test_a_second_daemon_of_the_same_line_is_refused_and_leaves_the_first_alone(supervisor, tmp_path):
    with pytest.raises(AoiError, match="another daemon listens there"):
        Supervisor(configuration_in(tmp_path), "json", 2)
    assert supervisor.control.path.exists()
    with connect(supervisor.control.path):
        pass


def test_a_line_does_not_start_into_a_restore(tmp_path):
    (tmp_path / "recipes").mkdir()
    held = hold(tmp_path / "recipes")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        with pytest.raises(HeldError, match="a backup is being restored there; start the line when that is done"):
            Supervisor(configuration_in(tmp_path), "json", 2)
        assert not (tmp_path / "c.sock").exists()
    finally:
        os.close(held)
        for number, handler in before.items():
            signal.signal(number, handler)


def test_what_a_stage_says_goes_to_whom_it_concerns(supervisor):
    plc = supervisor.keeper.plc
    supervisor._heard(plc, {"tell": "plc_refused", "detail": "FC16 at 100"})
    assert supervisor.alarms.plc_said[Alarm.PLC_REFUSED] == "FC16 at 100"
    supervisor._heard(plc, {"tell": "realtime_refused"})
    assert Alarm.REALTIME_REFUSED in supervisor.alarms.said
    camera = supervisor.keeper.cameras[0]
    supervisor._heard(camera, {"tell": "fresh"})
    assert camera.ended_on_purpose, "it costs no restart of the budget"
