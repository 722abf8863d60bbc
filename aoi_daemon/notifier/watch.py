"""Which alarms are to be told to whom, and when. Pure: times are passed in, seconds of a clock that does not step.

An alarm that comes back within settle_s of its end is the same episode: it is told once, and its count grows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aoi_daemon.config.notices import NoticeRule, NoticesSection
from aoi_daemon.decide.alarms import KINDS, Alarm, AlarmState, Event, Priority
from aoi_daemon.notifier.notice import DETAIL_CHARS, Kind

FLAPS: Final = 3
"""One that has come so often is told although it never stays for after_s."""
_ODD_LOOKS: Final = 5
"""The board and the events may differ for some ms; after so many looks the events of an alarm were lost."""


@dataclass
class Told:
    """What one receiver knows of an episode. `first` is the notice that told it, "" where that was held back."""

    first: str
    at_s: float
    over: bool = False


@dataclass
class Episode:
    """One alarm from when it came until it has been gone for settle_s. `since` and `until` are Unix seconds."""

    alarm: str
    since: float
    begun_s: float
    changed_s: float
    active: bool = True
    until: float = 0.0
    count: int = 1
    longest_s: float = 0.0
    acknowledged: bool = False
    detail: str = ""
    told: dict[str, Told] = field(default_factory=dict)

    def stood_s(self, now_s: float) -> float:
        """The longest time that it has been there without a break."""
        return max(self.longest_s, now_s - self.changed_s if self.active else 0.0)


class Wish(NamedTuple):
    """`receiver` is to be told of `episode`."""

    kind: Kind
    receiver: str
    episode: Episode


class Watch:
    """The episodes, by alarm."""

    def __init__(self, section: NoticesSection) -> None:
        self._settle_s = section.settle_s
        self._rules = {name: _by_receiver(section.rules, name) for name in Alarm.__members__}
        self._odd: dict[str, int] = {}
        self.episodes: dict[str, Episode] = {}

    def hear(self, body: Mapping[str, Any], at_s: float, at: float) -> None:
        """An alarm has moved, at `at_s`, which was `at` in Unix seconds; `body` as the event ring has it."""
        name = str(body.get("name", ""))
        try:
            state = AlarmState(body.get("state"))
        except ValueError:
            return
        if name in self._rules:
            came = body.get("event") == Event.RAISE.value
            self._move(name, state.active, at_s, at, came=came, detail=str(body.get("detail", "")))
            if name in self.episodes:
                self.episodes[name].acknowledged = state.acknowledged

    def compare(self, active: Collection[str], at_s: float, at: float) -> None:
        """Call at each look: the board's word counts where events were lost, once it has differed for a while."""
        ours = {name for name, episode in self.episodes.items() if episode.active}
        odd = ours ^ (set(active) & self._rules.keys())
        self._odd = {name: self._odd.get(name, 0) + 1 for name in odd}
        for name in [name for name, looks in self._odd.items() if looks >= _ODD_LOOKS]:
            self._move(name, name in active, at_s, at, came=name in active, detail="")

    def restarted(self, at_s: float, at: float) -> None:
        """The daemon was started anew: no alarm is there until it says so."""
        for episode in self.episodes.values():
            if episode.active:
                self._move(episode.alarm, False, at_s, at, came=False, detail="")

    def _move(self, name: str, active: bool, at_s: float, at: float, *, came: bool, detail: str) -> None:
        episode = self.episodes.get(name)
        if episode is None:
            if active:
                self.episodes[name] = Episode(name, at, at_s, at_s, detail=detail[:DETAIL_CHARS])
            return
        if came and active:
            episode.count += 1
            episode.told = {who: told for who, told in episode.told.items() if not told.over}
            episode.detail = detail[:DETAIL_CHARS] or episode.detail
        if active != episode.active:
            episode.longest_s = episode.stood_s(at_s)
            episode.active, episode.changed_s = active, at_s
            episode.until = 0.0 if active else at

    def wishes(self, now_s: float, minute: int) -> list[Wish]:
        """Who is to be told what now; `minute` of the day in local time. Episodes that are over for all are dropped.

        Each wish is answered by `told`; until then it is asked again.
        """
        found: list[Wish] = []
        for episode in list(self.episodes.values()):
            over = not episode.active and now_s - episode.changed_s >= self._settle_s
            open_ = False
            for receiver, rules in self._rules[episode.alarm].items():
                loud = [rule for rule in rules if not rule.is_quiet(minute)]
                told = episode.told.get(receiver)
                if told is None:
                    kind = Kind.RAISED if any(_is_due(episode, rule, now_s) for rule in loud) else None
                    open_ |= kind is not None
                elif over:
                    # Whoever was not told of it is not told of its end.
                    wanted = not told.over and bool(told.first) and any(rule.ended for rule in rules)
                    kind = Kind.ENDED if wanted and any(rule.ended for rule in loud) else None
                    open_ |= wanted
                else:
                    kind = Kind.STILL if _is_repeated(episode, told, loud, now_s) else None
                if kind is not None:
                    found.append(Wish(kind, receiver, episode))
            if over and not open_:
                del self.episodes[episode.alarm]
        return found

    @staticmethod
    def told(wish: Wish, notice: str, now_s: float) -> None:
        """`wish` has been answered by the notice with that id; "": it was held back."""
        told = wish.episode.told.get(wish.receiver)
        if told is None:
            wish.episode.told[wish.receiver] = Told(notice, now_s)
            return
        told.at_s, told.over = now_s, wish.kind is Kind.ENDED

    def standing(self, receiver: str, notice: str) -> tuple[str, ...]:
        """The alarms that are there, and that were held back from `receiver`: told by `notice`, from now on."""
        found = []
        for episode in self.episodes.values():
            told = episode.told.get(receiver)
            if episode.active and told is not None and not told.first:
                told.first = notice
                found.append(episode.alarm)
        return tuple(found)


def _by_receiver(rules: tuple[NoticeRule, ...], name: str) -> dict[str, list[NoticeRule]]:
    found: dict[str, list[NoticeRule]] = {}
    for rule in rules:
        least = Priority[rule.priority.upper()] if rule.priority is not None else None
        if name in rule.alarms or (least is not None and KINDS[Alarm[name]].priority >= least):
            for receiver in rule.to:
                found.setdefault(receiver, []).append(rule)
    return found


def _is_due(episode: Episode, rule: NoticeRule, now_s: float) -> bool:
    if episode.stood_s(now_s) >= rule.after_s:
        return True
    return episode.count >= FLAPS and now_s - episode.begun_s >= rule.after_s


def _is_repeated(episode: Episode, told: Told, rules: list[NoticeRule], now_s: float) -> bool:
    if not episode.active or episode.acknowledged or not told.first:
        return False
    return any(0 < rule.repeat_minutes * 60 <= now_s - told.at_s for rule in rules)


def high_first(wishes: list[Wish]) -> Iterator[Wish]:
    """The highest priority first: what finds no room is the least."""
    return iter(sorted(wishes, key=lambda wish: (-KINDS[Alarm[wish.episode.alarm]].priority, wish.episode.begun_s)))
