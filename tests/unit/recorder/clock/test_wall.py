"""The records' clock, step by step; its invariants over random histories are tests/properties/test_records_clock.py's."""

import json
import math
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.clock.kept import FILE, MOST_S, ClockFile, Kept, after_restore
from aoi_daemon.recorder.clock.timekeeper import Timekeeper
from aoi_daemon.recorder.clock.wall import DAY_S, MOST_OFF_S, SURE_S, RecordsClock, stamp
from tests.unit.records.conftest import NOON

NONE = {"parts": 0, "images": 0, "events": 0, "gaps": 0}
SOME = {"parts": 100, "images": 20, "events": 5, "gaps": 1}


def at(s: float, wall_s: float | None = None, *, boot="one", awake_s: float | None = None, synchronised=None) -> Reading:
    """`s` seconds after a boot at NOON, by a wall clock that is right unless told."""
    return Reading(NOON + s if wall_s is None else wall_s, s, s if awake_s is None else awake_s, boot, synchronised)


def begun(last=NONE, newest_s=None) -> RecordsClock:
    clock = RecordsClock(at(0), None)
    clock.opened("db", last, newest_s)
    return clock


def restarted(clock, reading: Reading) -> RecordsClock:
    found = RecordsClock(reading, Kept.model_validate_json(clock.kept().model_dump_json()))
    found.opened("db", SOME, NOON)
    return found


@pytest.mark.parametrize("by_s", [DAY_S - 1, -DAY_S + 1, 1.0])
def test_a_step_of_less_than_a_day_is_followed(by_s):
    clock = begun()
    clock.look(at(10, NOON + 10 + by_s))
    assert (clock.doubt, clock.now_s) == (None, NOON + 10 + by_s)


@pytest.mark.parametrize("by_s", [DAY_S + 1, -DAY_S - 1, 120 * DAY_S, -20 * 365 * DAY_S, -NOON - 1e9, 9e9 - NOON])
def test_a_jump_of_more_is_a_doubt_and_time_runs_on(by_s):
    clock = begun()
    clock.look(at(10, NOON + 10 + by_s))
    assert clock.now_s == NOON + 10 and clock.time_at(NOON + 20 + by_s, 20) == NOON + 20
    assert "days" in clock.doubt.why
    behind_s = clock.now_s - clock.deleting_s
    clock.look(at(1010, NOON + 1010 + by_s))
    assert clock.now_s - clock.deleting_s == behind_s + 1000, "nothing grows old meanwhile"


def test_small_steps_that_make_a_day_in_all_are_a_doubt():
    clock = begun()
    for number in range(1, 26):
        assert clock.doubt is None
        clock.look(at(number, NOON + number + 3600 * number))
    assert clock.doubt is not None and abs(clock.now_s - NOON - 24 * 3600 - 25) < 1


@pytest.mark.parametrize(("off_s", "doubted"), [(60, False), (21 * DAY_S, False), (MOST_OFF_S + DAY_S, True), (-2 * DAY_S, True)])
def test_after_another_boot_a_works_holiday_is_believed_and_no_more(off_s, doubted):
    clock = begun()
    clock.look(at(1000))
    found = restarted(clock, at(30, NOON + 1000 + off_s + 30, boot="two"))
    assert (found.doubt is not None) == doubted
    assert found.now_s == NOON + 1030 + (0 if doubted else off_s)
    assert found.deleting_s <= NOON + 1030, "nothing is older for it at once"


def test_within_a_boot_a_restart_knows_what_time_has_passed():
    clock = begun()
    clock.look(at(1000))
    assert restarted(clock, at(50_000)).now_s == NOON + 50_000
    assert restarted(clock, at(50_000, NOON + 50_000 + 2 * DAY_S)).doubt is not None


def test_a_doubt_lasts_over_restarts_and_boots_and_a_clock_that_comes_back():
    clock = begun()
    clock.look(at(10, NOON + 120 * DAY_S))
    clock.look(at(20))
    assert clock.doubt is not None and clock.now_s == NOON + 20
    for reading in (at(30), at(5, NOON + 100, boot="two")):
        clock = restarted(clock, reading)
        assert clock.doubt is not None


def sure(clock, begin_s: float, seconds: float, wall_of=lambda s: NOON + s, boot="one") -> bool:
    """Looks for so long at a kernel that says that it is synchronised."""
    ended = False
    for number in range(int(seconds / 10) + 1):
        s = begin_s + number * 10
        ended = clock.look(at(s, wall_of(s), boot=boot, synchronised=True)) or ended
    return ended


def test_an_hour_of_a_kernel_that_is_sure_ends_it():
    clock = begun()
    clock.look(at(10, NOON - 10**8))
    assert not sure(clock, 20, SURE_S - 20)
    assert sure(clock, SURE_S + 10, 20)


@pytest.mark.parametrize("broken", ["unsynchronised", "unknown", "jumped", "asleep"])
def test_an_hour_with_a_break_does_not(broken):
    clock = begun()
    clock.look(at(10, NOON - 10**8))
    assert not sure(clock, 20, 3000)
    if broken == "jumped":
        assert not sure(clock, 3030, 3000, wall_of=lambda s: NOON + s + 100)
    elif broken == "asleep":
        assert not clock.look(at(30_000, awake_s=3040, synchronised=True))
    else:
        clock.look(at(3030, synchronised=False if broken == "unsynchronised" else None))
        assert not sure(clock, 3040, 3000)


def test_rows_dated_2001_are_of_today_once_the_clock_is_right():
    y2001 = 978_307_200.0
    clock = RecordsClock(at(0, y2001), None)
    clock.opened("db", NONE, None)
    clock.look(at(100, y2001 + 100))
    clock.look(at(200, NOON + 200))
    assert clock.doubt is not None
    assert clock.end(lambda: SOME) == NOON - y2001
    old, new = clock.spans()
    assert (old.up_to, new.after, new.shift_s) == (SOME, SOME, 0.0)
    assert y2001 + 100 + old.shift_s == NOON + 100
    assert clock.now_s == NOON + 200
    waited = clock.dated(y2001 + 199, NOON + 200, 200)
    assert waited == NOON + 199, "a row that had waited for the disk"


def test_set_back_rows_from_before_the_boot_are_not_made_older():
    clock = begun()
    clock.look(at(1000))
    clock = restarted(clock, at(30, NOON + 1030 + 30 * DAY_S, boot="two"))  # as if it had been off for a month
    clock.look(at(60, NOON + 1060, boot="two"))
    later = {table: row + 10 for table, row in SOME.items()}
    clock.end(lambda: later)
    shifts = {tuple(span.up_to.items()): span.shift_s for span in clock.spans()}
    assert shifts[tuple(SOME.items())] == 0.0
    assert shifts[tuple(later.items())] == -30 * DAY_S


def test_after_a_doubt_it_catches_up_by_a_day_a_day_and_before_one_at_once():
    clock = begun()
    clock.nothing_due_before(math.inf)
    off_s = 20 * DAY_S
    clock.look(at(0, NOON + off_s, boot="two"))
    assert clock.now_s - clock.deleting_s == off_s
    sure(clock, 10, SURE_S + 20, wall_of=lambda s: NOON + off_s + s, boot="two")
    assert clock.deleting_s == clock.now_s
    clock.look(at(4000, NOON - off_s, boot="two"))
    clock.look(at(4000 + 30 * DAY_S, NOON + off_s + 4000 + 30 * DAY_S, boot="two"))
    clock.end(lambda: SOME)
    sure(clock, 4010 + 30 * DAY_S, SURE_S + 20, wall_of=lambda s: NOON + off_s + s, boot="two")
    assert 29 < (clock.now_s - clock.deleting_s) / DAY_S < 31
    clock.nothing_due_before(clock.now_s - 10 * DAY_S)
    assert (clock.now_s - clock.deleting_s) == 10 * DAY_S + 3600, "an hour for the time without records"
    clock.nothing_due_before(clock.now_s + 5)
    assert clock.deleting_s == clock.now_s


def test_steps_are_forgotten_with_their_rows_and_never_grow_beyond_a_few():
    clock = begun()
    for number in range(1, 60):
        clock.look(at(number, NOON + number % 2 * 9 * DAY_S))
        clock.end(lambda number=number: dict.fromkeys(SOME, number))
    assert 0 < len(clock.kept().steps) <= 16
    ends = [span.up_to["parts"] for span in clock.spans()[:-1]]
    assert ends == sorted(ends) and ends[-1] == 59
    clock.forget({"parts": 60, "images": 60, "events": 60, "gaps": 0})
    assert clock.kept().steps == []


def test_a_clock_that_is_confirmed_far_ahead_makes_nothing_due_at_once():
    clock = begun(SOME, NOON)
    clock.nothing_due_before(math.inf)
    clock.look(at(10, NOON + 1000 * DAY_S))
    before_s = clock.deleting_s
    clock.nothing_due_before(math.inf)
    assert clock.deleting_s == before_s, "nor in a doubt"
    clock.look(at(20, NOON + 1000 * DAY_S + 10))
    clock.nothing_due_before(math.inf)
    assert clock.deleting_s == before_s
    clock.end(lambda: SOME)
    assert clock.deleting_s == before_s


class TestRecordsThatItKnowsNothingOf:
    """No `clock.json`, or one that is of other records."""

    @pytest.mark.parametrize(("newest_s", "doubted"), [(NOON - 60, False), (NOON - 20 * DAY_S, False), (NOON - 90 * DAY_S, True), (NOON + 2 * DAY_S, True)])
    def test_the_newest_part_is_what_the_clock_is_compared_with(self, newest_s, doubted):
        clock = begun(SOME, newest_s)
        assert (clock.doubt is not None) == doubted

    def test_nothing_of_them_is_due_at_once(self):
        clock = begun(SOME, NOON)
        assert clock.deleting_s == 0
        clock.nothing_due_before(NOON - 7 * DAY_S)
        assert clock.deleting_s == NOON - 7 * DAY_S - 3600

    def test_they_are_taken_as_they_are_dated_whatever_is_set_later(self):
        clock = begun(SOME, NOON)
        clock.look(at(10, NOON + 1000 * DAY_S))
        later = {table: row + 10 for table, row in SOME.items()}
        clock.end(lambda: later)
        assert next(span.shift_s for span in clock.spans()) == 0.0

    def test_another_database_is_begun_with(self):
        clock = begun()
        clock.look(at(10, NOON + 120 * DAY_S))
        clock.end(lambda: SOME)
        clock.opened("other", NONE, None)
        assert len(clock.spans()) == 1 and clock.deleting_s == clock.now_s, "there is nothing that could be due"


class TestRecordsFromABackup:
    """They bring along how their dates are to be read, and no time: that is the PC's to which they come."""

    def restored(self, clock, reading, *, here=None, last=SOME, newest_s=NOON):
        kept = after_restore(clock.kept() if clock else None, here)
        found = RecordsClock(reading, Kept.model_validate_json(kept.model_dump_json()))
        found.opened("db", last, newest_s)
        return found

    @pytest.mark.parametrize("later_s", [60.0, 20 * DAY_S, 60 * DAY_S, 3000 * DAY_S])
    @pytest.mark.parametrize("known", [True, False], ids=["with its clock.json", "with none"])
    def test_however_long_they_lay_in_a_drawer_the_clock_is_believed_and_nothing_is_due(self, later_s, known):
        clock = self.restored(begun(SOME, NOON) if known else None, at(50, NOON + later_s, boot="of another PC"))
        assert (clock.doubt, clock.now_s, clock.deleting_s) == (None, NOON + later_s, 0)
        clock.nothing_due_before(NOON)
        assert clock.now_s - clock.deleting_s == later_s + 3600, "and then a day for each day of running"

    def test_a_clock_that_is_older_than_they_are_is_in_doubt(self):
        assert self.restored(begun(SOME, NOON), at(50, NOON - 2 * DAY_S, boot="of another PC")).doubt is not None

    def test_a_doubt_of_the_other_pc_is_not_one_of_this(self):
        old = begun()
        old.look(at(10, NOON + 120 * DAY_S))
        clock = self.restored(old, at(50, NOON + 60 * DAY_S, boot="of another PC"))
        assert clock.doubt is None and clock.now_s == NOON + 60 * DAY_S
        assert clock.spans()[0].shift_s == 60 * DAY_S - 10, "nobody can say any more how old they are: not too old"

    def test_a_doubt_of_this_pc_stays_one_whatever_is_restored(self):
        here = begun()
        here.look(at(1000, NOON + 120 * DAY_S))
        clock = self.restored(begun(SOME, NOON), at(1050, NOON + 1050 + 120 * DAY_S), here=here.kept())
        assert clock.doubt == here.doubt and clock.now_s == NOON + 1050
        assert clock.spans()[0].up_to == SOME and clock.deleting_s == 0

    def test_it_is_so_until_the_records_are_open_and_no_longer(self):
        kept = after_restore(begun(SOME, NOON).kept(), None)
        clock = RecordsClock(at(50, NOON + 60 * DAY_S, boot="of another PC"), kept)
        assert clock.kept().restored == kept.restored.model_copy(update={"here": False})
        clock.opened("db", SOME, NOON)
        assert clock.kept().restored is None
        assert restarted(clock, at(60, NOON + 10 + 120 * DAY_S, boot="of another PC")).doubt is not None

    def test_a_backup_of_a_backup_that_was_never_used(self):
        old = begun()
        old.look(at(10, NOON + 120 * DAY_S))
        once = after_restore(old.kept(), None)
        assert after_restore(once, once) == once


def test_any_time_can_be_told():
    assert stamp(1e300) == "1" + "0" * 300 + " s" or stamp(1e300).endswith(" s")
    assert stamp(NOON).startswith("20")


class TestTimekeeper:
    """What is told of the clock, from the start of the recorder on."""

    def records(self, last=SOME, newest_s=NOON):
        return SimpleNamespace(identity=lambda: "db", newest_rows=lambda: last, newest_part_s=lambda: newest_s)

    @pytest.mark.parametrize(("later_s", "believed"), [(60.0, "yes"), (90 * DAY_S, "no")])
    def test_before_the_records_are_open_nothing_is_believed(self, tmp_path, log, later_s, believed):
        keeper = Timekeeper(tmp_path, log, lambda: at(50, NOON + later_s))
        said = [keeper.facts()["believed"]]
        keeper.begin()
        said.append(keeper.facts()["believed"])
        keeper.opened(self.records())
        assert [*said, keeper.facts()["believed"]] == ["unknown", "unknown", believed]

    @pytest.mark.parametrize(("last", "newest_s", "days"), [(NONE, None, 0.0), (SOME, NOON, None), (SOME, NOON - 90 * DAY_S, None)])
    def test_how_far_deleting_is_behind_is_a_number_of_days_or_not_known(self, tmp_path, log, last, newest_s, days):
        keeper = Timekeeper(tmp_path, log, lambda: at(50))
        keeper.begin()
        keeper.opened(self.records(last, newest_s))
        assert keeper.facts()["deletes_behind_days"] == days

    def test_a_doubt_that_was_kept_is_told_at_once(self, tmp_path, log):
        doubted = begun()
        doubted.look(at(10, NOON + 120 * DAY_S))
        ClockFile(tmp_path, log).write(doubted.kept())
        keeper = Timekeeper(tmp_path, log, lambda: at(50))
        keeper.begin()
        assert keeper.facts()["believed"] == "no" and keeper.facts()["doubt"] == doubted.doubt.why


def places(inner):
    """Each value that is somewhere in `inner`: what it is in, and its key there."""
    for key in inner if isinstance(inner, dict) else range(len(inner)):
        yield inner, key
        if isinstance(inner[key], (dict, list)):
            yield from places(inner[key])


class TestFile:
    @pytest.fixture
    def file(self, tmp_path, log):
        return ClockFile(tmp_path, log)

    def test_what_was_kept_is_read(self, file):
        clock = begun()
        clock.look(at(10, NOON + 120 * DAY_S))
        file.write(clock.kept())
        assert file.read() == clock.kept()
        assert (file.path.stat().st_mode & 0o777) == 0o640

    def test_none_is_no_trouble(self, file, log):
        assert file.read() is None and log.events == []

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"\0" * 500, b"\xff\xfe", b"{}" * 40_000, b'{"now_s": 1}', "now_s NaN", "now_s 1e300", "now_s -1", 'boot 7', "steps null"],
        ids=range(12),
    )  # fmt: skip
    def test_a_damaged_one_is_said_and_nothing_is_known(self, file, log, content):
        if isinstance(content, str):
            file.write(begun().kept())
            key, value = content.split()
            lines = [f' "{key}": {value},' if f'"{key}"' in line else line for line in file.path.read_text().splitlines()]
            content = "\n".join(lines).encode()
        file.path.write_bytes(content)
        assert file.read() is None
        assert log.names() == ["clock_not_read"]

    @given(st.data())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
    def test_whatever_is_read_can_be_used(self, file, data):
        """Any value in the place of any other, as a damaged disk or a stranger's backup may have it."""
        clock = begun(SOME, NOON)
        clock.look(at(10, NOON + 120 * DAY_S))
        clock.end(lambda: SOME)
        content = json.loads(after_restore(clock.kept(), clock.kept()).model_dump_json())
        place, key = data.draw(st.sampled_from([*places(content)]))
        numbers = st.sampled_from([2**62, 2**63, 2**70, -(2**70), 1e11, -1]) | st.integers() | st.floats()
        place[key] = data.draw(numbers | st.none() | st.text() | st.just([]) | st.dictionaries(st.text(), numbers))
        file.path.write_text(json.dumps(content))
        kept = file.read()
        for found in (kept, after_restore(kept, None), after_restore(None, kept)):
            used = RecordsClock(at(50), found)
            used.opened("db", SOME, NOON)
            used.look(at(60, NOON + 300 * DAY_S))
            used.end(lambda: SOME)
            used.forget(SOME)
            with closing(sqlite3.connect(":memory:")) as connection:
                for span in used.spans():
                    ids = [row for side in (span.after, span.up_to) for row in side.values()]
                    connection.execute("SELECT 1 WHERE ? > 0" + " AND ? > 0" * len(ids), (span.shift_s, *ids))
            assert 0 <= used.time_at(NOON, 70) < 1e12 and stamp(used.now_s) and Kept.model_validate(used.kept().model_dump())

    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize("ahead_s", [300 * DAY_S, -300 * DAY_S, 1e11 - NOON])
    def test_what_was_read_at_its_bounds_is_kept_so_that_it_can_be_read(self, ahead_s, sign):
        """All lengths of time at once: each sum that the clock makes of them is held, not that of one value alone."""
        clock = begun(SOME, NOON)
        clock.look(at(10, NOON + 120 * DAY_S))
        clock.end(lambda: SOME)
        shifted = [step.model_copy(update={"shift_s": sign * MOST_S, "own": False}) for step in clock.kept().steps]
        whole = clock.kept().model_copy(update={"now_s": MOST_S, "behind_s": MOST_S, "off_s": MOST_S, "steps": shifted})
        for found in (whole, after_restore(whole, None), after_restore(whole, whole)):
            used = RecordsClock(at(50), found)
            used.opened("db", SOME, NOON)
            used.look(at(60, NOON + ahead_s))
            used.end(lambda: {**SOME, "parts": 300})
            assert Kept.model_validate(used.kept().model_dump())

    def test_a_folder_of_that_name_too(self, file, log):
        file.path.mkdir()
        assert file.read() is None and log.names() == ["clock_not_read"]

    def test_what_a_later_version_adds_is_passed_over(self, file):
        file.write(begun().kept())
        file.path.write_text(file.path.read_text().replace("{", '{"more": [1],', 1))
        assert file.read() is not None

    def test_a_disk_that_does_not_take_it_is_said_once(self, tmp_path, log):
        file = ClockFile(tmp_path / "nowhere", log)
        for _ in range(3):
            file.write(begun().kept())
        assert log.names() == ["clock_not_kept"]
        assert file.path.name == FILE
