"""The control socket: how the commands of the same program reach a running daemon.

A Unix socket of messages, mode 0600: who may open it may command the line. One
JSON object each way; `watch` also hands over the memory of the verdict ring,
so that whoever wants every part reads it there and costs the path nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError

MAX_ANSWER_BYTES: Final = 128 * 1024
SOCKET_NAME: Final = "aoi-daemon.sock"


class NotRunningError(AoiError):
    """No daemon listens on the control socket."""


def socket_path(configured: Path | None) -> Path:
    """Where the control socket is: configured, else in the runtime folder of the service or the user."""
    if configured is not None:
        return configured
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable].split(":")[0]) / SOCKET_NAME
    service = Path("/run/aoi-daemon") / SOCKET_NAME
    return service if service.exists() else Path(tempfile.gettempdir()) / f"aoi-daemon-{os.getuid()}.sock"


class ControlServer:
    """The listening end. The supervisor polls `fds()` and calls `serve` for those that are ready."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._bind()
        except (OSError, AoiError) as error:
            self._listener.close()
            raise AoiError(f"control socket {path}: {getattr(error, 'strerror', error)}") from error
        self._clients: dict[int, socket.socket] = {}

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
        return [self._listener.fileno(), *self._clients]

    def requests(self, ready: set[int]) -> Iterator[tuple[socket.socket, dict[str, Any]]]:
        """Requests that have come in on the descriptors that are ready, each with where to answer."""
        if self._listener.fileno() in ready:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
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


def answer(client: socket.socket, body: dict[str, Any], fds: list[int] | None = None) -> None:
    """Answer a request; a client that has gone away, or does not read, is left."""
    with contextlib.suppress(OSError):
        socket.send_fds(client, [json.dumps(body).encode()], fds or [])


@contextlib.contextmanager
def connect(path: Path, timeout_s: float = 10.0) -> Iterator[socket.socket]:
    """A connection to the daemon at `path`. Raises NotRunningError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(timeout_s)
        try:
            client.connect(str(path))
        except PermissionError as error:
            raise NotRunningError(f"{path}: permission denied; use the daemon's user, or root") from error
        except OSError as error:
            raise NotRunningError(f"no daemon listens at {path} ({error.strerror}); is the service running?") from error
        yield client


def request(path: Path, body: dict[str, Any], timeout_s: float = 10.0) -> tuple[dict[str, Any], list[int]]:
    """Send one request; the answer and the descriptors that came with it.

    Raises:
        NotRunningError: nobody listens, or nobody answers within `timeout_s`.
    """
    with connect(path, timeout_s) as client:
        try:
            client.send(json.dumps(body).encode())
            data, fds, _, _ = socket.recv_fds(client, MAX_ANSWER_BYTES, 4)
        except OSError as error:
            raise NotRunningError(f"{path}: no answer within {timeout_s:g} s") from error
    if not data:
        raise NotRunningError(f"{path}: the daemon closed the connection")
    found: dict[str, Any] = json.loads(data)
    return found, list(fds)
