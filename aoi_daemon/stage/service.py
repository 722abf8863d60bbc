"""Talk to systemd: the protocol of sd_notify(3) and sd_watchdog_enabled(3), without a dependency."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import MutableMapping
from types import TracebackType
from typing import Final, NamedTuple

_LONGEST_BYTES: Final = 1000
"""Of one value: systemd ignores a datagram of more than 4096 bytes, and READY=1 with it."""


class Manager(NamedTuple):
    """What the service manager has told this process. No address: there is none."""

    address: str | None = None
    watchdog_ns: int = 0
    """So long without WATCHDOG=1 and the service is ended and started again; 0: never."""
    problems: tuple[str, ...] = ()
    """What was not understood, and is done without."""


def take_environment(environment: MutableMapping[str, str], pid: int) -> Manager:
    """Read and remove what is meant for process `pid`: a child must neither notify nor feed the watchdog."""
    address = environment.pop("NOTIFY_SOCKET", None) or None
    usec = environment.pop("WATCHDOG_USEC", "0")
    owner = environment.pop("WATCHDOG_PID", str(pid))
    problems = []
    if address and address[0] not in "/@":
        problems.append(f"NOTIFY_SOCKET={address}: neither a path nor an abstract socket (@name)")
        address = None
    if not (usec.isdecimal() and usec.isascii()):
        problems.append(f"WATCHDOG_USEC={usec}: no number of microseconds")
        usec = "0"
    mine = owner == str(pid) and address is not None
    return Manager(address, int(usec) * 1000 if mine else 0, tuple(problems))


class Notifier:
    """Sends datagrams to the manager's socket; does nothing where there is none."""

    def __init__(self, address: str | None) -> None:
        # "@" stands for the abstract namespace, which begins with a zero byte.
        self._address = address.replace("@", "\0", 1) if address and address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)

    def send(self, **fields: str | int) -> bool:
        """Send `fields` in one datagram, names in upper case.

        False when a manager that is there did not take it (its queue is full): try again later.
        One that is gone is no fault of ours.
        """
        if self._socket is None:
            return True
        data = b"\n".join(name.upper().encode() + b"=" + _line(value) for name, value in fields.items())
        try:
            self._socket.sendto(data, self._address or "")
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.ENOBUFS)
        return True

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def __enter__(self) -> Notifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(value: str | int) -> bytes:
    """`value` on one line, as another line would be another field, and not too long; cut between characters."""
    text = " | ".join(str(value).splitlines()).encode(errors="replace")
    return text[:_LONGEST_BYTES].decode(errors="ignore").encode()


def give_up(text: str, number: int = errno.EINVAL) -> None:
    """Say why this process ends before it has begun; `systemctl status` shows it."""
    with contextlib.suppress(OSError), Notifier(take_environment(os.environ, os.getpid()).address) as notifier:
        notifier.send(status=text, errno=number)
