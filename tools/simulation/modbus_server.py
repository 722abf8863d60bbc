"""The PLC's Modbus server at byte level: when a request is worked off, what is answered, and what goes wrong."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.plcmap.coils import COILS
from aoi_daemon.plcmap.registers import POLL_WORDS, REPORT_WORDS
from tools.simulation.faults import Kind
from tools.simulation.network import Line, Weather
from tools.simulation.plan import Shape
from tools.simulation.timeline import MS, Timeline, chance

_HEADER: Final = struct.Struct(">HHHB")
POLL_BASE: Final = 100


class Memory(Protocol):
    """Who looks at what the PLC's memory takes."""

    def memory(self, line: Line, begun_ns: int, function: int, values: list[int]) -> None:
        """A write has been worked off; `begun_ns`: when the daemon began it."""
        ...

    def at_gate(self, part: int, *, ejected: bool, against: bool = False, leapt: bool = False) -> None:
        """A part is at the gate; negative: one that was never triggered.

        `against`: a scan saw READY=0 in its time. `leapt`: one saw a sequence that had gone on by more than one.
        """
        ...


class ModbusServer(ABC):
    """Coils and registers, and the connections to them. `program` answers polls."""

    program: Program

    def __init__(self, timeline: Timeline, seed: int, shape: Shape, weather: Weather, witness: Memory) -> None:
        self._timeline = timeline
        self._seed = seed
        self._shape = shape
        self._weather = weather
        self._witness = witness
        self._began_ns = timeline.now + int(shape.scan * chance(seed, 40))
        self._requests = 0
        self._free_ns = 0
        self._free_of: dict[int, int] = {}
        self.accepted: list[Line] = []
        self.down_until_ns = 0
        self.note: Callable[[str], None] = lambda text: None
        self.word = 0
        self.report = [0] * REPORT_WORDS

    @abstractmethod
    def _want(self, when_ns: int) -> None:
        """A scan must look at what has changed at `when_ns`."""

    def grid(self, when_ns: int) -> int:
        """When the first scan begins that is no earlier than `when_ns`."""
        return self._began_ns + -(-(when_ns - self._began_ns) // self._shape.scan) * self._shape.scan

    def accepts(self, line: Line) -> str:
        """See `network.Server`."""
        if self._timeline.now < self.down_until_ns:
            return "refused" if self._seed & 1 else "mute"
        if self._weather.until(Kind.ONE_CONNECTION) and any(one.server_sees_it for one in self.accepted):
            return "refused"
        self.accepted = [*(one for one in self.accepted if one.server_sees_it), line]
        return ""

    def received(self, line: Line, data: bytes) -> None:
        """See `network.Server`. The daemon's requests come one at a time and are complete, whatever TCP cuts."""
        timeline, shape, weather = self._timeline, self._shape, self._weather
        now = timeline.now
        if now < self.down_until_ns or not line.server_sees_it:
            return
        self._requests += 1
        index = self._requests
        drawn = chance(self._seed, 41, index)
        part = 0.66 + 0.26 * drawn if shape.answer > 10 * MS else 0.1 + 0.7 * drawn
        room = shape.answer - MS // 5 - (shape.scan if shape.in_scan else 0)
        service = int(part * max(room, 0))
        slow = weather.strikes(Kind.SLOW, index) or weather.strikes(Kind.OLD_AFTER_NEW, index)
        if slow:
            # Some answers long, into the time of the coils that follow the registers; or so long that it is reset.
            if slow < 0.4:
                service += int(slow / 0.4 * 3 * shape.answer)
            else:
                service += int((slow - 0.4) / 0.4 * shape.deadline) if slow < 0.8 else int(slow * 2.2 * shape.takt)
        free = self._free_of.get(line.number, 0) if shape.threads else self._free_ns
        begins = max(now, free)
        ends = begins + service
        works = begins + int(service * (0.5 + 0.5 * chance(self._seed, 42, index)))
        if shape.in_scan:
            works = self.grid(works)
            ends = max(ends, works)
        if shape.threads:
            self._free_of[line.number] = ends
        else:
            self._free_ns = ends
        timeline.at(works, self._work, line, data, index, ends, now)

    def _work(self, line: Line, data: bytes, index: int, ends: int, came: int, *, again: bool = False) -> None:
        timeline, weather = self._timeline, self._weather
        if timeline.now < self.down_until_ns:
            return
        if not line.open and not again and weather.until(Kind.OLD_AFTER_NEW):
            # Another thread's: it gets its turn when the newer connection has long been served.
            wait = int(chance(self._seed, 43, index) * min(300 * MS, 3 * self._shape.takt))
            timeline.at(timeline.now + wait, lambda: self._work(line, data, index, ends, came, again=True))
            return
        mute = weather.strikes(Kind.MUTE, index)
        if mute > 0.5:
            return
        answer = self._answer(line, data, index)
        if mute or not line.server_sees_it:
            return
        answer = self._spoilt(answer, index)
        line.answer(answer, max(0, ends - timeline.now))
        doubled = weather.strikes(Kind.DUPLICATE, index)
        if doubled:
            timeline.at(ends + int(doubled * 2 * self._shape.takt), self._twice, line, data, index)

    def _twice(self, line: Line, data: bytes, index: int) -> None:
        """A gateway has sent the request once more."""
        if self._timeline.now >= self.down_until_ns:
            answer = self._answer(line, data, index)
            if line.server_sees_it:
                line.answer(answer)

    def _answer(self, line: Line, data: bytes, index: int) -> bytes:
        transaction, _, _, unit = _HEADER.unpack_from(data)
        function, first, count = data[7], int.from_bytes(data[8:10], "big"), int.from_bytes(data[10:12], "big")
        refused = self._weather.strikes(Kind.REFUSE, 0)
        if refused and function == (15, 16, 3)[int(refused * 3 - 0.001)]:
            body = bytes((function | 0x80, 1 + int(refused * 4)))
        elif function == 15:
            word = int.from_bytes(data[13:15], "little")
            assert (first, count) == (0, COILS)
            self.word = word
            self._want(self._timeline.now)
            self._witness.memory(line, self._begun(line, data), function, [word])
            body = data[7:12]
        elif function == 16:
            values = list(struct.unpack_from(f">{count}H", data, 13))
            report = self.report.copy()
            report[first : first + count] = values
            self.report = report
            self._want(self._timeline.now)
            self._witness.memory(line, self._begun(line, data), function, values)
            body = data[7:12]
        else:
            assert (function, first, count) == (3, POLL_BASE, POLL_WORDS)
            body = bytes((3, 2 * POLL_WORDS)) + struct.pack(f">{POLL_WORDS}H", *self._polled(index))
        return _HEADER.pack(transaction, 0, 1 + len(body), unit) + body

    def _polled(self, index: int) -> list[int]:
        block = self.program.poll_block()
        noise = self._weather.strikes(Kind.NOISE, index)
        if noise:
            block = [int(chance(self._seed, 44, 8 * index + at) * 0x10000) for at in range(len(block))]
        return block

    @staticmethod
    def _begun(line: Line, data: bytes) -> int:
        return int(line.begun.get(data[:2], 0))

    def _spoilt(self, answer: bytes, index: int) -> bytes:
        strikes = self._weather.strikes
        if strikes(Kind.TRANSACTION, index):
            answer = bytes((answer[0], answer[1] ^ 1)) + answer[2:]
        if strikes(Kind.UNIT, index):
            answer = answer[:6] + bytes((answer[6] ^ 3,)) + answer[7:]
        if strikes(Kind.GLUE, index):
            answer += answer
        return answer

    def ended(self, line: Line) -> None:
        """See `network.Server`."""
        hard = self._weather.until(Kind.ONE_CONNECTION)
        if hard:
            return  # it has not noticed, and will not before its own time is over
        line.server_sees_it = False

    def reset_connections(self) -> None:
        """All connections end with a RST."""
        for line in self.accepted:
            if line.server_sees_it:
                line.break_off()
        self.accepted = []

    def forget_connections(self) -> None:
        """What it took for connections is none."""
        for line in self.accepted:
            if not line.open:
                line.server_sees_it = False
