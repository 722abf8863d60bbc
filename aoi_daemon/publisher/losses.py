"""Parts that were never published: counted, and said at once, then now and then."""

from __future__ import annotations

from typing import Final

from aoi_daemon.stage.logs import logger

_SAY_S: Final = 600.0


class Losses:
    """`before` is what had been lost, and written down, before."""

    def __init__(self) -> None:
        self._log = logger()
        self._unsaid = 0
        self._due_s = 0.0
        self.before = 0

    def add(self, count: int) -> None:
        """So many more."""
        self._unsaid += count

    def say(self, now_s: float, total: int) -> None:
        """Log what has been added, unless that was done a moment ago."""
        if not self._unsaid or now_s < self._due_s:
            return
        self._due_s = now_s + _SAY_S
        self._log.error(
            "results_lost", parts=self._unsaid, total=total,
            because="they left the records, or became older than publisher.backlog_days, before the broker had them",
            remedy="see why the broker was away for so long; keep records longer, or raise publisher.backlog_days",
        )  # fmt: skip
        self._unsaid = 0
