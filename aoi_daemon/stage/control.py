"""The control socket, seen from who asks: the commands, the page, the tools.

A Unix socket of messages, mode 0600: who may open it may command the line. One
JSON object each way; `watch` and `events` also hand over the memory of a ring,
so that whoever wants every record reads it there and costs the path nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError

MAX_ANSWER_BYTES: Final = 128 * 1024
MOST_PATH_BYTES: Final = 107
"""Of a socket's path; the kernel's limit of 108 has a zero byte at its end."""


class NotRunningError(AoiError):
    """No daemon listens on the control socket."""


class PathTooLongError(AoiError):
    """A socket's path has more bytes than the kernel takes."""


def check_length(path: Path) -> None:
    """Raise PathTooLongError where no socket can be at `path`."""
    size = len(os.fsencode(path))
    if size > MOST_PATH_BYTES:
        raise PathTooLongError(
            f"{path}: the path of a socket has at most {MOST_PATH_BYTES} bytes, this one {size}; "
            "give supervisor.socket in line.toml a shorter one, in /run for example"
        )


@contextlib.contextmanager
def connect(path: Path, timeout_s: float = 10.0) -> Iterator[socket.socket]:
    """A connection to the daemon at `path`. Raises NotRunningError and PathTooLongError."""
    check_length(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(timeout_s)
        try:
            client.connect(str(path))
        except PermissionError as error:
            raise NotRunningError(f"{path}: permission denied; use the daemon's user, or root") from error
        except OSError as error:
            raise NotRunningError(f"no daemon listens at {path} ({error.strerror}); is the service running?") from error
        yield client


def _request(body: dict[str, Any]) -> bytes:
    data = json.dumps(body).encode()
    if len(data) > MAX_ANSWER_BYTES:
        raise AoiError(f"a request has at most {MAX_ANSWER_BYTES} bytes, this one {len(data)}")
    return data


def request(path: Path, body: dict[str, Any], timeout_s: float = 10.0) -> tuple[dict[str, Any], list[int]]:
    """Send one request; the answer and the descriptors that came with it.

    Raises:
        NotRunningError: nobody listens, or nobody answers within `timeout_s`.
        AoiError: the request does not fit into one message.
    """
    with connect(path, timeout_s) as client:
        try:
            client.send(_request(body))
            data, fds, _, _ = socket.recv_fds(client, MAX_ANSWER_BYTES, 4)
        except OSError as error:
            raise NotRunningError(f"{path}: no answer within {timeout_s:g} s") from error
    if not data:
        raise NotRunningError(f"{path}: the daemon closed the connection")
    found: dict[str, Any] = json.loads(data)
    return found, list(fds)


def request_and_wait(
    path: Path, body: dict[str, Any], still: Callable[[], object], look_s: float = 2.0
) -> dict[str, Any]:
    """Send a request whose answer may take minutes, and wait for as long as the daemon lives.

    Args:
        path: the control socket.
        body: the request.
        still: called each `look_s` while there is no answer; asks the daemon for its status, say. What it
            raises ends the waiting, and what was ordered goes on.
        look_s: as said.

    Raises:
        NotRunningError: nobody listens, or the daemon ended before it answered.
    """
    with connect(path, look_s) as client:
        try:
            client.send(_request(body))
            while True:
                try:
                    data = client.recv(MAX_ANSWER_BYTES)
                    break
                except TimeoutError:
                    still()
        except OSError as error:
            raise NotRunningError(f"{path}: the daemon is gone ({error.strerror})") from error
    if not data:
        raise NotRunningError(f"{path}: the daemon ended before it answered")
    found: dict[str, Any] = json.loads(data)
    return found
