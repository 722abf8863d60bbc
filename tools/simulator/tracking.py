"""The PLC's part tracking: which parts are ejected. Pure: time is passed in, CLOCK_MONOTONIC in ns.

Each part opens a slot, preset to reject, for the window from its trigger to
the deadline. Coils alone do not say which part a verdict is for, so the window
does, while the deadline is not longer than the takt, and the count: since the
last verdict the sequence has gone on by as many as parts have been triggered. A
verdict that a slow PLC reads in the next part's window is out of step with them.
A slot is cleared by a PASS with REJECT=0 and READY=1, a live heartbeat and a
fresh sequence in step, in its window. Everything else leaves it, or puts it
back, at reject:

- a REJECT in the window wins over a PASS, before or after it,
- READY=0 in the window takes a PASS back: what comes after a reconnect says so,
- PASS and REJECT both set is a fault,
- a PASS while two undecided windows overlap is nobody's, and a second PASS in
  one window says that the first was not this part's.

A sequence is fresh when it is 1 to 127 ahead of the last. A word without a
verdict tells where the sequence stands, so an old write that comes after it is
stale, and parts that it has gone on by have no verdict to come. SAFE, all 0, says
that the next verdict may have any. After it, as after any READY=0, the next verdict
is taken to be in step; and after three in a row that were not: a part was seen by
the camera or by the PLC alone.
"""

from __future__ import annotations

import functools
from collections import deque
from dataclasses import dataclass
from typing import Final

from aoi_daemon.plcmap.coils import SAFE, Coil, Coils, Result, view
from tools.simulator.records import Counters, Event, Log, PartRecord, Periods

GOOD: Final = 1
BAD: Final = 2
_VERDICTS: Final = {Result.NONE: "none", Result.PASS: "pass", Result.REJECT: "reject"}
_FRESH: Final = range(1, 128)
_OUT_OF_STEP: Final = 3
_WATCHED: Final = tuple(coil for coil in Coil if coil is not Coil.SEQ)
_WATCHED_BITS: Final = sum(1 << coil for coil in _WATCHED)


@dataclass
class Slot:
    """A part between its trigger and the end of its window."""

    number: int
    truth: int
    trigger_ns: int
    end_ns: int
    verdict: Result = Result.NONE
    arrival_ns: int = 0
    sequence: int = -1
    cleared: bool = False


class Tracker:
    """Slots, heartbeat watch and counters of one camera station."""

    def __init__(self, deadline_ns: int, heartbeat_timeout_ns: int, keep: int = 20_000) -> None:
        self.deadline_ns = deadline_ns
        self.heartbeat_timeout_ns = heartbeat_timeout_ns
        self.counters = Counters()
        self.heartbeat = Periods()
        self.parts: Log[PartRecord] = Log(keep, lambda ns: PartRecord(ns, 0, ns + 1, "none", ns + 2, -1, False))
        self.events: Log[Event] = Log(keep, lambda ns: Event(ns, "coils", ns & 0xFFFF, ""))
        self.word = SAFE
        self.alive = False
        self.acknowledged = 0
        self.acted_on = 0
        self.last_ejected = False
        self._slots: deque[Slot] = deque()
        self._sequence: int | None = None
        self._triggered = 0  # parts since the last verdict
        self._in_step = False
        self._out_of_step = 0  # verdicts in a row
        self._toggle = False
        self._toggled_ns: int | None = None
        self._was_ready = False

    @property
    def ready_effective(self) -> bool:
        """READY is set and the heartbeat lives."""
        return self.alive and bool(self.word >> Coil.READY & 1)

    def part(self, number: int, trigger_ns: int, truth: int, now_ns: int) -> None:
        """A part has passed the photo-eye. One that is open already is not opened again."""
        self.tick(now_ns)
        if any(slot.number == number for slot in self._slots):
            return
        self.counters.parts += 1
        self._triggered += 1
        self._slots.append(Slot(number, truth, trigger_ns, trigger_ns + self.deadline_ns))
        self.tick(now_ns)

    def write(self, word: int, now_ns: int) -> None:
        """The 16 coils were written."""
        self.tick(now_ns)
        before, coils = view(self.word), view(word)
        changed = _names((self.word ^ word) & _WATCHED_BITS)
        self.word = word
        self.counters.writes += 1
        self._note(now_ns, "coils", changed)
        # Whether it lived before this write: one write must not revive the line and pass a part.
        alive = self.alive
        if coils.heartbeat != before.heartbeat and word != SAFE:
            self._beat(now_ns)
        if not coils.ready:
            self._reject_open()
            self._in_step = False
        if coils.result == Result.FAULT:
            self._fault(before, now_ns)
        elif coils.result == Result.NONE:
            if self._sequence is not None:  # parts that there is no verdict of: their time was over
                self._triggered -= (coils.sequence - self._sequence) & 0xFF
            self._sequence = None if word == SAFE else coils.sequence
            self._toggle = coils.result_toggle
            self.acknowledged = self.acted_on = coils.sequence
        elif (ahead := self._ahead(coils, now_ns)) is not None:
            self._judge(coils, in_step=self._keep_step(ahead, now_ns), alive=alive, now_ns=now_ns)
        self._watch_ready(now_ns)

    def clear(self, now_ns: int) -> None:
        """The link is gone and the PLC does not hold its inputs: all coils fall to 0."""
        self.tick(now_ns)
        if self.word != SAFE:
            self.word = SAFE
            self._reject_open()
            self._in_step = False
            self._note(now_ns, "cleared")
            self._watch_ready(now_ns)

    def tick(self, now_ns: int) -> None:
        """Time has passed: windows end, a heartbeat that is overdue is lost."""
        if self.alive and self._toggled_ns is not None:
            lost_ns = self._toggled_ns + self.heartbeat_timeout_ns
            if now_ns > lost_ns:
                self.alive = False
                self._toggled_ns = None
                self.counters.heartbeats_lost += 1
                self._note(lost_ns, "heartbeat_lost")
                self._watch_ready(lost_ns)
        while self._slots and self._slots[0].end_ns < now_ns:
            self._decide(self._slots.popleft())

    def _beat(self, now_ns: int) -> None:
        if self._toggled_ns is not None:
            self.heartbeat.add(now_ns - self._toggled_ns)
        if not self.alive:
            self._note(now_ns, "heartbeat_alive")
        self._toggled_ns = now_ns
        self.alive = True

    def _ahead(self, coils: Coils, now_ns: int) -> int | None:
        """By how much the word's new verdict is ahead of the last; None: it is only latched, or old."""
        ahead = 1
        if self._sequence is not None:
            ahead = (coils.sequence - self._sequence) & 0xFF
            if ahead == 0 and coils.result_toggle == self._toggle:
                return None
            if ahead not in _FRESH:
                self.counters.stale += 1
                self._note(now_ns, "stale", f"{coils.sequence} after {self._sequence}")
                return None
            if ahead > 1:
                self.counters.sequence_gaps += 1
                self._note(now_ns, "sequence_gap", f"{coils.sequence} after {self._sequence}")
        self._sequence = self.acknowledged = coils.sequence
        self._toggle = coils.result_toggle
        return ahead

    def _keep_step(self, ahead: int, now_ns: int) -> bool:
        """Whether a verdict so far ahead of the last is in step with the parts; the first one is."""
        if not self._in_step or ahead == self._triggered:
            self._in_step, self._triggered, self._out_of_step = True, 0, 0
            return True
        self._note(now_ns, "out_of_step", f"{ahead} verdicts for {self._triggered} parts")
        self._out_of_step += 1
        # A late verdict: those of the parts after it are still to come.
        self._in_step = ahead < self._triggered and self._out_of_step < _OUT_OF_STEP
        self._triggered -= ahead
        return False

    def _judge(self, coils: Coils, *, in_step: bool, alive: bool, now_ns: int) -> None:
        in_window = [slot for slot in self._slots if slot.trigger_ns <= now_ns]
        if not in_window:
            self.counters.late += 1
            self.acted_on = coils.sequence
            self._note(now_ns, "late")
            return
        waiting = [slot for slot in in_window if slot.verdict == Result.NONE]
        slot = (waiting or in_window)[0]
        passed = coils.result == Result.PASS
        if passed and len(waiting) > 1:
            self.counters.faults += 1
            self._note(now_ns, "ambiguous", f"{len(waiting)} parts wait for a verdict")
            return
        if slot.verdict == Result.REJECT:
            return
        refusal = _refusal(coils, slot, in_step=in_step, alive=alive) if passed else ""
        if slot.verdict == Result.NONE:
            slot.arrival_ns, slot.sequence = now_ns, coils.sequence
        slot.verdict = coils.result
        slot.cleared = passed and not refusal
        if refusal:
            self._note(now_ns, "refused", refusal)

    def _fault(self, before: Coils, now_ns: int) -> None:
        self._reject_open()
        if before.result != Result.FAULT:
            self.counters.faults += 1
            self._note(now_ns, "antivalence", "PASS and REJECT are both set")

    def _reject_open(self) -> None:
        for slot in self._slots:
            slot.cleared = False

    def _decide(self, slot: Slot) -> None:
        counters, bad = self.counters, slot.truth == BAD
        if slot.sequence >= 0:
            self.acted_on = slot.sequence
        self.last_ejected = not slot.cleared
        if slot.cleared:
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
                slot.sequence, not slot.cleared,
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


def _refusal(coils: Coils, slot: Slot, *, in_step: bool, alive: bool) -> str:
    """Why a PASS does not clear `slot`; "" when it does."""
    if not coils.ready:
        return "READY=0"
    if not alive:
        return "no heartbeat"
    if not in_step:
        return "out of step"
    return "a second verdict in one window" if slot.verdict != Result.NONE else ""
