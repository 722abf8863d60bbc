"""What the two Python servers share: the arguments, the delay, the log, and the PLC's half of the poll block.

Runs in the server's process, which imports nothing of the daemon: what a PLC knows of it is on the wire.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

LINE_RUNNING = 1
HEARTBEAT = 32
HEARTBEAT_NS = 100_000_000


class Asked(NamedTuple):
    """A request that was read: when, CLOCK_MONOTONIC in ns, on which connection, and its PDU's start."""

    read_ns: int
    connection: int
    function: int
    address: int


class Serving:
    """The arguments of `peer.py`, and what a server does by them."""

    def __init__(self) -> None:
        seed, least_us, most_us, log, *places = sys.argv[1:]
        self._random = random.Random(int(seed))
        self._least_ns, self._most_ns = int(least_us) * 1000, int(most_us) * 1000
        self._log = Path(log).open("w")  # noqa: SIM115  # closed where the server ends
        self._lock = threading.Lock()
        self._connections: dict[object, int] = {}
        self.seq_coil, self.status, self.ack, self.acted_on = map(int, places)

    def connected(self, key: object) -> None:
        """A connection was accepted; `key` names it until another one has the same."""
        at_ns = time.monotonic_ns()
        with self._lock:
            self._connections[key] = number = len(self._connections) + 1
        self._write(at_ns, at_ns, at_ns, number, 0, 0)

    def asked(self, key: object, pdu: bytes) -> Asked:
        """A request was read; `pdu` begins with function and address. Called as soon as it has been."""
        return Asked(time.monotonic_ns(), self._connections[key], pdu[0], int.from_bytes(pdu[1:3], "big"))

    def delay(self, asked: Asked) -> None:
        """Sleep until the memory is to be written."""
        with self._lock:
            due_ns = asked.read_ns + self._random.randint(self._least_ns, self._most_ns)
        time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)

    def answered(self, asked: Asked, wrote_ns: int, values: list[int]) -> None:
        """The answer is out; the memory was written at `wrote_ns`."""
        self._write(asked.read_ns, wrote_ns, time.monotonic_ns(), *asked[1:], *values)

    def _write(self, *numbers: int) -> None:
        line = " ".join(map(str, numbers))
        with self._lock:
            self._log.write(line + "\n")

    def run(self, port: int) -> None:
        """Say where it listens, and serve until the standard input ends."""
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        with self._lock:
            self._log.close()


def status() -> int:
    """The register `status` now: the line runs, and the PLC's heartbeat beats."""
    return LINE_RUNNING | (HEARTBEAT if time.monotonic_ns() // HEARTBEAT_NS & 1 else 0)
