"""One attempt to connect, in a thread of its own.

Names, TCP and TLS may take much longer than a supervisor waits for a word. Once
the thread has ended, the client is its owner's alone.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import paho.mqtt.client as paho

from aoi_daemon.publisher.access import Access


class Opening:
    """Begins at once; `wait` says when there is a `client`, connected to `address`, or an `error`."""

    def __init__(self, access: Access, make_client: Callable[[], paho.Client]) -> None:
        self.client: paho.Client | None = None
        self.address = ""
        self.error: Exception | None = None
        self._abandoned = threading.Event()
        self._access = access
        self._make_client = make_client
        self._thread = threading.Thread(target=self._run, name="connect", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended; then there is a `client`, or an `error`."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self._abandoned.set()
        if not self._thread.is_alive() and self.client is not None:
            hang_up(self.client)

    def _run(self) -> None:
        client = None
        section = self._access.section
        try:
            client = self._make_client()
            client.connect(section.host, section.broker_port, section.keepalive_s)
            connected = client.socket()
            if isinstance(connected, socket.socket):
                self.address = connected.getpeername()[0]
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller words it and tries again
            # Its traceback holds the socket of a TLS handshake that failed, which paho leaves open.
            self.error = error.with_traceback(None)
            if client is not None:
                hang_up(client)
            return
        self.client = client
        if self._abandoned.is_set():
            hang_up(client)


def hang_up(client: paho.Client) -> None:
    """Close the connection without a word."""
    client.on_disconnect = None
    found = client.socket()
    if found is not None:
        found.close()
