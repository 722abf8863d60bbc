"""What a server's log and the photo-eye say of a run: what the PLC program that is handed out lets go, and which PASSes were late.

Pure: all is passed in, times are CLOCK_MONOTONIC in ns. The daemon's own account is used for one thing only: which
part has which number.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from aoi_daemon.messages import Outcome
from aoi_daemon.plcmap.coils import COILS, Coil, Result, view, word_of
from aoi_daemon.plcmap.registers import REPORT_FIELDS, REPORT_WORDS, decode_report
from tests.line.peers.peer import COIL_BASE, REPORT_BASE, Request

GOOD: Final = 1
BAD: Final = 2
WRITE_COILS: Final = 15
WRITE_REGISTERS: Final = 16
SCAN_NS: Final = 5_000_000
"""Between two events the program runs this often."""


class Program(Protocol):
    """The PLC program that is handed out, compiled. `aoi_daemon/kit/simulator/program.py` has it."""

    def write_coils(self, word: int, now_ns: int) -> None: ...
    def write_registers(self, offset: int, values: Sequence[int], now_ns: int) -> None: ...
    def trigger(self, now_ns: int) -> None: ...
    def gate(self, now_ns: int) -> bool: ...
    def tick(self, now_ns: int) -> None: ...


class Seen(NamedTuple):
    """A part at the photo-eye."""

    number: int
    trigger_ns: int
    truth: int


class LatePass(NamedTuple):
    """A PASS that the memory took after its part's deadline."""

    part: int
    function: int
    late_ns: int
    took_ns: int


class Gone(NamedTuple):
    """What one variant of the PLC program did with the parts."""

    good: int  # good parts let go
    ejected: int
    escapes: list[Seen]  # bad parts let go


@dataclass
class Findings:
    """The judge's."""

    good: int = 0  # parts that are
    gone: dict[str, Gone] = field(default_factory=dict)  # by the program's variant
    late_by_server: list[LatePass] = field(default_factory=list)
    late_by_daemon: list[LatePass] = field(default_factory=list)
    unknown: list[Request] = field(default_factory=list)  # PASSes for no part that the photo-eye saw


def let_go(program: Program, requests: Iterable[Request], seen: Sequence[Seen], gate_ns: int) -> list[bool]:
    """Whether each part of `seen`, in their order, is let go by `program`. A part is at the gate `gate_ns` after its trigger."""
    order = {"trigger": 0, "write": 1, "gate": 2, "tick": 3}
    events: list[tuple[int, int, object]] = [(part.trigger_ns, order["trigger"], None) for part in seen]
    events += [(part.trigger_ns + gate_ns, order["gate"], None) for part in seen]
    events += [(request.wrote_ns, order["write"], request) for request in requests if request.function in (WRITE_COILS, WRITE_REGISTERS)]
    events.sort(key=lambda event: event[:2])
    first_ns, last_ns = events[0][0], events[-1][0]
    ticks = ((at_ns, order["tick"], None) for at_ns in range(first_ns, last_ns, SCAN_NS))
    found = []
    for at_ns, kind, request in heapq.merge(events, ticks, key=lambda event: event[:2]):
        if kind == order["trigger"]:
            program.trigger(at_ns)
        elif kind == order["gate"]:
            found.append(not program.gate(at_ns))
        elif isinstance(request, Request):
            _write(program, request)
        else:
            program.tick(at_ns)
    return found


def _write(program: Program, request: Request) -> None:
    if request.function == WRITE_COILS:
        assert (request.address, len(request.values)) == (COIL_BASE, COILS), request
        program.write_coils(word_of([bool(value) for value in request.values]), request.wrote_ns)
    else:
        program.write_registers(request.address - REPORT_BASE, request.values, request.wrote_ns)


class _Numbers:
    """Which part a sequence is for: the newest with that number, or its low bits, that had been triggered by then."""

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self._parts = sorted((outcome.part, outcome.trigger_ns) for outcome in outcomes)

    def part(self, sequence: int, bits: int, at_ns: int) -> tuple[int, int] | None:
        """(number, trigger_ns); None: there is none."""
        same = [part for part in self._parts if (part[0] - sequence) % (1 << bits) == 0 and part[1] <= at_ns]
        return same[-1] if same else None


def first_passes(requests: Iterable[Request], numbers: _Numbers) -> Iterable[tuple[Request, tuple[int, int] | None]]:
    """The request that first brings a PASS of each part, coils and registers each, with that part.

    A PASS stays in the coils until the next verdict, and the heartbeat's words carry it on: those are not told.
    """
    registers = [0] * REPORT_WORDS
    told: dict[int, set[object]] = {WRITE_COILS: set(), WRITE_REGISTERS: set()}
    for request in requests:
        if request.function == WRITE_COILS:
            coils = view(word_of([bool(value) for value in request.values]))
            is_pass, sequence, bits = coils.result is Result.PASS, coils.sequence, COILS - Coil.SEQ
        elif request.function == WRITE_REGISTERS:
            offset = request.address - REPORT_BASE
            registers[offset : offset + len(request.values)] = request.values
            report = decode_report(registers)
            is_pass, sequence, bits = report.verdict == Result.PASS, report.sequence, 16 * REPORT_FIELDS[-1].words
        else:
            continue
        if not is_pass:
            continue
        part = numbers.part(sequence, bits, request.wrote_ns)
        key: object = part or ("none", sequence)
        if key not in told[request.function]:
            told[request.function].add(key)
            yield request, part


def judge(
    programs: Mapping[str, Program], requests: Sequence[Request], seen: Sequence[Seen], outcomes: Sequence[Outcome], *,
    deadline_ns: int, gate_ns: int, answer_ns: int,
) -> Findings:  # fmt: skip
    """All that is asked of a run.

    Args:
        programs: by variant, not yet run.
        requests: the server's log, by the time of the memory.
        seen: the parts at the photo-eye, in their order.
        outcomes: the daemon's account of the same parts.
        deadline_ns, gate_ns: after a part's trigger.
        answer_ns: what the server promised: from reading a request to its answer.
    """
    found = Findings(good=sum(part.truth == GOOD for part in seen))
    for variant, program in programs.items():
        gone = [part for part, is_gone in zip(seen, let_go(program, requests, seen, gate_ns), strict=True) if is_gone]
        escapes = [part for part in gone if part.truth != GOOD]
        found.gone[variant] = Gone(len(gone) - len(escapes), len(seen) - len(gone), escapes)
    triggers = {part.trigger_ns for part in seen}
    for request, numbered in first_passes(requests, _Numbers(outcomes)):
        if numbered is None or numbered[1] not in triggers:
            found.unknown.append(request)
            continue
        number, trigger_ns = numbered
        late_ns = request.wrote_ns - trigger_ns - deadline_ns
        if late_ns > 0:
            # That request's own time alone: what was slow before it was over when the time left was taken anew.
            late = found.late_by_daemon if request.took_ns <= answer_ns else found.late_by_server
            late.append(LatePass(number, request.function, late_ns, request.took_ns))
    return found
