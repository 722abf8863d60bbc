"""The plc stage's loop with a link that keeps time, and a clock that the test sets."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.plc.main import Plc
from aoi_daemon.plcmap.registers import Poll, encode_poll
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.ports import DOORBELLS, MONOTONIC
from aoi_daemon.stage.board import SIZE_BYTES, Board
from tools.simulation.network import Network
from tools.simulation.timeline import Timeline

SECOND = 1_000_000_000
MS = 1_000_000
RECIPE = Recipe(id=1, name="demo", bundle=Path("b"), width_px=64, height_px=64)


class Clock:
    """The machine's, until a test sets `now`; from then on it stands, but for what the test adds."""

    now = None

    def now_ns(self):
        return MONOTONIC.now_ns() if self.now is None else self.now


class Wait:
    """The system call, until a test puts its own `select` in its place."""

    def __init__(self):
        self.does = DOORBELLS.select

    def select(self, fds, timeout_s):
        return self.does(fds, timeout_s)

    read = staticmethod(DOORBELLS.read)


class Link:
    """A PLC that takes everything, each request in `answer_ns`; it goes down where that is longer than its time-out."""

    retry_ns = 0

    def __init__(self, clock=None, answer_ns=0):
        self.up = True
        self.clock = clock
        self.answer_ns = answer_ns
        self.coils = []
        self.registers = []
        self.log = []  # (kind, begun, answered or given up, what)
        self.timeouts = []  # (kind, s or None) of each request
        self.says = Poll()

    def _ask(self, kind, what, timeout_s):
        self.timeouts.append((kind, timeout_s))
        begun = self.clock.now if self.clock else 0
        took = self.answer_ns() if callable(self.answer_ns) else self.answer_ns
        limit = (20 * MS if timeout_s is None else min(20 * MS, int(timeout_s * 1e9))) if self.clock else took
        if self.clock:
            self.clock.now += min(took, limit)
        self.up = took <= limit
        self.log.append((kind, begun, begun + min(took, limit), what))
        return self.up

    def connect(self, safe, report):
        self.up = True
        self.coils.append(safe)
        self.registers.append((0, list(report)))
        return True

    def look(self, now):
        pass

    def write(self, word, timeout_s=None):
        self.coils.append(word)
        return self._ask("coils", word, timeout_s)

    def write_registers(self, base, values, timeout_s=None):
        self.registers.append((base, list(values)))
        return self._ask("registers", list(values), timeout_s)

    def read_registers(self, base, count):
        return encode_poll(self.says) if self._ask("poll", (base, count), None) else None


class Peer:
    """The far end of the simulation's network, in its time: `script` says what each request is answered with."""

    def __init__(self):
        self.time = Timeline()
        calm = SimpleNamespace(strikes=lambda kind, index: 0.0, until=lambda kind: 0)
        nobody = SimpleNamespace(sent=lambda *_: None, took=lambda *_: None, reset=lambda *_: None)
        self.network = Network(self.time, calm, self, nobody)
        self.script = lambda request: []  # (so many ns later, bytes) of each piece
        self.says = ""  # to one who connects: "refused" or "mute"
        self.requests = []
        self.dialled = []  # address, time-out in s
        self.resets = 0

    def dial(self, address, timeout_s):
        self.dialled.append((address, timeout_s))
        return self.network.connect(timeout_s)

    def accepts(self, line):
        return self.says

    def received(self, line, data):
        self.requests.append(data)
        for after_ns, piece in self.script(data):
            line.answer(piece, after_ns)

    def ended(self, line):
        self.resets += 1

    def settle(self):
        """What is under way arrives."""
        self.time.run(self.time.now + MS)


@pytest.fixture
def peer():
    return Peer()


@pytest.fixture
def plc():
    """Ready to serve, two seconds after the last part, with registers at 0."""
    with ExitStack() as owned:
        memory = {
            name: owned.enter_context(SharedMemory.create(name, size))
            for name, size in (("board", SIZE_BYTES), ("verdicts", verdicts.SIZE_BYTES))
        }
        fds = {}
        for name in ("announcements", "judgements", "triggers0"):
            fds[f"{name}_r"], fds[f"{name}_w"] = os.pipe2(os.O_NONBLOCK)
        for fd in fds.values():
            owned.callback(os.close, fd)
        config = LineConfig.model_validate(
            {"cameras": [{"kind": "replay", "source": "."}], "plc": {"registers": {"base": 0}}}
        )
        said = []
        stage = SimpleNamespace(
            board=Board(memory["board"]), config=config, setup=SimpleNamespace(recipe=RECIPE), fds=fds,
            memory=lambda name, _: memory[name], stopping=False, ready=lambda: None, log=SimpleNamespace(error=lambda *_, **__: None, info=lambda *_, **__: None), tell=lambda **m: said.append(m),
        )  # fmt: skip
        clock, wait = Clock(), Wait()
        found = Plc(stage, Link(), clock, wait)
        found.clock, found.wait = clock, wait
        found.forcing.announced_ns -= 2 * SECOND
        found.said = said
        yield found


@pytest.fixture
def clock(plc, monkeypatch):
    """The clock of `plc` and of its link stands, but for the time that requests take."""
    found = plc.clock
    found.now = 1_000 * SECOND
    plc.link.clock = found
    plc.face.beat_ns = found.now
    monkeypatch.setattr(plc, "_line_ready", lambda: plc.link.up and plc.ready)
    monkeypatch.setattr(plc.readiness, "all_move", lambda now_ns: True)
    plc.ready = True
    return found


def requests(plc, turns=10):
    """The kinds of request of the next turns, until nothing is due."""
    before = len(plc.link.log)
    for _ in range(turns):
        plc._spare()
        if not plc.busy:
            break
    return [kind for kind, *_ in plc.link.log[before:]]
