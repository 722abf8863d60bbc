"""The PLC: a Modbus server at byte level, its memory, and the shipped program in its scan cycle.

A scan looks at photo-eyes and memory as they are when it begins, and sets the ejector. Scans in which nothing can have
changed are left out (`every_scan` runs them all the same, for the test that says so).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, Protocol

from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.plcmap.coils import COILS, Coil
from aoi_daemon.plcmap.program import Variant
from aoi_daemon.plcmap.registers import POLL_WORDS, REPORT_WORDS, offset_of
from tools.simulation.network import Line, Weather
from tools.simulation.plan import Kind, Shape
from tools.simulation.timeline import MS, Timeline, chance

_HEADER: Final = struct.Struct(">HHHB")
_SETTLES: Final = 2
"""Scans after a change in which the program may still change by itself: edges, timers that begin, what was before."""
_US: Final = 1000
_SEQUENCE: Final = offset_of("sequence")
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


class Station:
    """The PLC of `shape`."""

    def __init__(
        self, timeline: Timeline, seed: int, shape: Shape, weather: Weather, witness: Memory, *,
        every_scan: bool = False,
    ) -> None:  # fmt: skip
        self._timeline = timeline
        self._seed = seed
        self._shape = shape
        self._weather = weather
        self._witness = witness
        self._every_scan = every_scan
        self._began_ns = timeline.now + int(shape.scan * chance(seed, 40))
        self._requests = 0
        self._free_ns = 0
        self._free_of: dict[int, int] = {}
        self.accepted: list[Line] = []
        self.down_until_ns = 0
        self.note: Callable[[str], None] = lambda text: None
        self._power_on()

    def _power_on(self) -> None:
        shape = self._shape
        config = shape.config()
        self.program = Program(
            config.plc, config.line, shape.variant, gate_ns=shape.gate, polled=shape.polled,
        )  # fmt: skip
        self.word = 0
        self.report = [0] * REPORT_WORDS
        self._seen_word: int | None = None
        self._seen_report: list[int] | None = None
        self._eyes: list[tuple[int, int, int]] = []  # at the camera: from, until, part
        self._gates: list[list[int]] = []  # from, until, part
        self._was = (False, False)
        self._newest = 0
        self._against: set[int] = set()  # parts in whose time READY was 0, in a scan
        self._leapt: set[int] = set()  # parts in whose time no scan saw the sequence of the part before
        self._sequence = 0
        self._settle = _SETTLES
        self._wanted: set[int] = set()
        self._alarm_ns = 0
        self._want(self._timeline.now)

    @property
    def numbers(self) -> int:
        """The program's number of its last trigger, 0 where it numbers none."""
        return self.program.numbers

    # -- the scan cycle --------------------------------------------------------

    def grid(self, when_ns: int) -> int:
        """When the first scan begins that is no earlier than `when_ns`."""
        return self._began_ns + -(-(when_ns - self._began_ns) // self._shape.scan) * self._shape.scan

    def _want(self, when_ns: int) -> None:
        at = self.grid(when_ns)
        if at not in self._wanted:
            self._wanted.add(at)
            self._timeline.at(at, self._scan, at, self.program)

    def eye(self, part: int, from_ns: int, until_ns: int) -> None:
        """`part` covers the photo-eye at the camera."""
        self._eyes.append((from_ns, until_ns, part))
        self._want(from_ns)
        self._want(until_ns)

    def gate(self, part: int, from_ns: int, until_ns: int) -> None:
        """`part` covers the photo-eye at the gate, from now on."""
        if self.is_down:
            self._witness.at_gate(part, ejected=True)
            return
        self._gates.append([from_ns, until_ns, part])
        self._want(from_ns)
        self._want(until_ns)

    def _scan(self, now: int, program: Program) -> None:
        self._wanted.discard(now)
        if program is not self.program or now < self.down_until_ns:
            return
        trigger = gate = False
        for eye in self._eyes:
            if eye[0] <= now < eye[1]:
                trigger = True
                self._newest = eye[2]
        arriving = [one for one in self._gates if one[0] <= now] if self._gates else []
        for one in arriving:
            gate = gate or now < one[1]
        changed = (trigger, gate) != self._was
        self._was = (trigger, gate)
        if self.word != self._seen_word:
            changed, self._seen_word = True, self.word
            program.put_coils(self.word)
        if self.report is not self._seen_report:
            changed, self._seen_report = True, self.report
            program.put_registers(0, self.report)
        ejects = program.scan(now, trigger=trigger, gate=gate)
        if not program.ready:
            self._against.add(self._newest)
        if changed:
            self._look_at_sequence()
        if arriving:
            self._are_at_gate(arriving, now, ejects=ejects)
        if self._eyes and self._eyes[0][1] <= now:
            self._eyes = [eye for eye in self._eyes if eye[1] > now]
        if changed or now >= self._alarm_ns > 0:
            self._settle = _SETTLES
        if self._settle or self._every_scan:
            self._settle = max(0, self._settle - 1)
            self._want(now + self._shape.scan)
        self._set_alarm(now)

    def _look_at_sequence(self) -> None:
        by_registers = self._shape.variant is Variant.REGISTERS
        sequence = self.report[_SEQUENCE] & 0xFF if by_registers else self.word >> Coil.SEQ
        if (sequence - self._sequence) % 256 > 1:
            self._leapt.add(self._newest)
        self._sequence = sequence

    def _are_at_gate(self, arriving: list[list[int]], now: int, *, ejects: bool) -> None:
        for one in arriving:
            if one[2]:
                about = {"against": one[2] in self._against, "leapt": one[2] in self._leapt}
                self._witness.at_gate(one[2], ejected=ejects, **about)
                one[2] = 0
            if one[1] <= now:
                self._gates.remove(one)

    def _set_alarm(self, now: int) -> None:
        """When a timer of the program will end, or a slot be past its gate: the program moves by itself then."""
        track = self.program.track
        due = []
        for timer in (track.EVEN, track.ODD, track.QUIET, track.BEHIND, self.program.watch.SILENCE):
            if timer.began_ns is not None and not timer.Q:
                due.append(timer.began_ns + timer.PT)
        if self._shape.polled:
            timer = self.program.beat_timer
            if timer.began_ns is not None and not timer.Q:
                due.append(timer.began_ns + timer.PT)
        if track.WAITING > 0:
            due.append(now + (track.TRAVEL_MAX - track.TRAVELLED + 1) * _US)
        if not due:
            return
        at = min(due)
        if self._alarm_ns <= now or at < self._alarm_ns:
            self._alarm_ns = max(at, now + 1)
            self._want(self._alarm_ns)

    # -- the server --------------------------------------------------------------

    def accepts(self, line: Line) -> str:
        """See `network.Server`."""
        if self._timeline.now < self.down_until_ns:
            return "refused" if self._seed & 1 else "mute"
        if self._weather.until(Kind.ONE_CONNECTION) and any(one.server_sees_it for one in self.accepted):
            return "refused"
        self.accepted = [*(one for one in self.accepted if one.server_sees_it), line]
        return ""

    def received(self, line: Line, data: bytes) -> None:
        """See `network.Server`. The daemon's requests come one at a time and are whole, whatever TCP cuts."""
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

    # -- what happens to it ------------------------------------------------------

    def panel(self, hard: float) -> None:
        """Somebody turns switches; 0: they are as they should be."""
        self.program.inputs(line_running=not 0.3 < hard < 0.6, alarm_reset=hard > 0, bypass=hard > 0.5)
        self._settle = _SETTLES
        self._want(self._timeline.now)

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

    def restart(self, down_ns: int) -> None:
        """Its power goes, and comes back after `down_ns`; what was on its way to the gate is ejected by default."""
        now = self._timeline.now
        self.reset_connections()
        self.down_until_ns = now + down_ns
        self.word, self.report = 0, [0] * REPORT_WORDS
        for one in self._gates:
            if one[2]:
                self._witness.at_gate(one[2], ejected=True)
        self._timeline.at(self.down_until_ns, self._power_on)

    @property
    def is_down(self) -> bool:
        """It has no power."""
        return self._timeline.now < self.down_until_ns

    def memory_of(self) -> tuple[int, list[int]]:
        """Coils and registers as they are."""
        return self.word, self.report

    def branches(self) -> Any:
        """The program's text, which counts its branches."""
        return self.program.text
