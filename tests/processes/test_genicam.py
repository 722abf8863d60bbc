"""The GenTL path, against viky: the producer with three simulated cameras in genicam's own wheel.

viky is 400x400 RGBa8 at 20 frames a second, free running, without time stamps or user names. It allows
what a real camera does not: Width and PixelFormat change while it runs.
"""

import os
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import genicam
import numpy as np
import pytest

from aoi_daemon.acquire import nodes as camera_nodes
from aoi_daemon.acquire.genicam import SLICE_MS, GenicamDriver
from aoi_daemon.config.cameras import GenicamCamera
from aoi_daemon.errors import CameraError, CameraSettingError
from aoi_daemon.messages import Arrival, Reading
from aoi_daemon.ring.doorbell import make_pipe

VIKY = Path(genicam.__file__).parent / "viky.cti"
SIDE = 400


def camera(**keys):
    keys = {"kind": "genicam", "name": "top", "producer": VIKY, "serial": "1", **keys}
    return GenicamCamera.model_validate(keys)


def nodes(**values):
    return [{"node": node, "value": value} for node, value in values.items()]


def planes(channels=1):
    size = 640 * 640 * channels
    return np.zeros(size, np.uint8), np.zeros(size, np.uint8)


@pytest.fixture
def opened():
    drivers = []

    def open_driver(**keys):
        driver = GenicamDriver(camera(**keys), 50_000_000)
        drivers.append(driver)
        driver.open()
        return driver

    yield open_driver
    for driver in drivers:
        driver.close()


def refusal(error=CameraError, **keys):
    """What `open` says to a configuration that it refuses."""
    driver = GenicamDriver(camera(**keys), 50_000_000)
    with pytest.raises(error) as caught:
        driver.open()
    return str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_fifty_frames_come_complete_and_without_a_gap(opened, channels):
    driver = opened(channels=channels, settings=nodes(AcquisitionFrameRate=100.0))
    image, template = planes(channels)
    for _ in range(50):
        image[:] = 0
        grab = driver.fetch_into(image, template, 1.0)
        assert grab is not None
        assert (grab.arrival, grab.shape) == (Arrival.FRAME, (SIDE, SIDE, channels))
        assert (grab.missed_before, grab.has_template, grab.fov) == (0, False, 0)
        size = SIDE * SIDE * channels
        assert image[:size].mean() > 250, "a small green ball on white"
        assert not image[size:].any()
        assert not template.any()


@pytest.mark.parametrize("chosen", [{"device_id": "VikyTL_DEV_green"}, {"index": 1}, {"model": "Viky", "index": 1}])
def test_a_camera_without_a_serial_is_chosen_by_id_or_by_model_and_index(opened, chosen):
    """In the order of their ids: blue, green, red."""
    driver = opened(serial=None, channels=3, **chosen)
    image, template = planes(3)
    driver.fetch_into(image, template, 1.0)
    bgr = image[: SIDE * SIDE * 3].reshape(SIDE, SIDE, 3)
    ball = bgr[(bgr < 128).any(axis=2)]
    assert (ball == (0, 255, 0)).all()


def test_an_index_that_is_not_there_is_refused_with_a_list():
    told = refusal(serial=None, index=3)
    assert "index 3: there are 3 cameras; counted from 0; there are: 0: Machine Vision Games Ltd. Viky" in told


def test_each_frame_has_the_cameras_field_of_view(opened):
    driver = opened(fov=4)
    assert driver.fetch_into(*planes(), 1.0).fov == 4


@pytest.mark.parametrize(
    ("settings", "chunk", "said"),
    [
        ({"ChunkModeActive": True}, "ChunkFov", "fov_chunk = 'ChunkFov': this camera has no such node"),
        ({"ChunkModeActive": False}, "ChunkNrBounces", "chunks are off; set ChunkModeActive = true"),
    ],
)
def test_a_field_of_view_that_the_frames_cannot_tell_is_refused(settings, chunk, said):
    assert said in refusal(CameraSettingError, settings=nodes(**settings), fov_chunk=chunk)


def test_the_field_of_view_is_read_from_the_frames_chunk(opened):
    """viky counts the bounces of its ball; what it says is the frame's field of view here."""
    driver = opened(settings=nodes(ChunkModeActive=True), fov_chunk="ChunkNrBounces")
    image, template = planes()
    for _ in range(5):
        grab = driver.fetch_into(image, template, 1.0)
        assert (grab.arrival, grab.fov) == (Arrival.FRAME, driver._nodes.ChunkNrBounces.value)


def test_what_the_camera_rounds_is_logged_with_what_was_asked_and_what_it_made_of_it(monkeypatch):
    """viky's frame rate has steps of 0.5 Hz or more."""
    driver = GenicamDriver(camera(settings=nodes(AcquisitionFrameRate=99.6)), 50_000_000)
    lines = []
    monkeypatch.setattr(driver, "_log", SimpleNamespace(info=lambda event, **more: lines.append((event, more))))
    driver.open()
    driver.close()
    ((event, more),) = lines
    assert (event, more["node"], more["asked"]) == ("camera_rounded", "AcquisitionFrameRate", 99.6)
    assert 0 < abs(more["got"] - 99.6) <= 1


def test_a_camera_whose_settings_are_locked_by_another_life_is_unlocked_and_stopped_first(opened, monkeypatch):
    done = []
    apply, stop = camera_nodes.apply, camera_nodes.stop

    def spied(node_map, *more):
        node_map.TLParamsLocked.value = 1
        why = stop(node_map, *more)
        done.append(("stop", node_map.TLParamsLocked.value, why))
        return why

    monkeypatch.setattr(camera_nodes, "stop", spied)
    monkeypatch.setattr(camera_nodes, "apply", lambda *more: done.append("apply") or apply(*more))
    driver = opened(settings=nodes(Width=320))
    assert done == [("stop", 0, ""), "apply"]
    assert driver.fetch_into(*planes(), 1.0).shape == (SIDE, 320, 1)


def test_colours_arrive_in_the_order_blue_green_red(opened):
    driver = opened(channels=3)  # serial 1 is the green ball
    image, template = planes(3)
    driver.fetch_into(image, template, 1.0)
    bgr = image[: SIDE * SIDE * 3].reshape(SIDE, SIDE, 3)
    ball = bgr[(bgr < 128).any(axis=2)]
    assert len(ball) > 100
    assert (ball == (0, 255, 0)).all()


def test_a_setting_is_applied_and_a_value_is_rounded_to_the_cameras_steps(opened):
    driver = opened(settings=nodes(PixelFormat="Mono8", Width=320, ChunkModeActive=False, AcquisitionFrameRate=99.6))
    image, template = planes()
    assert driver.fetch_into(image, template, 1.0).shape == (SIDE, 320, 1)


def test_chunk_data_behind_the_pixels_does_no_harm(opened):
    driver = opened(settings=nodes(ChunkModeActive=True))
    image, template = planes()
    assert driver.fetch_into(image, template, 1.0).arrival is Arrival.FRAME
    assert image[: SIDE * SIDE].mean() > 250


def test_a_camera_without_stamps_gives_none(opened):
    driver = opened()
    image, template = planes()
    assert driver.fetch_into(image, template, 1.0).trigger_ns == 0


def test_a_frame_that_waited_for_us_is_not_taken_for_a_new_one(opened):
    driver = opened()
    image, template = planes()
    driver.fetch_into(image, template, 1.0)
    seen_ns = time.monotonic_ns()
    threading.Event().wait(0.2)  # we stand still; viky goes on
    grab = driver.fetch_into(image, template, 1.0)
    assert 0 < grab.trigger_ns <= seen_ns


def test_a_stopped_process_finds_its_frames_too_old_and_opens_again(opened):
    driver = opened()
    image, template = planes()
    driver.fetch_into(image, template, 1.0)
    before = driver._clock
    driver._clock = lambda: before() + 11_000_000_000
    threading.Event().wait(0.1)
    with pytest.raises(CameraError, match="s old when it was read"):
        driver.fetch_into(image, template, 1.0)


def test_a_frame_lost_for_want_of_buffers_is_a_missed_part(opened):
    driver = opened(buffers=2, settings=nodes(AcquisitionFrameRate=100.0))
    image, template = planes()
    driver.fetch_into(image, template, 1.0)
    threading.Event().wait(0.2)
    missed = [driver.fetch_into(image, template, 1.0).missed_before for _ in range(5)]
    assert sum(missed) >= 10


def silent(opened):
    """A camera that has stopped, with planes for frames that do not come: (driver, image, template)."""
    driver = opened()
    driver._nodes.AcquisitionStop.execute()
    image, template = planes()
    while driver.fetch_into(image, template, 0.2) is not None:
        pass
    return driver, image, template


def test_silence_is_none_after_the_time_out_and_costs_no_cpu(opened):
    driver, image, template = silent(opened)
    begun_s, cpu_s = time.monotonic(), time.process_time()
    assert driver.fetch_into(image, template, 0.2) is None
    assert 0.2 <= time.monotonic() - begun_s < 0.4
    assert time.process_time() - cpu_s < 0.05


def test_a_wall_clock_set_back_does_not_prolong_the_wait(opened, monkeypatch):
    driver, image, template = silent(opened)
    wall = iter(range(2_000_000_000, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(wall)))
    begun_s = time.monotonic()
    assert driver.fetch_into(image, template, 0.1) is None
    assert time.monotonic() - begun_s < 0.3


def test_a_signal_is_handled_within_a_slice(opened):
    driver, image, template = silent(opened)
    handled_s = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled_s.append(time.monotonic()))
    try:
        # pytest-timeout's own alarm is lost to this test; what follows it is bounded.
        due_s = time.monotonic() + 0.05
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        driver.fetch_into(image, template, 0.3)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handled_s[0] - due_s < SLICE_MS / 1000 + 0.05


def test_our_sigint_handler_survives_open_and_close(opened):
    caught = []
    before = signal.signal(signal.SIGINT, lambda *_: caught.append(1))
    try:
        driver = opened()
        image, template = planes()
        os.kill(os.getpid(), signal.SIGINT)
        assert driver.fetch_into(image, template, 1.0) is not None, "harvesters would have destroyed it"
        assert caught == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_camera_can_be_closed_and_opened_again_many_times(opened):
    driver = opened()
    image, template = planes()
    for _ in range(5):
        driver.close()
        driver.close()
        driver.open()
        grab = driver.fetch_into(image, template, 1.0)
        assert (grab.arrival, grab.missed_before) == (Arrival.FRAME, 0)


def test_a_driver_that_was_closed_is_not_open(opened):
    driver = opened()
    driver.close()
    with pytest.raises(CameraError, match="top is not open"):
        driver.fetch_into(*planes(), 0.1)


def test_a_failed_open_leaves_the_camera_free(opened):
    refusal(CameraSettingError, settings=nodes(Width=801))
    opened()


@pytest.mark.parametrize("chosen", [{"model": "Viky"}, {}])
def test_a_choice_that_fits_several_cameras_is_refused_with_a_list(chosen):
    told = refusal(serial=None, **chosen)
    assert "name one by its serial" in told
    for place, (serial, colour) in enumerate((("2", "blue"), ("1", "green"), ("0", "red"))):
        assert f"{place}: Machine Vision Games Ltd. Viky (serial '{serial}', id 'VikyTL_DEV_{colour}')" in told


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"serial": "77"}, "serial '77'"),
        ({"serial": None, "model": "Nikon"}, "model 'Nikon'"),
        # viky tells no user name; harvesters' own search takes that for a match.
        ({"serial": None, "user_name": "top-left"}, "user_name 'top-left'"),
    ],
)
def test_a_camera_that_is_not_there_is_refused_with_a_list(chosen, said):
    told = refusal(**chosen)
    assert f"no camera with {said} is there" in told
    assert "Viky (serial '0', id " in told


def test_a_producer_file_that_is_missing_is_named(tmp_path):
    assert f"producer {tmp_path / 'vendor.cti'}: no such file" in refusal(producer=tmp_path / "vendor.cti")


def test_a_producer_file_that_is_no_library_is_named(tmp_path):
    path = tmp_path / "vendor.cti"
    path.write_text("this is no shared object. " * 100)
    told = refusal(producer=path)
    assert f"producer {path} cannot be used" in told
    assert "invalid ELF header" in told


@pytest.mark.parametrize(
    ("node", "value", "said"),
    [
        ("Width", 801, "100 to 800"),
        ("Width", 320.5, "a whole number, 100 to 800"),
        ("Width", True, "a whole number, 100 to 800"),
        ("Width", "320", "a whole number"),
        ("Width", 2**70, "refused"),
        ("AcquisitionFrameRate", 500.0, "1 to 200 Hz"),
        ("AcquisitionFrameRate", False, "a number, 1 to 200 Hz"),
        ("PixelFormat", "Mono12", "one of RGBa8, Mono8"),
        ("PixelFormat", 5, "a name, one of RGBa8, Mono8"),
        ("ChunkModeActive", 1, "true or false"),
        ("ChunkModeActive", "on", "true or false"),
        ("AspectRatio", 2.0, "the node is read-only now"),
        ("ChunkNrBounces", 1, "the node is not available now"),
        ("AcquisitionStart", 1, "true, to execute it"),
        ("AcquisitionStart", False, "true, to execute it"),
        ("Root", True, "no setting but an ICategory"),
        ("GenDCDescriptor", 1, "no setting but an IRegister"),
        ("Widht", 320, "has no such node; near it are Width"),
        ("ExposureTime", 100.0, "has no such node"),
    ],
)
def test_a_refused_setting_names_node_value_and_what_the_camera_takes(node, value, said):
    told = refusal(CameraSettingError, settings=nodes(**{node: value}))
    assert f"{node} = {value!r}" in told
    assert said in told


def test_settings_are_applied_in_order(opened):
    driver = opened(settings=[*nodes(Width=320), *nodes(Width=240)])
    assert driver.fetch_into(*planes(), 1.0).shape == (SIDE, 240, 1)


def test_the_first_refused_setting_is_the_one_that_is_named():
    told = refusal(CameraSettingError, settings=[*nodes(PixelFormat="Mono8"), *nodes(Nope=1), *nodes(Width=9999)])
    assert "Nope" in told


def test_a_command_is_executed_and_waited_for(opened):
    begun_s = time.monotonic()
    opened(settings=nodes(FancyBallOperation=True))
    assert time.monotonic() - begun_s > 4.5, "viky is done after 5 s"


def test_frames_larger_than_the_ring_are_refused_with_both_sizes():
    told = refusal(max_width_px=320, max_height_px=320)
    assert "400x400" in told
    assert "320x320" in told


def test_frames_that_outgrow_the_ring_while_running_lose_the_camera(opened):
    driver = opened(max_width_px=SIDE, max_height_px=SIDE, settings=nodes(ChunkModeActive=True))
    driver._nodes.Width.value = 500
    image, template = planes()
    with pytest.raises(CameraError, match="500x400 px, the ring holds at most 400x400"):
        for _ in range(10):
            driver.fetch_into(image, template, 1.0)


def test_another_pixel_format_while_running_loses_the_camera(opened):
    driver = opened()
    image, template = planes()
    driver.fetch_into(image, template, 1.0)
    driver._nodes.PixelFormat.value = "Mono8"
    with pytest.raises(CameraError, match="PixelFormat is RGBa8, but frames come as Mono8"):
        for _ in range(10):
            driver.fetch_into(image, template, 1.0)


def test_a_payload_that_is_no_image_is_refused(opened):
    driver = opened(settings=nodes(GenDCStreamingMode="On"))
    with pytest.raises(CameraSettingError, match="payload type 11"):
        driver.fetch_into(*planes(), 1.0)


def test_a_producer_closed_under_us_is_a_lost_camera_and_close_does_not_raise(opened):
    driver = opened()
    driver._harvester.reset()
    with pytest.raises(CameraError, match="camera top is lost"):
        driver.fetch_into(*planes(), 0.1)
    driver.close()
    driver.open()
    assert driver.fetch_into(*planes(), 1.0) is not None


class Plc:
    """Counts, and is read every 4 ms by a thread of its own, as plc does it."""

    def __init__(self, write_fd):
        self.number = 1000
        self._fd = write_fd
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._over.wait(0.004):
            asked = time.monotonic_ns()
            os.write(self._fd, Reading(asked, time.monotonic_ns(), self.number, triggered=False).pack())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def test_frames_have_the_plcs_number_of_their_trigger_or_none():
    """The camera's own counter against the PLC's count, which goes up with each frame, seen a moment after it."""
    read_fd, write_fd = make_pipe()
    config = camera(trigger_within_ms=8.0)
    driver = GenicamDriver(config, 50_000_000, trigger_fd=read_fd)
    image, template = planes()
    said = []
    try:
        os.write(write_fd, Reading(1, 2, 1, triggered=True).pack())  # of a part that came before the camera was open
        driver.open()
        with pytest.raises(BlockingIOError):
            os.read(read_fd, 1)
        with Plc(write_fd) as plc:
            for _ in range(200):
                grab = driver.fetch_into(image, template, 1.0)
                plc.number += 1 + grab.missed_before
                said.append((grab.trigger_id, plc.number))
                if sum(number != 0 for number, _ in said) >= 10:
                    break
    finally:
        driver.close()
        os.close(read_fd)
        os.close(write_fd)
    assert all(number in (0, truth) for number, truth in said)
    assert sum(number != 0 for number, _ in said) >= 10, said


def test_a_camera_without_a_pipe_gives_frames_without_a_number(opened):
    driver = opened(trigger_within_ms=8.0)
    assert driver.fetch_into(*planes(), 1.0).trigger_id == 0
