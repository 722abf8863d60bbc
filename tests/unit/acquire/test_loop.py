"""The acquire loop, with a driver that plays a script: what plc and inspection are told, and how plc pairs it.

The driver is the real reading of buffers (`BufferReader`) on buffers that are made up; pipes, ring and board are real.
"""

import os
from random import Random
from types import SimpleNamespace

import pytest

from aoi_daemon.acquire import main
from aoi_daemon.acquire.buffers import BufferReader, CameraFacts
from aoi_daemon.acquire.clock import ClockEvent
from aoi_daemon.acquire.main import Acquire
from aoi_daemon.acquire.stamps import QueueWatch
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import ANNOUNCEMENT, Announcement, Arrival, Judgement, Reason
from aoi_daemon.plc.parts import Parts
from aoi_daemon.ring.doorbell import drain, make_pipe
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, camera_cell
from tests.unit.acquire.test_buffers import CODES, HEIGHT, WIDTH, FakeBuffer, UnavailableError
from tests.unit.plc.pictures import of_each

MS = 1_000_000
TAKT_NS = 50 * MS
SEEDS = 60
FRAMES = 1000


class Log:
    """Keeps what is logged."""

    def __init__(self):
        self.lines = []

    def bind(self, **_):
        return self

    def info(self, event, **more):
        self.lines.append((event, more))

    warning = error = info


class Line:
    """One camera's acquire process without the process. `deliver` runs it over (time in ns, frame id) and ends it."""

    def __init__(self, monkeypatch, *others, **camera):
        self.now_ns = 10**15
        self.judges = True
        keys = {"kind": "genicam", "name": "top", "producer": "x.cti", "max_width_px": 16, "max_height_px": 16}
        config = LineConfig.model_validate({"cameras": [{**keys, **camera}, *others]})
        self.memories = [SharedMemory.create("board", SIZE_BYTES)]
        layout = RingLayout(8, 16, 16, 1)
        self.memories.append(SharedMemory.create("ring", layout.size_bytes))
        self.board = Board(self.memories[0])
        to_plc, to_inspection = make_pipe(), make_pipe()
        self.plc_r, self.inspection_r = to_plc[0], to_inspection[0]
        self.fds = [*to_plc, *to_inspection]
        self.log, self.told = Log(), []
        self.stage = SimpleNamespace(
            setup=SimpleNamespace(index=0), config=config, board=self.board, log=self.log, stopping=False,
            frame_ring=lambda _: FrameRing(self.memories[1], layout), commands=list, prepare_realtime=lambda: None,
            fds={"announcements_w": to_plc[1], "frames0_w": to_inspection[1]}, go_realtime=lambda: None,
            tell=lambda **message: self.told.append(message), ready=lambda: None,
        )  # fmt: skip
        monkeypatch.setattr(main, "now_ns", lambda: self.now_ns)
        monkeypatch.setattr(main, "make_driver", lambda *_: self)
        self.acquire = Acquire(self.stage)

    def open(self):
        watch = self.watch = QueueWatch(40 * MS)
        facts = CameraFacts("Mono8", WIDTH, HEIGHT, (UnavailableError,), CODES.get)
        self.reader = BufferReader(self.stage.config.cameras[0], facts, watch, clock_said=self.acquire.clock_said)

    def close(self):
        pass

    def fetch_into(self, image, template, timeout_s):
        if self.judges:  # all that it was given
            self.board[camera_cell(0, CameraCell.RELEASED)] = self.board[camera_cell(0, CameraCell.FRAME)]
        self.take()
        if not self.script:
            self.stage.stopping = True
            return None
        self.now_ns, frame_id, *incomplete = self.script.pop()
        self.watch.empty(self.now_ns)
        return self.reader.read(FakeBuffer(frame_id, complete=not incomplete), image, self.now_ns, waited=True)

    def take(self):
        self.announced += [(self.now_ns, each) for each in drain(self.plc_r, Announcement.unpack, ANNOUNCEMENT.size)]
        self.inspected += list(drain(self.inspection_r, Announcement.unpack, ANNOUNCEMENT.size))

    def deliver(self, script):
        """What plc was told, with the time of it."""
        self.script, self.announced, self.inspected = script[::-1], [], []
        self.stage.stopping = False
        self.acquire.run()
        return self.announced

    def count(self, cell):
        return self.board[camera_cell(0, cell)]

    def end(self):
        for fd in self.fds:
            os.close(fd)
        self.board._cells.release()


@pytest.fixture
def line(monkeypatch):
    line = Line(monkeypatch)
    yield line
    line.end()


def every_takt(*frame_ids):
    return [(10**15 + number * TAKT_NS, frame_id) for number, frame_id in enumerate(frame_ids)]


def incomplete(*frame_ids):
    return [(10**15 + 10**12 + number * TAKT_NS, frame_id, True) for number, frame_id in enumerate(frame_ids)]


def arrivals(announced):
    return [Arrival(each.arrival).name for _, each in announced]


def test_a_frame_that_another_overtook_is_one_part_and_no_other_part_is_lost(line):
    """59 61 60 62: four ids, four parts, in their order."""
    announced = line.deliver(every_takt(59, 61, 60, 62))
    assert arrivals(announced) == ["FRAME", "NO_IMAGE", "FRAME", "FRAME"]
    assert [each.sequence for _, each in announced] == [1, 2, 3, 4]
    assert [each.sequence for each in line.inspected] == [1, 3, 4]
    assert (line.count(CameraCell.MISSED), line.count(CameraCell.LATE)) == (1, 1)


def test_a_view_that_one_of_two_cameras_missed_belongs_to_the_part_that_it_missed(monkeypatch):
    """Announced as of now, it would take the place of its camera's next view, which would be a part of its own."""
    side = {"kind": "genicam", "name": "side", "producer": "x.cti", "max_width_px": 16, "max_height_px": 16}
    line = Line(monkeypatch, side)
    other = [each for _, each in line.deliver(every_takt(1, 2, 3, 4, 5))]
    line.board[camera_cell(0, CameraCell.SEQUENCE)] = line.acquire.sequence = 0
    script = [entry for entry in every_takt(1, 2, 3, 4, 5) if entry[1] != 3]
    this = [(at_ns, each._replace(camera=1)) for at_ns, each in line.deliver(script)]
    parts, verdicts = Parts(of_each(2), 5 * MS, 10 * MS, 5 * MS), []
    views = sorted([(each.ready_ns, each) for each in other] + this, key=lambda entry: entry[0])

    def take(at_ns):
        while (part := parts.take(at_ns)) is not None:
            verdicts.append((part.number, part.reason))

    for at_ns, each in views:
        take(at_ns)
        parts.announce(each, ready=True)
        if each.arrival == Arrival.FRAME:
            parts.judge(judged(each))
        take(at_ns)
    take(views[-1][0] + 10**10)
    assert verdicts == [(number, Reason.NO_IMAGE if number == 3 else Reason.NONE) for number in range(1, 6)]
    line.end()


def test_a_frame_that_comes_twice_is_one_part(line):
    assert arrivals(line.deliver(every_takt(7, 7, 8, 8, 9))) == ["FRAME"] * 3
    assert (line.count(CameraCell.DOUBLED), line.count(CameraCell.FRAMES)) == (2, 3)


@pytest.mark.parametrize("complete", [True, False])
def test_a_frame_that_is_dropped_or_incomplete_takes_no_slot_and_overruns_nothing(line, complete):
    """Its slot is the next frame's, and what was in there is lost once."""
    line.judges = False
    script = every_takt(*range(1, 9), 8, 8, 8) if complete else [*every_takt(*range(1, 9)), *incomplete(9, 10, 11)]
    announced = line.deliver(script)
    assert [each.sequence for _, each in announced if each.arrival == Arrival.OVERRUN] == [1]
    assert line.count(CameraCell.OVERRUNS) == 1
    assert line.count(CameraCell.FRAME) == 8


def test_a_camera_that_brings_nothing_but_frames_it_has_brought_is_lost(line, monkeypatch):
    """Its parts would have no verdict, and the line would be ready."""
    lost = []
    monkeypatch.setattr(line.acquire, "_wait", lambda _: setattr(line.stage, "stopping", True))
    monkeypatch.setattr(line.log, "error", lambda event, **more: lost.append(more["error"]))
    line.deliver(every_takt(1, 2, *[2] * 40))
    assert lost == ["17 frames in a row, to 2, brought none after 2"]


def test_doubles_do_not_fill_the_log(line):
    line.deliver(every_takt(*[number // 2 for number in range(2, 400)]))
    assert line.count(CameraCell.DOUBLED) == 199
    assert len([event for event, _ in line.log.lines if event == "frame_dropped"]) <= 6


def test_the_announcement_has_the_cameras_field_of_view(monkeypatch):
    line = Line(monkeypatch, fov=3)
    announced = line.deliver(every_takt(1, 3))
    assert [each.fov for _, each in announced] == [3, 3, 3]
    assert [each.fov for each in line.inspected] == [3, 3]
    line.end()


def test_a_refused_clock_is_told_once_and_taken_back_when_frames_agree_or_the_camera_is_opened_again(line):
    line.acquire.clock_said(ClockEvent.REFUSED, "its clock ticks at 1 Hz")
    line.acquire.clock_said(ClockEvent.AGREED, "its clock ticks at 2 Hz")
    line.acquire.clock_said(ClockEvent.AGREED, "its clock ticks at 2 Hz")
    line.acquire.clock_said(ClockEvent.REFUSED, "its clock ticks at 3 Hz")
    line.deliver([])
    said = [message["detail"] for message in line.told]
    assert said == ["camera top: its clock ticks at 1 Hz", "", "camera top: its clock ticks at 3 Hz", ""]


def test_a_process_that_comes_after_one_whose_clock_was_refused_takes_that_back(line):
    line.deliver(every_takt(1, 2))
    assert line.told == [{"tell": "camera_clock", "camera": 0, "detail": ""}]


def test_steps_of_the_clock_are_counted_and_do_not_fill_the_log(line):
    for _ in range(100):
        line.acquire.clock_said(ClockEvent.STEPPED, "it stepped")
    assert line.count(CameraCell.CLOCK_STEPS) == 100
    assert len(line.log.lines) <= 6
    assert line.told == []


def on_their_way(random):
    """(time of arrival, id): permuted within three places, doubled and missing at random; id n was taken n takts after 1."""
    kept = [1, *(frame_id for frame_id in range(2, FRAMES + 1) if random.random() > 0.05)]
    sent = [frame_id for frame_id in kept for _ in range(2 if random.random() < 0.05 else 1)]
    came = sorted((frame_id + (random.uniform(0, 3) if frame_id > 1 else 0), frame_id) for frame_id in sent)
    return [(10**15 + int(at * TAKT_NS), frame_id) for at, frame_id in came]


def test_each_id_is_one_part_in_its_order_whatever_becomes_of_the_frames_on_their_way(line):
    """And plc has each verdict in the order of the parts, at once where there is no image."""
    deadline_ns = int(line.stage.config.line.deadline_ms * MS)
    for seed in range(SEEDS):
        script = on_their_way(Random(seed))
        before = [line.count(cell) for cell in (CameraCell.SEQUENCE, CameraCell.LATE, CameraCell.DOUBLED)]
        announced = line.deliver(script)
        highest = max(frame_id for _, frame_id in script)
        # The n-th announcement is of id n.
        assert [each.sequence - before[0] for _, each in announced] == list(range(1, highest + 1)), seed
        overtaken = [0] * (highest + 2)
        for at_ns, frame_id in reversed(script):
            overtaken[frame_id] = at_ns
        for number in range(highest, 0, -1):
            overtaken[number] = min(filter(None, (overtaken[number], overtaken[number + 1])))
        parts = Parts(of_each(1), 5 * MS, 10 * MS, 0)
        for frame_id, (at_ns, each) in enumerate(announced, 1):
            assert at_ns == overtaken[frame_id], "announced with the first frame of this id or of a higher one"
            assert each.ready_ns < each.deadline_ns <= at_ns + deadline_ns
            parts.announce(each, ready=True)
            if each.arrival == Arrival.FRAME:
                parts.judge(judged(each))
            part = parts.take(at_ns)
            assert part.number == frame_id
            assert part.reason is (Reason.NONE if each.arrival == Arrival.FRAME else Reason.NO_IMAGE)
        frames = sum(each.arrival == Arrival.FRAME for _, each in announced)
        dropped = line.count(CameraCell.LATE) - before[1] + line.count(CameraCell.DOUBLED) - before[2]
        assert frames + dropped == len(script)


def judged(view):
    return Judgement(True, 0, view.camera, -1, 0, 1, view.sequence, 1, 0, 0, 1, 1, 1, b"")

