"""Buffers that viky cannot send: incomplete, padded, numbered with gaps, stamped.

The fakes below stand in for genicam.gentl's Buffer and for chunk nodes.
"""

import numpy as np
import pytest

from aoi_daemon.acquire.buffers import MAX_AGE_NS, BufferReader, CameraFacts, _trigger_ns
from aoi_daemon.acquire.camera import Dropped, Grab
from aoi_daemon.acquire.stamps import QueueWatch
from aoi_daemon.acquire.ticks import FRAMES, rates
from aoi_daemon.config.cameras import GenicamCamera
from aoi_daemon.errors import CameraError, CameraSettingError
from aoi_daemon.messages import Arrival

MS = 1_000_000
NOW = 10**15
WIDTH, HEIGHT = 8, 4
CODES = {0x01080001: "Mono8", 0x01080009: "BayerRG8", 0x02180014: "RGB8"}


class UnavailableError(Exception):
    """Stands in for gentl's NotAvailableException."""


class FakeBuffer:
    """What a producer hands over; an attribute that was not given is one that it does not tell."""

    def __init__(self, frame_id, *, complete=True, raw=bytes(range(32)), **told):
        self.raw_buffer = raw
        self.told = {
            "frame_id": frame_id, "is_complete": lambda: complete, "pixel_format": 0x01080001,
            "width": WIDTH, "height": HEIGHT, **told,
        }  # fmt: skip

    def __getattr__(self, name):
        if self.told.get(name) is None:
            raise UnavailableError(name)
        return self.told[name]


class FakeChunkNode:
    """A node such as ChunkFrameID: readable once a buffer's chunks were attached."""

    def __init__(self):
        self.now = None

    @property
    def value(self):
        if self.now is None:
            raise UnavailableError("no chunk is attached")
        return self.now


GROWN_NS = 50 * MS // 100
"""What the offset of a camera's clock may have grown by since the frame before, while its rate is not measured."""


class Line:
    """A reader and a plane, with a frame every 50 ms."""

    def __init__(self, numbers=None, section=None, **facts):
        keys = {"kind": "genicam", "name": "top", "producer": "x.cti", "max_width_px": 16, "max_height_px": 16}
        limits = GenicamCamera(**{**keys, **(section or {})})
        known = {"pixel_format": "Mono8", "width_px": WIDTH, "height_px": HEIGHT, **facts}
        self.watch = QueueWatch(40 * MS)
        self.reader = BufferReader(
            limits,
            CameraFacts(unavailable=(UnavailableError,), format_of=CODES.get, **known),
            self.watch,
            numbers,
        )
        self.image = np.full(16 * 16, 7, np.uint8)
        self.now_ns = NOW
        self.known_ns = 0

    def read(self, buffer, *, after_ms=50, waited=True):
        self.now_ns += after_ms * MS
        if waited:
            self.watch.empty(self.now_ns - MS)
        return self.reader.read(buffer, self.image, self.now_ns, waited=waited)

    def learn(self, stamp_of=lambda at_ns: {"timestamp_ns": at_ns}):
        """FRAMES frames with ids below 0, each with the stamp of its time, which is the camera's from 1 s on."""
        for number in range(FRAMES):
            at_ns = 1000 * MS + number * 50 * MS
            grab = self.read(FakeBuffer(number + 100, **stamp_of(at_ns)))
            assert grab.trigger_ns == 0, "not before the clock is known"
        self.known_ns = self.now_ns - at_ns
        """What the camera's clock is behind ours."""
        return at_ns


def test_a_complete_buffer_is_a_frame():
    line = Line()
    grab = line.read(FakeBuffer(1))
    assert (grab.arrival, grab.shape, grab.trigger_ns) == (Arrival.FRAME, (HEIGHT, WIDTH, 1), 0)
    assert line.image[:32].tobytes() == bytes(range(32))
    assert (line.image[32:] == 7).all()


def test_an_incomplete_buffer_is_a_part_without_an_image():
    line = Line()
    grab = line.read(FakeBuffer(1, complete=False))
    assert (grab.arrival, grab.shape) == (Arrival.INCOMPLETE, (0, 0, 0))
    assert (line.image == 7).all()


def test_an_incomplete_buffer_is_not_missed_as_well():
    line = Line()
    line.read(FakeBuffer(1))
    assert line.read(FakeBuffer(2, complete=False)).missed_before == 0
    assert line.read(FakeBuffer(3)).missed_before == 0


@pytest.mark.parametrize("told", [{"is_complete": None}, {"is_complete": lambda: False}])
def test_a_buffer_that_cannot_say_that_it_is_complete_is_not(told):
    assert Line().read(FakeBuffer(1, **told)).arrival is Arrival.INCOMPLETE


@pytest.mark.parametrize(
    "told",
    [
        {"raw": bytes(31)},
        {"size_filled": 31},
        {"image_offset": 1},
        {"delivered_image_height": HEIGHT - 1},
        {"height": HEIGHT + 1},
        {"padding_x": 1},
    ],
)
def test_a_complete_buffer_with_too_little_in_it_is_incomplete(told):
    line = Line()
    assert line.read(FakeBuffer(1, **told)).arrival is Arrival.INCOMPLETE
    assert (line.image == 7).all()


@pytest.mark.parametrize("told", [{"size_filled": 0}, {"size_filled": 10**9}, {"delivered_image_height": 0}])
def test_a_producer_that_tells_nonsense_of_its_sizes_is_measured_by_the_memory(told):
    assert Line().read(FakeBuffer(1, **told)).arrival is Arrival.FRAME


def test_line_padding_and_an_offset_are_taken_out():
    line = Line()
    raw = b"\xee" * 3 + b"".join(bytes(range(8 * row, 8 * row + 8)) + b"\xee\xee" for row in range(HEIGHT))
    line.read(FakeBuffer(1, raw=raw, padding_x=2, image_offset=3))
    assert line.image[:32].tobytes() == bytes(range(32))


def test_what_the_producer_does_not_tell_is_taken_from_the_camera():
    grab = Line().read(FakeBuffer(None, width=None, height=None, pixel_format=None))
    assert (grab.arrival, grab.shape, grab.missed_before) == (Arrival.FRAME, (HEIGHT, WIDTH, 1), 0)


def test_a_gap_in_the_frame_ids_is_missed_parts():
    line = Line()
    line.read(FakeBuffer(65533))
    assert line.read(FakeBuffer(2)).missed_before == 3


def test_the_chunks_number_counts_where_there_is_one():
    chunk_id = FakeChunkNode()

    def attach(buffer):
        chunk_id.now = buffer.chunk

    line = Line(chunk_id=chunk_id, read_chunks=attach)
    line.read(FakeBuffer(1, chunk=70))
    # The transport sees nothing missing, the sensor took two more.
    assert line.read(FakeBuffer(2, chunk=73)).missed_before == 2
    chunk_id.now = None
    assert line.read(FakeBuffer(3)).missed_before == 0, "no chunk, no number"
    assert line.read(FakeBuffer(4, chunk=76)).missed_before == 1


def test_an_incomplete_buffer_has_no_chunks_to_be_read():
    chunk_id = FakeChunkNode()
    read = []
    line = Line(chunk_id=chunk_id, read_chunks=read.append)
    line.read(FakeBuffer(1, complete=False))
    assert read == []


def test_chunks_that_cannot_be_read_do_not_cost_the_frame():
    def broken(buffer):
        raise UnavailableError("parsing chunk data")

    line = Line(chunk_id=FakeChunkNode(), read_chunks=broken)
    assert line.read(FakeBuffer(1)).arrival is Arrival.FRAME


def test_stamps_are_told_in_our_clock():
    line = Line()
    last_ns = line.learn()
    # Held up on its way by 9 ms.
    grab = line.read(FakeBuffer(120, timestamp_ns=last_ns + 50 * MS), after_ms=59)
    assert grab.trigger_ns == line.now_ns - 9 * MS + GROWN_NS


def chunk_line(ticks_of, **told):
    """A camera with chunk stamps in ticks; (line, the stamp of a time)."""
    chunk_stamp = FakeChunkNode()

    def attach(buffer):
        chunk_stamp.now = buffer.chunk

    line = Line(chunk_stamp=chunk_stamp, read_chunks=attach, rates=rates(told))
    return line, lambda at_ns: {"chunk": ticks_of(at_ns), "timestamp_ns": 1}


@pytest.mark.parametrize(
    "told",
    [
        {"GevTimestampTickFrequency": 100_000_000},
        {"DeviceTimestampIncrement": 10},
        {"DeviceTimestampIncrement": 100_000_000},
        {"TimestampIncrement": 10.0, "GevTimestampTickFrequency": None},
        {"TimestampLatchValue": 10},
        {"producer": 100_000_000},
    ],
)
def test_chunk_stamps_come_first_and_are_told_in_the_ticks_that_the_camera_says(told):
    """A camera that counts at 100 MHz, and says so in any of the ways that vendors have."""
    line, stamp_of = chunk_line(lambda at_ns: at_ns // 10, **told)
    last_ns = line.learn(stamp_of)
    for number in range(400):
        last_ns += 50 * MS
        grab = line.read(FakeBuffer(120 + number, **stamp_of(last_ns)), after_ms=50)
        assert (grab.arrival, grab.trigger_ns) == (Arrival.FRAME, line.now_ns)


def test_a_clock_that_is_none_of_what_the_camera_says_is_not_used_and_no_frame_is_too_old():
    line, stamp_of = chunk_line(lambda at_ns: at_ns // 10)
    last_ns = line.learn(stamp_of)
    for number in range(400):
        last_ns += 50 * MS
        assert line.read(FakeBuffer(120 + number, **stamp_of(last_ns))).trigger_ns == 0


def test_a_producer_that_tells_stamps_in_ticks_alone_is_taken_at_them():
    line = Line(rates=rates({"producer": 125_000_000}))
    last_ns = line.learn(lambda at_ns: {"timestamp": at_ns // 8})
    grab = line.read(FakeBuffer(120, timestamp=(last_ns + 50 * MS) // 8), after_ms=53)
    assert grab.trigger_ns == line.now_ns - 3 * MS + GROWN_NS


def test_a_frame_that_was_overtaken_is_late_and_one_that_comes_again_doubled():
    line = Line()
    came = [line.read(FakeBuffer(frame_id)) for frame_id in (59, 61, 60, 62, 62)]
    assert [(grab.missed_before, grab.dropped) for grab in came] == [
        (0, Dropped.NO), (1, Dropped.NO), (0, Dropped.LATE), (0, Dropped.NO), (0, Dropped.DOUBLED),
    ]  # fmt: skip


def test_a_frame_that_is_dropped_is_not_written():
    line = Line()
    line.read(FakeBuffer(1))
    line.image[:] = 7
    assert line.read(FakeBuffer(1)).dropped is Dropped.DOUBLED
    assert (line.image == 7).all()


def fov_line():
    """A camera whose chunk tells the field of view of each frame."""
    chunk_fov = FakeChunkNode()

    def attach(buffer):
        chunk_fov.now = buffer.chunk

    return Line(chunk_fov=chunk_fov, read_chunks=attach)


@pytest.mark.parametrize("chunk", [0, 3, 65_535, "2"])
def test_the_field_of_view_is_the_frames_own(chunk):
    grab = fov_line().read(FakeBuffer(1, chunk=chunk))
    assert (grab.arrival, grab.fov) == (Arrival.FRAME, int(chunk))


@pytest.mark.parametrize("chunk", [-1, 65_536, "left", float("inf")])
def test_a_frame_whose_field_of_view_is_none_is_incomplete(chunk):
    assert fov_line().read(FakeBuffer(1, chunk=chunk)).arrival is Arrival.INCOMPLETE


def test_a_frame_without_the_chunk_of_its_field_of_view_is_incomplete():
    line = fov_line()
    class Silent(FakeBuffer):
        chunk = None

    assert line.read(Silent(1)).arrival is Arrival.INCOMPLETE


class Unread(FakeBuffer):
    """One whose chunks cannot be read: the nodes go on saying what they said of the frame before."""

    chunk = None


def stale_line(node, numbers=None):
    """A camera whose chunk node `node` keeps its value where a buffer's chunks cannot be read."""
    found = FakeChunkNode()

    def attach(buffer):
        if buffer.chunk is None:
            raise UnavailableError("parsing chunk data")
        found.now = buffer.chunk

    return Line(numbers, **{node: found}, read_chunks=attach)


@pytest.mark.parametrize("complete", [True, False])
def test_what_the_frame_before_said_in_its_chunks_is_not_said_of_the_next(complete):
    """Its field of view would be judged by another's rules, its number would make it a double."""
    line = stale_line("chunk_fov")
    assert line.read(FakeBuffer(1, chunk=3)).fov == 3
    grab = line.read(Unread(2, complete=complete))
    assert (grab.arrival, grab.fov) == (Arrival.INCOMPLETE, 0)

    line = stale_line("chunk_id", Numbers())
    line.read(FakeBuffer(1, chunk=70))
    grab = line.read(Unread(2, complete=complete))
    assert (grab.dropped, grab.missed_before, grab.trigger_id) == (Dropped.NO, 0, 0)
    assert len(line.reader._numbers.asked) == 1

    line = stale_line("chunk_stamp")
    last_ns = line.learn(lambda at_ns: {"chunk": at_ns})
    assert line.read(FakeBuffer(120, chunk=last_ns + 50 * MS)).trigger_ns == line.now_ns
    assert line.read(Unread(121, complete=complete), after_ms=51).trigger_ns == 0
    assert line.read(FakeBuffer(122, chunk=last_ns + 151 * MS), after_ms=50).trigger_ns == line.now_ns


def test_a_camera_of_one_field_of_view_says_the_one_of_its_section():
    """Of an incomplete frame as well: the part is rejected in that view."""
    line = Line(section={"fov": 3})
    assert line.read(FakeBuffer(1)).fov == line.read(FakeBuffer(2, complete=False)).fov == 3
    assert Line().read(FakeBuffer(1)).fov == 0


@pytest.mark.parametrize("told", [{"width": 16, "height": 2}, {"width": 4}, {"height": 2}, {"padding_x": 1}])
def test_a_layout_that_changes_is_read_anew_by_each_of_its_sizes(told):
    line = Line()
    line.read(FakeBuffer(1))
    width, height, padding = told.get("width", WIDTH), told.get("height", HEIGHT), told.get("padding_x", 0)
    rows = [bytes(range(100 + row, 100 + row + width)) for row in range(height)]
    grab = line.read(FakeBuffer(2, raw=b"".join(row + b"\xee" * padding for row in rows), **told))
    assert (grab.arrival, grab.shape) == (Arrival.FRAME, (height, width, 1))
    assert line.image[: width * height].tobytes() == b"".join(rows)
    line.read(FakeBuffer(3))
    assert line.image[:32].tobytes() == bytes(range(32))


def test_a_format_of_a_vendors_own_is_believed_and_one_that_is_another_of_ours_never():
    line = Line()
    for frame_id in (1, 2):
        assert line.read(FakeBuffer(frame_id, pixel_format=0x81080042)).arrival is Arrival.FRAME
    assert line.read(FakeBuffer(3, pixel_format=None)).arrival is Arrival.FRAME, "it does not tell"
    with pytest.raises(CameraError, match="frames come as Mono8"):
        line.read(FakeBuffer(4))


@pytest.mark.parametrize("age_ns", [10_000_000_000, 10_000_000_001])
def test_a_frame_of_ten_seconds_is_old_enough(age_ns):
    if age_ns > 10_000_000_000:
        with pytest.raises(CameraError, match=r"a frame was 10\.0 s old when it was read"):
            _trigger_ns(0, NOW - age_ns, NOW)
    else:
        assert _trigger_ns(0, NOW - age_ns, NOW) == NOW - age_ns


def test_a_frame_that_waited_for_us_is_as_old_as_the_one_before_it():
    line = Line()
    line.read(FakeBuffer(1))
    first_ns = line.now_ns
    assert line.read(FakeBuffer(2), after_ms=120, waited=False).trigger_ns == first_ns


def test_a_frame_that_waited_for_ten_seconds_loses_the_camera():
    line = Line()
    last_ns = line.learn()
    came_ns = line.now_ns
    grab = line.read(FakeBuffer(120, timestamp_ns=last_ns + 50 * MS), after_ms=10_000, waited=False)
    assert grab.trigger_ns == came_ns
    with pytest.raises(CameraError, match=r"was 10\.1 s old"):
        line.read(FakeBuffer(121, timestamp_ns=last_ns + 100 * MS), after_ms=MAX_AGE_NS // MS // 100, waited=False)


@pytest.mark.parametrize("payload", [2, 5, 10, 11])
def test_a_payload_that_is_no_image_is_refused(payload):
    with pytest.raises(CameraSettingError, match=f"payload type {payload}"):
        Line().read(FakeBuffer(1, payload_type=payload))


@pytest.mark.parametrize("payload", [0, 1, 4, None])
def test_images_with_and_without_chunks_are_taken(payload):
    assert Line().read(FakeBuffer(1, payload_type=payload)).arrival is Arrival.FRAME


def test_frames_in_another_format_than_the_camera_tells_lose_it():
    with pytest.raises(CameraError, match="PixelFormat is Mono8, but frames come as BayerRG8"):
        Line().read(FakeBuffer(1, pixel_format=0x01080009))


def test_a_format_that_changes_loses_the_camera():
    line = Line()
    line.read(FakeBuffer(1, pixel_format=0x81080042))
    with pytest.raises(CameraError, match="frames come as 0x81080043"):
        line.read(FakeBuffer(2, pixel_format=0x81080043))


def test_an_old_name_of_the_same_format_is_the_same_format():
    line = Line(pixel_format="RGB8Packed")
    grab = line.read(FakeBuffer(1, pixel_format=0x02180014, raw=bytes(96)))
    assert grab.arrival is Arrival.FRAME


def test_a_format_that_cannot_be_converted_is_refused_before_the_first_frame():
    with pytest.raises(CameraSettingError, match="pixel format YUV422_8 is not supported"):
        Line(pixel_format="YUV422_8")


@pytest.mark.parametrize(("width_px", "height_px"), [(17, 4), (8, 17)])
def test_frames_larger_than_the_ring_are_refused_with_both_sizes(width_px, height_px):
    with pytest.raises(CameraError, match=f"{width_px}x{height_px} px, the ring holds at most 16x16"):
        Line(width_px=width_px, height_px=height_px)
    with pytest.raises(CameraError, match=f"{width_px}x{height_px} px, the ring holds at most 16x16"):
        Line().read(FakeBuffer(1, width=width_px, height=height_px))


def test_a_frame_may_grow_within_the_ring():
    line = Line()
    line.read(FakeBuffer(1))
    assert line.read(FakeBuffer(2, width=16, height=16, raw=bytes(256))).shape == (16, 16, 1)


class Numbers:
    """Stands in for TriggerNumbers: keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def number(self, *frame):
        self.asked.append(frame)
        return 4711


def test_a_frame_and_an_incomplete_one_have_the_number_of_their_trigger():
    line = Line(Numbers())
    assert line.read(FakeBuffer(1)).trigger_id == 4711
    assert line.read(FakeBuffer(2, complete=False)).trigger_id == 4711


def test_without_trigger_numbers_and_without_a_frame_id_the_number_is_not_known():
    assert Line().read(FakeBuffer(1)).trigger_id == 0
    line = Line(Numbers())
    assert line.read(FakeBuffer(None)).trigger_id == 0
    assert line.reader._numbers.asked == []


def test_the_time_of_a_frame_is_its_stamp_or_else_its_arrival():
    line = Line(Numbers())
    last_ns = line.learn()
    assert line.reader._numbers.asked[-1] == (119, line.now_ns, line.now_ns)
    line.read(FakeBuffer(120, timestamp_ns=last_ns + 50 * MS), after_ms=59)
    stamped_ns = line.now_ns - 9 * MS + GROWN_NS
    assert line.reader._numbers.asked[-1] == (120, stamped_ns, stamped_ns)


def test_a_frame_that_waited_for_us_came_at_some_time_since_the_one_before_it():
    """Its arrival says nothing then; its stamp says that it was not later than that."""
    line = Line(Numbers())
    line.read(FakeBuffer(1))
    line.read(FakeBuffer(2), after_ms=120, waited=False)
    assert line.reader._numbers.asked[-1] == (2, line.now_ns - 120 * MS, line.now_ns)


def test_the_number_is_told_by_the_chunks_counter_where_there_is_one():
    chunk_id = FakeChunkNode()

    def attach(buffer):
        chunk_id.now = buffer.chunk

    line = Line(Numbers(), chunk_id=chunk_id, read_chunks=attach)
    line.read(FakeBuffer(1, chunk=70))
    assert [frame_id for frame_id, *_ in line.reader._numbers.asked] == [70]


def test_a_frame_that_is_dropped_has_no_picture_and_says_why():
    line = Line()
    line.read(FakeBuffer(1))
    assert line.read(FakeBuffer(1)) == Grab(Arrival.NO_IMAGE, (0, 0, 0), dropped=Dropped.DOUBLED)


def test_by_what_a_producer_tells_the_time_is_settled_by_its_first_frame():
    """One that forgets its ns once must not be read in ticks from then on: they count something else."""
    line = Line()
    last_ns = line.learn()
    line.read(FakeBuffer(120, timestamp=1), after_ms=59)
    grab = line.read(FakeBuffer(121, timestamp_ns=last_ns + 100 * MS, timestamp=2), after_ms=50)
    assert grab.trigger_ns == pytest.approx(last_ns + 100 * MS + line.known_ns, abs=2 * GROWN_NS)


@pytest.mark.parametrize(("earliest_ns", "told_ns", "expected"), [(5, 7, 5), (7, 5, 5), (0, 5, 5), (5, 0, 5), (0, 0, 0)])
def test_a_frame_is_as_old_as_the_older_of_its_two_witnesses_says(earliest_ns, told_ns, expected):
    assert _trigger_ns(earliest_ns, told_ns, 10) == expected
