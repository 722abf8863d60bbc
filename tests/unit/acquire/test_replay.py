import os
import socket
from typing import ClassVar

import cv2
import numpy as np
import pytest

from aoi_daemon.acquire.camera import Grab
from aoi_daemon.acquire.images import Truth
from aoi_daemon.acquire.pace import EYE
from aoi_daemon.acquire.replay import ReplayDriver
from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.errors import CameraError
from aoi_daemon.messages import Arrival, Reading
from aoi_daemon.ring.doorbell import make_pipe

MS = 1_000_000
TAKT = 50 * MS
START = 10**15
BAYER = ("BayerRG8", "BayerGB8", "BayerGR8", "BayerBG8")


class Clock:
    """A clock that moves only while somebody sleeps, and `late_ns` too far then."""

    def __init__(self):
        self.now_ns = START
        self.late_ns = 0
        self.slept = 0

    def __call__(self):
        return self.now_ns

    def sleep(self, seconds):
        assert seconds > 0, "nobody spins"
        self.slept += 1
        self.now_ns += round(seconds * 1e9) + self.late_ns


class Line:
    """A driver over a folder or video, and the planes that it writes to."""

    made: ClassVar = []

    def __init__(self, source, *, trigger_fd=None, first_part=1, **keys):
        self.clock = Clock()
        self.config = ReplayCamera.model_validate({"kind": "replay", "source": source, **keys})
        self.driver = ReplayDriver(
            self.config, TAKT, trigger_fd=trigger_fd, first_part=first_part,
            clock=self.clock, sleep=self.clock.sleep,
        )  # fmt: skip
        size = 640 * 640 * self.config.channels
        self.made.append(self.driver)
        self.image, self.template = np.full(size, 7, np.uint8), np.full(size, 7, np.uint8)

    def open(self):
        self.driver.open()
        return self

    def fetch(self, timeout_s=1.0):
        return self.driver.fetch_into(self.image, self.template, timeout_s)

    def values(self, count):
        """The gray values that the next `count` parts show."""
        return [self.image[0] for _ in range(count) if self.fetch()]


@pytest.fixture(autouse=True)
def _close_all():
    yield
    while Line.made:
        Line.made.pop().close()


def refusal(source, **keys):
    with pytest.raises(CameraError) as caught:
        Line(source, **keys).open()
    return str(caught.value)


@pytest.fixture
def simulator():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield listener


def address(simulator):
    return f"127.0.0.1:{simulator.getsockname()[1]}"


def seen(simulator):
    """What the photo eye told, as (part, trigger_ns, truth)."""
    told = []
    while True:
        try:
            told.append(EYE.unpack(simulator.recv(100))[1:])
        except BlockingIOError:
            return told


@pytest.fixture
def pipe():
    read_fd, write_fd = make_pipe()
    yield read_fd, lambda *records: os.write(write_fd, b"".join(Reading(at, at, n, triggered=True).pack() for at, n in records))
    os.close(read_fd)
    os.close(write_fd)


def test_part_n_shows_image_n_and_then_from_the_first_again(folder):
    assert Line(folder.add_all(5).path).open().values(12) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


@pytest.mark.parametrize("preload", [1, 2, 100])
@pytest.mark.parametrize("first_part", [1, 2, 5, 6, 1_000_003])
def test_a_restarted_replay_goes_on_with_the_next_image(folder, preload, first_part):
    line = Line(folder.add_all(5).path, first_part=first_part, preload=preload).open()
    assert line.values(7) == [(first_part - 1 + n) % 5 for n in range(7)]


@pytest.mark.parametrize("first_part", [1, 5, 9])
def test_a_restarted_video_goes_on_with_the_next_frame(video, first_part):
    line = Line(video(7), first_part=first_part, preload=2).open()
    for part, value in enumerate(line.values(9), first_part):
        assert abs(int(value) - 8 * ((part - 1) % 7)) <= 2


def test_a_grab_has_the_field_of_view_of_its_camera(folder):
    assert Line(folder.add_all(1).path, fov=7).open().fetch().fov == 7


def test_a_frame_that_cannot_be_shown_is_a_part_without_an_image(tmp_path):
    """It has its number and its trigger; the line rejects it like any part that its camera has not delivered."""
    sizes = ((24, 32), (24, 32), (40, 48), (24, 32))
    frames = [cv2.imencode(".jpg", np.full(size, 40, np.uint8))[1].tobytes() for size in sizes]
    (tmp_path / "line.mjpeg").write_bytes(b"".join(frames))
    line = Line(tmp_path / "line.mjpeg").open()
    grabs = [line.fetch() for _ in range(4)]
    no_image = Arrival.NO_IMAGE
    assert [grab.arrival for grab in grabs] == [Arrival.FRAME, Arrival.FRAME, no_image, Arrival.FRAME]
    assert grabs[2] == Grab(no_image, (0, 0, 0), trigger_ns=START + 3 * TAKT)


def test_a_grab_tells_shape_time_and_that_nothing_was_missed(folder):
    line = Line(folder.add_all(1).path).open()
    grab = line.fetch()
    assert grab == (Arrival.FRAME, (24, 32, 1), 0, START + TAKT, 0, False, 0, 0)
    assert (line.image[24 * 32 :] == 7).all()
    assert (line.template == 7).all()


def test_a_pair_brings_its_template(folder):
    line = Line(folder.add_pair("a", 1).path).open()
    grab = line.fetch()
    assert (grab.fov, grab.has_template) == (0, True)
    assert (line.image[: 24 * 32] == 1).all()
    assert (line.template[: 24 * 32] == 101).all()


def test_images_of_different_sizes_each_have_their_shape(folder):
    line = Line(folder.add("a.png", width=32).add("b.png", width=640, height=640).path).open()
    assert [line.fetch().shape for _ in range(3)] == [(24, 32, 1), (640, 640, 1), (24, 32, 1)]


def test_parts_come_a_takt_apart_with_the_stamp_of_when_they_were_due(folder):
    line = Line(folder.add_all(3).path).open()
    line.clock.late_ns = 3 * MS  # each sleep is 3 ms too long
    stamps = [line.fetch().trigger_ns for _ in range(200)]
    assert stamps == [START + part * TAKT for part in range(1, 201)]
    assert line.clock.now_ns == START + 200 * TAKT + 3 * MS


def test_the_wait_is_one_sleep_not_many(folder):
    line = Line(folder.add_all(3).path).open()
    line.values(10)
    assert line.clock.slept == 10


def test_a_time_out_is_none_and_costs_no_part(folder):
    line = Line(folder.add_all(3).path).open()
    assert [line.fetch(0.02) for _ in range(2)] == [None, None]
    assert line.clock.now_ns == START + 40 * MS
    assert line.fetch(0.02).trigger_ns == START + TAKT
    assert line.image[0] == 0


def test_parts_that_went_past_are_missed_and_the_next_shows_its_own_image(folder):
    line = Line(folder.add_all(5).path).open()
    line.fetch()
    line.clock.now_ns += 130 * MS  # parts 2 and 3 go past: nobody is there
    grab = line.fetch()
    assert (grab.missed_before, grab.trigger_ns) == (2, START + 4 * TAKT)
    assert line.image[0] == 3
    assert line.fetch().missed_before == 0


def test_parts_are_missed_in_a_sleep_that_was_too_long(folder):
    line = Line(folder.add_all(5).path).open()
    line.fetch()
    line.clock.late_ns = 60 * MS
    assert line.fetch(0.02) is None
    line.clock.late_ns = 0
    grab = line.fetch()
    assert (grab.missed_before, grab.trigger_ns, line.image[0]) == (1, START + 3 * TAKT, 2)


def test_the_end_of_parts_is_silence(folder):
    line = Line(folder.add_all(3).path, parts=4).open()
    assert line.values(10) == [0, 1, 2, 0]
    now_ns = line.clock.now_ns
    assert line.fetch(0.02) is None
    assert line.clock.now_ns == now_ns + 20 * MS


def test_without_loop_the_end_of_the_images_is_silence(folder):
    assert Line(folder.add_all(3).path, loop=False).open().values(10) == [0, 1, 2]
    assert Line(folder.path, loop=False, parts=2).open().values(10) == [0, 1]
    assert Line(folder.path, loop=False, first_part=3).open().values(10) == [2]
    assert Line(folder.path, loop=False, first_part=4).open().values(10) == []


def test_parts_missed_at_the_very_end_are_told_too(folder):
    line = Line(folder.add_all(9).path, parts=4).open()
    line.fetch()
    line.clock.now_ns += 1000 * MS
    assert line.fetch() is None
    assert line.fetch() == (Arrival.NO_IMAGE, (0, 0, 0), 0, 0, 2, False, 0, 0)
    assert line.fetch() is None


def test_a_long_standstill_is_a_lost_camera(folder):
    line = Line(folder.add_all(3).path).open()
    line.fetch()
    line.clock.now_ns += 60_000 * MS
    with pytest.raises(CameraError, match="held up"):
        line.fetch()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pixel_format", ["Mono8", "BGR8", *BAYER])
def test_every_pixel_format_gives_the_picture_back(folder, pixel_format, channels):
    picture = np.empty((24, 32, 3), np.uint8)
    picture[:, :16], picture[:, 16:] = (200, 100, 50), (20, 40, 240)
    cv2.imwrite(str(folder.path / "a.png"), picture)
    line = Line(folder.path, pixel_format=pixel_format, channels=channels).open()
    assert line.fetch().shape == (24, 32, channels)
    out = line.image[: 24 * 32 * channels].reshape(24, 32, channels)
    expected = picture
    if channels == 1 or pixel_format == "Mono8":
        expected = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[:, :, None]
    # A mosaic knows nothing of the pixels beside an edge of colour.
    for columns in (slice(2, 14), slice(18, 30)):
        assert abs(out[2:-2, columns].astype(int) - expected[2:-2, columns]).max() <= 1


def test_a_camera_of_three_channels_gives_colours_where_nobody_says_how(folder):
    """Red and blue as bright as each other were the same gray, and what a model tells by its colour went through."""
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[:, :16], picture[:, 16:] = (0, 0, 99), (255, 0, 0)
    cv2.imwrite(str(folder.path / "a.png"), picture)
    line = Line(folder.path, channels=3).open()
    assert line.fetch().shape == (24, 32, 3)
    np.testing.assert_array_equal(line.image[: picture.size].reshape(picture.shape), picture)


@pytest.mark.parametrize("size", [(31, 23), (33, 24), (32, 25)])
def test_an_image_of_odd_size_can_be_mosaiced(folder, size):
    folder.add("a.png", 99, width=size[0], height=size[1])
    line = Line(folder.path, pixel_format="BayerGB8").open()
    assert line.fetch().shape == (size[1], size[0], 1)
    # OpenCV 4 rounds what it weighs to gray another way than 5.
    assert abs(line.image[: size[0] * size[1]].astype(int) - 99).max() <= 1


def test_the_photo_eye_sees_each_part_once_in_order_with_its_truth(folder, simulator):
    folder.add_pair("a", label="").add_pair("b", label="1 2 3 4 5").add_pair("c")
    line = Line(folder.path, photo_eye=address(simulator), first_part=2).open()
    line.fetch()
    line.clock.now_ns += 130 * MS  # parts 3 and 4 go past the eye, but not past us
    line.fetch()
    assert seen(simulator) == [
        (2, START + TAKT, Truth.BAD),
        (3, START + 2 * TAKT, Truth.UNKNOWN),
        (4, START + 3 * TAKT, Truth.GOOD),
        (5, START + 4 * TAKT, Truth.BAD),
    ]


def test_the_photo_eye_sees_the_part_before_its_image_is_there(folder, simulator):
    line = Line(folder.add_all(1).path, photo_eye=address(simulator)).open()
    line.image = np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="the plane holds"):
        line.fetch()
    assert [part for part, _, _ in seen(simulator)] == [1]


def test_the_truth_is_that_of_the_label_file(folder):
    folder.add_pair("a", label="").add_pair("b", label="1 2 3 4 5").add_pair("c")
    driver = Line(folder.path).open().driver
    assert [driver.truth(part) for part in (1, 2, 3, 4)] == [
        Truth.GOOD, Truth.BAD, Truth.UNKNOWN, Truth.GOOD,
    ]  # fmt: skip


def test_the_plcs_triggers_pace_the_replay_and_keep_their_times(folder, pipe, simulator):
    read_fd, trigger = pipe
    line = Line(folder.add_all(9).path, pace="plc", trigger_fd=read_fd, photo_eye=address(simulator)).open()
    assert line.fetch(0.001) is None
    trigger((111, 1), (222, 2), (333, 5))
    grabs = [line.fetch() for _ in range(3)]
    assert [(grab.trigger_ns, grab.missed_before) for grab in grabs] == [(111, 0), (222, 0), (333, 2)]
    assert line.image[0] == 4
    assert seen(simulator) == [(1, 111, 0), (2, 222, 0), (3, 333, 0), (4, 333, 0), (5, 333, 0)]


def test_triggers_from_before_the_camera_was_open_are_forgotten(folder, pipe):
    read_fd, trigger = pipe
    line = Line(folder.add_all(3).path, pace="plc", trigger_fd=read_fd)
    trigger((111, 1), (222, 2))
    line.open()
    assert line.fetch(0.001) is None
    trigger((333, 3))
    assert (line.fetch().trigger_ns, line.image[0]) == (333, 0)


def test_triggers_after_the_last_part_do_not_fill_the_pipe(folder, pipe):
    read_fd, trigger = pipe
    line = Line(folder.add_all(3).path, pace="plc", trigger_fd=read_fd, parts=1).open()
    trigger((111, 1))
    assert line.fetch() is not None
    for n in range(100):
        trigger(*((n, n) for _ in range(1000)))
        assert line.fetch(0.02) is None


def test_a_plc_pace_without_a_pipe_is_refused(folder):
    assert "without a pipe" in refusal(folder.add_all(1).path, pace="plc")


@pytest.mark.parametrize(("width", "height"), [(641, 640), (640, 641)])
@pytest.mark.parametrize("position", ["a", "z"])
def test_an_image_larger_than_the_ring_is_refused_with_both_sizes(folder, width, height, position):
    folder.add("m.png").add(f"{position}.png", width=width, height=height)
    told = refusal(folder.path, preload=1)
    assert f"{position}.png: is {width}x{height} px, the ring holds at most 640x640" in told


def test_a_video_larger_than_the_ring_is_refused(video):
    assert "is 656x480 px" in refusal(video(1, width=656, height=480))


def test_a_source_that_is_not_there_is_refused_by_name(tmp_path):
    assert f"{tmp_path / 'gone'}: no such folder or video file" in refusal(tmp_path / "gone")


def test_a_single_image_is_no_source(folder):
    path = folder.add_all(1).path / "board0.png"
    assert f"{path}: is an image; name the folder" in refusal(path)


def test_a_photo_eye_that_is_not_found_is_refused_by_name(folder):
    assert "photo_eye nowhere.invalid:9" in refusal(folder.add_all(1).path, photo_eye="nowhere.invalid:9")


def test_a_driver_that_is_not_open_says_so(folder):
    line = Line(folder.add_all(1).path)
    with pytest.raises(CameraError, match="is not open"):
        line.fetch()
    line.open().driver.close()
    line.driver.close()
    with pytest.raises(CameraError, match="is not open"):
        line.fetch()


def test_a_failed_open_can_be_tried_again(folder):
    line = Line(folder.add("a.png", width=700).path)
    with pytest.raises(CameraError):
        line.open()
    line.driver.close()
    folder.add("a.png", 3)
    assert line.open().values(1) == [3]
