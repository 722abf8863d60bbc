"""What a camera's own numbers say: which frames are missing, and when a frame was taken.

Pure: every number is passed in, nothing is read from a clock or a camera. Times are ns.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.errors import CameraError

MAX_GAP: Final = 1000
"""A camera that lost more frames than this at once, or numbers them anew, is opened again."""

WINDOW_NS: Final = 5_000_000_000
"""How long an offset between two clocks is trusted. Quartz drifts by up to 100 ppm, 1 ms in two windows."""


class FrameIds:
    """Finds the frames that were taken and never delivered.

    WRAPS are the ways in which a numbering may start over, as (last id, the id after it): GigE Vision 1
    counts its block ids from 1 to 65535 and has no 0; 16 and 32 bit counters go back to 0.
    """

    WRAPS: Final = ((0xFFFF, 1), (0xFFFF, 0), (0xFFFF_FFFF, 1), (0xFFFF_FFFF, 0))

    def __init__(self) -> None:
        self._last: int | None = None
        self._unnumbered = 0

    def unnumbered(self) -> None:
        """A frame came of which the id could not be read: it is not missing."""
        self._unnumbered += 1

    def missed_before(self, frame_id: int) -> int:
        """Frames that are missing between the last one and `frame_id`, 0 to MAX_GAP.

        0 for the first frame, for an id that did not move (a camera that does not count) and for one
        that fell back (a camera that was restarted).

        Raises:
            CameraError: the ids jumped ahead by more than MAX_GAP.
        """
        last, self._last = self._last, frame_id
        known, self._unnumbered = self._unnumbered, 0
        if last is None or frame_id == last:
            return 0
        if frame_id > last:
            gap = frame_id - last - 1
            if gap > MAX_GAP:
                raise CameraError(f"frame ids jumped from {last} to {frame_id}")
            return max(0, gap - known)
        gaps = [(end - last) + (frame_id - first) for end, first in self.WRAPS if frame_id >= first]
        # The smallest wins: 65535 to 1 with nothing lost must not read as a frame 0 lost.
        gap = min((gap for gap in gaps if gap >= 0), default=0)
        return max(0, gap - known) if gap <= MAX_GAP else 0


class ClockMap:
    """Tells a camera's stamps in the host's CLOCK_MONOTONIC.

    A frame arrives a fixed time plus a random delay after its stamp, so the least difference between
    arrival and stamp over the last frames is the offset of the clocks plus the shortest delay (the
    minimum filter of NTP, RFC 5905 section 10). Within one window of WINDOW_NS the minimum only falls; the
    window before counts as well, and what is older is forgotten, because the clocks drift.

    A told time is therefore late by the shortest delay that was seen (exposure, readout and transfer of
    a frame that waited for nothing), and early by at most the drift of two windows.
    """

    def __init__(self, window_ns: int = WINDOW_NS) -> None:
        self._window_ns = window_ns
        self._begun_ns = 0
        self._last_device_ns: int | None = None
        self._current: int | None = None
        self._previous: int | None = None

    def host_ns(self, device_ns: int, arrived_ns: int) -> int:
        """The moment of `device_ns`, which is never after `arrived_ns`.

        A stamp that is not after the one before it is a camera whose clock was set: what was learned is
        forgotten.
        """
        if self._last_device_ns is not None and device_ns <= self._last_device_ns:
            self._current = self._previous = None
        self._last_device_ns = device_ns
        offset = arrived_ns - device_ns
        if self._current is None:
            self._begun_ns = arrived_ns
        elif arrived_ns - self._begun_ns > self._window_ns:
            # One window back however long nothing came: after a standstill of this process the frames
            # that waited for it are then known to be old.
            self._previous, self._current = self._current, None
            self._begun_ns = arrived_ns
        self._current = offset if self._current is None else min(self._current, offset)
        least = self._current if self._previous is None else min(self._current, self._previous)
        return device_ns + least


class QueueWatch:
    """How old a frame without a stamp may be.

    A frame is at most as old as the time since its queue was last seen empty. While this process waits,
    that is `awake_ns` at most. After a standstill (stopped, starved of CPU) the frames that waited look
    new, and a PASS for a part that is long gone would meet the part that is there now.
    """

    def __init__(self, awake_ns: int) -> None:
        self._awake_ns = awake_ns
        self._empty_ns = 0

    def empty(self, now_ns: int) -> None:
        """The queue is empty at this moment."""
        self._empty_ns = now_ns

    def trigger_ns(self, now_ns: int, *, waited: bool) -> int:
        """0 for a frame that came just now, while we waited; else the earliest moment at which it came."""
        if waited and now_ns - self._empty_ns <= self._awake_ns:
            # Frames come in order: what is found next came after this one.
            self._empty_ns = now_ns
            return 0
        return self._empty_ns
