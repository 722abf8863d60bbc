"""The records' own clock: what time it is for a record, and how old the records are, however the wall clock is set.

Process: recorder; its disk thread calls all but `time_at`. Pure: readings of the kernel's clocks are passed in.

A wall clock can be set to anything at any moment. This one follows it while that is plausible, and else runs on by
CLOCK_BOOTTIME, as a GNSS clock does that has lost its satellites: parts get the time that they would have got, so
that shifts, charts and the order of parts stay as they are.

What is plausible: steps of a day in all (forgotten by a thousandth of the time that passes, which is more than any
crystal drifts). After another boot the wall clock may be ahead by as long as the PC may have been off; how long that
was nobody can tell but the clock itself, so five weeks are believed: a works holiday, and no more than that. A disk
that is moved to another PC counts as one whose PC was off. A backup that is restored brings no time along, but takes
that of the PC that it comes to. All else is a doubt. A doubt ends when a person confirms the clock, or when the kernel
has said for an hour that it is synchronised; not by the clock coming back, for nobody knows which of its times was
right.

What is deleted for its age. `deleting_s` is the time by which that is told. It runs at most as fast as the PC does,
whatever the clock: steps, time off and sleep leave it behind `now_s`, a doubt stops it. It catches up over
times of which there are no records, and at once when the kernel has said for an hour that it is synchronised and no
doubt came before. So a wrong clock costs at most a day of records for each day of running, even one that a person has
confirmed by mistake, and a right one none.

When a doubt ends and the clock is another than this one, rows keep their dates, and a `Step` says by how much these
are off: a part of today, dated 2001, is still one of today.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.clock.kept import Doubt, Kept, Step, within
from aoi_daemon.recorder.clock.steps import adopted, fewer, stepped

DAY_S: Final = 86_400.0
SURE_S: Final = 3600.0
"""The kernel must say for so long that the clock is synchronised."""
MOST_OFF_S: Final = 35 * DAY_S
"""A PC may have been off for so long between two boots."""
_FORGOTTEN: Final = 0.001
_HOUR_S: Final = 3600.0
_UNSEEN_S: Final = 60.0
"""A longer time between two looks is not known to have been synchronised throughout."""
_JUMP_S: Final = 1.0
"""A clock that is moved by more than this while it is synchronised begins its hour again."""
_QUEUED_S: Final = 3600.0
"""A row may have waited for so long when it is written."""

Ids = Mapping[str, int]
"""The newest row of each table."""


class Span(NamedTuple):
    """Rows after `after` up to `up_to` (by table; a table that is not named: from the first, to the last).

    Their age is told by their date plus `shift_s`.
    """

    after: Ids
    up_to: Ids
    shift_s: float


class RecordsClock:
    """Keeps the time of the records.

    Attributes:
        now_s: Unix seconds, as `Reading.wall_s` while that is believed.
        doubt: why the wall clock is not believed, and since when; None: it is.
        ahead_s: the wall clock less `now_s` at the last look; 0 while it is followed.
        synchronised: what the kernel said at the last look.
    """

    def __init__(self, reading: Reading, kept: Kept | None) -> None:
        self.now_s = max(0.0, reading.wall_s)
        self.ahead_s = 0.0
        self.doubt: Doubt | None = None
        self.synchronised = reading.synchronised
        self._last = reading
        self._behind_s = self._stretch_s = self._off_s = self._sure_s = 0.0
        self._paced = False
        self._steps: list[Step] = []
        self._records = ""
        self._before_boot: Ids = {}
        self._new_boot = True
        self._moved: tuple[float, float] | None = None  # by how much, and until when rows of before may come
        self._restored = kept.restored if kept is not None else None
        if self._restored is not None and not self._restored.here:
            kept = None
        self._known = kept is not None
        if kept is not None:
            self.now_s, self.doubt = kept.now_s, kept.doubt
            self._behind_s, self._stretch_s, self._off_s = kept.behind_s, kept.stretch_s, kept.off_s
            self._paced, self._steps, self._records = kept.paced, list(kept.steps), kept.records
            self._before_boot, self._new_boot = kept.before_boot, False
            self._last = Reading(kept.now_s, kept.boot_s, kept.awake_s, kept.boot, None)
            self.look(reading)
        self._set_anchor()

    # -- what time it is -----------------------------------------------------

    def time_at(self, wall_s: float, boot_s: float) -> float:
        """What time it is where the clocks say `wall_s` and `boot_s`, before the next look; for any thread."""
        now_s, since_s, stretch_s = self._anchor
        expected_s = now_s + (boot_s - since_s)
        return wall_s if abs(stretch_s + wall_s - expected_s) <= DAY_S else expected_s

    @property
    def deleting_s(self) -> float:
        """What is deleted by its age is deleted as if it were so late."""
        return self.now_s - self._behind_s

    def dated(self, at: float, wall_s: float, boot_s: float) -> float:
        """`at` for a row that is written while the clocks say `wall_s` and `boot_s`.

        Where this clock was set while the row waited, it is moved along; a time that cannot be becomes now.
        """
        now_s = self.time_at(wall_s, boot_s)
        if self._moved is not None:
            by_s, until_s = self._moved
            if now_s > until_s:
                self._moved = None
            elif abs(at + by_s - now_s) < abs(at - now_s):
                at += by_s
        return at if now_s - boot_s - DAY_S <= at <= now_s + DAY_S else now_s  # what waits is of this boot

    def spans(self) -> list[Span]:
        """How the dates of all rows are to be read, oldest rows first."""
        return spans_of(self._steps)

    # -- looks ---------------------------------------------------------------

    def opened(self, records: str, last: Ids, newest_s: float | None) -> None:
        """The database `records` is open, its newest rows are `last`, the newest part is of `newest_s`.

        One that this clock knows nothing of is taken as it is dated, and nothing of it is due at once. So is one from
        a backup, by what is known of its dates; for how long that has lain in a drawer is no doubt of this PC's clock.
        """
        restored, self._restored = self._restored, None
        other = restored is not None or records != self._records
        if self._new_boot or other:
            self._before_boot, self._new_boot = last, False
        if not other:
            return
        self._records = records
        self._steps = adopted(restored, records, last, self.now_s)
        # By no clock is something due where there is nothing.
        self._behind_s, self._paced = (self.now_s, True) if self._steps else (0.0, False)
        known, self._known = self._known, True
        most_s = math.inf if restored is not None else MOST_OFF_S
        if newest_s is not None and not known and not -DAY_S <= self.now_s - newest_s <= most_s:
            self._begin(f"the newest part is of {stamp(newest_s)}, and the clock says {stamp(self.now_s)}")
        self._set_anchor()

    def look(self, reading: Reading) -> bool:
        """Take in the clocks, once a second or so; whether `end` is due, for the kernel has been sure for an hour."""
        last, self._last = self._last, reading
        same = bool(reading.boot) and reading.boot == last.boot and reading.boot_s >= last.boot_s
        ran_s, awake_s = reading.boot_s, reading.awake_s
        if same:
            ran_s, awake_s = ran_s - last.boot_s, awake_s - last.awake_s
        else:
            self._off_s, self._new_boot = MOST_OFF_S, True
        awake_s = min(ran_s, max(0.0, awake_s))
        self.now_s += ran_s
        self._behind_s += ran_s if self.doubt is not None else ran_s - awake_s
        kept_s = _FORGOTTEN * ran_s
        self._stretch_s -= max(-kept_s, min(kept_s, self._stretch_s))
        was_s = self.ahead_s
        self.ahead_s = reading.wall_s - self.now_s
        moved = abs(self.ahead_s - was_s) > _JUMP_S
        self._follow()
        self.synchronised = reading.synchronised
        steady = reading.synchronised is True and last.synchronised is True and not moved
        self._sure_s = self._sure_s + min(awake_s, _UNSEEN_S) if steady else 0.0
        if self._sure_s >= SURE_S and self.doubt is None:
            self._stretch_s = 0.0
            if not self._paced:
                self._behind_s = 0.0
        self._set_anchor()
        return self._sure_s >= SURE_S and self.doubt is not None

    def end(self, last: Callable[[], Ids]) -> float:
        """The doubt is over: the wall clock is right. By how much this clock was set for that, s.

        Args:
            last: the newest rows; asked for only where the clock is set.
        """
        by_s = self.ahead_s
        self.now_s += by_s
        # By this clock's time nothing has passed; what the rows' dates do not follow must not be due for it either.
        self._behind_s += max(0.0, by_s)
        if abs(by_s) > DAY_S:
            self._steps = fewer(stepped(self._steps, by_s, last(), self._before_boot))
            self._moved = (by_s, self.now_s + _QUEUED_S)
        self.doubt, self._paced = None, True
        self.ahead_s = self._off_s = self._stretch_s = 0.0
        self._set_anchor()
        return by_s

    def forget(self, first: Ids) -> None:
        """`first` is the oldest row of each table, 0 where it is empty: of rows before that nothing need be known."""
        left = [step for step in self._steps if any(0 < row <= step.last.get(table, 0) for table, row in first.items())]
        if not first.get("gaps"):
            # The one table that may count from 1 again once it is empty.
            left = [step.model_copy(update={"last": {**step.last, "gaps": 0}}) for step in left]
        self._steps = left

    def nothing_due_before(self, due_s: float) -> None:
        """Of all records the first is due at `due_s` (inf: none ever is): catch up until an hour before.

        So a time without records costs an hour, however long it was, and parts that came one by one, far apart, do not
        go all at once.
        """
        left_s = 0.0 if due_s >= self.now_s else self.now_s - due_s + _HOUR_S
        if self.doubt is None and left_s < self._behind_s:
            self._behind_s = left_s
            self._paced = self._paced and left_s > 0

    def kept(self) -> Kept:
        """What to keep over a restart."""
        last = self._last
        return Kept(
            records=self._records, boot=last.boot, boot_s=last.boot_s, awake_s=last.awake_s, now_s=within(self.now_s),
            behind_s=within(self._behind_s), stretch_s=self._stretch_s, off_s=self._off_s, paced=self._paced,
            doubt=self.doubt, steps=self._steps, before_boot=dict(self._before_boot), restored=self._restored,
        )  # fmt: skip

    def _follow(self) -> None:
        """Set this clock by the wall clock where that may be, else doubt it."""
        ahead_s = self.ahead_s
        if 0 < ahead_s <= self._off_s:
            pass  # the PC was off
        elif abs(self._stretch_s + ahead_s) <= DAY_S:
            self._stretch_s += ahead_s
        else:
            if self.doubt is None:
                self._begin(_jump(ahead_s, self._last.wall_s, self.now_s, booted=self._off_s > 0))
            return
        self._off_s = 0.0
        self.now_s += ahead_s
        self._behind_s = max(0.0, self._behind_s + ahead_s)
        self.ahead_s = 0.0

    def _begin(self, why: str) -> None:
        if self.doubt is None:
            self.doubt = Doubt(since_s=within(self.now_s), why=why[:400])

    def _set_anchor(self) -> None:
        # One name, so that another thread never sees half of it.
        self._anchor = (self.now_s, self._last.boot_s, self._stretch_s)


def spans_of(steps: Iterable[Step]) -> list[Span]:
    """What `steps` say of all rows, oldest rows first."""
    found: list[Span] = []
    after: Ids = {}
    for step in steps:
        found.append(Span(after, step.last, step.shift_s))
        after = step.last
    return [*found, Span(after, {}, 0.0)]


def stamp(at_s: float) -> str:
    """Unix seconds as local time, to the minute; any number is taken, for a clock can say anything."""
    try:
        return datetime.fromtimestamp(at_s).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return f"{at_s:.0f} s"


def _jump(ahead_s: float, wall_s: float, now_s: float, *, booted: bool) -> str:
    way = "ahead of" if ahead_s > 0 else "behind"
    since = f", and more than {MOST_OFF_S / DAY_S:.0f} days off are not believed" if booted and ahead_s > 0 else ""
    return (
        f"the clock says {stamp(wall_s)}, {abs(ahead_s) / DAY_S:.1f} days {way} what it was and the time that has "
        f"passed ({stamp(now_s)}){since}"
    )
