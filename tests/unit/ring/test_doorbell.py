"""Doorbells carry whole records in order, and never wait."""

import os

import pytest

from aoi_daemon.errors import DoorbellFullError
from aoi_daemon.messages import ANNOUNCEMENT, Announcement, Arrival
from aoi_daemon.ring import doorbell
from aoi_daemon.ring.doorbell import drain, make_pipe, ring


@pytest.fixture
def pipe():
    ends = make_pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def view(sequence: int) -> Announcement:
    return Announcement(Arrival.FRAME, 0, 0, sequence, sequence, 1, 2, 3)


def read(fd: int) -> list[Announcement]:
    return list(drain(fd, Announcement.unpack, ANNOUNCEMENT.size))


def test_records_arrive_whole_and_in_order(pipe):
    for sequence in range(5000 // ANNOUNCEMENT.size * 20):
        ring(pipe[1], view(sequence))
    assert [each.sequence for each in read(pipe[0])] == list(range(5000 // ANNOUNCEMENT.size * 20))
    assert read(pipe[0]) == []


def test_a_full_doorbell_raises_and_does_not_wait(pipe):
    with pytest.raises(DoorbellFullError):
        for sequence in range(10**6):
            ring(pipe[1], view(sequence))
    received = read(pipe[0])
    assert [each.sequence for each in received] == list(range(len(received)))
    assert len(received) > 1000


def test_a_doorbell_whose_other_end_is_gone_has_nothing(pipe):
    read_fd, write_fd = os.pipe2(os.O_NONBLOCK)
    os.close(write_fd)
    assert read(read_fd) == []
    os.close(read_fd)


def test_over_the_user_s_quota_a_pipe_is_as_large_as_the_system_makes_it(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(doorbell.fcntl, "fcntl", refuse)
    ends = make_pipe()
    ring(ends[1], view(7))
    assert [each.sequence for each in read(ends[0])] == [7]
    for fd in ends:
        os.close(fd)


def test_a_pipe_is_made_large_and_ours_alone(monkeypatch):
    """256 KiB are asked for; no process that is started by chance holds an end open."""
    asked = []
    monkeypatch.setattr(doorbell.fcntl, "fcntl", lambda *request: asked.append(request))
    ends = make_pipe()
    ((fd, request, size_bytes),) = asked
    assert (fd, request) == (ends[1], 1031), "F_SETPIPE_SZ of linux/fcntl.h"
    assert 1 << (size_bytes - 1).bit_length() == 256 * 1024, "as the kernel rounds it up"
    for fd in ends:
        assert not os.get_inheritable(fd) and not os.get_blocking(fd)
        os.close(fd)


@pytest.mark.parametrize("size_bytes", [1, 7, 48, 100, 4096])
@pytest.mark.parametrize("fills", [0, 1, 2])
@pytest.mark.parametrize("rest", [0, 1, 3])
def test_more_than_one_read_brings_no_half_records_and_none_is_read_in_vain(size_bytes, fills, rest):
    """Each read is of whole records; one that is not full was the last."""
    asked = []

    def read(fd, most):
        asked.append((fd, most))
        count = most // size_bytes if len(asked) <= fills else rest
        assert count * size_bytes == most or len(asked) > fills
        if not count:
            raise BlockingIOError
        start = sum(counts)
        counts.append(count)
        return b"".join(bytes([number % 251]) * size_bytes for number in range(start, start + count))

    counts = []
    found = list(drain(9, bytes, size_bytes, read))
    assert found == [bytes([number % 251]) * size_bytes for number in range(sum(counts))]
    assert len(asked) == fills + 1 and {fd for fd, _ in asked} == {9}
    assert all(most >= 10_000 for _, most in asked)
