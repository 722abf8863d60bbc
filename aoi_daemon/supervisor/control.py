"""The control socket's listening end; the other is `aoi_daemon.stage.control`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aoi_daemon.errors import AoiError
from aoi_daemon.stage.control import MAX_ANSWER_BYTES, NotRunningError, check_length, connect

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class ControlServer:
    """The listening end. The supervisor polls `fds()` and calls `serve` for those that are ready."""

    def __init__(self, path: Path) -> None:
        check_length(path)
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._bind()
        except (OSError, AoiError) as error:
            self._listener.close()
            raise AoiError(f"control socket {path}: {getattr(error, 'strerror', error)}") from error
        self._clients: dict[int, socket.socket] = {}
        self._no_room = False

    def _bind(self) -> None:
        if self.path.exists():
            try:
                with connect(self.path):
                    pass
            except NotRunningError:
                self.path.unlink()  # left by a daemon that was killed
            else:
                raise AoiError("another daemon listens there")
        mask = os.umask(0o177)
        try:
            self._listener.bind(str(self.path))
        finally:
            os.umask(mask)
        self._listener.listen(8)
        self._listener.setblocking(False)

    def fds(self) -> list[int]:
        """What to poll for reading."""
        listeners = [] if self._no_room else [self._listener.fileno()]
        self._no_room = False
        return [*listeners, *self._clients]

    def requests(self, ready: set[int]) -> Iterator[tuple[socket.socket, dict[str, Any]]]:
        """Requests that have come in on the descriptors that are ready, each with where to answer."""
        if self._listener.fileno() in ready:
            try:
                client, _ = self._listener.accept()
            except OSError as error:
                # Who waits is heard a tick later: the listener would be ready again at once, and again.
                self._no_room = error.errno in _NO_ROOM
            else:
                client.setblocking(False)
                self._clients[client.fileno()] = client
        for fd in ready & self._clients.keys():
            client = self._clients[fd]
            try:
                data = client.recv(MAX_ANSWER_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                del self._clients[fd]
                client.close()
                continue
            try:
                request = json.loads(data)
                if not isinstance(request, dict):
                    raise TypeError("a request is an object")
            except (ValueError, TypeError) as error:
                answer(client, {"ok": False, "error": f"not a request: {error}"})
                continue
            yield client, request

    def close(self) -> None:
        """Close everything and remove the socket file."""
        for client in self._clients.values():
            client.close()
        self._listener.close()
        self.path.unlink(missing_ok=True)


def peer(client: socket.socket) -> str:
    """The name of the user at the other end, as the kernel knows it."""
    _, uid, _ = struct.unpack("iii", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def answer(client: socket.socket, body: dict[str, Any], fds: list[int] | None = None) -> None:
    """Answer a request; a client that has gone away, or does not read, is left. An answer that does not fit says so."""
    data = json.dumps(body).encode()
    if len(data) > MAX_ANSWER_BYTES:
        error = f"the answer has {len(data)} bytes, and one message at most {MAX_ANSWER_BYTES}"
        data = json.dumps({"ok": False, "error": error}).encode()
    with contextlib.suppress(OSError):
        socket.send_fds(client, [data], fds or [])
