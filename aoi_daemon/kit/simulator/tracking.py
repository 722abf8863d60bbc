"""What the PLC made of the parts: the shipped program decides, this writes down. Pure: time is passed in, in ns.

Which parts are let go is the program's affair alone (`program.py`, `aoi_daemon/plcmap/aoi_track.st`). Here are the
photo-eyes that it sees: a part's gate is a deadline behind its trigger. And here are the records and counters: what
came for each part within its window, and what of it did not fit.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aoi_daemon.config.schema import LineSection, PlcSection, PollSection, RegisterSection
from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.kit.simulator.records import Counters, Event, Log, PartRecord, Periods
from aoi_daemon.plcmap.coils import SAFE, Coil, Coils, Result, pack, view
from aoi_daemon.plcmap.program import Variant
from aoi_daemon.plcmap.registers import REPORT_WORDS, Flag, decode_report

GOOD: Final = 1
BAD: Final = 2
_VERDICTS: Final = {Result.NONE: "none", Result.PASS: "pass", Result.REJECT: "reject"}
_BEHIND: Final = 128
"""Half a round of the sequence ahead is behind."""
_WATCHED: Final = tuple(coil for coil in Coil if coil is not Coil.SEQ)
_WATCHED_BITS: Final = sum(1 << coil for coil in _WATCHED)
_NUMBERED: Final = PlcSection(registers=RegisterSection(base=0), poll=PollSection(base=REPORT_WORDS))


@dataclass
class Slot:
    """A part between its trigger and the gate; `verdict` is what came for it in its window."""

    number: int
    truth: int
    trigger_ns: int
    end_ns: int
    verdict: Result = Result.NONE
    arrival_ns: int = 0
    sequence: int = -1


class Tracker:
    """One camera station: the running program, the parts on their way to its gate, counters and logs."""

    def __init__(
        self, deadline_ns: int, heartbeat_timeout_ns: int, keep: int = 20_000, variant: Variant = Variant.COILS
    ) -> None:
        self.deadline_ns = deadline_ns
        self.heartbeat_timeout_ns = heartbeat_timeout_ns
        self.variant = variant
        line = LineSection(deadline_ms=deadline_ns / 1e6, takt_ms=deadline_ns / 1e6)
        self.program = Program(_NUMBERED, line, variant, patience_ns=heartbeat_timeout_ns)
        self.counters = Counters()
        self.heartbeat = Periods()
        self.parts: Log[PartRecord] = Log(keep, lambda ns: PartRecord(ns, 0, ns + 1, "none", ns + 2, -1, False))
        self.events: Log[Event] = Log(keep, lambda ns: Event(ns, "coils", ns & 0xFFFF, ""))
        self.word = SAFE
        self.report = [0] * REPORT_WORDS
        self._slots: deque[Slot] = deque()
        self._toggled_ns: int | None = None
        self._was_ready = False

    @property
    def ready_effective(self) -> bool:
        """READY, with a heartbeat that is alive."""
        return self.program.go

    @property
    def alive(self) -> bool:
        """The heartbeat toggles."""
        return self.program.alive

    def part(self, number: int, trigger_ns: int, truth: int, now_ns: int) -> None:
        """A part has passed the photo-eye. One that is open already is not opened again."""
        self.tick(now_ns)
        if any(slot.number == number for slot in self._slots):
            return
        self.counters.parts += 1
        self._slots.append(Slot(number, truth, trigger_ns, trigger_ns + self.deadline_ns))
        self.program.trigger(trigger_ns)
        self.tick(now_ns)

    def write(self, word: int, now_ns: int) -> None:
        """The 16 coils were written."""
        if self.variant is Variant.REGISTERS:
            self.word = word  # shown, and not looked at
            return
        self._written(word, now_ns, lambda: self.program.write_coils(word, now_ns))

    def write_report(self, first: int, values: Sequence[int], now_ns: int) -> None:
        """Registers from offset `first` of the profile on were written; what is beyond its end is not kept."""
        self.report[first : first + len(values)] = values[: max(0, REPORT_WORDS - first)]
        if self.variant is Variant.REGISTERS:
            word = _word_of(self.report)
            self._written(word, now_ns, lambda: self.program.write_registers(first, values, now_ns))
        else:
            self.tick(now_ns)
            self.program.write_registers(first, values, now_ns)
            self._watch_ready(now_ns)

    def clear(self, now_ns: int) -> None:
        """The link is gone and the PLC does not hold its inputs: all fall to 0."""
        self.tick(now_ns)
        if self.word != SAFE or any(self.report):
            self.word = SAFE
            self.report = [0] * REPORT_WORDS
            self.program.put_registers(0, self.report)
            self.program.write_coils(SAFE, now_ns)
            self._note(now_ns, "cleared")
            self._watch_ready(now_ns)

    def tick(self, now_ns: int) -> None:
        """Time has passed: parts come to the gate, a heartbeat that is overdue is lost."""
        if self.alive and self._toggled_ns is not None:
            lost_ns = self._toggled_ns + self.heartbeat_timeout_ns
            if now_ns > lost_ns:
                self._to_the_gate(lost_ns)
                self.program.tick(lost_ns)
                self._toggled_ns = None
                self.counters.heartbeats_lost += 1
                self._note(lost_ns, "heartbeat_lost")
                self._watch_ready(lost_ns)
        self._to_the_gate(now_ns)
        self.program.tick(now_ns)

    def _to_the_gate(self, now_ns: int) -> None:
        while self._slots and self._slots[0].end_ns < now_ns:
            slot = self._slots.popleft()
            self._decided(slot, ejected=self.program.gate(slot.end_ns))

    def _written(self, word: int, now_ns: int, write: Callable[[], None]) -> None:
        self.tick(now_ns)
        before, coils = view(self.word), view(word)
        changed = _names((self.word ^ word) & _WATCHED_BITS)
        track = self.program.track
        ahead = (coils.sequence - track.LAST) & 0xFF if track.KNOWN else 0
        self.word = word
        self.counters.writes += 1
        self._note(now_ns, "coils", changed)
        was_alive = self.alive
        write()
        if coils.heartbeat != before.heartbeat and word != SAFE:
            self._beat(now_ns, was_alive=was_alive)
        if coils.result == Result.FAULT:
            if before.result != Result.FAULT:
                self.counters.faults += 1
                self._note(now_ns, "antivalence", "PASS and REJECT are both set")
        elif coils.result != Result.NONE and ahead:
            self._verdict(coils, ahead, now_ns)
        self._watch_ready(now_ns)

    def _beat(self, now_ns: int, *, was_alive: bool) -> None:
        if self._toggled_ns is not None:
            self.heartbeat.add(now_ns - self._toggled_ns)
        if not was_alive:
            self._note(now_ns, "heartbeat_alive")
        self._toggled_ns = now_ns

    def _verdict(self, coils: Coils, ahead: int, now_ns: int) -> None:
        """A word with a verdict `ahead` of the last sequence: whose it was, as far as time tells."""
        counters = self.counters
        if ahead >= _BEHIND:
            counters.stale += 1
            self._note(now_ns, "stale", f"{coils.sequence}, {256 - ahead} old")
            return
        if ahead > 1:
            counters.sequence_gaps += 1
            self._note(now_ns, "sequence_gap", f"{coils.sequence}, {ahead} at once")
        in_window = [slot for slot in self._slots if slot.trigger_ns <= now_ns]
        waiting = [slot for slot in in_window if slot.verdict == Result.NONE]
        if not in_window:
            counters.late += 1
            self._note(now_ns, "late")
        elif coils.result == Result.PASS and len(waiting) > 1:
            counters.ambiguous += 1
            self._note(now_ns, "ambiguous", f"{len(waiting)} parts wait for a verdict")
        else:
            self._of(coils, (waiting or in_window)[0], now_ns)

    def _of(self, coils: Coils, slot: Slot, now_ns: int) -> None:
        if not self.program.track.IN_STEP:
            self._note(now_ns, "out_of_step")
        if slot.verdict == Result.REJECT:
            return
        if slot.verdict == Result.NONE:
            slot.arrival_ns, slot.sequence = now_ns, coils.sequence
        slot.verdict = coils.result

    def _decided(self, slot: Slot, *, ejected: bool) -> None:
        counters, bad = self.counters, slot.truth == BAD
        if not ejected:
            counters.escape += bad
            counters.good += not bad
        else:
            counters.ejected += 1
            counters.reject += bad
            counters.missed += slot.verdict == Result.NONE
            counters.refused += slot.verdict == Result.PASS
            counters.false_call += slot.verdict == Result.REJECT and slot.truth == GOOD
        self.parts.append(
            PartRecord(
                slot.number, slot.truth, slot.trigger_ns, _VERDICTS[slot.verdict], slot.arrival_ns,
                slot.sequence, ejected,
            )
        )  # fmt: skip

    def _watch_ready(self, now_ns: int) -> None:
        ready = self.ready_effective
        if ready != self._was_ready:
            self._was_ready = ready
            self.counters.ready_drops += not ready
            self._note(now_ns, "ready" if ready else "not_ready")

    def _note(self, at_ns: int, kind: str, detail: str = "") -> None:
        self.events.append(Event(at_ns, kind, self.word, detail))


@functools.cache
def _names(bits: int) -> str:
    """The coils among `bits`, but for the sequence."""
    return " ".join(coil.name for coil in _WATCHED if bits >> coil & 1)


def _word_of(report: Sequence[int]) -> int:
    """The coils that would say what the registers say."""
    said = decode_report(report)
    flags, result = Flag(said.flags & 0xF), Result(said.verdict & 0b11)
    plain = pack(
        ready=Flag.READY in flags, alarm=Flag.ALARM in flags, heartbeat=bool(said.heartbeat & 1),
        run_permit=Flag.RUN_PERMIT in flags, overrun=Flag.OVERRUN in flags, sequence=said.sequence,
    )  # fmt: skip
    return plain | result << Coil.PASS
