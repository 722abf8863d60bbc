"""A stage's process, seen from the supervisor: nothing is left of a start that failed."""

import errno
import os
import resource
import select
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.ring import parcel
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.stage import process as module
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup

ROOT = Path(__file__).parents[3]
SECOND = 1_000_000_000


@pytest.fixture
def setup():
    configuration = load(ROOT / "config" / "line.toml")
    return Setup("plc", 0, configuration.line, configuration.recipe, "json", "f" * 32, configuration.file, Path("none"), {})


@pytest.mark.parametrize("error", [BrokenPipeError, ConnectionResetError])
def test_a_process_that_ends_before_it_has_its_setup_is_seen_to_end(error):
    """Killed at once, say: the supervisor must not end for it, and must not lose sight of it."""
    process = StageProcess("inspection", 0, 2)

    def send(_):
        os.kill(process.pid, signal.SIGKILL)
        raise error

    process.start(SimpleNamespace(send=send))
    pid = process.pid
    ready, _, _ = select.select([process.pidfd], [], [], 10)
    assert ready
    assert process.reap() == "signal SIGKILL"
    assert not Path(f"/proc/{pid}").exists()


# -- nothing is left of a start that failed ----------------------------------------


CALLS = (
    (module.socket, "socketpair"), (module.subprocess, "Popen"), (os, "pidfd_open"), (os, "memfd_create"),
    (os, "posix_fallocate"), (os, "pwrite"), (parcel.fcntl, "fcntl"), (parcel.socket, "send_fds"),
)  # fmt: skip


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
@pytest.mark.parametrize("which", range(len(CALLS)))
def test_a_start_that_fails_at_any_call_leaves_nothing(held, setup, monkeypatch, which, code):
    process = StageProcess("plc", 0, 2)
    before, mask = held(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    module, name = CALLS[which]

    def fail(*_, **__):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch, pytest.raises(OSError, match=os.strerror(code)):
        patch.setattr(module, name, fail)
        process.start(setup)
    assert held() == before
    assert (process.pid, process.pidfd, process.control) == (0, -1, None)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    process.start(setup)  # and the next start is as good as the first
    process.signal(signal.SIGKILL)
    assert process.reap() == "signal SIGKILL"
    assert held() == before


def test_a_start_with_any_number_of_descriptors_left_is_complete_or_nothing(held, setup):
    process = StageProcess("plc", 0, 2)
    before = held()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    failed = 0
    for most in range(3, max(map(int, before[0])) + 40):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        try:
            process.start(setup)
        except OSError as error:
            assert error.errno == errno.EMFILE
            failed += 1
        else:
            process.signal(signal.SIGKILL)
            process.reap()
            break
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert held() == before
    else:
        pytest.fail("it was never started")
    assert failed > 6, "it needs as many descriptors"


def test_a_setup_that_does_not_fit_leaves_nothing(held, setup, monkeypatch):
    process = StageProcess("plc", 0, 2)
    before = held()
    monkeypatch.setattr(parcel, "MAX_PARCEL_BYTES", 1000)
    with pytest.raises(MessageError, match=r"stage 'plc': .* do not fit"):
        process.start(setup)
    assert held() == before


def test_a_command_that_does_not_fit_is_said_by_name(monkeypatch):
    said = []
    monkeypatch.setattr(module, "logger", lambda: SimpleNamespace(error=lambda event, **facts: said.append((event, facts))))
    process = StageProcess("plc", 0, 2)
    process.control, theirs = module.socket.socketpair(module.socket.AF_UNIX, module.socket.SOCK_SEQPACKET)
    with process.control, theirs:
        assert not process.tell(do="look", text="x" * parcel.MAX_MESSAGE_BYTES)
        assert process.hand(do="recipe", recipe="x" * 1_000_000)
    ((event, facts),) = said
    assert (event, facts["which"], facts["do"]) == ("command_not_sent", "plc", "look")
    assert "do not fit into one message" in facts["error"]


