"""The records' clock at work: reads the kernel's clocks, keeps `clock.json`, says what it finds.

Process: recorder. `time` and `confirm` are for any thread and never block; the rest is the disk thread's, and blocks
on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aoi_daemon import kernel_time
from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.clock.kept import ClockFile
from aoi_daemon.recorder.clock.wall import DAY_S, RecordsClock
from aoi_daemon.recorder.session import Session

_KEEP_S: Final = 300.0
"""Kept so often, and whenever something changes. After a cut less is known of how long the PC has run; no more."""


class Timekeeper:
    """Keeps the clock of the records in `folder`. `known` is set once it knows what was kept over the restart."""

    def __init__(self, folder: Path, log: Any, read: Callable[[], Reading] = kernel_time.read) -> None:
        self.known = threading.Event()
        self._read = read
        self._log = log
        self._file = ClockFile(folder, log)
        self._clock = RecordsClock(read(), None)
        self._open = False
        self._confirmed = ""
        self._kept_s = 0.0

    # -- for any thread ------------------------------------------------------

    def time(self) -> float:
        """The time for a record, Unix seconds."""
        now = self._read()
        return self._clock.time_at(now.wall_s, now.boot_s)

    def confirm(self, by: str) -> None:
        """A person says that the wall clock is right."""
        self._confirmed = by

    def facts(self) -> dict[str, Any]:
        """What is told of it.

        `believed`: yes, no, or unknown before the records were opened; `ahead_s`: the wall clock less the time by which
        parts are dated; `deletes_behind_days`: by so much more than is configured the oldest records are kept, None
        before it is known what is due next.
        """
        opened, clock = self._open, self._clock
        # Of records that it knows nothing of, and has not looked through, none is due by any time.
        behind_days = round((clock.now_s - clock.deleting_s) / DAY_S, 2) if clock.deleting_s > DAY_S else None
        believed = "no" if clock.doubt is not None else "yes" if opened else "unknown"
        return {
            "believed": believed,
            "synchronised": kernel_time.SAID[clock.synchronised],
            "doubt": clock.doubt.why if clock.doubt is not None else "",
            "ahead_s": round(clock.ahead_s, 1),
            "deletes_behind_days": behind_days,
        }

    # -- the disk thread -----------------------------------------------------

    def begin(self) -> None:
        """Take in what was kept over the restart."""
        if not self.known.is_set():
            self._clock = RecordsClock(self._read(), self._file.read())
            self.known.set()
            self._say(doubted=False)

    def opened(self, session: Session) -> None:
        """The records are open."""
        doubted = self._clock.doubt is not None
        self._clock.opened(session.identity(), session.newest_rows(), session.newest_part_s())
        self._open = True
        self._say(doubted=doubted)
        self.keep()

    def look(self, session: Session) -> None:
        """Once a second: what time is it?"""
        clock = self._clock
        doubted = clock.doubt is not None
        sure, now = clock.look(self._read()), clock.now_s
        self._say(doubted=doubted)
        by, self._confirmed = self._confirmed, ""
        if clock.doubt is not None and (sure or by):
            set_by_s = clock.end(session.newest_rows)
            session.retention.restart()
            self._log.warning(
                "clock_believed", because=f"confirmed by {by}" if by else "synchronised for an hour, the kernel says",
                records_set_by_days=round(set_by_s / DAY_S, 2),
                action="of the oldest records a day goes for each day of running",
            )  # fmt: skip
            self.keep()
        elif doubted != (clock.doubt is not None) or abs(now - self._kept_s) > _KEEP_S:
            clock.forget(session.oldest_rows())
            self.keep()

    def bite(self, session: Session) -> bool:
        """One step of what is due for its age; whether there may be more at once."""
        clock = self._clock
        if clock.doubt is not None:
            return False
        more = session.retention.bite(clock.deleting_s, clock.spans())
        if session.retention.first_due_s is not None:
            clock.nothing_due_before(session.retention.first_due_s)
        return more

    def make_room(self, session: Session) -> bool:
        """One step of what must go for want of room, doubt or not."""
        return session.retention.make_room(self._clock.now_s, self._clock.spans())

    def dating(self) -> Callable[[float], float]:
        """What gives `at` for a row that is written now; by one look at the clocks, however many rows there are."""
        now, clock = self._read(), self._clock
        return lambda at: clock.dated(at, now.wall_s, now.boot_s)

    def keep(self) -> None:
        """Keep it over a restart."""
        self._kept_s = self._clock.now_s
        self._file.write(self._clock.kept())

    def _say(self, *, doubted: bool) -> None:
        if self._clock.doubt is not None and not doubted:
            self._log.error(
                "clock_doubt", why=self._clock.doubt.why,
                action="parts are dated by the time that passes; nothing is deleted for its age",
                remedy="set the clock right or let it be synchronised, then: aoi-daemon clock --confirm 'NAME, reason'",
            )  # fmt: skip
