"""One connection, with a time for all of it: whatever the other end does, it is over then.

A time-out of each read is not enough: a server that sends a byte every second never reaches it.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

_LEAST_S: Final = 0.01
_SLACK_S: Final = 1.0
"""The time for all of it is to end first, for that says which it was."""


class Call:
    """A context manager. After `timeout_s` from its making the connection is shut down, and `expired` is true.

    The name service alone may take longer: nothing ends a look-up. The time begins again after it.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._until_s = time.monotonic() + timeout_s
        self._grip: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.expired = False
        self.address = ""

    def left_s(self) -> float:
        """The time that is left, never 0."""
        return max(_LEAST_S, self._until_s - time.monotonic())

    def connect(self, host: str, port: int, context: ssl.SSLContext | None = None) -> socket.socket:
        """Connect to the first address of `host` that answers, with TLS where there is a `context`.

        Raises:
            OSError: no address answers in time, or TLS failed.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._until_s = time.monotonic() + self._timeout_s
        plain = self._first(found)
        # The connection itself, however it is wrapped: TLS makes another object of it.
        self._grip = plain.dup()
        self._timer = threading.Timer(self.left_s(), self._expire)
        self._timer.daemon = True
        self._timer.start()
        try:
            return self.secure(plain, host, context) if context is not None else plain
        except BaseException:
            plain.close()
            raise

    def secure(self, plain: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
        """TLS over `plain`. Raises OSError (ssl.SSLError is one)."""
        plain.settimeout(self.left_s() + _SLACK_S)
        return context.wrap_socket(plain, server_hostname=host)

    def _first(self, found: list[Any]) -> socket.socket:
        error = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(found):
            plain = socket.socket(family, kind, protocol)
            plain.settimeout(self.left_s() / (len(found) - index))
            try:
                plain.connect(address)
            except OSError as failed:
                plain.close()
                error = failed
                continue
            plain.settimeout(self.left_s() + _SLACK_S)
            self.address = address[0]
            return plain
        raise error

    def _expire(self) -> None:
        self.expired = True
        if self._grip is not None:
            with suppress(OSError):
                self._grip.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Call:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # it holds the descriptor that is closed now
        if self._grip is not None:
            self._grip.close()


def context_of(ca: Path | None) -> ssl.SSLContext:
    """For TLS, with the certificate and its name checked; `ca` is the file of the CA, None for the system's.

    Raises:
        OSError: `ca` cannot be read as PEM.
    """
    if ca is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(ca))
    return context
