"""What a camera's own numbers say: which frames are missing, and when a frame was taken.

Pure: every number is passed in, nothing is read from a clock or a camera. Times are ns.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.acquire.camera import Dropped
from aoi_daemon.errors import CameraError

MAX_GAP: Final = 1000
"""A camera that lost more frames than this at once, or numbers them anew, is opened again."""

PLACES: Final = 16
"""So far back an id is a frame that came late or twice; further, a camera that counts anew."""
_PLACES_MASK: Final = (1 << PLACES + 1) - 1
_SAME: Final = 3
"""So often the first id came again, and no other: the camera does not count."""
_RUN: Final = 6
"""So many doubles in a row, each one id after the other: the camera counts anew. Doubles of frames that were
exchanged within three places go up by one at most four times in a row."""
_ENDS: Final = (0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)

WINDOW_NS: Final = 5_000_000_000
"""How long an offset between two clocks is trusted."""


def places_ahead(frame_id: int, highest: int, first_number: int) -> int:
    """How many places `frame_id` is after `highest`, below 0: before it; over a counter's end where that is near.

    `first_number`: what the counter begins with after its end, 0 or 1.
    """
    plain = frame_id - highest
    for end in _ENDS:
        if frame_id <= end and highest <= end:
            count = end + 1 - first_number
            if plain < 0 and plain + count <= MAX_GAP + 1:
                return plain + count
            if plain - count >= -PLACES:
                return plain - count
    return plain


class FrameIds:
    """Finds the frames that were taken and never delivered, and those that came twice or too late.

    The highest id is what counts: a frame that another one overtook has been counted as missing by then, and
    its part has been rejected; announced again it would be a part more than the PLC has. What came
    before the first id that was seen is late as well.

    A counter starts over at 0 or at 1 after 2**16 - 1, 2**32 - 1 or 2**64 - 1: GigE Vision 1 counts from 1 to 65535
    and has no 0, others go back to 0. Which of the two is known once an id was 0; until then there is none.
    """

    def __init__(self) -> None:
        self._highest: int | None = None
        # Bit n: the id n places behind the highest one was delivered, or was counted by `unnumbered`.
        self._delivered = 0
        self._first_number = 1
        self._unnumbered = 0
        self._moved = False
        # Frames without a new id in a row, those of them that went up by one each, and the last of those.
        self._dropped = self._run = self._run_at = 0

    def unnumbered(self) -> None:
        """A frame came of which the id could not be read: it is not missing."""
        self._unnumbered += 1

    def missed_before(self, frame_id: int) -> int:
        """Frames missing between the highest id so far and `frame_id`, 0 to MAX_GAP; below 0: why it is `Dropped`.

        0 for the first frame, for an id that fell
        back further than PLACES (the camera counts anew), and for each of a camera that does not
        count. Where it shows only after some frames that they were no doubles, those are among the missing.

        Raises:
            CameraError: the ids jumped ahead by more than MAX_GAP; more than PLACES frames in a row brought no new
                one; or the order of frames 0 and 1 after a counter's end cannot be told any more.
        """
        highest = self._highest
        if highest is None:
            self._first_number = min(1, frame_id)
            return self._new(frame_id, 1)
        if frame_id == highest + 1:  # nearly always, so this is short
            if self._unnumbered or self._dropped:
                return self._new(frame_id, 1)
            self._highest, self._moved = frame_id, True
            self._delivered = (self._delivered << 1 | 1) & _PLACES_MASK
            return 0
        if frame_id == 0 and self._first_number:
            self._first_number = 0
            if self._moved and highest <= PLACES:
                raise CameraError(f"frame 0 came after frame {highest}, and whether there is a 0 was not known")
        ahead = places_ahead(frame_id, highest, self._first_number)
        if ahead > MAX_GAP + 1:
            raise CameraError(f"frame ids jumped from {highest} to {frame_id}")
        if ahead > 0:
            return self._new(frame_id, ahead)
        if ahead < -PLACES or (ahead == 0 and not self._delivered):
            # Anew: what was known of the ids before says nothing of these.
            self._delivered = 0
            return self._new(frame_id, 1) if ahead else 0
        return self._again(frame_id, -ahead)

    def _new(self, frame_id: int, ahead: int) -> int:
        known, self._unnumbered = self._unnumbered, 0
        self._moved = self._highest is not None
        self._highest = frame_id
        # Those without a number are taken for the last ones of the gap: all of them have been announced.
        seen = (1 << min(known, ahead - 1)) - 1
        self._delivered = (self._delivered << ahead | seen << 1 | 1) & _PLACES_MASK
        self._dropped = self._run = 0
        return max(0, ahead - 1 - known)

    def _again(self, frame_id: int, behind: int) -> int:
        self._dropped += 1
        bit = 1 << behind
        doubled = self._delivered & bit
        self._delivered |= bit
        if behind == 0 and not self._moved and self._dropped >= _SAME:
            # It does not count: the frames that were dropped were parts.
            self._delivered = 0
            return self._dropped - 1
        self._run = (self._run + 1 if frame_id == self._run_at + 1 else 1) if doubled else 0
        self._run_at = frame_id
        if self._run >= _RUN:
            # It counts anew, from so near that its frames looked like doubles.
            missing = self._run - 1
            self._highest, self._delivered = frame_id, 1
            self._dropped = self._run = 0
            return missing
        if self._dropped > PLACES:
            raise CameraError(f"{self._dropped} frames in a row, to {frame_id}, brought none after {self._highest}")
        return Dropped.DOUBLED if doubled else Dropped.LATE


class ClockMap:
    """Tells a camera's stamps in the host's CLOCK_MONOTONIC.

    A frame arrives a fixed time plus a random delay after its stamp, so the least difference between
    arrival and stamp over the last frames is the offset of the clocks plus the shortest delay (the
    minimum filter of NTP, RFC 5905 section 10). Within one window of WINDOW_NS the minimum only falls; the
    window before counts as well, and what is older is forgotten, because the clocks drift.

    An offset grows by `slack` of the time since, by the stamps: so much it may have grown by the drift. A told time is
    therefore late by the shortest delay that was seen (exposure, readout and transfer of a frame that waited for
    nothing) and that growth, though never after the arrival, and early by at most two windows' drift beyond `slack`.
    Stamps go forward; `CameraClock` sees to that.

    Args:
        window_ns: above 0.
        slack: by how much the clocks may drift apart, as a part of the time, 0 or above; may change.
    """

    def __init__(self, window_ns: int = WINDOW_NS, slack: float = 0.0) -> None:
        self.slack = slack
        self._window_ns = window_ns
        self._begun_ns = 0
        # What any offset has grown by since the first one. Of each window: the least offset, less what it had grown by
        # when it was seen, and as it was seen.
        self._growth_ns = self._grown_at_ns = 0
        self._current: int | None = None
        self._previous: int | None = None
        self._seen = self._seen_before = 0

    def host_ns(self, device_ns: int, arrived_ns: int) -> int:
        """The moment of `device_ns`, which is never after `arrived_ns`."""
        offset = arrived_ns - device_ns
        if self._current is None:
            self._begun_ns, self._grown_at_ns = arrived_ns, device_ns
        self._grow(device_ns)
        base = offset - self._growth_ns
        if self._current is None:
            self._current, self._seen = base, offset
        elif arrived_ns - self._begun_ns > self._window_ns:
            # One window back however long nothing came: after a standstill of this process the frames
            # that waited for it are then known to be old.
            self._previous, self._seen_before = self._current, self._seen
            self._current, self._seen = base, offset
            self._begun_ns = arrived_ns
        else:
            self._current, self._seen = min(self._current, base), min(self._seen, offset)
        least = self._current if self._previous is None else min(self._current, self._previous)
        return device_ns + self._growth_ns + least

    def late_ns(self, device_ns: int, arrived_ns: int) -> int:
        """How much later than the frame with the shortest delay this one came; below 0: earlier than any, as it was.

        Between the two lies what the offset may have grown by: 0. Learns nothing of the frame.
        """
        if self._current is None:
            return 0
        self._grow(device_ns)
        offset = arrived_ns - device_ns
        before = self._previous
        late = offset - self._growth_ns - (self._current if before is None else min(self._current, before))
        if late >= 0:
            return late
        return min(0, offset - (self._seen if before is None else min(self._seen, self._seen_before)))

    def _grow(self, device_ns: int) -> None:
        if device_ns == self._grown_at_ns:
            return
        self._growth_ns += int((device_ns - self._grown_at_ns) * self.slack)
        self._grown_at_ns = device_ns


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
