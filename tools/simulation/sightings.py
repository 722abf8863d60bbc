"""What is seen of a run from outside: bytes, the PLC's memory, the gate and the log; nothing of what the daemon means.

What breaks an invariant as it is seen is told here, the rest by `witness` at the end.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aoi_daemon.config.timing import timing_of
from aoi_daemon.plcmap.coils import Coil, Result
from aoi_daemon.plcmap.registers import Flag, offset_of
from aoi_daemon.stage.board import Cell
from tools.simulation.life import Life
from tools.simulation.network import Line
from tools.simulation.plan import Plan
from tools.simulation.timeline import MS, Timeline
from tools.simulation.world import Part

_VERDICT: Final = offset_of("verdict")
_FLAGS: Final = offset_of("flags")
_SEQUENCE: Final = offset_of("sequence")
_UNDER_WAY_NS: Final = 400 * MS
"""A beat that was due in time may be written so much later, after a slow request or a wait for the processor."""


@dataclass
class Broken:
    """An invariant that does not hold."""

    invariant: str
    at_ns: int
    says: str
    part: int = 0


@dataclass
class VerdictSeen:
    """The requests of the verdict on part `number` of a life, as they went out over one connection."""

    number: int
    line: int
    coils_ns: int = 0
    registers_ns: int = 0
    begun: list[tuple[int, int, bool]] = field(default_factory=list)  # when, function, whether it carries a PASS
    ended: list[tuple[int, bool]] = field(default_factory=list)  # when the answer was read, or the reset came
    again: list[tuple[int, str]] = field(default_factory=list)


class Sightings:
    """What was seen of one run, and what of it breaks an invariant at once."""

    def __init__(
        self, timeline: Timeline, plan: Plan, parts: dict[int, Part], note: Callable[[str], None] | None
    ) -> None:
        self._timeline = timeline
        self._plan = plan
        self._parts = parts
        self.note = note
        self.broken: list[Broken] = []
        self.life: Life | None = None
        self._lives = 0
        self._verdicts: dict[tuple[int, int], VerdictSeen] = {}  # life, number
        self._out: dict[int, VerdictSeen] = {}  # line: the verdict whose request is out
        self._firsts: set[tuple[int, int]] = set()
        self._shown: dict[int, int] = {}
        self._took: dict[tuple[int, int], list[tuple[int, Result, int]]] = {}  # life, number: when, what, function
        self._life_of: dict[int, int] = {}  # line: life
        self.let_go: list[int] = []
        self.connects_ns: list[int] = []
        self.lines_ns: dict[str, list[int]] = {}
        self.raised: list[tuple[int, str]] = []
        self.reasons: Counter[str] = Counter()
        self.records = 0
        self.passed_late = 0
        self._beat = 0
        self._words: dict[int, int] = {}
        config = plan.shape.config()
        self._stall_ns = round(config.plc.stall_ms * MS)
        self._verdict_ns = round(timing_of(config.line, config.plc).verdict_ms * MS)
        self.processes = 0
        """Starts of the plc stage, each of which limits its lines anew."""

    def break_(self, invariant: str, says: str, part: int = 0) -> None:
        """An invariant does not hold."""
        self.broken.append(Broken(invariant, self._timeline.now, says, part))
        if self.note:
            self.note(f"BROKEN {invariant}: {says}")

    def begins(self, life: Life) -> None:
        """A daemon starts."""
        self.life = life
        self._lives += 1

    # -- bytes ---------------------------------------------------------------------

    def sent(self, line: Line, data: bytes) -> None:
        """See `network.Witness`."""
        function = data[7]
        if function == 3:
            return
        now = self._timeline.now
        if line.number not in self._life_of:
            self._life_of[line.number] = self._lives
            self.connects_ns.append(now)
        if function == 15:
            word = int.from_bytes(data[13:15], "little")
            result, ready, low = word & 3, word >> Coil.READY & 1, word >> Coil.SEQ
            self._beats(line.number, word >> Coil.HEARTBEAT & 1, now)
        else:
            values = struct.unpack_from(f">{len(data) - 13 >> 1}H", data, 13)
            result, ready, low = values[_VERDICT], values[_FLAGS] & Flag.READY, values[_SEQUENCE]
        if self.note:
            kind = "coils" if function == 15 else "registers"
            self.note(f"-> #{line.number} {kind} {Result(result & 3).name} SEQ {low & 0xFF}{' READY' if ready else ''}")
        if result == Result.FAULT and not self._is_forced():
            self.break_("never 11", f"PASS and REJECT at once, sequence {low}")
        if result == Result.PASS and not ready and not self._is_forced():
            self.break_("never PASS without READY", f"sequence {low}")
        if (line.number, function) not in self._firsts:
            self._firsts.add((line.number, function))
            if result or ready:
                self.break_("safe first", f"the first request of connection {line.number} says {result}, ready {ready}")
        if result in (Result.PASS, Result.REJECT):
            self._shows(line, function, Result(result), self._number(low), now)

    def _beats(self, line: int, beat: int, now: int) -> None:
        """The heartbeat stops when a stage that says it works has not moved for `plc.stall_ms`."""
        words = self._words[line] = self._words.get(line, 0) + 1
        moved, self._beat = beat != self._beat, beat
        # The safe state begins a connection with a 0 that is no beat, and the word after it is what it was before.
        live = None if self.life is None else self.life.inspections.live
        if not moved or words < 3 or live is None or not live.stands or self._is_forced():
            return
        stood_ns = now - live.moved_ns
        if stood_ns > self._stall_ns + _UNDER_WAY_NS:
            self.break_("heartbeat", f"it toggles, and inspection has not moved for {stood_ns / MS:.0f} ms")

    def _is_forced(self) -> bool:
        return self.life is not None and self.life.board[Cell.FORCED] >= 0

    def _number(self, low: int) -> int:
        """The part whose sequence ends in `low`: nearest to the last that was entered."""
        assert self.life is not None
        last = self.life.board[Cell.PARTS]
        return last + ((low - last + 128) & 0xFF) - 128

    def _shows(self, line: Line, function: int, result: Result, number: int, now: int) -> None:
        if self._is_forced():
            return
        key = (self._lives, number)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = VerdictSeen(number, line.number)
        first = not (verdict.coils_ns if function == 15 else verdict.registers_ns)
        if function == 15 and first:
            verdict.coils_ns = now
        elif first:
            verdict.registers_ns = now
        if first:
            verdict.begun.append((now, function, result is Result.PASS))
            self._out[line.number] = verdict
        elif result is Result.PASS:
            if verdict.line != line.number:
                verdict.again.append((now, "over another connection"))
            elif self._plan.shape.registers and not verdict.coils_ns:
                verdict.again.append((now, "though its coils were never begun"))

    def took(self, line: Line) -> None:
        """See `network.Witness`."""
        verdict = self._out.pop(line.number, None)
        if verdict is not None:
            verdict.ended.append((self._timeline.now, True))

    def reset(self, line: Line) -> None:
        """See `network.Witness`."""
        if self.note:
            self.note(f"-> #{line.number} RST")
        verdict = self._out.pop(line.number, None)
        if verdict is not None:
            verdict.ended.append((self._timeline.now, False))

    # -- the PLC's memory, the gate --------------------------------------------------

    def memory(self, line: Line, begun_ns: int, function: int, values: Sequence[int]) -> None:
        """See `station.Memory`."""
        now = self._timeline.now
        if function == 15:
            result, low = Result(values[0] & 3), values[0] >> Coil.SEQ
        else:
            result, low = Result(values[_VERDICT] & 3), values[_SEQUENCE]
        if self.note:
            kind = "coils" if function == 15 else "registers"
            old = "" if line.open else ", of a connection that was reset"
            self.note(f"   PLC memory: {kind} {result.name} SEQ {low & 0xFF} from #{line.number}{old}")
        if result not in (Result.PASS, Result.REJECT):
            return
        life = self._life_of.get(line.number, 0)
        number = self._number(low) if life == self._lives else low
        taken = self._took.setdefault((life, number), [])
        if result is Result.PASS and not any(what is Result.PASS and how == function for _, what, how in taken):
            verdict = self._verdicts.get((life, number))
            if verdict is not None:
                verdict.again.append((now, f"taken {function} {begun_ns}"))
        taken.append((now, result, function))

    def at_gate(self, part: int, *, ejected: bool, against: bool = False, leapt: bool = False) -> None:
        """See `station.Memory`."""
        if self.note:
            what = "foreign part" if part < 0 else f"part {part} {'bad' if self._parts[part].bad else 'good'}"
            self.note(f"   GATE: {what} {'ejected' if ejected else 'LET GO'}")
        if part > 0:
            self._parts[part].ejected = ejected
            self._parts[part].leapt = leapt
        if ejected:
            return
        self.let_go.append(part)
        if part < 0:
            self.break_("1", "a part that was never in front of the camera is let go", part)
            return
        about = self._parts[part]
        if about.bad:
            self.break_("1", f"part {part} is bad, and let go", part)
        elif against:
            self.break_("1", f"part {part} is let go, and READY was 0 since its trigger", part)
        else:
            self._is_proven(about)

    def _is_proven(self, part: Part) -> None:
        """A part is let go by all of its views, as one and the same inspection found them."""
        views = self._plan.shape.views
        if any(len(found) == views for found in part.found_good.values()):
            return
        if len(set().union(*part.found_good.values())) < views:
            self.break_("1", f"part {part.number} is let go, and nobody judged it good in its window", part.number)
        else:
            by = " and ".join(f"inspection {number} (recipe {recipe})" for number, recipe in part.found_good)
            self.break_("1", f"part {part.number} is let go by views that {by} judged", part.number)

    # -- what is said ------------------------------------------------------------------

    def said(self, event: str, fields: dict[str, Any]) -> None:
        """A line of the daemon's log."""
        self.lines_ns.setdefault(event, []).append(self._timeline.now)
        if event == "alarm" and fields.get("state", "").startswith("unacknowledged"):
            self.raised.append((self._timeline.now, fields["alarm"]))
        if self.note:
            words = ", ".join(f"{name}={value}" for name, value in fields.items() if name != "remedy")
            self.note(f"   log: {event} {words}"[:150])
