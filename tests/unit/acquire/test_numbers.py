"""The PLC's number of a frame, step by step. That no world makes it a wrong one: tests/properties/test_numbers.py."""

import pytest

from aoi_daemon.acquire.numbers import AGREE, REMEMBERED, TriggerNumbers
from aoi_daemon.messages import Reading

MS = 1_000_000
TAKT = 50 * MS
PERIOD = 5 * MS
START = 10**12


class Line:
    """A part each takt. The PLC shows its trigger at once and is read every 5 ms; the frame is there 2 ms later."""

    def __init__(self, *, number: int = 100, frame_id: int = 0) -> None:
        self.numbers = TriggerNumbers(TAKT, 5 * MS)
        self.now = START
        self.number = number
        self.frame_id = frame_id
        self.read()

    def read(self) -> None:
        self.numbers.reading(Reading(self.now, self.now + MS, self.number % 2**32, triggered=False))

    def wait(self, until: int, *, reads: bool = True) -> None:
        while self.now + PERIOD <= until:
            self.now += PERIOD
            if reads:
                self.read()

    def part(self, *, frame: bool = True, trigger: bool = True, reads: bool = True, takts: float = 1) -> int | None:
        """One takt with its part; what is said of its frame, before the PLC is read again."""
        at = self.now + int(takts * TAKT)
        self.wait(at - 2 * MS, reads=reads)
        self.now = at
        self.number += trigger
        said = self.frame(at + 2 * MS) if frame else None
        if reads:
            self.read()
        return said

    def frame(self, at: int, *, known: bool = True) -> int:
        self.frame_id += 1
        return self.numbers.number(self.frame_id, at if known else at - TAKT, at)

    def parts(self, count: int) -> list[int | None]:
        return [self.part() for _ in range(count)]

    def running(self) -> "Line":
        assert self.parts(AGREE + 2) == [0] * AGREE + [self.number - 1, self.number]
        return self


UNTIL_KNOWN = [0] * AGREE


def test_numbers_begin_once_three_frames_agree():
    assert Line().parts(6) == [*UNTIL_KNOWN, 104, 105, 106]


@pytest.mark.parametrize("number", [2**32 - 3, 2**32 - 1])
def test_the_plcs_number_goes_on_over_32_bits_and_0_is_no_number(number):
    line = Line(number=number)
    line.numbers = TriggerNumbers(TAKT, 5 * MS)
    line.read()
    said = line.parts(8)
    assert said == [*UNTIL_KNOWN, *((number + n) % 2**32 for n in range(AGREE + 1, 9))]


def test_a_trigger_that_the_camera_missed_is_found_out_by_the_next_frame():
    """Its counter has no gap. That frame is certain by time alone, but what differs is not believed."""
    line = Line().running()
    assert line.part(frame=False) is None
    assert line.part() == 0
    assert line.parts(3) == [0, 0, line.number]


def test_a_frame_that_was_lost_on_its_way_costs_no_number():
    """The camera counted it."""
    line = Line().running()
    line.part(frame=False)
    line.frame_id += 1
    assert line.part() == line.number


def test_a_second_frame_of_one_trigger_has_no_number_and_the_next_frame_finds_it_out():
    line = Line().running()
    assert line.part() == line.number
    assert line.frame(line.now + 30 * MS) == 0
    assert line.parts(AGREE + 2) == [0, *UNTIL_KNOWN, line.number]


def test_a_buffer_that_comes_twice_has_no_number():
    """Its time is certain, and its trigger; but two parts with one number are one too many."""
    line = Line().running()
    assert line.part() == line.number
    line.frame_id -= 1
    assert line.frame(line.now + 2 * MS) == 0
    assert line.parts(AGREE + 1) == [*UNTIL_KNOWN, line.number]


@pytest.mark.parametrize("begins", [0, 1])
def test_a_camera_that_counts_anew_is_unknown_until_it_agrees_again(begins):
    line = Line(frame_id=65_000).running()
    line.frame_id = begins
    assert line.parts(AGREE + 2) == [0, *UNTIL_KNOWN, line.number]


def test_a_camera_that_does_not_count_never_has_a_number():
    line = Line(frame_id=7)
    for _ in range(20):
        line.frame_id = 7
        assert line.part() == 0


def test_a_plc_that_does_not_count_never_gives_a_number():
    line = Line(number=0)
    for _ in range(20):
        assert line.part(trigger=False) == 0


@pytest.mark.parametrize("begins", [0, 1, 50, 5000, 2**31])
def test_a_plc_that_counts_anew_is_unknown_until_it_agrees_again(begins):
    line = Line().running()
    line.wait(line.now + 10 * MS)
    line.number = begins
    assert line.parts(AGREE + 1) == [*UNTIL_KNOWN, line.number]


def test_a_number_that_the_plc_skipped_is_not_made_up():
    """Two readings say 5 more where there was time for one."""
    line = Line().running()
    line.number += 5
    assert line.parts(AGREE + 1) == [*UNTIL_KNOWN, line.number]


def test_without_a_recent_reading_there_is_no_number_and_with_one_it_goes_on():
    """The trigger of such a frame may be the next one, or the one after it that the camera alone saw."""
    line = Line().running()
    assert [line.part(reads=False) for _ in range(3)] == [0, 0, 0]
    line.read()
    line.wait(line.now + 10 * MS)
    assert line.part() == line.number


def test_a_frame_that_no_trigger_made_is_found_out_by_the_next_reading():
    """It came when the next trigger was due: the one number that can be wrong, as the class says."""
    line = Line().running()
    line.wait(line.now + TAKT - 2 * MS)
    assert line.frame(line.now + 2 * MS) == line.number + 1
    line.wait(line.now + 20 * MS)
    assert line.parts(1) == [0]


def test_a_frame_without_a_trigger_is_not_counted_on_after_the_reading_that_found_it_out():
    """A trigger that the camera then misses would make counter and count agree again, on a wrong offset."""
    line = Line().running()
    line.wait(line.now + TAKT - 2 * MS)
    line.frame(line.now + 2 * MS)
    line.wait(line.now + 30 * MS)
    line.part(frame=False, takts=0.6)
    assert line.parts(AGREE + 1) == [*UNTIL_KNOWN, line.number]


def test_a_frame_that_waited_for_this_process_has_no_number_and_costs_no_other():
    line = Line().running()
    line.wait(line.now + TAKT - 2 * MS)
    line.number += 1
    assert line.frame(line.now + 2 * MS, known=False) == 0
    line.read()
    assert line.part() == line.number


def test_frames_from_before_the_first_reading_are_not_counted():
    """Their triggers came when nobody looked."""
    line = Line()
    line.numbers = TriggerNumbers(TAKT, 5 * MS)
    assert line.frame(line.now - TAKT) == 0
    line.read()
    assert line.frame(line.now - 2 * MS) == 0
    assert line.parts(AGREE + 1) == [*UNTIL_KNOWN, line.number]


def test_a_frame_is_not_told_by_a_trigger_that_is_not_remembered():
    line = Line().running()
    late = line.now + 2 * MS
    for _ in range(REMEMBERED + 2):
        line.part(frame=False)
    assert line.frame(late) == 0


def test_a_part_that_comes_early_has_no_number_and_costs_no_other():
    """It could be the frame before it once more."""
    line = Line().running()
    assert line.part(takts=0.7) == 0
    assert line.part() == line.number


def test_a_line_that_was_stopped_goes_on_with_the_right_number():
    line = Line().running()
    assert line.part(takts=200) == line.number
