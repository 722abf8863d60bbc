"""The PLC: a Modbus server at byte level, its memory, and the shipped program in its scan cycle.

A scan looks at photo-eyes and memory as they are when it begins, and sets the ejector. Scans in which nothing can have
changed are left out (`every_scan` runs them all the same, for the test that says so).
"""

from __future__ import annotations

from typing import Any, Final

from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.plcmap.program import Variant
from aoi_daemon.plcmap.registers import REPORT_WORDS, offset_of
from tools.simulation.modbus_server import Memory, ModbusServer
from tools.simulation.network import Weather
from tools.simulation.plan import Shape
from tools.simulation.timeline import Timeline

_SETTLES: Final = 2
"""Scans after a change in which the program may still change by itself: edges, timers that begin, what was before."""
_US: Final = 1000
_SEQUENCE: Final = offset_of("sequence")




class Station(ModbusServer):
    """The PLC of `shape`."""

    def __init__(
        self, timeline: Timeline, seed: int, shape: Shape, weather: Weather, witness: Memory, *,
        every_scan: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(timeline, seed, shape, weather, witness)
        self._every_scan = every_scan
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

    # -- what happens to it ------------------------------------------------------

    def panel(self, hard: float) -> None:
        """Somebody turns switches; 0: they are as they should be."""
        self.program.inputs(line_running=not 0.3 < hard < 0.6, alarm_reset=hard > 0, bypass=hard > 0.5)
        self._settle = _SETTLES
        self._want(self._timeline.now)

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
