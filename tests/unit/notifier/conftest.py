"""Servers in other processes, and a notifier whose clock is the test's."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from aoi_daemon.config.notices import NoticesSection
from aoi_daemon.decide.alarms import KINDS, Alarm, AlarmState, Event, mask_of
from aoi_daemon.notifier.notifier import Notifier
from aoi_daemon.notifier.post import over_the_network
from aoi_daemon.notifier.store import Store
from aoi_daemon.notifier.words import Wording
from aoi_daemon.ring import events
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell

SCRIPT = Path(__file__).with_name("misbehaving.py")
WORDING = Wording("line-1", ("en",))


class Server:
    """A misbehaving server; `taken` are the messages that it has taken, `heard` all that it told."""

    def __init__(self, kind: str, **options) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), kind, json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.heard: list[dict] = []
        self._told: queue.Queue[dict] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.port = self._told.get(timeout=20)["port"]

    def _read(self) -> None:
        for line in self.process.stdout:
            told = json.loads(line)
            self.heard.append(told)
            if "port" in told or "ready" in told:
                self._told.put(told)

    def faults(self, *faults: dict) -> None:
        """One for each connection to come."""
        self._ask(faults)

    def _ask(self, wanted: object) -> None:
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        self._told.get(timeout=20)

    @property
    def taken(self) -> list[dict]:
        self._ask(None)  # its answer comes after all that it has told
        return [told for told in self.heard if "taken" in told]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server():
    """`server(kind, **options)`: one for all tests of the module that ask for the same."""
    found: dict[str, Server] = {}

    def get(kind: str, **options) -> Server:
        key = json.dumps([kind, options], sort_keys=True)
        if key not in found:
            found[key] = Server(kind, **options)
            owned.callback(found[key].close)
        return found[key]

    with ExitStack() as owned:
        yield get


@pytest.fixture(scope="session")
def trust(tmp_path_factory) -> dict[str, str]:
    """PEM files: `ca`, a `certificate` of it for 127.0.0.1, one of it for another `name`, and one of an `other` CA."""
    folder = tmp_path_factory.mktemp("trust")
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca"))
    for name, issuer, host in (("certificate", ca, "127.0.0.1"), ("name", ca, "elsewhere.example"), ("other", other, "127.0.0.1")):
        issuer.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(folder / name))
    return {name: str(folder / name) for name in ("ca", "certificate", "name", "other")}


def secret_file(path: Path, text: str) -> str:
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


class Line:
    """A notifier of a line without one: the test moves alarms and the clock. `now_s` is both clocks."""

    def __init__(self, folder: Path, deliver=None, run: str = "a" * 32, **section) -> None:
        self.folder = folder
        self._event_memory = SharedMemory.create("events", events.SIZE_BYTES)
        self._board_memory = SharedMemory.create("board", SIZE_BYTES)
        self.writer = events.EventWriter(self._event_memory)
        self.board = Board(self._board_memory)
        self.active: set[Alarm] = set()
        self.now_s = 10_000.0
        self.wall_s = 1_790_000_000.0
        self.run = run
        rules = [{"priority": "low", "to": ["hook"], "after_s": 0}]
        self.section = {"folder": str(folder / "notices"), "rules": rules, **section}
        if not {"mail", "webhook"} & section.keys():
            self.section["webhook"] = [{"name": "hook", "url": "http://127.0.0.1:9/"}]
        self.deliver = deliver
        self.outcomes: list[tuple[object, tuple, object, float]] = []
        self.unheard: Counter[str] = Counter()
        self.notifier: Notifier | None = None
        self.start()

    def start(self) -> None:
        """A new process of it; the old one was killed, and never hears what became of what was under way."""
        if self.notifier is not None:
            for entry, attempt in self.notifier._attempts.values():
                attempt.thread.join(20)
                self.unheard[entry.notice.id] += 1
            if self.notifier._store._held is not None:
                os.close(self.notifier._store._held)  # as the kernel does for a process that was killed
        section = NoticesSection.model_validate_json(json.dumps(self.section))
        inner = self.deliver or over_the_network(self.folder, section.timeout_s)

        def deliver(receiver, notice, addresses, wording):
            begun = time.monotonic()
            outcome = inner(receiver, notice, addresses, wording)
            self.outcomes.append((notice, addresses, outcome, time.monotonic() - begun))
            return outcome

        reader = events.EventReader(self._event_memory, from_start=True)
        self.notifier = Notifier(
            section, WORDING, Store(self.folder / "notices"), self.board, reader, run=self.run, deliver=deliver
        )

    def restarted(self, run: str) -> None:
        """The whole daemon is a new one: an empty ring, no alarm."""
        self._event_memory.close()
        self._event_memory = SharedMemory.create("events", events.SIZE_BYTES)
        self.writer = events.EventWriter(self._event_memory)
        self.board[Cell.ALARMS] = 0
        self.active, self.run = set(), run
        self.start()

    def move(self, alarm: Alarm, state: AlarmState, event: Event, detail: str = "") -> None:
        body = {"name": alarm.name, "state": state.value, "event": event.value, "priority": KINDS[alarm].priority.name, "detail": detail}
        self.writer.append("alarm", body, int(self.now_s * 1e9))
        (self.active.add if state.active else self.active.discard)(alarm)
        self.board[Cell.ALARMS] = mask_of(*self.active)

    def raised(self, alarm: Alarm, detail: str = "") -> None:
        self.move(alarm, AlarmState.UNACKNOWLEDGED, Event.RAISE, detail)

    def cleared(self, alarm: Alarm) -> None:
        self.move(alarm, AlarmState.RETURNED, Event.CLEAR)

    def step(self, by_s: float = 0.2) -> None:
        """Let time go by, look, and wait for what is under way (not in the clock of the line)."""
        self.now_s += by_s
        self.wall_s += by_s
        self.notifier.step(self.now_s, self.wall_s)
        for _, attempt in list(self.notifier._attempts.values()):
            attempt.thread.join(20)
        self.notifier.step(self.now_s, self.wall_s)

    def steps(self, for_s: float, by_s: float = 1.0) -> None:
        until_s = self.now_s + for_s
        while self.now_s < until_s:
            self.step(by_s)

    @property
    def facts(self) -> dict:
        return self.notifier.facts()

    @property
    def sent(self) -> list:
        """The notices that were delivered, in order."""
        return [notice for notice, _, outcome, _ in self.outcomes if outcome.done]

    def close(self) -> None:
        self._event_memory.close()
        self._board_memory.close()


@pytest.fixture
def line(tmp_path, monkeypatch):
    """`line(**section)`: see `Line`. Without waiting for the disk, which is test_store's to watch."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    with ExitStack() as owned:

        def make(**keys) -> Line:
            found = Line(tmp_path, **keys)
            owned.callback(found.close)
            return found

        yield make
