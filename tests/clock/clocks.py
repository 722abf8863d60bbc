"""The clocks and zones under which the suite is run."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.clock.moved import NoMovedClockError

DAY_S = 86_400


@dataclass(frozen=True)
class Clock:
    """A wall clock `days` from now, or one that begins at `at`, local time of `zone`."""

    what: str
    days: int = 0
    zone: str = ""
    at: str = ""

    def offset_s(self, now_s: float) -> int:
        """Seconds to add to `now_s` (Unix).

        Raises:
            NoMovedClockError: this machine does not know the zone.
        """
        if not self.zone:
            return self.days * DAY_S
        # The C library's files, which TZ stands for; a package of Python's would not help it.
        if not any((Path(folder) / self.zone).is_file() for folder in zoneinfo.TZPATH):
            raise NoMovedClockError(f"no time zone {self.zone} on this machine (Debian: apt-get install tzdata)")
        begin = datetime.fromisoformat(self.at).replace(tzinfo=zoneinfo.ZoneInfo(self.zone))
        return round(begin.timestamp() - now_s)


# Those of a zone begin half a minute before the hour, so that it strikes while tests run.
CLOCKS = {
    "back": Clock("400 days back", days=-400),
    "soon": Clock("3 days ahead", days=3),
    "ahead": Clock("400 days ahead", days=400),
    "shanghai": Clock("New Year in Shanghai, eight hours before UTC's", zone="Asia/Shanghai", at="2026-12-31T23:59:30"),
    "short-day": Clock("New York's day of 23 hours", zone="America/New_York", at="2027-03-14T01:59:30"),
    "long-day": Clock("New York's day of 25 hours", zone="America/New_York", at="2026-11-01T01:59:30"),
    "missing-day": Clock("Apia goes from 29 to 31 December 2011", zone="Pacific/Apia", at="2011-12-29T23:59:30"),
}
