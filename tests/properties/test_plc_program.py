"""The PLC program against words that nobody meant, and against lines whose parts have a truth.

`--plc-words 1000000` and `--plc-parts 100000` are the proof; the defaults are what a quick run can afford.
"""

from __future__ import annotations

import heapq
import random

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.plcmap.coils import Result, pack
from aoi_daemon.plcmap.program import HEALS_WITHIN, Variant
from aoi_daemon.plcmap.registers import Flag, Report, encode_report

MS = 1_000_000
TAKT = DEADLINE = 50 * MS
GATE = 220 * MS
PATIENCE = 350 * MS
PLC = PlcSection.model_validate({"registers": {"base": 0}, "poll": {"base": 100}})
LINE = LineSection(takt_ms=50, deadline_ms=50)


def put(plc: Program, variant: Variant, word: int) -> None:
    """`word` into the PLC's memory, by the ways that `variant` reads."""
    plc.put_coils(word)
    if variant is not Variant.COILS:
        flags = (Flag.READY if word >> 3 & 1 else Flag(0)) | Flag.RUN_PERMIT
        values = encode_report(Report(heartbeat=word >> 4 & 1, flags=flags, sequence=word >> 8))
        values[4] = word & 3
        plc.put_registers(0, values)


# -- words that nobody meant -------------------------------------------------


class Oracle:
    """Which parts the words prove good: kept as a list of parts that are owed a verdict, and of what was said of each.

    Written from the rules in aoi_daemon/plc/README.md, without a look at the program's variables. A part is proven by one word, and
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
        self.alive = self.ready_before = self.alive_before = self.heard = False
        self.triggers: list[int] = []  # when parts were triggered, newest last
        self.first_ns: int | None = None  # the first scan, and the one before this
        self.scanned_ns = 0
        self.quickest_ns = 0
        self.quiet_since: int | None = None
        self.behind_since: int | None = None

    def scan(self, now: int, word: int, part: int | None) -> None:
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
        # Where it can be by the parts that are owed, it is.
        moved_by = (sequence - self.sequence) % 256
        anew = not self.alive_before and not (self.heard and moved_by <= len(self.owed))
        if not (passes or rejects) and (not (ready or sequence) or anew):
            self.sequence = sequence
            self.heard = self.heard or moved_by > 0
        self.alive_before = self.alive
        self.heard = self.heard or self.alive
        if self.first_ns is None:
            self.first_ns = now
        if part is not None:
            self.triggers = [*self.triggers[-2:], now]
        # Of the part before the newest no verdict may come any more, by the scan before this one.
        since = self.triggers[-2] if len(self.triggers) > 1 else self.first_ns
        over = self.scanned_ns - since >= DEADLINE
        age = now - (self.triggers[-1] if self.triggers else self.first_ns)
        self.quiet_since = None if part is not None else now if self.quiet_since is None else self.quiet_since
        if self.quiet_since is not None and now - self.quiet_since >= 2_000 * MS:
            self.owed, self.strikes = [], 0
        self.scanned_ns = now
        step = (sequence - self.sequence) % 256
        # Words that stay behind for two seconds are those of a daemon that counts anew.
        self.behind_since = None if step < 128 else now if self.behind_since is None else self.behind_since
        if self.behind_since is not None and now - self.behind_since >= 2_000 * MS:
            self.sequence, step = sequence, 0
        old = step > 127
        ready = bool(ready and self.alive and not old)
        if part is not None:
            self.newest = part
            self.parts[part] = [now, ready and self.ready_before, False]
            self.owed = [*self.owed, part][-127:]
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
                if passes and (not self.quickest_ns or age < self.quickest_ns):
                    self.quickest_ns = max(MS, min(age, DEADLINE))
            elif verdict and step < len(self.owed) and over and self.quickest_ns and 2 * min(age, DEADLINE) >= self.quickest_ns:
                self.strikes += 1
            if part is not None and not passes and part - 1 in self.parts:
                self.parts[part - 1][2] = False
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
    next_part = now
    wildness = chance.choice([0.02, 0.1, 0.5])

    def scan(trigger: int | None = None) -> None:
        oracle.scan(now, word, trigger)

    for _ in range(words):
        now += chance.choice([MS, 2 * MS, 7 * MS, 20 * MS])
        while queue and queue[0][0] <= now:
            due, at_gate = queue.pop(0)
            oracle.scan(due, word, None)
            ejected = plc.gate(due)
            if not ejected:
                let_go += 1
                assert oracle.gone(at_gate), f"part {at_gate}"
            else:
                oracle.gone(at_gate)
            oracle.scan(due, word, None)
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
        put(plc, variant, word)
        if now >= next_part:
            part += 1
            next_part = now + chance.choice([TAKT, TAKT, TAKT, 2 * TAKT])
            if chance.random() < 0.01:
                next_part = now + 2_200 * MS
            if chance.random() < wildness / 4:
                next_part = now + 3 * MS
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


# -- lines whose parts have a truth ------------------------------------------

FAULTS = ("eye misses", "eye bounces", "camera misses", "camera fires twice", "late verdict", "slow", "old after new", "put on", "taken off")


class World:
    """Parts with a truth, a camera, a daemon that keeps the rules, and a PLC that may take its time.

    The daemon numbers the frames that it sees. It begins no verdict that it cannot give in time, resets what is not
    answered at the deadline, and comes back with 00 of its latest number, READY=0, then READY=1. What it had sent may
    still be worked off, before or after that.
    """

    def __init__(self, variant: Variant, chance: random.Random, faults: set[str]) -> None:
        self.variant, self.chance, self.faults = variant, chance, faults
        self.plc = Program(PLC, LINE, variant, gate_ns=GATE, patience_ns=PATIENCE)
        self.queue: list[tuple[int, int, object, tuple]] = []
        self.order = 0
        self.number = 0
        self.ready = self.up = True
        self.beats = 0
        self.result = Result.NONE
        self.free_at = 0
        self.let_go: list[int] = []
        self.log: list[tuple[int, str]] = []

    def at(self, now: int, do, *about) -> None:
        self.order += 1
        heapq.heappush(self.queue, (now, self.order, do, about))

    def strikes(self, fault: str) -> bool:
        return fault in self.faults and self.chance.random() < 0.04

    def word(self) -> int:
        return pack(self.result, ready=self.ready, heartbeat=bool(self.beats & 1), run_permit=True, sequence=self.number & 0xFF)

    def run(self, parts: int) -> None:
        self.at(0, self.written, pack(), "start")
        for beat in range(1, parts // 2 + 20):
            self.at(beat * 100 * MS, self.beat)
        self.at(350 * MS, self.beat)
        for part in range(1, parts + 1):
            self.at(1_000 * MS + part * TAKT + self.chance.randrange(MS), self.arrives, part)
        end = 1_000 * MS + (parts + 8) * TAKT
        scan = 0
        while self.queue and self.queue[0][0] < end:
            now, _, do, about = heapq.heappop(self.queue)
            while scan + 2 * MS <= now:
                scan += 2 * MS
                self.plc.tick(scan)
            do(now, *about)
            scan = now

    # the line
    def arrives(self, now: int, part: int) -> None:
        if self.strikes("put on"):
            self.at(now + GATE + TAKT // 2, self.gate, -part)
        if not self.strikes("eye misses"):
            self.log.append((now, f"part {part} {'bad' if is_bad(part) else 'good'}"))
            self.plc.trigger(now)
            if self.strikes("eye bounces"):
                self.at(now + 3 * MS, lambda at: (self.log.append((at, "bounce")), self.plc.trigger(at)))
        if not self.strikes("taken off"):
            self.at(now + GATE + self.chance.randrange(-2 * MS, 2 * MS), self.gate, part)
        if not self.strikes("camera misses"):
            self.at(now + 5 * MS, self.frame, part, now + DEADLINE)
            if self.strikes("camera fires twice"):
                self.at(now + 6 * MS, self.frame, part, now + DEADLINE)

    def gate(self, now: int, part: int) -> None:
        if not self.plc.gate(now):
            self.let_go.append(part)
            self.log.append((now, f"part {part} let go"))

    # the daemon
    def frame(self, now: int, part: int, deadline: int) -> None:
        took = self.chance.choice([4, 6, 10]) * MS
        if self.strikes("late verdict"):
            took = 60 * MS
        self.at(now + took, self.verdict, part, deadline)

    def verdict(self, now: int, part: int, deadline: int) -> None:
        self.number += 1
        if not self.up or now > deadline - 10 * MS or self.free_at > now:
            self.result = Result.NONE
            if self.up:
                self.send(max(now, self.free_at))
            return
        self.result = Result.REJECT if is_bad(part) or not self.ready else Result.PASS
        self.send(now, deadline)

    def beat(self, now: int) -> None:
        self.beats += 1
        if self.up and self.free_at <= now:
            self.send(now)

    def send(self, now: int, deadline: int = 0) -> None:
        delay = self.chance.choice([1, 1, 3]) * MS
        if self.strikes("slow"):
            delay = self.chance.choice([8, 30, 50, 70, 90, 140]) * MS
        limit = (deadline or now + 50 * MS) - now
        self.at(now + delay, self.written, self.word(), "")
        self.free_at = now + min(delay, limit)
        if delay > limit:
            self.up = self.ready = False
            self.log.append((now + limit, "reset"))
            if "old after new" in self.faults:
                gap = self.chance.choice([0, 1, 20, 45]) * MS
            else:  # worked off in the order in which it was sent
                gap = delay - limit + self.chance.choice([0, 0, 20, 45, 80]) * MS
            self.at(now + limit + gap, self.back)

    def back(self, now: int) -> None:
        self.result, self.up = Result.NONE, True
        self.at(now + MS, self.written, self.word(), "safe")
        self.free_at = now + MS
        self.at(now + 3 * MS, self.ready_again)

    def ready_again(self, now: int) -> None:
        if self.up:
            self.ready = True
            self.send(max(now, self.free_at))

    # the PLC
    def written(self, now: int, word: int, note: str) -> None:
        said = f"SEQ {word >> 8} {Result(word & 3).name}{' READY' if word >> 3 & 1 else ''} {note}"
        self.log.append((now, said))
        put(self.plc, self.variant, word)
        self.plc.tick(now)


def is_bad(part: int) -> bool:
    return part % 3 == 0


@pytest.mark.parametrize("variant", list(Variant), ids=lambda one: one.value)
def test_no_bad_part_is_let_go_whatever_line_and_network_do(variant, request):
    parts = request.config.getoption("--plc-parts") // len(Variant)
    chance = random.Random(f"{variant.value} lines")
    seen = let_go = 0
    while seen < parts:
        seed = chance.randrange(1 << 30)
        world = World(variant, random.Random(seed), set(chance.sample(FAULTS, chance.choice([1, 2, 3]))))
        world.run(100)
        seen += 100
        let_go += len(world.let_go)
        escaped = [part for part in world.let_go if part < 0 or is_bad(part)]
        assert not escaped, f"seed {seed}, {sorted(world.faults)}, {escaped}:\n" + told(world, escaped[0])
    assert let_go > parts * 0.3  # of two thirds


def told(world: World, part: int) -> str:
    """The last moments of `part`."""
    at = next(now for now, text in world.log if text == f"part {part} let go")
    return "\n".join(f"{now / 1e6:9.1f} {text}" for now, text in sorted(world.log) if at - 400 * MS < now <= at)


@pytest.mark.parametrize("variant", list(Variant), ids=lambda one: one.value)
def test_once_the_world_behaves_good_parts_pass_again(variant, request):
    """After a fault the line needs at most HEALS_WITHIN parts, but for those that the fault itself spans."""
    chance = random.Random(f"{variant.value} heals")
    for _ in range(request.config.getoption("--plc-parts") // 100):
        seed, fault = chance.randrange(1 << 30), chance.choice(FAULTS)
        world = World(variant, random.Random(seed), {fault})
        ends = []

        def strikes(name, world=world, ends=ends):
            # Before any part was in step the line waits for a pause of two seconds: nothing tells late from missed.
            struck = bool(world.let_go) and World.strikes(world, name)
            if struck:
                world.faults = set()
                ends.append(world.queue[0][0] if world.queue else 0)
            return struck

        world.strikes = strikes
        world.run(60)
        if not ends:
            continue
        began = round((ends[0] - 1_000 * MS) / TAKT)
        well = range(max(0, began) + 6 + HEALS_WITHIN, 60)
        lost = [part for part in well if not is_bad(part) and part not in world.let_go]
        assert not lost, f"seed {seed}, {fault} at part {began}: {lost}"
