"""What the plc stage needs of the PLC's side: a link that verifies, and below it a transport.

    Plc -> Link (verdicts, safe state)  -> PlcClient (Modbus) -> Transport (frames, deadlines) -> Connection (bytes)

Another protocol to a PLC is another `Link`; a connection that is no socket, as in the simulation, another `Dial`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Link(Protocol):
    """The connection to the PLC, whatever it speaks.

    A method that answers True (or registers) says that the other side has taken the request and said so: what "said so"
    is, each link states. For Modbus it is the echo, whose transaction, unit, function, address and count were compared.
    False (None): the connection has been reset and the link is down; whether the PLC took the request is not known.
    """

    up: bool
    retry_ns: int
    """When the next attempt is due, CLOCK_MONOTONIC; of a link that is down."""

    def connect(self, safe: int, report: list[int]) -> bool:
        """One attempt: the safe coils first, the safe registers, then what is read; up once all was answered."""
        ...

    def look(self, now: int) -> None:
        """Called between requests: whether an outage is over."""
        ...

    def write(self, word: int, timeout_s: float | None = None) -> bool:
        """Write the 16 coils at once, answered within `timeout_s` or the link's own time-out, whichever is less."""
        ...

    def write_registers(self, base: int, values: list[int], timeout_s: float | None = None) -> bool:
        """Write registers at once."""
        ...

    def read_registers(self, base: int, count: int) -> list[int] | None:
        """Read registers."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Transport(Protocol):
    """Carries one frame and its answer at a time; what it raises is a PlcError of its kind."""

    @property
    def is_open(self) -> bool:
        """There is a connection on which nothing failed."""
        ...

    def open(self, address: Address, timeout_s: float) -> None:
        """Connect within `timeout_s`."""
        ...

    def close(self) -> None:
        """Reset the connection: what has not been sent never is."""
        ...

    def send(self, request: bytes) -> None:
        """Send one frame at once, all of it."""
        ...

    def receive(self, deadline_ns: int) -> bytes:
        """The one frame that answers what was sent, until `deadline_ns` of the clock and no later."""
        ...


class Connection(Protocol):
    """Bytes of a connection that is there; its calls are those of a socket that never waits, and of `select.poll`."""

    def send(self, data: bytes) -> int:
        """How many bytes were taken. BlockingIOError: none; OSError: it broke."""
        ...

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at its end. BlockingIOError: none are there; OSError: it broke."""
        ...

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        """Not empty once it can be read, or has ended; empty after `timeout_ms`, perhaps rounded up to whole ms."""
        ...

    def close(self) -> None:
        """With a RST, whatever it still held."""
        ...


class Address(NamedTuple):
    """Where to connect to: what getaddrinfo gives and socket takes."""

    family: int
    where: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.where[0]}:{self.where[1]}"


Dial = Callable[[Address, float], Connection]
"""Connects within so many seconds; TimeoutError and OSError as a socket."""
