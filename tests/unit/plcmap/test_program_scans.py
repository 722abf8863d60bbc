"""The PLC's program in a PLC with a scan cycle: photo-eyes and words count when the next scan sees them.

Each line below keeps to what plc/README.md asks for: a scan of a fifth of the takt at most, `deadline_ms` at most the
takt, each verdict in the PLC's memory by its part's deadline, TRAVEL_MIN and TRAVEL_MAX 0.4 takt either side.
"""

from __future__ import annotations

import re

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.plcmap.coils import Result, pack
from aoi_daemon.plcmap.program import HEALS_WITHIN, Variant, as_structured_text
from aoi_daemon.plcmap.registers import Flag, Report, encode_report

MS = 1_000_000
TAKT_MS, GATE_MS = 50, 165
START_MS = 1_000
PLC = PlcSection.model_validate({"registers": {"base": 0}, "poll": {"base": 100}})
LINE = LineSection(takt_ms=TAKT_MS, deadline_ms=TAKT_MS)
EYE_MS = 12
"""A part is so long in front of a photo-eye: longer than a scan."""
PASS, REJECT, NONE = Result.PASS, Result.REJECT, Result.NONE


class Line:
    """What happens when, in ms from the first part's trigger on; `run` scans it."""

    def __init__(self, variant: Variant, scan_ms: int) -> None:
        self.variant = variant
        self.scan_ms = scan_ms
        self.plc = Program(PLC, LINE, variant, gate_ns=GATE_MS * MS)
        self.words: list[tuple[float, int, bool]] = []
        self.eyes: dict[str, list[tuple[float, str]]] = {"SENSOR_TRIGGER": [], "SENSOR_GATE": []}
        self.silent: tuple[float, float] = (0, 0)
        self.says(-START_MS, NONE, 0, ready=False)
        self.says(-START_MS / 2, NONE, 0)

    def says(self, at_ms: float, result: Result, sequence: int, *, ready: bool = True) -> None:
        """The word is in the PLC's memory at `at_ms`."""
        self.words.append((at_ms, pack(result, ready=ready, run_permit=True, sequence=sequence & 0xFF), ready))

    def part(self, name: str, at_ms: float, *, slips_ms: float = 0) -> None:
        """A part at the camera's photo-eye; at the gate later than it should be by `slips_ms`."""
        self.eyes["SENSOR_TRIGGER"].append((at_ms, name))
        self.eyes["SENSOR_GATE"].append((at_ms + GATE_MS + slips_ms, name))

    def run(self, until_ms: float) -> list[str]:
        """The parts that were let go."""
        main, let_go = self.plc._main, []
        words = sorted(self.words, key=lambda one: one[0])
        for eye in self.eyes.values():
            eye.sort()
        word, known = 0, 0
        at_ms = -START_MS
        while at_ms < until_ms:
            while known < len(words) and words[known][0] <= at_ms:
                word, known = words[known][1], known + 1
            if not self.silent[0] <= at_ms < self.silent[1]:
                self._put(word, beats=(at_ms + START_MS) // 100)
            for name, eye in self.eyes.items():
                setattr(main, name, any(since <= at_ms < since + EYE_MS for since, _ in eye))
            self.plc.tick((10_000 + at_ms) * MS)
            if main.EDGE_GATE.Q and not main.EJECTOR:
                let_go.append(next(part for since, part in self.eyes["SENSOR_GATE"] if since <= at_ms < since + EYE_MS))
            at_ms += self.scan_ms
        return let_go

    def _put(self, word: int, beats: int) -> None:
        flags = (Flag.READY if word >> 3 & 1 else Flag(0)) | Flag.RUN_PERMIT
        if self.variant is not Variant.REGISTERS:
            self.plc.put_coils(word | (beats & 1) << 4)
        if self.variant is not Variant.COILS:
            report = Report(heartbeat=beats, verdict=word & 3, flags=flags, sequence=word >> 8)
            self.plc.put_registers(0, encode_report(report))


@pytest.fixture(params=list(Variant), ids=lambda one: one.value)
def variant(request):
    return request.param


def names(parts):
    return [str(part) for part in parts]


@pytest.mark.parametrize("scan_ms", [2, 5, 10])
def test_good_parts_go_on_and_bad_ones_are_ejected(variant, scan_ms):
    line = Line(variant, scan_ms)
    for part in range(1, 21):
        at_ms = (part - 1) * TAKT_MS
        line.part(str(part), at_ms)
        line.says(at_ms + 25, REJECT if part % 3 == 0 else PASS, part)
    assert line.run(2_000) == names(part for part in range(1, 21) if part % 3)


@pytest.mark.parametrize(("takt_ms", "judged_ms"), [(40, 45), (35, 42), (30, 34), (45, 49)])
def test_parts_that_come_faster_than_the_takt_never_get_each_others_verdicts(variant, takt_ms, judged_ms):
    """Each verdict is in time, and the next part is at the camera before it: the fourth in a row is no proof of a missed frame."""
    line = Line(variant, 2)
    for part in range(1, 41):
        at_ms = (part - 1) * takt_ms
        line.part(str(part), at_ms)
        line.says(at_ms + judged_ms, REJECT if part % 3 == 0 else PASS, part)
    assert not [part for part in line.run(3_000) if int(part) % 3 == 0]


def test_the_reject_of_a_part_that_has_the_pass_of_a_frame_given_twice_counts_in_the_scan_of_the_next_trigger(variant):
    """The camera fires twice for part 2. The second PASS comes for bad part 3, whose own REJECT comes in time, just before part 4."""
    line = Line(variant, 10)
    for part in range(1, 6):
        line.part(str(part), (part - 1) * TAKT_MS)
    line.says(25, PASS, 1)
    line.says(86, PASS, 2)
    line.says(122, PASS, 3)
    line.says(142, REJECT, 4)
    line.says(185, PASS, 5)
    line.says(235, PASS, 6)
    assert "3" not in line.run(1_000)


@pytest.mark.parametrize("slips_ms", [31, 35, 40])
def test_a_bad_part_that_is_taken_off_and_put_back_before_the_next_is_not_taken_for_that(variant, slips_ms):
    line = Line(variant, 2)
    for part in range(1, 11):
        at_ms = (part - 1) * TAKT_MS
        line.part(str(part), at_ms, slips_ms=slips_ms if part == 4 else 0)
        line.says(at_ms + 25, REJECT if part == 4 else PASS, part)
    let_go = line.run(1_500)
    assert "4" not in let_go
    assert let_go[-3:] == names([8, 9, 10])


@pytest.mark.parametrize("missed", [5, 100, 127, 128, 130, 200, 255, 256, 300])
def test_after_an_outage_of_any_length_good_parts_pass_within_four(variant, missed):
    """The daemon numbers the parts of an outage; it comes back with 00 of its latest number, then READY."""
    line = Line(variant, 10)
    line.part("1", 0)
    line.says(25, PASS, 1)
    back_ms = 100 + missed * TAKT_MS
    line.silent = (100, back_ms)
    for part in range(missed):
        line.part("missed", 100 + part * TAKT_MS)
    line.says(back_ms, NONE, 1 + missed, ready=False)
    line.says(back_ms + 20, NONE, 1 + missed)
    first_ms = back_ms + 500
    for part in range(1, 11):
        line.part(str(part), first_ms + part * TAKT_MS)
        line.says(first_ms + part * TAKT_MS + 25, PASS, 1 + missed + part)
    assert line.run(first_ms + 1_500)[-(10 - HEALS_WITHIN) :] == names(range(HEALS_WITHIN + 1, 11))


@pytest.mark.parametrize("takt_ms", [50, 400, 600, 1_000, 10_000])
def test_the_scan_that_the_program_asks_for_sees_each_toggle_of_the_heartbeat(takt_ms):
    """At a scan of two toggles the heartbeat looks as if it stood, and every part is ejected."""
    text = as_structured_text(PLC, LineSection(takt_ms=takt_ms, deadline_ms=50))
    (scan_ms,) = re.findall(r"a scan of ([\d.]+) ms at most", text)
    assert float(scan_ms) < PLC.heartbeat_ms
