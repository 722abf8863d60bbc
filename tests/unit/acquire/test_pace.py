import os
import socket
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.acquire.images import Truth
from aoi_daemon.acquire.pace import EYE, MAX_MISSED, PhotoEye, PlcPace, TaktPace
from aoi_daemon.errors import CameraError
from aoi_daemon.messages import Reading
from aoi_daemon.ring.doorbell import make_pipe

MS = 1_000_000
TAKT = 50 * MS
START = 1_000_000 * MS


def started():
    pace = TaktPace(TAKT)
    assert pace.next_ns(START) == START + TAKT
    return pace


def test_the_first_part_comes_one_takt_after_the_first_question():
    assert started().next_ns(START + 3 * MS) == START + TAKT


def test_the_schedule_does_not_drift_with_late_parts():
    pace = started()
    for part in range(1, 1001):
        now_ns = START + part * TAKT + (part % 12) * MS
        assert pace.missed(now_ns) == []
        assert pace.next_ns(now_ns) == START + part * TAKT
        pace.taken()


def test_a_part_half_a_takt_late_is_taken_and_later_it_is_missed():
    assert started().missed(START + TAKT + TAKT // 2) == []
    assert started().missed(START + TAKT + TAKT // 2 + 1) == [START + TAKT]


def test_after_a_standstill_the_parts_that_went_past_are_missed_and_there_is_no_burst():
    pace = started()
    now_ns = START + 10 * TAKT + 30 * MS
    assert pace.missed(now_ns) == [START + part * TAKT for part in range(1, 11)]
    assert pace.missed(now_ns) == [], "each is told once"
    assert pace.next_ns(now_ns) == START + 11 * TAKT


@given(st.lists(st.integers(0, 400 * MS), min_size=1, max_size=60))
def test_every_part_is_taken_or_missed_and_none_come_closer_than_half_a_takt(delays):
    pace = TaktPace(TAKT)
    now_ns, taken, missed = START, [], 0
    pace.next_ns(now_ns)
    for delay in delays:
        now_ns += delay
        missed += len(pace.missed(now_ns))
        now_ns = max(now_ns, pace.next_ns(now_ns))
        pace.taken()
        taken.append(now_ns)
        assert len(taken) + missed == (pace.next_ns(now_ns) - START) // TAKT - 1
    assert all(after - before >= TAKT // 2 for before, after in pairwise(taken))


def test_a_line_that_stood_still_for_a_thousand_parts_is_a_lost_camera():
    pace = started()
    assert len(pace.missed(START + MAX_MISSED * TAKT + TAKT // 2 + 1)) == MAX_MISSED
    with pytest.raises(CameraError, match=r"held up for 50\.0 s"):
        started().missed(START + (MAX_MISSED + 1) * TAKT + TAKT // 2 + 1)


def trigger(at_ns, number):
    return Reading(at_ns, at_ns + MS, number, triggered=True).pack()


@pytest.fixture
def pipe():
    read_fd, write_fd = make_pipe()
    yield read_fd, write_fd
    for fd in (read_fd, write_fd):
        try:
            os.close(fd)
        except OSError:
            pass


def test_triggers_come_in_order_with_their_own_times(pipe):
    pace = PlcPace(pipe[0])
    os.write(pipe[1], trigger(111, 1) + trigger(222, 2))
    assert pace.wait(1.0)[:2] == (111, 0)
    assert pace.wait(1.0)[:2] == (222, 0)


def test_a_reading_that_found_no_trigger_is_no_part(pipe):
    pace = PlcPace(pipe[0])
    os.write(pipe[1], Reading(100, 101, 1, triggered=False).pack() + trigger(111, 1))
    assert pace.wait(1.0) is None
    assert pace.wait(1.0)[:2] == (111, 0)


def test_no_trigger_is_none_after_the_time_out(pipe):
    assert PlcPace(pipe[0]).wait(0.001) is None


def test_triggers_that_the_plc_process_did_not_see_are_missed_parts(pipe):
    pace = PlcPace(pipe[0])
    os.write(pipe[1], trigger(111, 2**32 - 2) + trigger(222, 1))
    assert pace.wait(1.0)[:2] == (111, 0)
    assert pace.wait(1.0)[:2] == (222, 1)


def test_flush_forgets_the_triggers_that_are_waiting(pipe):
    pace = PlcPace(pipe[0])
    os.write(pipe[1], trigger(111, 1) * 3000)
    pace.flush()
    assert pace.wait(0.001) is None


def test_a_pipe_without_a_writer_is_a_lost_camera(pipe):
    pace = PlcPace(pipe[0])
    os.close(pipe[1])
    with pytest.raises(CameraError, match="its writer is gone"):
        pace.wait(1.0)


def test_half_a_record_is_a_lost_camera(pipe):
    pace = PlcPace(pipe[0])
    os.write(pipe[1], trigger(111, 1)[:7])
    with pytest.raises(CameraError, match="gave 7 bytes"):
        pace.wait(1.0)


def test_a_pipe_that_is_none_is_a_lost_camera(pipe):
    pace = PlcPace(pipe[1])
    with pytest.raises(CameraError, match="cannot be read"):
        pace.flush()


def test_the_photo_eye_sends_one_datagram_a_part():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as simulator:
        simulator.bind(("127.0.0.1", 0))
        simulator.settimeout(2)
        eye = PhotoEye(f"127.0.0.1:{simulator.getsockname()[1]}")
        eye.see(7, 123456789, Truth.BAD)
        assert EYE.unpack(simulator.recv(100)) == (b"AOIP", 7, 123456789, 2)
        eye.close()


def test_a_photo_eye_that_nobody_looks_at_does_not_stop_the_line():
    eye = PhotoEye("127.0.0.1:9")
    for part in range(5):
        eye.see(part, 0, Truth.UNKNOWN)
    eye.close()
    eye.see(6, 0, Truth.UNKNOWN)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:99999", f"{'a' * 70}:1"])
def test_an_impossible_address_is_named(address):
    with pytest.raises(CameraError, match=f"photo_eye {address}"):
        PhotoEye(address)
