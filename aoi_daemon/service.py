"""Talk to systemd: the readiness protocol of sd_notify(3), without a dependency."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Sends datagrams to $NOTIFY_SOCKET; does nothing where there is none."""

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET") if address is None else address
        # "@" stands for the abstract namespace, which begins with a zero byte.
        self._address = address.replace("@", "\0", 1) if address and address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)

    def send(self, **fields: str | int) -> None:
        """Send `fields` in one datagram, names in upper case; a manager that is gone is no fault of ours."""
        if self._socket is None:
            return
        text = "\n".join(f"{name.upper()}={value}" for name, value in fields.items())
        try:
            self._socket.sendto(text.encode(), self._address or "")
        except OSError:
            pass

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
