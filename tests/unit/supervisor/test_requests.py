"""Each request over the control socket has one answer; what a person does is written down with who it was: supervisor/requests.py."""

from __future__ import annotations

import errno
import json
import mmap
import os
import pwd
import socket
from typing import Any

import pytest

from aoi_daemon.errors import AoiError
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.events import EventReader
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.stage import live_frames
from aoi_daemon.stage.board import CameraCell, camera_cell


def asked(supervisor, **request) -> tuple[dict[str, Any], list[int]]:
    """What a client of the control socket hears at once, and the descriptors that come with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.settimeout(5)
        supervisor.requests.serve(ours, request)
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
        ({"do": "targets"}, "no camera of this line has [cameras.calibration.watch]"),
        ({"do": "frames"}, "no camera is called None (there: "),
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


def test_the_frames_of_a_camera_are_handed_over_to_be_read_alone(supervisor, monkeypatch, tmp_path):
    name = supervisor.configuration.line.cameras[0].name
    ring = FrameRing(supervisor.shared.ring_memories[0], supervisor.shared.layouts[0])
    ring.begin(1)
    ring.planes(1)[0][:64] = 7
    ring.publish(1, (8, 8, 1), fov=3, trigger_ns=0, ready_ns=1, has_template=False)
    supervisor.board[camera_cell(0, CameraCell.FRAME)] = 1
    handed: list[int] = []

    def request(_path, body):
        answer, fds = asked(supervisor, **body)
        handed.extend(fds)
        return answer, fds

    monkeypatch.setattr(live_frames, "request", request)
    with live_frames.frames_of_line(tmp_path / "socket", name) as frames:
        for fd in handed:
            with pytest.raises(PermissionError):
                mmap.mmap(fd, 8, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        found = frames.copy()
    assert (found.number, found.fov, found.image.shape, set(found.image.ravel())) == (1, 3, (8, 8, 1), {7})
    with pytest.raises(AoiError, match=f"no camera is called 'elsewhere' .there: {name}."):
        live_frames.frames_of_line(tmp_path / "socket", "elsewhere").__enter__()


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
