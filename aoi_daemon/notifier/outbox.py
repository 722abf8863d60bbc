"""What waits to be delivered: when it is tried again or given up. Pure: seconds of a clock that does not step."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.notifier.notice import Notice
from aoi_daemon.notifier.outcome import Outcome

FIRST_S: Final = 15.0
MOST_S: Final = 600.0
MOST_WAITING: Final = 500


def wait_s(failures: int) -> float:
    """How long to wait after so many failures in a row (1 and more): 15 s, doubled up to 10 minutes."""
    return min(MOST_S, FIRST_S * 2.0 ** min(failures - 1, 16))


@dataclass
class Entry:
    """A notice that waits. `left` are the addresses that it has not reached; `refused` those it never will.

    `in_flight`: an attempt was begun. `unsure`: one ended without an answer, so that it may come twice.
    """

    notice: Notice
    left: tuple[str, ...]
    born_s: float
    due_s: float
    tries: int = 0
    in_flight: bool = False
    unsure: bool = False
    refused: tuple[str, ...] = ()
    what: str = ""


@dataclass
class Road:
    """How it goes with one receiver's server: failures in a row, what was wrong, and when it is tried again."""

    failures: int = 0
    due_s: float = 0.0
    what: str = ""
    remedy: str = ""
    gave_up: str = ""


@dataclass
class Outbox:
    """All that waits, oldest first; `per_receiver` for one receiver at most."""

    per_receiver: int
    give_up_s: float
    entries: list[Entry] = field(default_factory=list)
    roads: dict[str, Road] = field(default_factory=dict)

    def road(self, receiver: str) -> Road:
        """How it goes with this receiver's server."""
        return self.roads.setdefault(receiver, Road())

    def has_room(self, receiver: str) -> bool:
        """Whether one more may wait."""
        mine = sum(entry.notice.receiver == receiver for entry in self.entries)
        return mine < self.per_receiver and len(self.entries) < MOST_WAITING

    def put(self, notice: Notice, addresses: tuple[str, ...], now_s: float) -> None:
        """One more waits."""
        self.entries.append(Entry(notice, addresses, now_s, now_s))

    def next(self, receiver: str, now_s: float) -> Entry | None:
        """What is to be tried now; the one that waits longest of those that are due."""
        if self.road(receiver).due_s > now_s:
            return None
        due = [entry for entry in self.entries if entry.notice.receiver == receiver and entry.due_s <= now_s]
        return due[0] if due else None

    @staticmethod
    def begin(entry: Entry) -> None:
        """An attempt begins; this is to be on the disk before it does."""
        entry.tries += 1
        entry.in_flight = True

    def end(self, entry: Entry, outcome: Outcome, now_s: float) -> bool:
        """The attempt has ended; True: nothing of `entry` is left to be done, and it is not kept any longer."""
        entry.in_flight = False
        entry.unsure |= outcome.unsure
        entry.what = outcome.what
        entry.refused += outcome.refused
        over = {*outcome.done, *outcome.refused}
        entry.left = tuple(address for address in entry.left if address not in over)
        road = self.road(entry.notice.receiver)
        if outcome.what and outcome.of_server:
            road.failures += 1
            road.due_s = now_s + max(wait_s(road.failures), outcome.wait_s)
            road.what, road.remedy = outcome.what, outcome.remedy
        else:
            self.roads[entry.notice.receiver] = Road(gave_up="" if outcome.done else road.gave_up)
        if not entry.left:
            self.entries.remove(entry)
            return True
        entry.due_s = now_s + max(wait_s(entry.tries), outcome.wait_s)
        return False

    def expired(self, now_s: float, busy: Collection[str]) -> list[Entry]:
        """What has waited too long, and is not kept any longer; nothing that is under way to a receiver in `busy`."""
        found = [
            entry
            for entry in self.entries
            if now_s - entry.born_s >= self.give_up_s and not (entry.in_flight and entry.notice.receiver in busy)
        ]
        for entry in found:
            self.entries.remove(entry)
        return found

    def orphans(self, receivers: Collection[str]) -> list[Entry]:
        """What waits for receivers that there are no longer, and is not kept any longer."""
        found = [entry for entry in self.entries if entry.notice.receiver not in receivers]
        for entry in found:
            self.entries.remove(entry)
        return found
