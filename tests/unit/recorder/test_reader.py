"""What the reader thread makes of frames, verdicts and events."""

from types import SimpleNamespace

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.recorder.inbox import BEFORE_START, LEFT_THE_RING, Inbox
from aoi_daemon.recorder.reader import Reader
from aoi_daemon.ring.events import Event
from tests.unit.records.conftest import make_outcome

ALL = 2**63
NOW_NS = 100_000_000
RUN = "f" * 32


class Queue:
    """A ring's reader with what was put into it."""

    def __init__(self):
        self.waiting = []

    def read(self, at_most=1000):
        found, self.waiting = self.waiting[:at_most], self.waiting[at_most:]
        return found


@pytest.fixture
def line(frames):
    """`line(...)`: cameras with rings, and a reader on them."""

    def make(cameras=1, around=2, sampled=0.0, pictures=50, rows=50, slots=4, since_ns=0):
        rings = [frames(slots) for _ in range(cameras)]
        flights = [ring.flight(keep=around + slots + 3, spare=pictures) for ring in rings]
        inbox = Inbox(rows=rows, pictures=pictures, cameras=cameras)
        verdicts, events = Queue(), Queue()

        class Board:
            def __getitem__(self, cell):
                return next(ring.newest for ring, flight in zip(rings, flights, strict=True) if cell == frame_cell(flight.camera))

        reader = Reader(
            Board(), verdicts, events, flights, inbox, run=RUN, around=around, sampled_percent=sampled,
            views_ns=5000, since_ns=since_ns,
        )  # fmt: skip

        def part(number, reason=Reason.NONE, camera=0, ready_ns=None):
            ready_ns = rings[camera].newest * 1000 if ready_ns is None else ready_ns
            verdicts.waiting.append(
                make_outcome(number, reason, camera=camera, ready_ns=ready_ns, trigger_ns=ready_ns, sent_ns=ready_ns + 500)
            )

        def step(number, reason=Reason.NONE):
            """A frame and its verdict, one look each, as on a line."""
            rings[0].come()
            reader.look(NOW_NS, 1000.0)
            part(number, reason)
            reader.look(NOW_NS, 1000.0)

        def jobs():
            found = []
            while (job := inbox.take_picture(ALL)) is not None:
                found.append((job.why, job.frame.camera, job.frame.number, job.part, job.cause, job.around))
            return sorted(found, key=lambda job: job[2])

        return SimpleNamespace(
            rings=rings, reader=reader, inbox=inbox, verdicts=verdicts, events=events, part=part, step=step, jobs=jobs,
            look=lambda: reader.look(NOW_NS, 1000.0), flights=flights,
        )  # fmt: skip

    return make


def frame_cell(camera):
    from aoi_daemon.stage.board import CameraCell, camera_cell

    return camera_cell(camera, CameraCell.FRAME)


def alarm(name, state="unacknowledged", at_ns=NOW_NS):
    return Event(1, at_ns, "alarm", {"name": name, "state": state})


def test_each_part_is_a_row_with_its_time_of_day(line):
    run = line()
    for number in (1, 2, 3):
        run.step(number)
    rows = run.inbox.rows(10)
    assert [row.outcome.part for row in rows] == [1, 2, 3]
    assert rows[0].at == pytest.approx(1000.0 - NOW_NS / 1e9 + 1500 / 1e9)
    assert run.jobs() == []


def test_a_reject_is_kept_with_its_own_frame(line):
    run = line()
    run.step(1)
    run.step(2, Reason.DEFECT)
    run.step(3)
    assert run.jobs() == [("reject", 0, 2, 2, "", 0)]


def test_a_verdict_that_comes_while_we_look_finds_its_frame(line):
    """Verdicts are read before frames: whatever has a verdict has a frame in the ring by then."""
    run = line()
    real = run.verdicts.read

    def the_line_goes_on(at_most):
        run.rings[0].come()
        run.part(run.rings[0].newest, Reason.DEFECT)
        return real(at_most)

    run.verdicts.read = the_line_goes_on
    run.look()
    assert run.jobs() == [("reject", 0, 1, 1, "", 0)]


def test_around_a_fault_the_frames_before_and_after_are_kept(line):
    run = line(around=2)
    for number in range(1, 5):
        run.step(number)
    run.step(5, Reason.LATE)
    for number in range(6, 10):
        run.step(number)
    assert run.jobs() == [
        ("around", 0, 3, 3, "LATE", 5), ("around", 0, 4, 4, "LATE", 5), ("fault", 0, 5, 5, "", 0),
        ("around", 0, 6, 6, "LATE", 5), ("around", 0, 7, 7, "LATE", 5),
    ]  # fmt: skip


def test_around_a_fault_whose_verdict_comes_late_the_same_frames_are_kept(line):
    run = line(around=2)
    for number in range(1, 5):
        run.step(number)
    run.rings[0].come()
    run.look()
    run.rings[0].come()  # the next one is there before the verdict
    run.look()
    run.part(5, Reason.LATE, ready_ns=5000)
    run.part(6, ready_ns=6000)
    run.look()
    run.step(7)
    run.step(8)
    assert [(why, number) for why, _, number, *_ in run.jobs()] == [("around", 3), ("around", 4), ("fault", 5), ("around", 6), ("around", 7)]


def test_a_reject_beside_a_fault_is_kept_once_and_as_a_reject(line):
    run = line(around=2)
    run.step(1, Reason.DEFECT)
    run.step(2, Reason.LATE)
    run.step(3, Reason.DEFECT)
    run.step(4)
    run.step(5)
    assert [(why, number) for why, _, number, *_ in run.jobs()] == [("reject", 1), ("fault", 2), ("reject", 3), ("around", 4)]


def test_a_fault_without_a_frame_keeps_what_was_around_it(line):
    run = line(around=2)
    for number in range(1, 4):
        run.step(number)
    run.part(4, Reason.NO_IMAGE, ready_ns=3500)
    run.look()
    run.step(5)
    run.step(6)
    run.step(7)
    assert [(why, number) for why, _, number, *_ in run.jobs()] == [("around", 2), ("around", 3), ("around", 4), ("around", 5)]
    assert [row.lost for row in run.inbox.rows(10)] == [""] * 7


def test_an_alarm_keeps_what_was_around_it(line):
    run = line(around=2)
    for number in range(1, 4):
        run.step(number)
    run.events.waiting.append(alarm("OPTICS"))
    for number in range(4, 8):
        run.step(number)
    assert [(number, part, cause) for _, _, number, part, cause, _ in run.jobs()] == [
        (3, 3, "alarm OPTICS"), (4, 4, "alarm OPTICS"), (5, 5, "alarm OPTICS"), (6, 6, "alarm OPTICS"),
    ]  # fmt: skip
    assert len(run.inbox.moments(5)) == 1


@pytest.mark.parametrize(
    "event",
    [alarm("OPTICS", "returned, unacknowledged"), alarm("RECORDER_DISK"), alarm("OPTICS", at_ns=-(10**10)), Event(1, NOW_NS, "line", {"now": "RUNNING"})],
)
def test_what_is_no_new_trouble_of_the_line_keeps_nothing(line, event):
    """Least of all the alarm that says that there is no room for pictures."""
    run = line(around=2)
    run.step(1)
    run.events.waiting.append(event)
    run.step(2)
    assert run.jobs() == []


def test_around_0_keeps_nothing_around(line):
    run = line(around=0)
    run.step(1)
    run.events.waiting.append(alarm("OPTICS"))
    run.step(2, Reason.LATE)
    run.step(3)
    assert [why for why, *_ in run.jobs()] == ["fault"]


def test_a_frame_without_a_verdict_goes_when_it_is_old(line):
    """The line stopped with a part on it: it belongs to the alarm all the same."""
    run = line(around=2)
    run.step(1)
    run.rings[0].come()
    run.look()
    run.events.waiting.append(alarm("ENGINE_FAULT"))
    run.look()
    assert [number for _, _, number, *_ in run.jobs()] == [1]
    for _ in range(12):
        run.rings[0].come()
        run.look()
    assert [(number, part) for _, _, number, part, *_ in run.jobs()] == [(2, 0), (3, 0), (4, 0)]


def test_at_the_end_it_goes_too(line):
    run = line(around=2)
    run.rings[0].come()
    run.events.waiting.append(alarm("ENGINE_FAULT"))
    run.look()
    run.reader.finish(NOW_NS, 1000.0)
    assert len(run.jobs()) == 1


def test_samples_are_kept(line):
    run = line(sampled=100.0)
    run.step(1)
    assert run.jobs() == [("sample", 0, 1, 1, "", 0)]


def test_both_views_of_a_part_are_kept_whenever_they_come(line):
    run = line(cameras=2)
    for ring in run.rings:
        ring.come(trigger_ns=50_000)
    run.look()
    run.part(1, Reason.DEFECT, camera=1, ready_ns=1000)
    run.verdicts.waiting[-1] = run.verdicts.waiting[-1]._replace(trigger_ns=50_000)
    run.look()
    assert sorted(run.jobs()) == [("reject", 0, 1, 1, "", 0), ("reject", 1, 1, 1, "", 0)]
    run.rings[1].come(trigger_ns=90_000)
    run.part(2, Reason.DEFECT, camera=1, ready_ns=2000)
    run.verdicts.waiting[-1] = run.verdicts.waiting[-1]._replace(trigger_ns=90_000)
    run.look()
    run.rings[0].come(trigger_ns=91_000)  # the second view, after the first has decided
    run.look()
    assert sorted(run.jobs()) == [("reject", 0, 2, 2, "", 0), ("reject", 1, 2, 2, "", 0)]


@pytest.mark.parametrize(("since_ns", "lost"), [(0, LEFT_THE_RING), (10**9, BEFORE_START)])
def test_a_reject_whose_frame_is_gone_is_said(line, since_ns, lost):
    run = line(slots=4, since_ns=since_ns)
    run.rings[0].come(9)
    run.part(1, Reason.DEFECT, ready_ns=2000)
    run.part(2, ready_ns=3000)
    run.part(3, Reason.NO_IMAGE, ready_ns=4000)
    run.look()
    assert [row.lost for row in run.inbox.rows(9)] == [lost, "", ""]


def test_rows_that_find_no_room_stay_in_the_ring(line):
    run = line(rows=3)
    for number in range(1, 8):
        run.part(number, ready_ns=1)
    run.look()
    run.look()
    assert run.inbox.rows_waiting == 3 and len(run.verdicts.waiting) == 4
    run.inbox.recorded(2, 0, [])
    run.look()
    assert [row.outcome.part for row in run.inbox.rows(9)] == [3, 4, 5]


def test_under_pressure_the_frame_that_gave_way_is_free_again(line):
    run = line(pictures=1, sampled=100.0, around=0)
    run.step(1)
    run.step(2, Reason.DEFECT)
    assert run.jobs() == [("reject", 0, 2, 2, "", 0)]
    assert run.inbox.pictures_lost == 1
    assert [frame.number for frame in run.flights[0].released] == [1]
