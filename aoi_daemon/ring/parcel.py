"""What supervisor and stages tell each other on their socket: messages, and parcels for what grows with a recipe.

A message travels in one piece or not at all, and how large a piece a socket takes is the system's to say. So a
setup or a recipe is put into anonymous memory, sealed against every change, and its descriptor travels instead.
Both have a bound, and what is beyond it is an error that names it.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
from array import array
from collections.abc import Sequence
from typing import Any, Final

from aoi_daemon.errors import AoiError

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_PARCEL_BYTES: Final = 32 * 1024 * 1024
"""More than twice what the largest recipe needs that the schema lets pass."""
MAX_FDS: Final = 64
_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_IN_A_PARCEL: Final = b"parcel"
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(MAX_FDS * array("i").itemsize)


class MessageError(AoiError):
    """A message that does not fit, or has not come as it was sent."""


def send(to: socket.socket, body: dict[str, Any]) -> None:
    """Send `body` as a message.

    Raises:
        MessageError: it does not fit.
        OSError: the other end is gone, or does not read.
    """
    to.send(encoded(body))


def encoded(body: dict[str, Any], limit_bytes: int = MAX_MESSAGE_BYTES) -> bytes:
    """`body` as JSON. Raises MessageError where that is more than `limit_bytes`."""
    data = json.dumps(body).encode()
    if len(data) > limit_bytes:
        what = next((f"{key} {body[key]!r}" for key in ("tell", "do", "stage") if key in body), "a message")
        raise MessageError(f"{what}: {len(data)} bytes do not fit into one message, which has at most {limit_bytes}")
    return data


def send_parcel(to: socket.socket, body: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send `body` as a parcel, and descriptors with it.

    Raises:
        MessageError: it does not fit, or there are more than MAX_FDS - 1 descriptors.
        OSError: there is no memory or descriptor for it, the other end is gone, or does not read.
    """
    if len(fds) >= MAX_FDS:
        raise MessageError(f"{len(fds)} descriptors do not fit into one message, which has at most {MAX_FDS - 1}")
    parcel = _sealed(encoded(body, MAX_PARCEL_BYTES))
    try:
        socket.send_fds(to, [_IN_A_PARCEL], [parcel, *fds])
    finally:
        os.close(parcel)


def receive(from_: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message or parcel, and the descriptors that came with it; None once the other end is gone.

    Raises:
        MessageError: it did not come as it was sent.
        BlockingIOError: there is none, and the socket does not wait.
    """
    data, ancillary, flags, _ = from_.recvmsg(MAX_MESSAGE_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    fds = _descriptors(ancillary) if ancillary else []
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            lost = "descriptors" if flags & socket.MSG_CTRUNC else f"more than {MAX_MESSAGE_BYTES} bytes"
            raise MessageError(f"a message came without its end ({lost} did not fit)")
        if data == _IN_A_PARCEL:
            data = _opened(fds[0])
            os.close(fds.pop(0))
        found: dict[str, Any] = json.loads(data)
    except (MessageError, OSError, ValueError, IndexError) as error:
        for fd in fds:
            os.close(fd)
        raise error if isinstance(error, MessageError) else MessageError(f"not a message: {error}") from None
    return found, fds


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds = array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def _sealed(data: bytes) -> int:
    fd = os.memfd_create("aoi-parcel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # Reserved first: memory that cannot be had is an error here, not a parcel cut short.
        os.posix_fallocate(fd, 0, len(data))
        os.pwrite(fd, data, 0)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


def _opened(fd: int) -> bytes:
    """What is in a parcel: nobody can change it any more, so it is read once and believed."""
    size_bytes = os.fstat(fd).st_size
    if fcntl.fcntl(fd, fcntl.F_GET_SEALS) != _SEALS or size_bytes > MAX_PARCEL_BYTES:
        raise MessageError(f"a parcel of {size_bytes} bytes is not sealed, or has more than {MAX_PARCEL_BYTES}")
    data = os.pread(fd, size_bytes, 0)
    if len(data) != size_bytes:
        raise MessageError(f"of a parcel's {size_bytes} bytes {len(data)} could be read")
    return data
