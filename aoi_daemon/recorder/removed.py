"""What was deleted, and why, as a log line now and then: by count, age and reason. Pure but for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aoi_daemon.recorder.clock.wall import DAY_S

Reason = Literal["age", "room"]
Table = Literal["images", "parts", "events", "gaps"]

_EVERY_S: Final[dict[Reason, float]] = {"age": 3600.0, "room": 60.0}
"""A line that runs deletes what is a minute older each minute; that is worth a line an hour."""


@dataclass
class _Heap:
    counts: dict[Table, int] = field(default_factory=dict)
    oldest_s: float = 0.0
    newest_s: float = 0.0


class Removed:
    """Counts what goes, and tells `log` of it."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._heaps: dict[Reason, _Heap] = {}
        self._told_s: dict[Reason, float] = {}

    def add(self, reason: Reason, table: Table, count: int, oldest_s: float, newest_s: float) -> None:
        """`count` rows of `table` went, which were from so many seconds old (`oldest_s`) to so many."""
        if not count:
            return
        heap = self._heaps.setdefault(reason, _Heap(oldest_s=oldest_s, newest_s=newest_s))
        heap.counts[table] = heap.counts.get(table, 0) + count
        heap.oldest_s, heap.newest_s = max(heap.oldest_s, oldest_s), min(heap.newest_s, newest_s)

    def tell(self, now_s: float, *, all_of_it: bool = False) -> None:
        """Log what is due at `now_s` (any clock that does not go back), the first time at once."""
        for reason in list(self._heaps):
            told_s = self._told_s.get(reason)
            if told_s is None or now_s - told_s >= _EVERY_S[reason] or all_of_it:
                heap = self._heaps.pop(reason)
                self._told_s[reason] = now_s
                self._log.info(
                    "records_removed", because="older than is kept" if reason == "age" else "for want of room",
                    pictures=heap.counts.get("images", 0), parts=heap.counts.get("parts", 0),
                    events=heap.counts.get("events", 0), gaps=heap.counts.get("gaps", 0),
                    oldest_days=round(heap.oldest_s / DAY_S, 2), newest_days=round(heap.newest_s / DAY_S, 2),
                )  # fmt: skip
