"""The PLC program against words that nobody meant, and against lines whose parts have a truth.

`--plc-words 1000000` and `--plc-parts 100000` are the proof; the defaults are what a quick run can afford.
"""

from __future__ import annotations

import heapq
import random

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.plcmap.coils import Result, pack
from aoi_daemon.plcmap.program import HEALS_WITHIN, Variant
from aoi_daemon.plcmap.registers import Flag, Report, encode_report
from tools.simulator.program import Program

MS = 1_000_000
TAKT = DEADLINE = 50 * MS
GATE = 220 * MS
PATIENCE = 350 * MS
PLC = PlcSection.model_validate({"registers": {"base": 0}, "poll": {"base": 100}})
LINE = LineSection(takt_ms=50, deadline_ms=50)


def put(plc: Program, variant: Variant, word: int, beats: int, trigger_id: int = 0) -> None:
    """`word` into the PLC's memory, by the ways that `variant` reads."""
    plc.put_coils(word)
    if variant is not Variant.COILS:
        flags = (Flag.READY if word >> 3 & 1 else Flag(0)) | Flag.RUN_PERMIT
        values = encode_report(Report(heartbeat=beats, flags=flags, sequence=word >> 8, trigger_id=trigger_id))
        values[4] = word & 3
        plc.put_registers(0, values)


# -- words that nobody meant -------------------------------------------------


class Oracle:
    """Which parts the words prove good: kept as a list of parts that are owed a verdict, and of what was said of each.

    Written from the rules in the README, without a look at the program's variables. A part is proven by one word, and
    every later scan may take that back.
    """

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.owed: list[int] = []
        self.strikes = 0
        self.parts: dict[int, list] = {}  # part: [time of the trigger, whether READY was there before, proven]
        self.newest: int | None = None
        self.beat: bool | None = None
        self.beat_ns: int | None = None
        self.alive = self.ready_before = False

    def scan(self, now: int, word: int, part: int | None, *, at_gate: set[int]) -> None:
        passes, rejects, ready, beat, sequence = word & 1, word >> 1 & 1, word >> 3 & 1, word >> 4 & 1, word >> 8 & 0xFF
        if self.beat is None or beat != self.beat:
            self.alive = self.alive or self.beat is not None
            self.beat, self.beat_ns = beat, None
        elif self.beat_ns is None:
            self.beat_ns = now
        if self.beat_ns is not None and now - self.beat_ns >= PATIENCE:
            self.alive = False
        if self.sequence is None:
            self.sequence = sequence
        if not (passes or rejects or ready or sequence):
            self.sequence = 0
        step = (sequence - self.sequence) % 256
        old = step > 127
        ready = bool(ready and self.alive and not old)
        if part is not None:
            self.newest = part
            self.parts[part] = [now, ready and self.ready_before, False]
            self.owed = [*self.owed, part][:2] + [part] * (len(self.owed) >= 2)
        self.ready_before = ready
        moved = 0 < step < 128
        proof = against = False
        if moved:
            self.sequence = sequence
            verdict = passes != rejects
            alone = step == 1 and self.owed == [self.newest] and part is None
            if verdict and alone and ready and self.newest in self.parts:
                trigger, was_ready, _ = self.parts[self.newest]
                proof = bool(passes) and was_ready and now - trigger < DEADLINE
            fits = verdict and alone and ready and self._open(now)
            against = not fits if verdict else step >= len(self.owed)
            if verdict and fits:
                self.strikes = 0
            elif verdict and step < len(self.owed):
                self.strikes += 1
            self.owed = self.owed[step:]
            if self.strikes == 3:
                self.owed, self.strikes = [], 0
        if not ready:
            self.strikes = 0
        if self.newest in self.parts:
            about = self.parts[self.newest]
            if proof and not against:
                about[2] = True
            if against or not ready or (passes and rejects) or not passes:
                about[2] = False
                if against or not ready or (passes and rejects):
                    about[1] = False

    def _open(self, now: int) -> bool:
        about = self.parts.get(self.newest)
        return about is not None and about[1] and now - about[0] < DEADLINE

    def gone(self, part: int) -> bool:
        """`part` is at the gate: whether it is proven good; nothing is said of it any more."""
        proven = self.parts.pop(part)[2]
        if self.newest == part:
            self.newest = None
        return proven


@pytest.mark.parametrize("variant", list(Variant), ids=lambda one: one.value)
def test_no_part_is_let_go_that_the_words_do_not_prove_good(variant, request):
    words = request.config.getoption("--plc-words") // len(Variant)
    chance = random.Random(f"{variant.value} words")
    let_go = seen = 0
    while seen < words:
        let_go += one_line(variant, chance, min(3_000, words - seen))
        seen += 3_000
    assert let_go > words / 200  # else it has tried nothing


def one_line(variant: Variant, chance: random.Random, words: int) -> int:
    """A PLC, from its start on, with random words and parts; how many it let go."""
    plc, oracle = Program(PLC, LINE, variant, gate_ns=GATE, patience_ns=PATIENCE), Oracle()
    now, word, beats, part, let_go = 1_000 * MS, 0, 0, 0, 0
    queue: list[tuple[int, int]] = []
    wildness = chance.choice([0.02, 0.1, 0.5])

    def scan(trigger: int | None = None) -> None:
        oracle.scan(now, word, trigger, at_gate=set())

    for _ in range(words):
        now += chance.choice([MS, 2 * MS, 7 * MS, 20 * MS])
        while queue and queue[0][0] <= now:
            due, at_gate = queue.pop(0)
            oracle.scan(due, word, None, at_gate={at_gate})
            ejected = plc.gate(due)
            if not ejected:
                let_go += 1
                assert oracle.gone(at_gate), f"part {at_gate}"
            else:
                oracle.gone(at_gate)
            oracle.scan(due, word, None, at_gate=set())
        if now // (100 * MS) != (now - 20 * MS) // (100 * MS) and chance.random() > wildness / 4:
            beats += 1
        trigger = None
        sequence = word >> 8
        if chance.random() < wildness:  # anything at all
            step = chance.choice([0, 0, 1, 1, 2, 3, 255, 254, 127, 128, chance.randrange(256)])
            result, ready = chance.choice([0, 1, 1, 2, 3]), chance.random() < 0.7
            word = pack(ready=ready, heartbeat=bool(beats & 1), sequence=(sequence + step) & 0xFF) | result
            if chance.random() < 0.1:
                word = 0
        elif chance.random() < 0.6 and oracle.owed:
            word = pack(chance.choice([Result.PASS, Result.PASS, Result.REJECT]), ready=True, heartbeat=bool(beats & 1), sequence=(sequence + 1) & 0xFF)
        else:
            word = word & ~(1 << 4) | 1 << 3 | (beats & 1) << 4
        put(plc, variant, word, beats)
        if not queue or now - (queue[-1][0] - GATE) >= (TAKT if chance.random() > wildness / 4 else 3 * MS):
            part += 1
            trigger = part
            queue.append((now + GATE, part))
        if trigger is None:
            plc.tick(now)
            scan()
        else:
            plc.trigger(now)
            scan(trigger)
            scan()
    return let_go
