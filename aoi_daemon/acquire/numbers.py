"""Which of the PLC's triggers a camera's frame belongs to.

Pure: every time is passed in, as CLOCK_MONOTONIC ns. The camera numbers its frames, the PLC its triggers; the
two numbers go up together until a trigger or a frame is missing, and neither side says when that was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

from aoi_daemon.messages import Reading

AGREE: Final = 3
"""Frames in a row whose trigger is certain by time, and by the frame counter the same, before a number is given."""
REMEMBERED: Final = 64
"""Triggers that are kept: the frame of an older one is not told, nor the one after it."""
_IDS: Final = 1 << 32


@dataclass
class _Trigger:
    """A trigger that the PLC has shown: after `since_ns`, at `until_ns` at the latest."""

    id: int
    since_ns: int
    until_ns: int


class _Frame(NamedTuple):
    """A frame, taken from `earliest_ns` to `latest_ns`, and the trigger that made it."""

    frame_id: int
    trigger_id: int
    earliest_ns: int
    latest_ns: int


class TriggerNumbers:
    """Gives a frame the PLC's number of its trigger, or 0: not known. A wrong number is worse than none.

    Tell it each `Reading` of the PLC's count (also those that found nothing new: they say when no trigger came),
    and each frame in its order. A frame has a number when two witnesses agree:

    - Time. A trigger lies between the reading before it showed and the one that showed it; the frame's own time
      is at most `within_ns` from it. Exactly one trigger may fit, also counting the one that the PLC has not
      been seen to show yet, and the one after that.
    - Count. The number follows from the frame counter, by the offset of the AGREE frames before it, each of
      which was certain by time.

    Where the two differ (the camera missed a trigger and its counter says nothing of it, it gave a frame
    twice, either counter began anew or wrapped, a reading fell out) all is forgotten, and the number
    is 0 until AGREE frames agree again. Where the time leaves a choice (readings are late, frames waited for this
    process) it is 0 as well.

    What it takes for granted:

    - triggers are at least half a takt apart;
    - the PLC shows a trigger at most `within_ns` from the frame's time (a camera that is later by a takt would have the
      number of the next trigger, each time, and nothing here could tell);
    - the PLC's count goes up by one with each trigger, and is not set ahead by a few.

    What remains. Most frames are here before the PLC has been read again, so their trigger has not been
    seen. Such a frame has a number only when the last reading is so recent that one trigger, and no second one, can
    have come since; and no frame has one that is less than three quarters of a takt behind the frame before it. So a
    missed trigger and a frame given twice are found out at once. Two things are found out by the next reading only, and
    until then cost at most one wrong number: a PLC that set its count anew and was triggered since the last
    reading, and a frame that no trigger made at the moment when the next trigger's was due.

    Args:
        takt_ns: time from part to part.
        within_ns: most time between a frame's own time and the moment at which the PLC shows its trigger, either way.
    """

    def __init__(self, takt_ns: int, within_ns: int) -> None:
        self._apart_ns = takt_ns // 2
        self._rhythm_ns = takt_ns * 3 // 4
        self._within_ns = within_ns
        self._read: Reading | None = None
        self._triggers: deque[_Trigger] = deque(maxlen=REMEMBERED)
        # Until then there may have been triggers that nobody saw.
        self._unknown_until_ns = 0
        self._last: _Frame | None = None
        self._agreed = 0
        # Number and latest time of the frame before, whatever became of it.
        self._before: tuple[int, int] | None = None
        # A frame that was told before the PLC showed its trigger.
        self._ahead: _Frame | None = None

    def reading(self, reading: Reading) -> None:
        """The PLC's count was read. In the order of the readings; one may be missing."""
        before, self._read = self._read, reading
        if before is None:
            self._begin_anew(reading)
            return
        new = (reading.trigger_id - before.trigger_id) % _IDS
        first_until_ns = reading.answered_ns - (new - 1) * self._apart_ns
        if new > REMEMBERED or (new and first_until_ns <= before.asked_ns):
            self._begin_anew(reading)  # more triggers than there was time for, or the count went back
            return
        for number in range(new):
            since_ns = before.asked_ns
            if self._triggers:
                since_ns = max(since_ns, self._triggers[-1].since_ns + self._apart_ns)
            until_ns = first_until_ns + number * self._apart_ns
            if since_ns >= until_ns:
                self._begin_anew(reading)  # closer together than triggers can be
                return
            self._triggers.append(_Trigger((before.trigger_id + 1 + number) % _IDS, since_ns, until_ns))
        self._check_ahead()

    def number(self, frame_id: int, earliest_ns: int, latest_ns: int) -> int:
        """The PLC's number of the trigger that made frame `frame_id`, 0 where it is not known.

        The frame was taken from `earliest_ns` to `latest_ns`: the same, where its time is known.
        """
        before, self._before = self._before, (frame_id, latest_ns)
        if before is not None and frame_id <= before[0]:
            self._forget()  # given twice, or the camera counts anew
            return 0
        last = self._last
        fitting = self._fitting(earliest_ns, latest_ns)
        if fitting is None:
            return 0
        counted = None if last is None else (last.trigger_id + frame_id - last.frame_id) % _IDS
        if counted is not None and counted not in fitting:
            self._forget()
            counted = None
        if len(fitting) != 1:
            return 0
        if before is not None and earliest_ns - before[1] < self._rhythm_ns * (frame_id - before[0]):
            return 0  # early: perhaps the frame before it once more, and the next one will tell
        frame = _Frame(frame_id, fitting[0], earliest_ns, latest_ns)
        if frame.trigger_id == self._next_id:
            self._ahead = frame
        known = counted is not None and self._agreed >= AGREE
        self._last = frame
        self._agreed += 1
        return frame.trigger_id if known else 0

    @property
    def _next_id(self) -> int:
        """The number of the trigger that the PLC has not been seen to show yet; -1: it was never read."""
        return -1 if self._read is None else (self._read.trigger_id + 1) % _IDS

    def _fitting(self, earliest_ns: int, latest_ns: int) -> list[int] | None:
        """The triggers that may have made a frame of this time; None: perhaps one that nobody saw."""
        first_ns, last_ns = earliest_ns - self._within_ns, latest_ns + self._within_ns
        read = self._read
        if read is None or first_ns <= self._unknown_until_ns:
            return None
        found = [each.id for each in self._triggers if each.since_ns < last_ns and each.until_ns >= first_ns]
        next_ns = read.asked_ns
        if self._triggers:
            next_ns = max(next_ns, self._triggers[-1].since_ns + self._apart_ns)
        # As many as there was time for since the last reading: for one that is long ago, all that may be counted.
        ahead = min(max(0, -((next_ns - last_ns) // self._apart_ns)), REMEMBERED)
        found += [(self._next_id + number) % _IDS for number in range(ahead)]
        return found

    def _check_ahead(self) -> None:
        """The PLC has shown the trigger of a frame that came ahead of it: at the time that fits the frame, or not."""
        frame = self._ahead
        if frame is None:
            return
        for trigger in self._triggers:
            if trigger.id == frame.trigger_id:
                self._ahead = None
                first_ns, last_ns = frame.earliest_ns - self._within_ns, frame.latest_ns + self._within_ns
                if trigger.since_ns >= last_ns or trigger.until_ns < first_ns:
                    self._forget()
                return

    def _forget(self) -> None:
        self._last = self._ahead = None
        self._agreed = 0

    def _begin_anew(self, reading: Reading) -> None:
        """The count of this reading is where we begin: what came before it is not known."""
        self._forget()
        self._triggers.clear()
        self._unknown_until_ns = reading.answered_ns
