"""The PLC's program that is handed out: run, in each variant, against words as the daemon and a bad network write them."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.kit.simulator.structured_text import Program as StructuredText
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.coils import COILS, Result, pack, view
from aoi_daemon.plcmap.program import HEALS_WITHIN, Variant, as_structured_text, track, variant_of
from aoi_daemon.plcmap.registers import (
    MAP_VERSION,
    POLL_FIELDS,
    POLL_WORDS,
    REPORT_FIELDS,
    REPORT_WORDS,
    Flag,
    Report,
    Status,
    decode_poll,
    encode_report,
)
from aoi_daemon.plcmap.table import as_csv, coil_meaning, coil_name

MS = 1_000_000
PLC = PlcSection(coil_base=100)
FULL = PlcSection.model_validate({"coil_base": 100, "registers": {"base": 200}, "poll": {"base": 300}})
LINE = LineSection()
TAKT_MS, GATE_MS = 50, 220
SOURCE = as_structured_text(FULL, LINE)


class Station:
    """A PLC with the program in one variant; the gate is four parts behind the camera. A scan is 2 ms."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.plc = Program(FULL, LINE, variant, gate_ns=GATE_MS * MS)
        self.now = 1_000 * MS
        self.beats = 0
        self.word = pack()
        self.gates: list[tuple[int, str]] = []
        self.let_go: list[str] = []
        self.says(Result.NONE, 0, ready=False)
        self.wait(300)
        self.says(Result.NONE, 0)

    def wait(self, ms: float) -> None:
        end = self.now + int(ms * MS)
        while self.now < end:
            self.now += 2 * MS
            while self.gates and self.gates[0][0] <= self.now:
                _, part = self.gates.pop(0)
                if not self.plc.gate(self.now):
                    self.let_go.append(part)
            if self.now // (100 * MS) != (self.now - 2 * MS) // (100 * MS):
                self.beats += 1
                self.write(self.word)
            self.plc.tick(self.now)

    def write(self, word: int, trigger_id: int = 0) -> None:
        """What the daemon says by `word`, by the ways of this variant: the registers first."""
        beat = self.beats & 1
        self.word = word = word & ~(1 << 4) | beat << 4
        said = view(word)
        flags = (Flag.READY if said.ready else Flag(0)) | Flag.RUN_PERMIT
        report = Report(heartbeat=self.beats, verdict=said.result & 3, flags=flags, sequence=said.sequence, trigger_id=trigger_id)
        values = encode_report(report._replace(verdict=0))
        values[4] = said.result
        if self.variant is not Variant.COILS:
            self.plc.write_registers(0, values, self.now)
        if self.variant is not Variant.REGISTERS:
            self.plc.write_coils(word, self.now)

    def says(self, result: Result, sequence: int, *, ready: bool = True, trigger_id: int = 0) -> None:
        plain = pack(ready=ready, run_permit=True, sequence=sequence)
        self.write(plain | result, trigger_id)

    def trigger(self, part: str) -> None:
        self.plc.trigger(self.now)
        self.gates.append((self.now + GATE_MS * MS, part))

    def part(self, part: str, result: Result, sequence: int, **more) -> None:
        """A part with its verdict after 20 ms, and the rest of the takt."""
        self.trigger(part)
        self.wait(20)
        self.says(result, sequence, **more)
        self.wait(30)

    def end(self) -> list[str]:
        """The parts that were let go."""
        self.wait(GATE_MS + 10)
        return self.let_go


@pytest.fixture(params=list(Variant), ids=lambda one: one.value)
def station(request):
    return Station(request.param)


def good_parts(station, first, last):
    for number in range(first, last + 1):
        station.part(f"good {number}", Result.PASS, number)


def names(first, last):
    return [f"good {number}" for number in range(first, last + 1)]


def test_good_parts_go_on_and_bad_ones_are_ejected_in_their_order(station):
    verdicts = [Result.PASS, Result.REJECT, Result.PASS, Result.PASS, Result.REJECT, Result.PASS]
    for number, result in enumerate(verdicts, 1):
        station.part(str(number), result, number)
    assert station.end() == ["1", "3", "4", "6"]


def test_sequences_that_wrap_are_new(station):
    good_parts(station, 1, 300)
    assert station.end() == names(1, 300)
    assert station.plc.track.UNEXPECTED == 0


def test_a_part_without_a_verdict_is_ejected(station):
    station.trigger("none")
    assert station.end() == []


def test_the_pass_that_stands_in_the_coils_is_not_the_next_parts(station):
    good_parts(station, 1, 1)
    station.trigger("next")
    station.wait(50)
    assert station.end() == names(1, 1)


@pytest.mark.parametrize("pattern", [0b00, 0b11])
def test_no_verdict_and_a_fault_pattern_reject(station, pattern):
    station.part("one", pattern, 1)
    assert station.end() == []


def test_a_fault_pattern_takes_a_pass_back(station):
    station.part("one", Result.PASS, 1)
    station.says(Result.FAULT, 1)
    assert station.end() == []


def test_the_outsiders_words_let_no_bad_part_go(station):
    """PASS 1; part 2; 00 READY=0 on a new connection; READY=1; bad part 3; PASS 2 from the old connection's buffer."""
    good_parts(station, 1, 1)
    station.trigger("2")
    station.wait(25)
    station.says(Result.NONE, 2, ready=False)
    station.wait(5)
    station.says(Result.NONE, 2)
    station.wait(20)
    station.trigger("bad 3")
    station.wait(10)
    station.says(Result.PASS, 2)
    station.wait(40)
    good_parts(station, 4, 8)
    assert station.end() == [*names(1, 1), *names(5, 8)]


def test_a_pass_of_before_the_reconnect_that_comes_before_ready_is_refused(station):
    good_parts(station, 1, 1)
    station.trigger("2")
    station.wait(25)
    station.says(Result.NONE, 2, ready=False)
    station.wait(25)
    station.trigger("bad 3")
    station.says(Result.NONE, 2)
    station.wait(5)
    station.says(Result.PASS, 2)
    station.wait(45)
    assert station.end() == names(1, 1)


@pytest.mark.parametrize("late_by", [1, 2])
def test_a_pass_that_is_worked_off_in_a_later_parts_window_passes_nobody(station, late_by):
    good_parts(station, 1, 1)
    for number in range(2, 2 + late_by):
        station.trigger(str(number))
        station.wait(50)
    station.trigger("bad")
    station.wait(5)
    station.says(Result.PASS, 2)
    station.wait(45)
    assert station.end() == names(1, 1)


def test_a_part_whose_trigger_was_before_ready_is_ejected_whatever_is_said_of_it(station):
    station.says(Result.NONE, 0, ready=False)
    station.trigger("early")
    station.wait(10)
    station.says(Result.NONE, 0)
    station.wait(5)
    station.says(Result.PASS, 1)
    station.wait(40)
    good_parts(station, 2, 3)
    assert station.end() == names(2, 3)


def test_ready_down_before_the_next_trigger_takes_the_pass_back(station):
    station.part("one", Result.PASS, 1)
    station.says(Result.PASS, 1, ready=False)
    assert station.end() == []


def test_a_00_word_moves_the_sequence_and_keeps_the_step(station):
    """Part 2's time was over; its word comes in part 3's window."""
    good_parts(station, 1, 1)
    station.trigger("2")
    station.wait(50)
    station.trigger("good 3")
    station.wait(2)
    station.says(Result.NONE, 2)
    station.wait(18)
    station.says(Result.PASS, 3)
    station.wait(30)
    assert station.end() == [*names(1, 1), "good 3"]


def test_a_verdict_and_a_trigger_in_one_scan_prove_nothing(station):
    good_parts(station, 1, 1)
    # Part 2 is not seen by the photo-eye; its PASS is first seen in the scan in which part 3 is.
    word = pack(Result.PASS, ready=True, run_permit=True, heartbeat=bool(station.beats & 1), sequence=2)
    if station.variant is not Variant.COILS:
        station.plc.put_registers(0, encode_report(Report(heartbeat=station.beats, verdict=1, flags=Flag.READY | Flag.RUN_PERMIT, sequence=2)))
    station.plc.put_coils(word)
    station.word = word
    station.trigger("bad 3")
    station.wait(50)
    assert station.end() == names(1, 1)


FAULTS = {
    "the camera missed a trigger": lambda station: (station.trigger("unseen"), station.wait(50), 1)[-1],
    "the photo-eye missed a part": lambda station: (station.wait(20), station.gates.append((station.now + (GATE_MS - 20) * MS, "unseen")), station.says(Result.PASS, 2), station.wait(30), 2)[-1],
    "the photo-eye bounced": lambda station: (station.plc.trigger(station.now), station.wait(4), station.part("bounced", Result.PASS, 2), 2)[-1],
    "the camera fired twice": lambda station: (station.part("twice", Result.PASS, 2), station.says(Result.PASS, 3), 3)[-1],
    "a verdict was not seen": lambda station: (station.trigger("lost"), station.wait(50), 2)[-1],
    "two verdicts were not seen": lambda station: (station.trigger("lost"), station.wait(50), station.trigger("lost"), station.wait(50), 3)[-1],
    "a verdict came one part late": lambda station: (station.trigger("late"), station.wait(50), station.trigger("other"), station.wait(5), station.says(Result.PASS, 2), station.wait(10), station.says(Result.PASS, 3), station.wait(35), 3)[-1],
    "a part was taken off the belt": lambda station: (station.part("taken", Result.PASS, 2), station.gates.pop(), 2)[-1],
    "a part was put on the belt": lambda station: (station.gates.append((station.now + 30 * MS, "put on")), station.gates.sort(), 1)[-1],
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_after_one_fault_of_the_line_it_is_in_step_again_and_no_other_parts_verdict_was_used(station, fault):
    """Parts after it are bad and good in turns: one that is off by one lets a bad part go."""
    good_parts(station, 1, 1)
    sequence = FAULTS[fault](station)
    truths = [Result.REJECT if number % 3 == 0 else Result.PASS for number in range(30)]
    for number, result in enumerate(truths, 1):
        sequence += 1
        station.part(f"{'bad' if result is Result.REJECT else 'good'} after {number}", result, sequence)
    let_go = station.end()
    assert not [name for name in let_go if name.startswith(("bad", "unseen", "put on", "lost", "late", "other"))]
    expected = [f"good after {number}" for number, result in enumerate(truths, 1) if result is Result.PASS and number > HEALS_WITHIN]
    assert [name for name in let_go if name in expected] == expected


def test_a_trigger_that_the_camera_missed_costs_as_many_parts_as_is_said_and_no_more(station):
    """The number that the program and its document name is what a line's owner reckons with: the unseen part and three more."""
    good_parts(station, 1, 1)
    station.trigger("unseen")
    station.wait(50)
    good_parts(station, 2, 11)
    assert station.end() == [*names(1, 1), *names(1 + HEALS_WITHIN, 11)]
    assert f"{HEALS_WITHIN} parts, all of them ejected" in SOURCE


@pytest.mark.parametrize("stuck", [False, True])
def test_a_heartbeat_that_stands_at_either_level_rejects(stuck):
    station = Station(Variant.COILS)
    while bool(station.beats & 1) is not stuck:
        station.wait(10)
    watch = station.plc.watch
    station.now += 1
    for _ in range(500):  # nobody writes
        station.now += MS
        station.plc.tick(station.now)
    assert not watch.ALIVE
    station.trigger("one")
    station.plc.write_coils(pack(Result.PASS, ready=True, heartbeat=stuck, sequence=1), station.now)
    station.beats += 1
    station.wait(100)
    assert station.end() == []


def test_a_daemon_that_was_never_there_is_not_alive():
    watch = StructuredText(track()).block("AOI_HEARTBEAT_WATCH")
    watch.HEARTBEAT = True
    for now_ms in range(0, 1000, 5):
        watch.scan(now_ms * MS)
        assert not watch.ALIVE


def test_what_stands_in_the_coils_when_the_plc_starts_is_nobodys(station):
    fresh = Station.__new__(Station)
    fresh.__dict__.update(station.__dict__)
    fresh.plc = Program(FULL, LINE, station.variant, gate_ns=GATE_MS * MS)
    fresh.plc.put_coils(pack(Result.PASS, ready=True, sequence=77))
    fresh.plc.put_registers(0, encode_report(Report(verdict=1, flags=Flag.READY | Flag.RUN_PERMIT, sequence=77)))
    fresh.trigger("one")
    fresh.wait(10)
    fresh.says(Result.PASS, 77)
    assert fresh.end() == []
    assert fresh.plc.track.UNEXPECTED == 0


def test_two_triggers_at_one_place_of_the_belt_prove_no_part(station):
    """Something set off camera and photo-eye just before a bad part: the PASS on it is not the part's."""
    station.plc.trigger(station.now)
    station.wait(5)
    station.says(Result.PASS, 1)
    station.wait(10)
    station.trigger("bad")
    station.wait(10)
    station.says(Result.REJECT, 2)
    station.wait(35)
    assert station.end() == []


def test_verdicts_that_are_late_on_both_sides_of_a_lost_connection_are_no_part_that_the_camera_missed(station):
    good_parts(station, 1, 1)
    station.trigger("2")
    station.wait(50)
    for number in (3, 4):
        station.trigger(str(number))
        station.wait(5)
        station.says(Result.PASS, number - 1)
        station.wait(45)
    station.says(Result.NONE, 3, ready=False)
    station.wait(5)
    station.says(Result.NONE, 3)
    station.wait(5)
    for number in (5, 6):
        station.trigger(f"bad {number}")
        station.wait(5)
        station.says(Result.PASS, number - 1)
        station.wait(45)
    assert station.end() == names(1, 1)


def test_a_part_that_is_owed_after_a_long_outage_is_not_forgotten(station):
    """Counted up to three, the fifth of five was none: its PASS, late, was the next one's."""
    good_parts(station, 1, 1)
    for number in range(2, 7):
        station.trigger(str(number))
        station.wait(50)
    station.says(Result.NONE, 4, ready=False)  # of a connection that was slow
    station.wait(5)
    station.says(Result.NONE, 5)
    station.wait(5)
    station.trigger("bad 7")
    station.wait(5)
    station.says(Result.PASS, 6)
    station.wait(45)
    assert station.end() == names(1, 1)


def test_more_parts_than_slots_are_ejected_and_then_it_is_well_again():
    plc = Program(FULL, LINE, Variant.COILS, gate_ns=2_000 * MS)
    station = Station(Variant.COILS)
    station.plc = plc
    station.says(Result.NONE, 0, ready=False)
    station.wait(300)
    station.says(Result.NONE, 0)
    for number in range(1, 101):
        station.part(f"{number}", Result.PASS, number)
    assert station.end() == []  # 40 parts are between camera and gate, the program has 16 slots


def test_without_the_way_to_the_gate_every_part_is_ejected(station):
    station.plc._main.TRAVEL_MIN = station.plc._main.TRAVEL_MAX = 0
    good_parts(station, 1, 5)
    assert station.end() == []


@pytest.mark.parametrize(("named", "goes"), [(1, True), (2, False), (0, True)])
def test_a_verdict_that_names_another_trigger_passes_nobody(named, goes):
    for variant in (Variant.REGISTERS, Variant.BOTH):
        station = Station(variant)
        station.part("one", Result.PASS, 1, trigger_id=named)
        assert station.end() == ["one"] * goes


def test_with_both_a_pass_that_one_of_them_does_not_say_is_none():
    for lacks in ("coils", "registers"):
        station = Station(Variant.BOTH)
        station.trigger("one")
        station.wait(20)
        result = {"coils": Result.NONE, "registers": Result.PASS}[lacks]
        verdict = {"coils": Result.PASS, "registers": Result.NONE}[lacks]
        beat = station.beats & 1
        station.plc.write_registers(0, encode_report(Report(heartbeat=station.beats, verdict=verdict, flags=Flag.READY | Flag.RUN_PERMIT, sequence=1)), station.now)
        station.plc.write_coils(pack(result, ready=True, heartbeat=bool(beat), run_permit=True, sequence=1), station.now)
        station.word = pack(result, ready=True, heartbeat=bool(beat), run_permit=True, sequence=1)
        assert station.end() == []


def test_another_map_version_is_refused():
    station = Station(Variant.REGISTERS)
    station.plc.put_registers(0, [MAP_VERSION + 1])
    station.plc.tick(station.now)
    assert not station.plc.go


def test_what_the_daemon_reads_follows_the_program(station):
    station.part("one", Result.REJECT, 1)
    polled = decode_poll(station.plc.poll_block())
    assert (polled.trigger_id, polled.result_ack, polled.acted_on) == (1, 1, 0)
    assert Status.LINE_RUNNING in polled.status and Status.TRIGGER in polled.status
    station.end()
    polled = decode_poll(station.plc.poll_block())
    assert polled.acted_on == 1 and Status.REJECT_CONFIRMED in polled.status
    beats = set()
    for _ in range(30):
        station.wait(10)
        beats.add(Status.HEARTBEAT in decode_poll(station.plc.poll_block()).status)
    assert beats == {False, True}


@pytest.mark.parametrize("variant", list(Variant))
def test_the_program_names_every_coil_register_and_reason_with_its_address(variant):
    source = as_structured_text(FULL, LINE, variant)
    for coil in range(8):
        assert f"AOI_{coil_name(coil)} : BOOL; (* coil {100 + coil}: " in source
    for field in REPORT_FIELDS:
        assert re.search(rf"AOI_R_{field.name.upper()} : U?D?INT; \(\* register \d+: ", source), field.name
    for field in POLL_FIELDS:
        assert f"PLC_R_{field.name.upper()} : " in source
    for reason in Reason:
        assert f"AOI_REASON_{reason.name} : UINT := {reason.value};" in source
    assert track() in source
    assert source.isascii() and "\t" not in source
    assert source.count("(*") == source.count("*)")
    assert max(len(line) for line in source.splitlines() if ": " not in line) <= 120


def test_the_variant_is_that_of_the_configuration_and_one_that_has_no_registers_is_refused():
    assert (variant_of(PLC), variant_of(FULL)) == (Variant.COILS, Variant.BOTH)
    assert "offset 0" in as_structured_text(PLC, LINE)  # registers that are not switched on have no address
    with pytest.raises(ValueError, match=r"\[plc.registers\]"):
        as_structured_text(PLC, LINE, Variant.REGISTERS)


def test_the_document_of_the_plc_shows_the_program_that_is_tested():
    readme = (Path(__file__).parents[3] / "aoi_daemon" / "plc" / "README.md").read_text(encoding="utf-8")
    assert f"```\n{track()}\n```" in readme


def test_the_csv_has_every_coil_and_register_at_its_address():
    rows = list(csv.DictReader(io.StringIO(as_csv(FULL))))
    assert len(rows) == COILS + len(REPORT_FIELDS) + len(POLL_FIELDS)
    assert [row["address_0_based"] for row in rows[:COILS]] == [str(100 + coil) for coil in range(COILS)]
    report = [row for row in rows if row["block"] == "report"]
    assert report[0]["address_0_based"] == "200"
    assert int(report[-1]["address_0_based"]) + int(report[-1]["registers"]) == 200 + REPORT_WORDS
    poll = [row for row in rows if row["block"] == "poll"]
    assert int(poll[-1]["address_0_based"]) + int(poll[-1]["registers"]) == 300 + POLL_WORDS
    assert all(row["meaning"] for row in rows)


def test_each_coil_has_a_name_and_a_meaning():
    assert len({coil_name(coil) for coil in range(COILS)}) == COILS
    assert all(coil_meaning(coil) for coil in range(COILS))


# -- what is rare on a line, and must be right all the same ---------------------


def jump(station, sequence):
    """Parts without a verdict until the sequence is `sequence`: 00 words, a third of a round at most at a time."""
    for step in (*range(80, sequence, 80), sequence):
        station.says(Result.NONE, step)
        station.wait(10)


def test_before_its_first_part_it_ejects_and_stops_the_line():
    plc = Program(FULL, LINE, Variant.COILS, gate_ns=GATE_MS * MS)
    main = plc._main
    assert (main.EJECTOR, main.STOP_LINE, plc.track.EJECT) == (True, True, True)
    plc.tick(1_000 * MS)
    assert (main.EJECTOR, main.STOP_LINE) == (True, True)


@pytest.mark.parametrize(("result", "ready"), [(Result.NONE, True), (Result.REJECT, False)])
def test_sequence_0_is_that_of_a_daemon_that_began_anew_only_with_all_else_0(station, result, ready):
    """Part 256 has no verdict, or is rejected by a line that is not READY: its sequence is 0 too."""
    jump(station, 254)
    station.part("255", Result.PASS, 255)
    station.part("256", result, 0, ready=ready)
    station.says(Result.NONE, 0)
    station.wait(10)
    station.part("257", Result.PASS, 1)
    assert station.end() == ["255", "257"]
    assert station.plc.track.UNEXPECTED == 0


def test_a_part_at_the_gate_is_told_by_the_sequence_that_its_verdict_has_or_would_have_had(station):
    jump(station, 254)
    found = []
    station.part("255", Result.PASS, 255)
    station.trigger("none")
    station.wait(50)
    station.trigger("none either")
    station.wait(50)
    station.says(Result.NONE, 1)
    for _ in range(30):
        station.wait(10)
        if found[-1:] != [station.plc.track.ACTED_ON]:
            found.append(station.plc.track.ACTED_ON)
    assert found[-3:] == [255, 0, 1]


def test_a_fault_pattern_is_no_verdict_that_is_acknowledged(station):
    station.part("one", Result.FAULT, 1)
    assert station.plc.track.RESULT_ACK == 0


def test_a_plc_that_does_not_number_its_triggers_takes_a_verdict_that_names_one():
    for variant in (Variant.REGISTERS, Variant.BOTH):
        station = Station(variant)
        station.trigger("one")
        station.plc.numbers = 0
        station.wait(20)
        station.says(Result.PASS, 1, trigger_id=70_000)
        assert station.end() == ["one"]


def late_pair(station, sequence):
    """The verdict of one part comes in the window of the next, whose own comes too."""
    station.trigger("late")
    station.wait(50)
    station.trigger("other")
    station.wait(5)
    station.says(Result.PASS, sequence)
    station.wait(10)
    station.says(Result.PASS, sequence + 1)
    station.wait(35)
    station.part("fits", Result.PASS, sequence + 2)
    return sequence + 2


def late_alone(station, sequence):
    """A slower line: the verdict comes after its window, and before the next part."""
    station.trigger("late")
    station.wait(60)
    station.says(Result.PASS, sequence)
    station.wait(40)
    return sequence


def missed(station, sequence):
    """The camera misses a part, and the program has just taken that in: nothing has fitted since."""
    station.part("first", Result.PASS, sequence)
    station.trigger("unseen")
    station.wait(50)
    for number in range(1, 4):
        station.part("ejected", Result.PASS, sequence + number)
    return sequence + 3


@pytest.mark.parametrize("before", [(late_pair, late_pair), (late_alone, late_alone), (missed,)], ids=["pairs", "alone", "missed"])
def test_verdicts_that_were_late_now_and_then_are_no_camera_that_missed_a_part(station, before):
    """Three out of step in a row are. Else the verdict that is still to come would be taken for the bad part's."""
    sequence = 0
    for fault in before:
        sequence = fault(station, sequence + 1)
    station.trigger("late")
    station.wait(50)
    station.trigger("other")
    station.wait(5)
    station.says(Result.PASS, sequence + 1)
    station.wait(45)
    station.trigger("bad")
    station.wait(5)
    station.says(Result.PASS, sequence + 2)
    station.wait(45)
    assert not {"bad", "late", "other"} & set(station.end())


def test_a_trigger_that_the_camera_missed_costs_no_more_than_is_promised(station):
    good_parts(station, 1, 1)
    station.trigger("unseen")
    station.wait(50)
    good_parts(station, 2, 10)
    assert station.end() == [*names(1, 1), *names(1 + HEALS_WITHIN, 10)], "the part that was not seen is one of them"


def test_before_any_part_was_in_step_a_trigger_that_the_camera_missed_heals_in_a_pause_of_two_seconds(station):
    """Verdicts that all come one part late look the same."""
    station.trigger("unseen")
    station.wait(50)
    good_parts(station, 1, 20)
    assert station.end() == []
    station.wait(2_100)
    good_parts(station, 21, 25)
    assert station.end() == names(21, 25)


@pytest.mark.parametrize(
    ("result", "sequence", "after_ms", "counted"),
    [(Result.PASS, 1, 60, 1), (Result.REJECT, 1, 60, 0), (Result.REJECT, 2, 20, 1), (Result.REJECT, 1, 20, 0), (Result.PASS, 1, 20, 0)],
)
def test_a_verdict_that_fits_no_part_is_counted_but_for_a_reject_that_is_only_late(station, result, sequence, after_ms, counted):
    station.trigger("one")
    station.wait(after_ms)
    station.says(result, sequence)
    station.wait(10)
    unexpected = station.plc.track.UNEXPECTED
    assert unexpected == counted


def test_the_ring_holds_as_many_parts_as_it_has_slots():
    station = Station(Variant.COILS)
    for _ in range(40):
        station.plc.trigger(station.now)
        station.now += MS
    assert station.plc.track.WAITING == 16


def rare(station, *triggers_ms):
    """Parts that each have a PASS, triggered so long after now; then the PLC's scan is so slow that none comes by itself."""
    begun = station.now
    for number, after_ms in enumerate(triggers_ms, 1):
        station.now = begun + after_ms * MS
        station.plc.trigger(station.now)
        station.now += 10 * MS
        station.says(Result.PASS, number)
    return lambda at_ms: station.plc.gate(begun + at_ms * MS)


def test_a_slot_whose_part_never_came_is_dropped_in_the_scan_of_the_gate_too(station):
    gate = rare(station, 0, 50, 100, 150)
    assert gate(50 + GATE_MS), "it may be the first one, which was taken off the belt and put back"
    assert not gate(100 + GATE_MS)


def test_a_part_that_was_put_on_the_belt_is_not_let_go_for_two_that_were_taken_off(station):
    gate = rare(station, 0, 50)
    assert gate(50 + GATE_MS + 22)


@pytest.mark.parametrize(("early_ms", "ejected"), [(-21, True), (-20, False), (20, False), (21, True)])
def test_a_part_may_be_as_early_and_as_late_at_the_gate_as_the_way_is_set_and_no_more(station, early_ms, ejected):
    assert rare(station, 0)(GATE_MS + early_ms) is ejected


def test_a_part_that_may_be_either_of_two_is_ejected(station):
    """One is as late as it may be, the other as early."""
    assert rare(station, 0, 40)(GATE_MS + 20)


def test_a_part_at_the_gate_of_a_plc_that_has_just_started_is_nobodys():
    plc = Program(FULL, LINE, Variant.COILS, gate_ns=GATE_MS * MS)
    assert plc.gate(GATE_MS * MS)
    assert (plc.track.UNEXPECTED, plc.track.WAITING) == (1, 0)


# -- what is made around it -----------------------------------------------------


SWITCHED_ON = {
    "coils alone": {},
    "registers": {"registers": {"base": 200}},
    "poll": {"poll": {"base": 300}},
    "both": {"registers": {"base": 200}, "poll": {"base": 300}},
    "both from 0": {"registers": {"base": 0}, "poll": {"base": 16}},
}


def declared(source):
    """The global variables: name, type, start, and the comment up to its first full stop, colon or comma."""
    blocks = re.findall(r"^VAR_GLOBAL(?: CONSTANT)?\n(.*?)^END_VAR\n", source, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("    (*")]
    found = [re.fullmatch(r"    (\w+) : ([^:;]+?)(?: := (\w+))?; \(\* ([^.:,]*)[.:,]?.* \*\)", line) for line in lines]
    return [one.groups() for one in found]


def expected(sections):
    """The same by the rows of the map, which `test_table` compares with what is written down there."""
    plc = PlcSection.model_validate({"coil_base": 100, **sections})
    yield from ((f"AOI_REASON_{reason.name}", "UINT", str(reason.value), "of AOI_R_ERROR_CODE") for reason in Reason)
    for row in csv.DictReader(io.StringIO(as_csv(plc))):
        address = row["address_0_based"]
        if row["block"] != "coils":
            prefix = {"report": "AOI_R_", "poll": "PLC_R_"}[row["block"]]
            place = f"register {address}" if address else f"offset {row['offset']}"
            yield (prefix + row["name"].upper(), row["type"], None, place)
        elif not row["name"].startswith("SEQ"):
            yield ("AOI_" + row["name"], "BOOL", None, f"coil {address}")
        elif row["name"] == "SEQ0":
            yield ("AOI_SEQ", "ARRAY[0..7] OF BOOL", None, "coils 108 to 115")


@pytest.mark.parametrize("sections", SWITCHED_ON.values(), ids=SWITCHED_ON)
def test_every_variable_is_declared_once_with_its_type_and_where_it_is(sections):
    source = as_structured_text(PlcSection.model_validate({"coil_base": 100, **sections}), LINE)
    assert declared(source) == list(expected(sections))


@pytest.mark.parametrize("sections", SWITCHED_ON.values(), ids=SWITCHED_ON)
def test_a_block_that_is_not_switched_on_says_so_and_one_that_is_does_not(sections):
    source = as_structured_text(PlcSection.model_validate({"coil_base": 100, **sections}), LINE)
    for block, way in (("registers", "Written by the daemon: FC16"), ("poll", "Read by the daemon: FC03")):
        (head,) = re.findall(rf"\(\* {way}.*\*\)", source)
        assert ("Not switched on" in head) is (block not in sections)


def test_the_program_names_the_bits_of_its_status():
    assert (
        "(* Bits of PLC_R_STATUS: 0 LINE_RUNNING, 1 TRIGGER, 2 REJECT_CONFIRMED, 3 ALARM_RESET, 4 BYPASS, 5 HEARTBEAT. *)" in SOURCE
    )


POLLED = ("SENSOR_EJECTED", "LINE_RUNNING", "BYPASS_SWITCH", "RESET_BUTTON", "TOGGLE", "EJECTED", "BEAT", "BEAT_TIMER")


@pytest.mark.parametrize("sections", SWITCHED_ON.values(), ids=SWITCHED_ON)
def test_only_a_program_that_is_polled_has_what_the_daemon_reads(sections):
    """Inputs that nothing uses would be wired for nothing; each variable that it uses is declared, or it would not run."""
    plc = PlcSection.model_validate({"coil_base": 100, **sections})
    source = as_structured_text(plc, LINE)
    main = StructuredText(source).main
    main.scan(1_000 * MS)
    main.SENSOR_TRIGGER = True
    main.scan(1_002 * MS)
    is_polled = "poll" in sections
    _, _, example = source.partition("PROGRAM AOI_EXAMPLE")
    assert [name for name in POLLED if re.search(rf"\b{name}\b", example)] == list(POLLED) * is_polled
    assert ("PLC_R_STATUS := 0;" in example, main.NUMBER) == (is_polled, int(is_polled))


def test_the_parts_of_the_text_stand_apart():
    """Each block ends with an empty line, as its document shows the middle one."""
    for begins in ("VAR_GLOBAL CONSTANT", "VAR_GLOBAL", "FUNCTION_BLOCK AOI_HEARTBEAT_WATCH", "PROGRAM AOI_EXAMPLE"):
        assert f"\n\n{begins}\n" in SOURCE
    assert SOURCE.endswith("END_PROGRAM\n")


def test_the_times_in_it_are_those_of_the_configuration():
    source = as_structured_text(FULL.model_copy(update={"heartbeat_ms": 200.0, "timeout_ms": 30.0}), LineSection(takt_ms=40, deadline_ms=35))
    assert "PATIENCE := T#630ms" in source
    assert "DEADLINE := T#35ms" in source
    assert "a scan of 8 ms at most" in source


def ways(variant, **lacks):
    """READY and RUN_PERMIT by the ways of `variant`, but for what `lacks`; the sequence is 0x1234."""
    plc = Program(FULL, LINE, variant, gate_ns=GATE_MS * MS)
    for beat in range(4):
        coils = {"ready": True, "run_permit": True, **{name: value for name, value in lacks.items() if name in ("ready", "run_permit")}}
        plc.put_coils(pack(heartbeat=bool(beat & 1), sequence=0x34, **coils))
        report = Report(heartbeat=beat, flags=lacks.get("flags", Flag.READY | Flag.RUN_PERMIT), sequence=0x1234)
        plc.put_registers(0, [lacks.get("version", MAP_VERSION), *encode_report(report)[1:]])
        plc.tick((1_000 + beat * 100) * MS)
    return plc


COIL_LACKS = ({"ready": False}, {"run_permit": False})
FLAG_LACKS = ({"flags": Flag.RUN_PERMIT}, {"flags": Flag.READY})
READS = {Variant.COILS: COIL_LACKS, Variant.REGISTERS: FLAG_LACKS, Variant.BOTH: (*COIL_LACKS, *FLAG_LACKS)}


@pytest.mark.parametrize("variant", list(Variant))
def test_ready_and_run_permit_are_what_every_way_says_that_the_variant_reads(variant):
    plc = ways(variant)
    assert (plc.go, plc._main.STOP_LINE, plc._main.SEQ) == (True, False, 0x34)
    for lacks in (*COIL_LACKS, *FLAG_LACKS):
        plc = ways(variant, **lacks)
        is_ready = "ready" in lacks or lacks.get("flags") == Flag.RUN_PERMIT
        found = (not plc.go, plc._main.STOP_LINE)
        assert found == ((is_ready, not is_ready) if lacks in READS[variant] else (False, False)), lacks


@pytest.mark.parametrize("variant", [Variant.REGISTERS, Variant.BOTH])
def test_registers_of_another_map_are_never_ready(variant):
    assert not ways(variant, version=MAP_VERSION + 1).go
    if variant is Variant.REGISTERS:
        assert ways(variant, version=MAP_VERSION + 1)._main.STOP_LINE


def test_a_daemon_that_does_not_move_stops_the_line(station):
    assert not station.plc._main.STOP_LINE
    for _ in range(40):
        station.now += 10 * MS
        station.plc.tick(station.now)
    assert station.plc._main.STOP_LINE


def test_with_both_a_pass_of_the_registers_for_another_part_is_none():
    station = Station(Variant.BOTH)
    station.trigger("one")
    station.wait(20)
    flags = Flag.READY | Flag.RUN_PERMIT
    station.plc.write_registers(0, encode_report(Report(heartbeat=station.beats, verdict=Result.PASS, flags=flags, sequence=2)), station.now)
    station.word = pack(Result.PASS, ready=True, run_permit=True, heartbeat=bool(station.beats & 1), sequence=1)
    station.plc.write_coils(station.word, station.now)
    for _ in range(5):
        station.now += 2 * MS
        station.plc.tick(station.now)
    assert not any(station.plc.track.GOOD[slot] for slot in range(16))


@pytest.mark.parametrize(("switch", "bit"), [("line_running", Status.LINE_RUNNING), ("alarm_reset", Status.ALARM_RESET), ("bypass", Status.BYPASS)])
def test_each_switch_has_its_bit_and_takes_it_back(station, switch, bit):
    off = {"line_running": False, "alarm_reset": False, "bypass": False}
    switches = Status.LINE_RUNNING | Status.ALARM_RESET | Status.BYPASS
    for inputs, found in ((off, Status(0)), ({**off, switch: True}, bit), (off, Status(0))):
        station.plc.inputs(**inputs)
        station.wait(4)
        assert decode_poll(station.plc.poll_block()).status & switches == found


def test_a_word_without_a_verdict_is_not_acknowledged(station):
    station.part("one", Result.PASS, 1)
    station.says(Result.NONE, 2)
    station.wait(10)
    assert decode_poll(station.plc.poll_block()).result_ack == 1


def test_a_part_that_is_let_go_is_not_confirmed_as_ejected(station):
    """Though the one before it was."""
    station.part("bad", Result.REJECT, 1)
    station.part("good", Result.PASS, 2)
    found = []
    for _ in range(60):
        station.wait(5)
        polled = decode_poll(station.plc.poll_block())
        about = (polled.acted_on, Status.REJECT_CONFIRMED in polled.status)
        if polled.acted_on and found[-1:] != [about]:
            found.append(about)
    assert found == [(1, True), (2, False)]


@pytest.mark.parametrize(("usual_ms", "once_ms"), [(3, 40), (40, 3), (20, 20)])
def test_one_part_that_was_slow_or_quick_does_not_keep_a_line_out_of_step(station, usual_ms, once_ms):
    """The part before the fault was unlike all others."""
    for number, took_ms in enumerate((usual_ms, usual_ms, once_ms), 1):
        station.trigger(f"good {number}")
        station.wait(took_ms)
        station.says(Result.PASS, number)
        station.wait(50 - took_ms)
    station.trigger("unseen")
    station.wait(50)
    for number in range(4, 14):
        station.trigger(f"good {number}")
        station.wait(usual_ms)
        station.says(Result.PASS, number)
        station.wait(50 - usual_ms)
    assert station.end()[-7:] == names(7, 13)
