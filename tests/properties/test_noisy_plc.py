"""A PLC whose words are noise writes a stated number of lines a minute, in the journal and in the event ring."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.config.schema import PollSection
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.plc.gate import Gate
from aoi_daemon.plc.polling import Polling
from aoi_daemon.plcmap.registers import POLL_WORDS, Poll, Status, encode_poll
from aoi_daemon.ring import events
from aoi_daemon.ring.events import EventReader, EventWriter
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.ports import MONOTONIC
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, Link, StageState
from aoi_daemon.stage.stage import now_ns
from aoi_daemon.supervisor import orders as orders_module
from aoi_daemon.supervisor.alarm_watch import AlarmWatch, product_differs
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.conditions import Conditions
from aoi_daemon.supervisor.order import Step
from aoi_daemon.supervisor.orders import Orders
from aoi_daemon.supervisor.plc_says import PlcSays
from aoi_daemon.supervisor.proofs import Proofs

ROOT = Path(__file__).parents[2]
LINES_A_MINUTE = int(re.search(r"writes at most (\d+) lines a minute", (ROOT / "aoi_daemon" / "plc" / "README.md").read_text())[1])
MS, S = 1_000_000, 1_000_000_000
POLL = PollSection(base=0, period_ms=20.0, watch_ms=200.0, confirm_parts=2)


class Journal:
    """A logger that keeps when each line was written."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.lines: list[tuple[int, str]] = []
        self._clock = clock

    def info(self, event: str, **_: Any) -> None:
        self.lines.append((self._clock(), event))

    debug = warning = error = info


class Noise:
    """The link: every poll gets what `words` says."""

    def __init__(self, words: Callable[[], list[int]]) -> None:
        self.words = words

    def read_registers(self, base: int, count: int) -> list[int]:
        assert count == POLL_WORDS
        return self.words()


class Line:
    """Real polling, gate, orders, alarms and chronicle; a line that takes each product at once."""

    def __init__(self, owned: ExitStack, monkeypatch: pytest.MonkeyPatch, words: Callable[[], list[int]]) -> None:
        self.now = now_ns()
        board_memory, event_memory = (
            owned.enter_context(SharedMemory.create(name, size))
            for name, size in (("board", SIZE_BYTES), ("events", events.SIZE_BYTES))
        )
        self.board = Board(board_memory)
        owned.callback(self.board._cells.release)
        self.board[Cell.LINK] = Link.UP
        self.journal = Journal(lambda: self.now)
        self.events = EventReader(event_memory)
        self.seen: list[tuple[int, str]] = []
        monkeypatch.setattr(orders_module, "logger", lambda: self.journal)
        chronicle = Chronicle(EventWriter(event_memory), self.journal, lambda: self.now)
        self.alarms = AlarmWatch(self.board, Conditions(self.board, 1, POLL.ack_behind), chronicle)
        configuration = load(ROOT / "config" / "line.toml")
        recipe = configuration.recipe
        products = {f"p{number}": recipe.model_copy(update={"id": number, "name": f"p{number}"}) for number in (1, 2, 3)}
        configuration = replace(configuration, recipes={configuration.in_use: recipe.model_copy(update={"id": 9}), **products})
        live, other = (
            SimpleNamespace(pid=pid, tell=lambda **_: True, hand=lambda **_: True, control=None) for pid in (1, 2)
        )
        self.other = other
        plc = SimpleNamespace(pid=1, tell=lambda **_: True)
        self.keeper = SimpleNamespace(
            board=self.board, configuration=configuration, plc=plc, cameras=[], wake_plc=lambda: None,
            pair=SimpleNamespace(live=live, reserve=other, proven=False, dismiss=lambda: None, pids=(1, 2)),
            prove=lambda _: None, state_of=lambda _: StageState.READY, tell_plc=lambda _: True,
        )  # fmt: skip
        nothing = SimpleNamespace(want=lambda _: None, restart=lambda _: None, hand=lambda **_: None, write=lambda _: None)
        self.orders = Orders(
            keeper=self.keeper, attendants=nothing, alarms=self.alarms, chronicle=chronicle,
            notices=SimpleNamespace(), file=nothing, kept=None, setup=lambda *_: None,
            proofs=Proofs(self.board, chronicle, lambda: self.keeper.configuration, None), clock=MONOTONIC, sleep=lambda _: None,
        )  # fmt: skip
        self.says = PlcSays(plc, self.alarms, chronicle, self.reset)
        self.chronicle = chronicle
        self.resets = 0
        read, write = os.pipe2(os.O_NONBLOCK)
        owned.callback(os.close, read)
        owned.callback(os.close, write)
        self.gate = Gate(POLL, self.board, self.journal)
        config = SimpleNamespace(cameras=[None])
        stage = SimpleNamespace(board=self.board, config=config, fds={"triggers0_w": write}, tell=self.tell)
        self.link = Noise(words)
        self.polling = Polling(POLL, stage, self.link, self.gate, MONOTONIC)

    def prove(self) -> None:
        """The other inspection proves itself at once, and takes the line."""
        changeover = self.orders.changeover
        if changeover.step is Step.PROVING:
            changeover.heard(self.other, {"tell": "standby", "passed": True, "error": ""})
        if changeover.step is Step.SWITCHING:
            changeover.heard(self.other, {"tell": "live"})
            self.board[Cell.RECIPE] = self.keeper.configuration.recipe.id

    def tell(self, tell: str) -> None:
        assert tell == "alarm_reset"
        self.says.alarm_reset(self.now)

    def reset(self, by: str, via: str) -> None:
        self.resets += 1
        self.chronicle.audit("reset", by, via)
        self.alarms.reset(by, self.now)
        self.gate.reset()
        self.board[Cell.STOPPED_BY_RULE] = 0

    def run(self, minutes: int, rejected: Callable[[], bool]) -> None:
        """Parts every 60 ms, polls every 20 ms, the supervisor's tick every 60 ms."""
        for tick in range(minutes * 1000):
            outcome = Outcome(tick + 1, not rejected(), Reason.DEFECT, *[0] * 15, self.now, self.now, b"")
            self.board[Cell.PARTS] = outcome.part
            self.gate.entered(outcome)
            for _ in range(3):
                self.now += 20 * MS
                self.polling.look(self.now, outcome.part)
            self.orders.look(self.now)
            self.prove()
            self.says.look(self.now)
            self.alarms.look(self.now, product_differs(self.board))
            self.seen += [(event.at_ns, event.body.get("name", event.body.get("what"))) for event in self.events.read()]

    def worst_minute(self, lines: list[tuple[int, str]]) -> Counter[str]:
        """What was written in the minute that has most."""
        begins = range(lines[0][0], lines[-1][0] + 1, S)
        return max((Counter(what for at, what in lines if begin <= at < begin + 60 * S) for begin in begins), key=lambda found: found.total())


def noise(random: Random) -> Callable[[], list[int]]:
    """Every word random at each poll."""
    return lambda: [random.randrange(1 << 16) for _ in range(POLL_WORDS)]


def flicker(random: Random) -> Callable[[], list[int]]:
    """Words that make sense, stand for two polls or more, and change as often as they can."""
    state = {"left": 0, "poll": Poll()}

    def words() -> list[int]:
        if state["left"] == 0:
            state["left"] = random.choice((2, 2, 3, 8))
            state["poll"] = Poll(Status(random.randrange(64)), 0, random.randrange(256), random.choice((0, 1, 2, 3, 77)), random.randrange(256))
        state["left"] -= 1
        return encode_poll(state["poll"])

    return words


@pytest.fixture
def owned() -> Iterator[ExitStack]:
    with ExitStack() as owned:
        yield owned


@pytest.mark.parametrize("kind", [noise, flicker])
@pytest.mark.parametrize("seed", [1, 2])
def test_noise_writes_at_most_the_stated_number_of_lines_a_minute(owned, monkeypatch, kind, seed):
    random = Random(seed)
    line = Line(owned, monkeypatch, kind(random))
    line.run(10, lambda: random.random() < 0.3)
    for lines in (line.journal.lines, line.seen):
        worst = line.worst_minute(lines)
        assert worst.total() <= LINES_A_MINUTE, worst
    assert line.events.lost == 0
    assert line.resets <= 6 * 11
    assert line.board[Cell.UNCONFIRMED], "and the stop that noise brought is still there, or came again"


def test_words_that_rest_are_obeyed_after_the_noise(owned, monkeypatch):
    """The last wish is not lost in what was left out; the alarms that noise held go."""
    random = Random(3)
    line = Line(owned, monkeypatch, flicker(random))
    line.run(2, lambda: False)
    calm = {"tick": 0}

    def rest() -> list[int]:
        calm["tick"] += 1
        status = Status.LINE_RUNNING | (Status.HEARTBEAT if calm["tick"] & 1 else Status(0))
        return encode_poll(Poll(status, 0, line.board[Cell.PARTS] & 0xFFFF, 2, 0))

    line.link.words = rest
    line.run(2, lambda: False)
    assert line.keeper.configuration.in_use == "p2"
    active = {row["name"] for row in line.alarms.snapshot() if row["active"]}
    assert not active & {Alarm.PLC_BYPASS.name, Alarm.PLC_FROZEN.name, Alarm.PLC_BEHIND.name, Alarm.PRODUCT_DIFFERS.name, Alarm.CONFIG_REFUSED.name}
