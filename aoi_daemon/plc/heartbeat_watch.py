"""Whether the PLC's own heartbeat moves. Pure: time is passed in, CLOCK_MONOTONIC in ns."""

from __future__ import annotations


class HeartbeatWatch:
    """`moves_by_ns` is when the bit must have changed by; past it, the PLC is frozen until it changes."""

    def __init__(self, watch_ns: int, now_ns: int) -> None:
        self._watch_ns = watch_ns
        self._left_ns = watch_ns
        self._bit: bool | None = None
        self._connection: int | None = None
        self.moves_by_ns = now_ns + watch_ns

    def polled(self, bit: bool, connection: int, now_ns: int) -> None:
        """The bit was read at `now_ns` over connection number `connection`."""
        if self._bit is not None and bit != self._bit:
            self.moves_by_ns = now_ns + self._watch_ns
        elif connection != self._connection:
            # The time without a connection does not count, and a new connection gives no new time: a PLC whose
            # program has stopped while its network card goes on, connection after connection, is found too.
            self.moves_by_ns = now_ns + self._left_ns
        self._bit, self._connection = bit, connection
        self._left_ns = max(0, self.moves_by_ns - now_ns)
