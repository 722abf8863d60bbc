"""From alarms to delivered notices, turned by `step`. Times are passed in; servers are somebody else's to talk to."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Final

from aoi_daemon.config.notices import NoticesSection
from aoi_daemon.decide.alarms import KINDS, Alarm, Priority, alarms_in
from aoi_daemon.notifier.budget import Budget
from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.outbox import Entry, Outbox
from aoi_daemon.notifier.outcome import Outcome
from aoi_daemon.notifier.post import Attempt, Deliver, addresses_of
from aoi_daemon.notifier.store import Kept, Store, StoreError
from aoi_daemon.notifier.watch import Watch, Wish, high_first
from aoi_daemon.notifier.words import Wording
from aoi_daemon.ring.events import EventReader
from aoi_daemon.stage.board import Board, Cell
from aoi_daemon.stage.logs import logger

_RETRY_S: Final = 5.0
_AGE_S: Final = 60.0
_LEAVE_S: Final = 1.0
_NAMES_S: Final = 30.0
"""The name service may take so long beside the attempt itself before it is said."""
_SAID_AFTER: Final = 2
"""A first attempt that fails is often no more than a server's greylist."""


class Notifier:
    """All of it but the process. `wording` may be changed at any time."""

    def __init__(
        self, section: NoticesSection, wording: Wording, store: Store, board: Board, events: EventReader, *, run: str,
        deliver: Deliver,
    ) -> None:  # fmt: skip
        self.wording = wording
        self._log = logger()
        self._receivers = section.receivers
        self._store = store
        self._board = board
        self._events = events
        self._run = run
        self._deliver = deliver
        self._watch = Watch(section)
        self._outbox = Outbox(section.at_most_per_hour, section.give_up_h * 3600)
        self._budgets = {name: Budget(section.at_most_per_hour) for name in self._receivers}
        self._attempts: dict[str, tuple[Entry, Attempt]] = {}
        self._patience_s = section.timeout_s + _NAMES_S
        self._stuck: list[str] = []
        self._kept: Kept | None = None
        self._dirty = False
        self._save_due_s = 0.0
        self._unsaved = ""

    def step(self, now_s: float, now: float) -> None:
        """Look once. `now_s` is of CLOCK_MONOTONIC, `now` Unix seconds."""
        kept = self._kept if self._kept is not None else self._read(now_s, now)
        self._collect(now_s)
        self._hear(kept, now_s, now)
        local = time.localtime(now)
        for wish in high_first(self._watch.wishes(now_s, local.tm_hour * 60 + local.tm_min)):
            self._answer(wish, now_s, now)
        self._close_storms(now_s, now)
        self._give_up(now_s)
        self._send(now_s)
        # How long something has waited is kept too: one that is killed again and again gives it up in time.
        if now_s >= self._save_due_s + (0.0 if self._dirty else _AGE_S) and (self._dirty or self._outbox.entries):
            self._save(now_s)

    def facts(self) -> dict[str, Any]:
        """What the status shows."""
        counts = self._kept.counts if self._kept is not None else {}
        state, remedy = self._state()
        return {
            "state": state or "ok",
            "remedy": remedy,
            "waiting": len(self._outbox.entries),
            "holding": sum(sum(budget.held.values()) for budget in self._budgets.values()),
            **counts,
        }

    def close(self, now_s: float, now: float) -> None:
        """Wait a moment for what is under way, and save. What is not heard of by then is sent again."""
        until_s = time.monotonic() + _LEAVE_S
        for _, attempt in self._attempts.values():
            attempt.thread.join(max(0.0, until_s - time.monotonic()))
        self._collect(now_s)
        if self._dirty:
            self._save(now_s)

    def _state(self) -> tuple[str, str]:
        """What is wrong, and the remedy; of several the first remedy."""
        found: list[tuple[str, str]] = [(self._unsaved, "")] if self._unsaved else []
        for name in self._stuck:
            found.append((f"{name}: the name of its server is still looked up", "check this PC's name service"))
        for name, road in self._outbox.roads.items():
            if road.what and road.failures >= _SAID_AFTER:
                found.append((f"{name}: {road.what}", road.remedy))
            if road.gave_up:
                found.append((f"{name}: {road.gave_up}", ""))
        texts = "; ".join(text for text, _ in found)
        return texts if len(texts) <= 800 else f"{texts[:797]}...", next((remedy for _, remedy in found if remedy), "")

    # -- alarms -------------------------------------------------------------

    def _hear(self, kept: Kept, now_s: float, now: float) -> None:
        # Before the ring: the supervisor writes an alarm's event first, and then the mask.
        active = {alarm.name for alarm in alarms_in(self._board[Cell.ALARMS])}
        for event in self._events.read():
            if event.number <= kept.number:
                continue
            kept.number = event.number
            if event.kind == "alarm":
                at_s = event.at_ns / 1e9
                self._watch.hear(event.body, at_s, now - (now_s - at_s))
                self._dirty = True
        self._watch.compare(active, now_s, now)

    def _answer(self, wish: Wish, now_s: float, now: float) -> None:
        receiver, episode = wish.receiver, wish.episode
        self._dirty = True
        priority = KINDS[Alarm[episode.alarm]].priority
        budget = self._budgets[receiver]
        high = priority is Priority.HIGH
        if not (self._outbox.has_room(receiver) and budget.take(now_s, high=high)):
            budget.hold(episode.alarm, now_s)
            self._count("held")
            self._watch.told(wish, "", now_s)
            return
        told = episode.told.get(receiver)
        notice = Notice(
            wish.kind, receiver, now, alarm=episode.alarm, priority=priority.name, detail=episode.detail,
            since=episode.since, until=episode.until if wish.kind is Kind.ENDED else 0.0, count=episode.count,
            first=told.first if told is not None else "",
        )  # fmt: skip
        self._watch.told(wish, notice.id, now_s)
        self._outbox.put(notice, addresses_of(self._receivers[receiver]), now_s)

    def _close_storms(self, now_s: float, now: float) -> None:
        for receiver, budget in self._budgets.items():
            if not self._outbox.has_room(receiver):
                continue
            held = budget.take_closing(now_s)
            if held:
                notice = Notice(Kind.HELD, receiver, now, held=held)
                standing = self._watch.standing(receiver, notice.id)
                notice = Notice(Kind.HELD, receiver, now, held=held, standing=standing, id=notice.id)
                self._outbox.put(notice, addresses_of(self._receivers[receiver]), now_s)
                self._dirty = True

    # -- servers ------------------------------------------------------------

    def _send(self, now_s: float) -> None:
        for name, receiver in self._receivers.items():
            if name in self._attempts or not self._budgets[name].may_deliver(now_s):
                continue
            entry = self._outbox.next(name, now_s)
            if entry is None:
                continue
            self._outbox.begin(entry)
            self._save(now_s)  # where that fails it is sent all the same: better twice than never
            work = partial(self._deliver, receiver, entry.notice, entry.left, self.wording)
            self._attempts[name] = (entry, Attempt(work, now_s))

    def _collect(self, now_s: float) -> None:
        self._stuck = []
        for name, (entry, attempt) in list(self._attempts.items()):
            if attempt.outcome is not None:
                del self._attempts[name]
                self._ended(entry, attempt.outcome, now_s)
            elif now_s - attempt.begun_s > self._patience_s:
                self._stuck.append(name)

    def _ended(self, entry: Entry, outcome: Outcome, now_s: float) -> None:
        was_unsure, said_before = entry.unsure, entry.what
        over = self._outbox.end(entry, outcome, now_s)
        self._dirty = True
        self._save_due_s = 0.0
        about = {"receiver": entry.notice.receiver, "notice": entry.notice.kind.value, "alarm": entry.notice.alarm}
        if outcome.done or outcome.unsure:
            self._budgets[entry.notice.receiver].went_out(now_s)
        if outcome.done:
            self._log.info("notice_delivered", **about, tries=entry.tries, said=outcome.said, id=entry.notice.id)
        if outcome.unsure and not was_unsure:
            self._count("twice")
        if outcome.what and (outcome.what != said_before or outcome.refused):
            self._log.warning(
                "notice_not_delivered", **about, what=outcome.what, remedy=outcome.remedy, tries=entry.tries,
                refused=outcome.refused, unsure=outcome.unsure,
            )  # fmt: skip
        if outcome.refused:
            self._outbox.road(entry.notice.receiver).gave_up = f"a notice was refused for good: {outcome.what}"
        if over:
            self._count("refused" if entry.refused else "delivered")

    def _give_up(self, now_s: float) -> None:
        for entry in self._outbox.expired(now_s, self._attempts):
            why = entry.what or "no attempt was made in time"
            self._gave_up(entry, f"a notice was given up after {(now_s - entry.born_s) / 3600:.3g} h: {why}")

    def _gave_up(self, entry: Entry, why: str) -> None:
        self._dirty = True
        self._count("given_up")
        self._log.error(
            "notice_given_up", receiver=entry.notice.receiver, notice=entry.notice.kind.value, alarm=entry.notice.alarm,
            why=why, left=entry.left, tries=entry.tries, perhaps_delivered=entry.unsure, id=entry.notice.id,
        )  # fmt: skip
        if entry.notice.receiver in self._receivers:
            self._outbox.road(entry.notice.receiver).gave_up = why

    def _count(self, name: str) -> None:
        if self._kept is not None:
            self._kept.counts[name] += 1

    # -- the disk -----------------------------------------------------------

    def _read(self, now_s: float, now: float) -> Kept:
        try:
            kept, aside = self._store.read(now_s)
        except StoreError as error:
            self._say_unsaved(str(error))
            kept, aside = Kept(), ""
        if aside:
            self._log.error("notices_damaged", moved_to=aside, remedy="what waited is in there; it is not sent")
        self._kept = kept
        known = Alarm.__members__
        self._watch.episodes = {episode.alarm: episode for episode in kept.episodes if episode.alarm in known}
        for episode in self._watch.episodes.values():
            episode.told = {who: told for who, told in episode.told.items() if who in self._receivers}
        if kept.run != self._run:
            kept.run, kept.number = self._run, 0
            self._watch.restarted(now_s, now)
        for name, budget in kept.budgets.items():
            if name in self._budgets:
                budget.per_hour = self._budgets[name].per_hour
                self._budgets[name] = budget
        self._outbox.entries = kept.entries
        for entry in self._outbox.orphans(self._receivers):
            self._gave_up(entry, "its receiver has been taken out of line.toml")
        for entry in kept.entries:
            # Nobody heard what became of it.
            if entry.in_flight and not entry.unsure:
                self._count("twice")
            entry.unsure |= entry.in_flight
            entry.in_flight = False
        return kept

    def _save(self, now_s: float) -> None:
        assert self._kept is not None
        kept = self._kept
        kept.episodes = list(self._watch.episodes.values())
        kept.budgets, kept.entries = self._budgets, self._outbox.entries
        try:
            self._store.write(kept, now_s)
        except StoreError as error:
            self._save_due_s = now_s + _RETRY_S
            self._say_unsaved(str(error))
            return
        self._dirty, self._unsaved = False, ""
        self._save_due_s = now_s + 1.0

    def _say_unsaved(self, error: str) -> None:
        if not self._unsaved:
            action = "they are sent all the same; a restart may lose or repeat some"
            self._log.error("notices_not_kept", error=error, action=action)
        self._unsaved = error
