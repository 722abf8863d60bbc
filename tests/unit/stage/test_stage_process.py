"""A stage's process, seen from the supervisor: supervisor/stages.py, and what keeper and attendants do where it cannot be started."""

import errno
import itertools
import os
import resource
import select
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.ring import parcel
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.stage.board import CameraCell, Cell, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.stage import Setup
from aoi_daemon.supervisor import attendants, keeper, stages
from aoi_daemon.supervisor.attendants import Attendants
from aoi_daemon.supervisor.keeper import StageKeeper
from aoi_daemon.supervisor.shared import Shared
from aoi_daemon.supervisor.stages import StageProcess

ROOT = Path(__file__).parents[3]
SECOND = 1_000_000_000


@pytest.fixture
def configuration():
    return load(ROOT / "config" / "line.toml")


@pytest.fixture
def setup(configuration):
    return Setup("plc", 0, configuration.line, configuration.recipe, "json", "f" * 32, configuration.file, Path("none"), {})


def held() -> tuple[list[str], list[str]]:
    """The descriptors that this process has, and its children."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sorted(os.listdir("/proc/self/fd")), children


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
    (stages.socket, "socketpair"), (stages.subprocess, "Popen"), (os, "pidfd_open"), (os, "memfd_create"),
    (os, "posix_fallocate"), (os, "pwrite"), (parcel.fcntl, "fcntl"), (parcel.socket, "send_fds"),
)  # fmt: skip


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
@pytest.mark.parametrize("which", range(len(CALLS)))
def test_a_start_that_fails_at_any_call_leaves_nothing(setup, monkeypatch, which, code):
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


def test_a_start_with_any_number_of_descriptors_left_is_complete_or_nothing(setup):
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


def test_a_setup_that_does_not_fit_leaves_nothing(setup, monkeypatch):
    process = StageProcess("plc", 0, 2)
    before = held()
    monkeypatch.setattr(parcel, "MAX_PARCEL_BYTES", 1000)
    with pytest.raises(MessageError, match=r"stage 'plc': .* do not fit"):
        process.start(setup)
    assert held() == before


def test_a_command_that_does_not_fit_is_said_by_name(monkeypatch):
    said = []
    monkeypatch.setattr(stages, "logger", lambda: SimpleNamespace(error=lambda event, **facts: said.append((event, facts))))
    process = StageProcess("plc", 0, 2)
    process.control, theirs = stages.socket.socketpair(stages.socket.AF_UNIX, stages.socket.SOCK_SEQPACKET)
    with process.control, theirs:
        assert not process.tell(do="look", text="x" * parcel.MAX_MESSAGE_BYTES)
        assert process.hand(do="recipe", recipe="x" * 1_000_000)
    ((event, facts),) = said
    assert (event, facts["which"], facts["do"]) == ("command_not_sent", "plc", "look")
    assert "do not fit into one message" in facts["error"]


# -- what keeper and attendants do then ---------------------------------------------


class NoRoom:
    """The system has no room for a process until `there_is` says so. Stands in for subprocess.Popen."""

    def __init__(self, monkeypatch) -> None:
        self.there_is = False
        self.tries: list[int] = []
        self.now = 100 * SECOND
        self._popen = subprocess.Popen
        monkeypatch.setattr(stages.subprocess, "Popen", self)
        for module in (stages, keeper, attendants):
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


CELLS = (Cell.PLC_STATE, Cell.INSPECTION_STATE, camera_cell(0, CameraCell.STATE))


def test_a_stage_that_cannot_be_started_is_down_is_tried_again_ever_later_and_then_given_up(kept, no_room):
    found, events = kept
    before = held()
    found.start_all()
    assert [found.board[cell] for cell in CELLS] == [StageState.LOST] * 3
    assert [found.state_of(stage) for stage in found.stages] == [StageState.DOWN] * 3
    lost = [body for kind, body in events if kind == "stage"]
    assert [(body["which"], body["what"]) for body in lost] == [
        ("plc", "not started"), ("inspection", "not started"), ("acquire-0", "not started")
    ]  # fmt: skip
    assert all("Too many open files" in body["how"] for body in lost)
    for _ in range(600):
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert found.state is Line.FAULTED, "the budget is spent"
    first, again = no_room.tries[0], no_room.tries[3]
    assert again - first >= SECOND // 5, "there is no room a moment later either"
    restarts = found.configuration.line.supervisor.restarts
    assert len(no_room.tries) == restarts + 1
    assert held() == before
    # A person has made room, and resets.
    no_room.there_is = True
    found.reset()
    found.look(paused=False)
    assert all(stage.pid for stage in found.stages)
    assert [found.board[cell] for cell in CELLS] == [StageState.STARTING] * 3


def test_a_stage_comes_once_there_is_room(kept, no_room):
    found, _ = kept
    no_room.there_is = True
    found.start_all()
    no_room.there_is = False
    plc = found.plc
    plc.signal(signal.SIGKILL)
    select.select([plc.pidfd], [], [], 10)
    found.ended(plc)
    assert found.board[Cell.PLC_STATE] == StageState.LOST
    assert found.state is Line.RECOVERING
    first = no_room.now
    while len(no_room.tries) < 2:
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert no_room.now - first >= SECOND // 5
    no_room.there_is = True
    for _ in range(100):
        no_room.now += SECOND // 20
        found.look(paused=False)
    assert plc.pid


def test_a_second_inspection_that_cannot_be_started_leaves_the_pair_as_it_was(kept, no_room):
    found, _ = kept
    before = held()
    with pytest.raises(OSError, match="Too many open files"):
        found.prove(found._setup)
    assert found.pair.reserve is None
    assert not found.pair.proven
    assert held() == before


def test_those_beside_the_path_are_tried_ever_later_too(configuration, shared, no_room, monkeypatch):
    """Also one that had run for long before."""
    line = configuration.line
    monkeypatch.setattr(attendants, "BESIDE", ("recorder",))
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


# -- a stop is no crash ----------------------------------------------------------------


def test_a_stage_that_was_stopped_costs_nothing_of_the_budget_and_comes_back(kept, no_room):
    found, events = kept
    no_room.there_is = True
    found.start_all()
    for _ in range(3 * found.configuration.line.supervisor.restarts):
        stage = found.cameras[0]
        stage.signal(signal.SIGKILL)  # the real one is waited for; how it ended is said for it
        select.select([stage.pidfd], [], [], 10)
        reap = stage.reap
        stage.reap = lambda reap=reap: reap() and "signal SIGTERM"
        found.ended(stage)
        del stage.reap
        assert not stage.pid
        no_room.now += 2 * SECOND
        found.look(paused=False)
        assert stage.pid
    assert found.state is Line.RECOVERING
    assert found.board[Cell.RESTARTS] == 0
    assert [body for kind, body in events if kind == "stage"] == []
