"""ring/parcel.py: a message arrives as it was sent, or an error names what is wrong with it."""

import fcntl
import gc
import os
import socket

import pytest

from aoi_daemon.ring import parcel
from aoi_daemon.ring.parcel import (
    MAX_FDS,
    MAX_MESSAGE_BYTES,
    MessageError,
    encoded,
    receive,
    send,
    send_parcel,
)  # fmt: skip


@pytest.fixture
def ends():
    """The two ends; what is open afterwards was open before."""
    gc.collect()  # what other tests have left to be closed is closed now
    before = set(os.listdir("/proc/self/fd"))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.setblocking(False)
        yield ours, theirs
    assert set(os.listdir("/proc/self/fd")) <= before


def body_of(size_bytes: int) -> dict[str, str]:
    """A body that is `size_bytes` long as JSON."""
    return {"do": "recipe", "text": "x" * (size_bytes - len('{"do": "recipe", "text": ""}'))}


@pytest.mark.parametrize("by", [send, send_parcel])
@pytest.mark.parametrize("size_bytes", [100, 64 * 1024])
def test_a_body_comes_as_it_was_sent(ends, by, size_bytes):
    by(ends[0], body_of(size_bytes))
    assert receive(ends[1]) == (body_of(size_bytes), [])


def test_the_largest_parcel_comes_as_it_was_sent(ends):
    largest = body_of(32 * 1024 * 1024)
    send_parcel(ends[0], largest)
    assert receive(ends[1]) == (largest, [])


@pytest.mark.parametrize("most", [64 * 1024, 32 * 1024 * 1024])
def test_what_does_not_fit_is_refused_by_name(ends, most):
    by = send if most == MAX_MESSAGE_BYTES else send_parcel
    with pytest.raises(MessageError, match=rf"do 'recipe': {most + 1} bytes do not fit .* at most {most}"):
        by(ends[0], body_of(most + 1))
    with pytest.raises(BlockingIOError):
        receive(ends[1])


def test_descriptors_come_in_their_order_and_are_not_inherited(ends):
    pipes = [os.pipe() for _ in range(3)]
    send_parcel(ends[0], {"stage": "plc"}, [read for read, _ in pipes])
    _, fds = receive(ends[1])
    for number, ((read, write), fd) in enumerate(zip(pipes, fds, strict=True)):
        os.write(write, bytes([number]))
        assert os.read(fd, 9) == bytes([number])
        assert not os.get_inheritable(fd)
        for each in (read, write, fd):
            os.close(each)


def test_too_many_descriptors_are_refused_by_name(ends):
    with pytest.raises(MessageError, match=f"{MAX_FDS} descriptors do not fit"):
        send_parcel(ends[0], {}, [0] * MAX_FDS)


def test_nobody_can_change_a_parcel_that_is_on_its_way(ends):
    fd = parcel._sealed(b"{}")
    for change in (
        lambda: os.pwrite(fd, b"x", 0), lambda: os.truncate(fd, 1), lambda: os.truncate(fd, 9),
        lambda: fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL),
    ):  # fmt: skip
        with pytest.raises(PermissionError):
            change()
    os.close(fd)


def unsealed(data: bytes) -> int:
    fd = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    return fd


@pytest.mark.parametrize(
    ("data", "make_fd", "problem"),
    [
        (b"x" * (MAX_MESSAGE_BYTES + 1), None, "without its end .more than 65536 bytes did not fit"),
        (b"{", None, "not a message"),
        (b"\xff", None, "not a message"),
        (b"parcel", None, "not a message"),
        (b"parcel", lambda: unsealed(b"{}"), "is not sealed"),
        (b"parcel", lambda: parcel._sealed(b"{"), "not a message"),
        (b"parcel", lambda: os.open("/dev/null", os.O_RDONLY), "not a message"),
    ],
)
def test_what_did_not_come_as_it_was_sent_is_an_error_and_leaves_nothing_open(ends, data, make_fd, problem):
    fds = [] if make_fd is None else [make_fd()]
    socket.send_fds(ends[0], [data], fds)
    for fd in fds:
        os.close(fd)
    with pytest.raises(MessageError, match=problem) as raised:
        receive(ends[1])
    assert ("not a message" in str(raised.value)) == (problem == "not a message")


def test_as_many_descriptors_come_as_may_be_sent(ends):
    with open(os.devnull) as nothing:
        send_parcel(ends[0], {"stage": "plc"}, [nothing.fileno()] * (MAX_FDS - 1))
        body, fds = receive(ends[1])
    assert body == {"stage": "plc"} and len(fds) == MAX_FDS - 1
    for fd in fds:
        os.close(fd)


def test_half_a_descriptor_is_none():
    def of(data):
        return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, data)]

    one = (7).to_bytes(4, "little")
    assert parcel._descriptors(of(one)) == [7]
    assert parcel._descriptors(of(one + one[:3])) == [7]
    assert parcel._descriptors(of(one[:3])) == []
    assert parcel._descriptors([(socket.SOL_SOCKET, 0, one), (0, socket.SCM_RIGHTS, one)]) == []


def test_a_parcel_that_can_be_read_in_part_only_is_an_error(ends, monkeypatch):
    send_parcel(ends[0], {"a": 1})
    monkeypatch.setattr(parcel.os, "pread", lambda fd, size_bytes, at: b"{}")
    with pytest.raises(MessageError, match="of a parcel's 8 bytes 2 could be read"):
        receive(ends[1])


def test_descriptors_for_which_there_is_no_room_are_missed(ends, monkeypatch):
    monkeypatch.setattr(parcel, "_ANCILLARY_BYTES", socket.CMSG_SPACE(4))
    socket.send_fds(ends[0], [b"{}"], [0, 0, 0, 0, 0])
    with pytest.raises(MessageError, match="descriptors did not fit"):
        receive(ends[1])


def test_the_end_of_the_other_side_is_no_message(ends):
    ends[0].close()
    assert receive(ends[1]) is None


@pytest.mark.parametrize("name", ["memfd_create", "posix_fallocate", "pwrite"])
def test_without_memory_nothing_is_sent_and_nothing_is_left(ends, monkeypatch, name):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parcel.os, name, fail)
    with pytest.raises(OSError, match="No space"):
        send_parcel(ends[0], {})


def test_the_name_of_a_message_is_what_it_tells_or_does():
    for body, named in (({"tell": "alive"}, "tell 'alive'"), ({"stage": "plc"}, "stage 'plc'"), ({}, "a message")):
        with pytest.raises(MessageError, match=f"^{named}: "):
            encoded(body, 1)


@pytest.mark.parametrize("size_bytes", [10, 11])
def test_a_parcel_beyond_the_bound_is_not_read(monkeypatch, size_bytes):
    monkeypatch.setattr(parcel, "MAX_PARCEL_BYTES", 10)
    fd = parcel._sealed(b"x" * size_bytes)
    if size_bytes == 10:
        assert parcel._opened(fd) == b"x" * 10
    else:
        with pytest.raises(MessageError, match="a parcel of 11 bytes is not sealed, or has more than 10"):
            parcel._opened(fd)
    os.close(fd)


def test_one_descriptor_more_than_fits_is_refused_and_one_less_is_sent(ends):
    """With the parcel's own they are MAX_FDS."""
    for count in (MAX_FDS, MAX_FDS + 1):
        with pytest.raises(MessageError, match=f"{count} descriptors do not fit .* at most 63"):
            send_parcel(ends[0], {}, [ends[0].fileno()] * count)
    send_parcel(ends[0], {}, [ends[0].fileno()] * (MAX_FDS - 1))
    _, fds = receive(ends[1])
    for fd in fds:
        os.close(fd)
