"""What waits for the disk: bounded, and the least important gives way."""

import pytest

from aoi_daemon.recorder.flight import Frame
from aoi_daemon.recorder.inbox import BEFORE_START, LEFT_THE_RING, Inbox, Job, Moment, Row
from aoi_daemon.records.parts import Gap
from aoi_daemon.ring.events import Event
from tests.unit.recorder.conftest import picture
from tests.unit.records.conftest import make_outcome

ALL = 2**63


def job(why, part=1, camera=0, around=0):
    return Job(Frame(camera, picture(), picture()), why, 0.0, part, 1, "", around)


@pytest.fixture
def inbox():
    return Inbox(rows=5, pictures=2, cameras=2)


def test_rows_stay_until_they_are_on_the_disk(inbox):
    for part in (1, 2, 3):
        inbox.put_row(Row(make_outcome(part), 0.0))
    assert (inbox.room(), inbox.rows_waiting) == (2, 3)
    assert [row.outcome.part for row in inbox.rows(2)] == [1, 2]
    assert [row.outcome.part for row in inbox.rows(2)] == [1, 2], "the write failed: they come again"
    inbox.recorded(2, 0, [])
    assert [row.outcome.part for row in inbox.rows(9)] == [3]
    assert inbox.room() == 4


def test_events_stay_likewise(inbox):
    inbox.put_moment(Moment(Event(1, 0, "line", {}), 0.0))
    assert len(inbox.moments(5)) == 1
    inbox.recorded(0, 1, [])
    assert (inbox.moments(5), inbox.moments_waiting) == ([], 0)


def test_rejects_are_written_first_then_what_was_around_then_samples(inbox):
    inbox = Inbox(rows=5, pictures=9, cameras=1)
    for why in ("sample", "around", "reject", "sample", "fault"):
        inbox.put_picture(job(why))
    assert [inbox.take_picture(ALL).why for _ in range(5)] == ["reject", "fault", "around", "sample", "sample"]
    assert inbox.take_picture(ALL) is None


@pytest.mark.parametrize(
    ("waiting", "new", "goes"),
    [
        (("sample", "reject"), "reject", "sample"),
        (("around", "sample"), "fault", "sample"),
        (("around", "reject"), "fault", "around"),
        (("sample", "sample"), "around", "sample"),
        (("reject", "reject"), "reject", "new"),
        (("reject", "around"), "sample", "new"),
        (("sample", "sample"), "sample", "new"),
    ],
)
def test_the_least_important_gives_way(inbox, waiting, new, goes):
    for why in waiting:
        assert inbox.put_picture(job(why)) is None
    coming = job(new)
    dropped = inbox.put_picture(coming)
    assert (dropped is coming) if goes == "new" else (dropped.why == goes)
    assert inbox.pictures_waiting == 2
    assert coming.frame.waiting is (goes != "new")


def test_no_camera_takes_the_room_of_another(inbox):
    for _ in range(2):
        inbox.put_picture(job("sample", camera=0))
    assert inbox.put_picture(job("sample", camera=1)) is None
    assert inbox.put_picture(job("reject", camera=0)).frame.camera == 0


def test_a_picture_waits_for_its_parts_row(inbox):
    inbox.put_picture(job("reject", part=7))
    assert inbox.take_picture(6) is None
    assert inbox.take_picture(7).part == 7
    inbox.put_picture(job("around", part=0, around=9))
    assert inbox.take_picture(8) is None
    assert inbox.take_picture(9).around == 9


def test_losses_of_one_kind_are_one_gap(inbox):
    for part in (5, 9, 6):
        inbox.lose("images", part, at=float(part), why="full")
    inbox.lose("images", 7, at=7.0, why="slow")
    inbox.lose("rows", 1, at=1.0, why="full", last=4)
    assert inbox.gaps() == [
        Gap("images", 5, 9, 3, 6.0, "full"), Gap("images", 7, 7, 1, 7.0, "slow"), Gap("rows", 1, 4, 4, 1.0, "full"),
    ]  # fmt: skip


def test_a_gap_that_grows_while_it_is_written_is_written_on(inbox):
    inbox.lose("images", 5, at=1.0, why="full")
    written = inbox.gaps()
    inbox.lose("images", 8, at=2.0, why="full")
    inbox.recorded(0, 0, written)
    assert inbox.gaps() == [Gap("images", 6, 8, 1, 2.0, "full")]
    inbox.recorded(0, 0, inbox.gaps())
    assert inbox.gaps() == []


@pytest.mark.parametrize(("why", "gap"), [("reject", True), ("fault", True), ("around", False), ("sample", False)])
def test_only_a_rejects_own_picture_is_missed_by_name(inbox, why, gap):
    inbox.lose_picture(job(why, part=3), at=1.0, why="full")
    assert (inbox.pictures_lost, bool(inbox.gaps())) == (1, gap)
    assert inbox.lost_ns > 0


@pytest.mark.parametrize(("lost", "counted"), [(LEFT_THE_RING, 1), (BEFORE_START, 0)])
def test_a_frame_from_before_the_start_is_no_fault(inbox, lost, counted):
    inbox.lose_frame(Row(make_outcome(3), 1.0, lost))
    assert (inbox.pictures_lost, inbox.gaps()) == (counted, [Gap("images", 3, 3, 1, 1.0, lost)])
