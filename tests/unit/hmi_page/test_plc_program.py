"""The PLC's program that the page hands out: run, against coils as the daemon writes them."""

from __future__ import annotations

import csv
import io
import re

import pytest

from aoi_daemon.config.schema import LineSection, PlcSection
from aoi_daemon.hmi.plc_map import as_csv, coil_meaning, coil_name
from aoi_daemon.hmi.plc_program import SLOTS, as_structured_text
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.coils import COILS, Result, bits, pack
from aoi_daemon.plcmap.registers import POLL_FIELDS, POLL_WORDS, REPORT_FIELDS, REPORT_WORDS

from .structured_text import Block

PLC = PlcSection(coil_base=100)
FULL = PlcSection.model_validate({"coil_base": 100, "registers": {"base": 200}, "poll": {"base": 300}})
LINE = LineSection()
SOURCE = as_structured_text(FULL, LINE)


class Station:
    """A PLC with the example program: parts are triggered, the daemon writes coils, parts come to the gate."""

    def __init__(self) -> None:
        self.watch = Block(SOURCE, "AOI_HEARTBEAT_WATCH")
        self.track = Block(SOURCE, "AOI_TRACK")
        self.now_ms = 0
        self.beat = False
        self.beating = True
        self.word = pack(ready=True, run_permit=True)
        for _ in range(60):  # the heartbeat is seen alive
            self.scan()

    def scan(self, **inputs: bool) -> dict:
        """5 ms of the PLC; the heartbeat toggles each 100 ms."""
        self.now_ms += 5
        if self.beating and self.now_ms % 100 == 0:
            self.beat = not self.beat
        self.watch.call(self.now_ms, HEARTBEAT=self.beat)
        coils = bits(self.word)
        given = {"PART_TRIGGERED": False, "PART_AT_GATE": False, "RESET": False, **inputs}
        return self.track.call(
            self.now_ms, PASS=coils[0], REJECT=coils[1], READY=coils[3], ALIVE=self.watch.values["ALIVE"],
            SEQ=coils[8:], **given,
        )  # fmt: skip

    def trigger(self) -> None:
        self.scan(PART_TRIGGERED=True)

    def says(self, result: Result, sequence: int, *, ready: bool = True) -> None:
        self.word = pack(result, ready=ready, run_permit=True, sequence=sequence)
        self.scan()

    def ejected(self) -> bool:
        """Whether the part at the gate is ejected."""
        eject: bool = self.scan(PART_AT_GATE=True)["EJECT"]
        return eject

    def wait(self, ms: int) -> None:
        for _ in range(ms // 5):
            self.scan()


@pytest.fixture
def station():
    return Station()


def test_a_good_part_goes_on_and_a_bad_one_is_ejected(station):
    for sequence, result in enumerate((Result.PASS, Result.REJECT, Result.PASS), 1):
        station.trigger()
        station.says(result, sequence)
        assert station.ejected() is (result is Result.REJECT)
        assert station.track.values["ACTED_ON"] == sequence
    assert station.track.values["UNEXPECTED"] == 0


def test_a_part_without_a_verdict_is_ejected(station):
    station.trigger()
    assert station.ejected()


def test_the_pass_of_the_part_before_is_not_taken_twice(station):
    station.trigger()
    station.says(Result.PASS, 1)
    assert not station.ejected()
    station.trigger()  # PASS still stands in the coils
    station.wait(40)
    assert station.ejected()


def test_a_sequence_that_wraps_is_new(station):
    for sequence in (254, 255, 256, 257):
        station.trigger()
        station.says(Result.PASS, sequence)
        assert not station.ejected()


@pytest.mark.parametrize("pattern", [0b00, 0b11])
def test_no_verdict_and_a_fault_pattern_reject(station, pattern):
    station.trigger()
    station.word = pack(ready=True, run_permit=True, sequence=1) | pattern
    station.scan()
    assert station.ejected()


def test_a_pass_while_not_ready_rejects(station):
    station.trigger()
    station.word = pack(Result.PASS, ready=True, sequence=1) & ~0b1000
    station.scan()
    assert station.ejected()


@pytest.mark.parametrize("stuck", [False, True])
def test_a_heartbeat_that_stands_at_either_level_rejects(station, stuck):
    while station.beat is not stuck:
        station.scan()
    station.beating = False
    station.wait(500)
    assert not station.watch.values["ALIVE"]
    station.trigger()
    station.says(Result.PASS, 1)
    assert station.ejected()
    station.beating = True
    station.wait(200)
    station.trigger()
    station.says(Result.PASS, 2)
    assert not station.ejected()


def test_a_daemon_that_was_never_there_is_not_alive():
    watch = Block(SOURCE, "AOI_HEARTBEAT_WATCH")
    for now_ms in range(0, 1000, 5):
        assert not watch.call(now_ms, HEARTBEAT=True)["ALIVE"]


def test_a_verdict_after_the_deadline_is_for_no_part(station):
    station.trigger()
    station.wait(60)
    station.says(Result.PASS, 1)
    assert station.ejected()
    assert station.track.values["UNEXPECTED"] == 1


def test_a_second_verdict_takes_a_pass_back(station):
    station.trigger()
    station.says(Result.PASS, 1)
    station.says(Result.PASS, 2)
    assert station.ejected()


def judged(station, first, last):
    """Good parts with their verdicts; whether each was ejected."""
    ejected = []
    for sequence in range(first, last + 1):
        station.trigger()
        station.says(Result.PASS, sequence)
        ejected.append(station.ejected())
    return ejected


def test_a_pass_that_is_read_in_the_next_parts_window_passes_nobody(station):
    """Given in time for the part before, it lay in a buffer until the next one was in front of the camera."""
    assert judged(station, 1, 1) == [False]
    station.trigger()
    station.wait(55)
    station.trigger()
    station.says(Result.PASS, 2)
    assert station.ejected() and station.ejected()
    assert station.track.values["UNEXPECTED"] == 1


def test_however_many_verdicts_come_one_part_late_none_passes_the_next(station):
    judged(station, 1, 1)
    station.trigger()
    for sequence in (2, 3):
        station.wait(55)
        station.trigger()
        station.says(Result.PASS, sequence)
        assert station.ejected()
    assert station.ejected()


def test_after_a_late_verdict_the_next_part_is_in_step_again(station):
    judged(station, 1, 1)
    station.trigger()
    station.wait(55)
    station.trigger()
    station.says(Result.PASS, 2)
    station.says(Result.PASS, 3)  # of a part whose verdict is taken to have come: rejected
    assert [station.ejected(), station.ejected()] == [True, True]
    assert judged(station, 4, 6) == [False] * 3


def test_a_trigger_that_the_camera_alone_missed_costs_three_parts_and_heals(station):
    judged(station, 1, 1)
    station.trigger()
    station.wait(55)
    assert station.ejected()
    assert judged(station, 2, 6) == [True, True, True, False, False]


def test_a_word_that_tells_of_a_part_without_a_verdict_is_none_and_keeps_the_step(station):
    judged(station, 1, 1)
    station.trigger()
    station.wait(55)
    station.trigger()
    station.says(Result.NONE, 2)
    station.says(Result.PASS, 3)
    assert [station.ejected(), station.ejected()] == [True, False]


def test_after_not_ready_the_next_verdict_is_taken_to_be_in_step(station):
    judged(station, 1, 1)
    station.trigger()
    station.word = pack(sequence=1)
    station.scan()
    assert station.ejected()
    assert judged(station, 9, 10) == [False, False]


def test_what_stands_in_the_coils_when_the_plc_starts_is_nobodys():
    fresh = Block(SOURCE, "AOI_TRACK")
    old = bits(pack(Result.PASS, ready=True, sequence=77))
    given = {"PASS": True, "REJECT": False, "READY": True, "ALIVE": True, "SEQ": old[8:]}
    fresh.call(0, PART_TRIGGERED=True, PART_AT_GATE=False, RESET=False, **given)
    assert fresh.call(5, PART_TRIGGERED=False, PART_AT_GATE=True, RESET=False, **given)["EJECT"]


def test_parts_between_camera_and_gate_keep_their_order(station):
    verdicts = [Result.PASS, Result.REJECT, Result.PASS, Result.PASS, Result.REJECT]
    for sequence, result in enumerate(verdicts, 1):
        station.trigger()
        station.says(result, sequence)
    assert [station.ejected() for _ in verdicts] == [result is Result.REJECT for result in verdicts]
    assert station.ejected()  # a part that was never triggered


def test_more_parts_than_slots_are_all_ejected_until_the_reset(station):
    for sequence in range(1, SLOTS + 2):
        station.trigger()
        station.says(Result.PASS, sequence)
    assert all(station.ejected() for _ in range(SLOTS + 1))
    station.scan(RESET=True)
    station.trigger()
    station.says(Result.PASS, 99)
    assert not station.ejected()


def test_the_program_names_every_coil_register_and_reason_with_its_address():
    for coil in range(8):
        assert f"AOI_{coil_name(coil)} : BOOL; (* coil {100 + coil}: " in SOURCE
    for field in REPORT_FIELDS:
        assert re.search(rf"AOI_R_{field.name.upper()} : U?D?INT; \(\* register \d+: ", SOURCE), field.name
    for field in POLL_FIELDS:
        assert f"PLC_R_{field.name.upper()} : " in SOURCE
    for reason in Reason:
        assert f"AOI_REASON_{reason.name} : UINT := {reason.value};" in SOURCE
    assert "offset 0" in as_structured_text(PLC, LINE)  # registers that are not switched on have no address


def test_the_program_is_plain_and_closed():
    assert SOURCE.isascii() and "\t" not in SOURCE
    assert SOURCE.count("(*") == SOURCE.count("*)")
    names = re.findall(r"^    (\w+)(?:, \w+)* : ", SOURCE[: SOURCE.index("FUNCTION_BLOCK")], re.M)
    assert len(set(names)) == len(names)


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
