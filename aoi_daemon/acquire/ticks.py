"""How fast a camera's clock ticks: what its nodes say, and whether the host's clock agrees. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

PRODUCER: Final = "producer"
"""The GenTL producer's own word: DEVICE_INFO_TIMESTAMP_FREQUENCY."""
HZ_NODES: Final = ("GevTimestampTickFrequency", "TimestampTickFrequency", "DeviceTimestampFrequency")
"""Ticks in a second: GigE Vision's own register, its name without the prefix, and the one of GenTL's device module."""
INCREMENT_NODES: Final = ("TimestampIncrement", "DeviceTimestampIncrement")
"""Nanoseconds for a tick to SFNC and some vendors, ticks in a second to others: both are tried."""
LATCH_NODES: Final = ("TimestampLatchValue", "DeviceTimestampLatchValue", "GevTimestampValue")
"""SFNC 2: the clock's granularity in ns is the increment of the latched value."""
FRAMES: Final = 20
"""So many frames must agree before a stamp is used."""
TOLERANCE: Final = 0.01
PATIENCE_NS: Final = 5_000_000_000
"""A trial that has gone on for so long is decided: a frame that came a wait in the producer late (40 ms) is then below
TOLERANCE."""
_WINDOW_NS: Final = 5_000_000_000
_WINDOW_FRAMES: Final = FRAMES
"""So long, and of so many frames, is a window of which the frame that was delayed least counts."""
_WINDOWS: Final = 4
_STRAIGHT_NS: Final = 1_000_000
"""The frames delayed least lie on a line to this, or one of them was delayed as well, or the clock was set."""
_SLOWEST_HZ: Final = 1e3
_FASTEST_HZ: Final = 1e10
"""No camera's clock is beyond these; one of an increment's two meanings usually is."""


class Rate(NamedTuple):
    """A tick rate, and who says so."""

    hz: float
    source: str

    def __str__(self) -> str:
        return f"{self.hz:g} Hz ({self.source})"


NANOSECONDS: Final = Rate(1e9, "nanoseconds")


def rates(told: Mapping[str, object]) -> tuple[Rate, ...]:
    """What the clock's rate may be, by what the camera's nodes say; nanoseconds are always possible.

    Args:
        told: value by node name, of HZ_NODES, INCREMENT_NODES and PRODUCER; of LATCH_NODES the value's increment. What
            is no number, or no rate that a clock can have, says nothing.
    """
    found: list[Rate] = []
    for node, value in told.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e-3 <= value <= _FASTEST_HZ:
            continue  # a NaN too
        if node in HZ_NODES or node == PRODUCER:
            found.append(Rate(float(value), node))
            continue
        found.append(Rate(1e9 / value, f"{node} in ns"))
        if node in INCREMENT_NODES:
            found.append(Rate(float(value), f"{node} in Hz"))
    found.append(NANOSECONDS)
    possible = {rate.hz: rate for rate in reversed(found) if _SLOWEST_HZ <= rate.hz <= _FASTEST_HZ}
    return tuple(reversed(possible.values()))


class Trial:
    """Tries rates on frames until FRAMES of them agree on one.

    They agree on a rate when none of them is off it by more than TOLERANCE of the time since the first, however its
    arrival was delayed: a lot of jitter takes more frames.
    """

    def __init__(self, possible: Sequence[Rate]) -> None:
        self.possible = possible
        self.frames = 0
        self.first_ticks = 0
        self.first_ns = 0
        self.measured_hz = 0.0
        """Over all of the trial; for the words of a refusal."""
        self.span_ns = 0
        """From its first frame to its last."""
        self._ns_per_tick = [1e9 / rate.hz for rate in possible]
        self._least = [0.0] * len(possible)
        self._most = [0.0] * len(possible)

    def begin(self) -> None:
        """Forget all frames."""
        self.frames = 0

    def agreed(self, ticks: int, arrived_ns: int) -> int | None:
        """Take a frame; the index of the rate on which FRAMES frames agree by now, None: on none (yet)."""
        self.frames += 1
        if self.frames == 1:
            self.first_ticks, self.first_ns, self.span_ns = ticks, arrived_ns, 0
            for index in range(len(self.possible)):
                self._least[index] = self._most[index] = 0.0
            return None
        span_ns = self.span_ns = arrived_ns - self.first_ns
        ticked = ticks - self.first_ticks
        best, best_ns = None, span_ns * TOLERANCE
        for index, ns_per_tick in enumerate(self._ns_per_tick):
            offset = span_ns - ticked * ns_per_tick
            least = self._least[index] = min(self._least[index], offset)
            most = self._most[index] = max(self._most[index], offset)
            if most - least <= best_ns:
                best, best_ns = index, most - least
        self.measured_hz = ticked * 1e9 / span_ns if span_ns > 0 else 0.0
        return best if self.frames >= FRAMES and span_ns > 0 else None

    def over(self) -> bool:
        """Whether it has gone on for long enough to say that it came to nothing."""
        return self.frames >= FRAMES and self.span_ns >= PATIENCE_NS

    def refuted(self) -> bool:
        """Whether the rate that was measured is none of those that are possible."""
        return all(abs(self.measured_hz - rate.hz) > TOLERANCE * rate.hz for rate in self.possible)

    def least_ns(self, index: int) -> int:
        """By how much the frame that was delayed least came before the first one's time, 0 or below."""
        return int(self._least[index])


class Survey:
    """Measures how far a clock's rate is off, by the frames that were delayed least in four windows.

    The first and the last, two windows or more apart, tell the rate to a delay's remainder in that time; those between
    say whether to believe them.
    """

    def __init__(self) -> None:
        self._lows: list[tuple[int, int]] = []
        self._frames = self._begun_ns = self._low_at_ns = self._low_ns = 0

    def off(self, device_ns: int, offset_ns: int) -> float | None:
        """Take a frame; once it is measured, by how much more the host's clock goes on than this one, as a part of it.

        A survey begins anew when it has answered: the rate is then another one.

        Args:
            device_ns: the frame's stamp, by the rate so far.
            offset_ns: its arrival less that.
        """
        self._frames += 1
        if self._frames == 1:
            self._begun_ns = device_ns
        if self._frames == 1 or offset_ns < self._low_ns:
            self._low_at_ns, self._low_ns = device_ns, offset_ns
        if self._frames < _WINDOW_FRAMES or device_ns - self._begun_ns < _WINDOW_NS:
            return None
        self._frames = 0
        lows = self._lows
        lows.append((self._low_at_ns, self._low_ns))
        if len(lows) < _WINDOWS:
            return None
        (first_at, first), (last_at, last) = lows[0], lows[-1]
        off = (last - first) / (last_at - first_at)
        if any(abs(low - first - off * (at - first_at)) > _STRAIGHT_NS for at, low in lows):
            del lows[0]
            return None
        lows.clear()
        return off
