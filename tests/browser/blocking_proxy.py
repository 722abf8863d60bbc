"""A wire that can be cut, or be slow: a TCP proxy which, when told so, passes nothing on, or all of it later."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque


class Wire:
    """From `port` to `to_port` on this machine; `with` ends it."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut = threading.Event()
        self._ends = False
        self._late_s = 0.0
        self._under_way: deque[tuple[float, socket.socket, bytes]] = deque()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def cut(self) -> None:
        """From now on nothing gets through, either way, and nobody is told."""
        self._cut.set()

    def mend(self) -> None:
        """All that was held up gets through."""
        self._cut.clear()

    def delay(self, seconds: float) -> None:
        """From now on everything takes so long on its way, and comes as steadily as before."""
        self._late_s = seconds

    def _carry(self) -> None:
        while not self._ends:
            watched = [] if self._cut.is_set() else [self._listener, *self._pairs]
            ready, _, _ = select.select(watched, [], [], 0.02)
            self._deliver()
            for one in ready:
                if one is self._listener:
                    client, _ = one.accept()
                    server = socket.create_connection(("127.0.0.1", self._to_port))
                    self._pairs |= {client: server, server: client}
                elif one in self._pairs:
                    self._pass_on(one)

    def _pass_on(self, one: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = one.recv(65_536)
            self._under_way.append((time.monotonic() + self._late_s, self._pairs[one], data))
        if not data:
            other = self._pairs.pop(one)
            del self._pairs[other]
            one.close()
            other.close()

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= time.monotonic():
            _, to, data = self._under_way.popleft()
            with contextlib.suppress(OSError):
                to.sendall(data)

    def __enter__(self) -> Wire:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()
        for one in (*self._pairs, self._listener):
            one.close()
