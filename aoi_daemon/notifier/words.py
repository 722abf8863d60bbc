"""A notice in plain words, in English and Chinese. Pure. The alarms' own texts are the catalogue's, as on the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.outcome import one_line
from aoi_daemon.texts.words import Language, Words

_TEXTS: Final = {
    "raised": ("{line}: {text}", "{line}：{text}"),
    "still": ("{line}: still there: {text}", "{line}：仍未排除：{text}"),
    "ended": ("{line}: over: {text}", "{line}：已恢复：{text}"),
    "held": ("{line}: {count} more not sent: too many in an hour", "{line}：通知过多，另有 {count} 条未发送"),
    "test": ("{line}: a test notice", "{line}：测试通知"),
    "since": ("Since {since}.", "自 {since} 起。"),
    "span": ("From {since} to {until} ({lasted}).", "{since} 至 {until}（{lasted}）。"),
    "times": ("It has come {count} times.", "共出现 {count} 次。"),
    "do": ("What to do: {remedy}", "处理方法：{remedy}"),
    "detail": ("Detail: {detail}", "详情：{detail}"),
    "name": ("Alarm {alarm}, priority {priority}.", "报警 {alarm}，级别：{priority}。"),
    "why_held": (
        "More came than notices.at_most_per_hour allows. Not sent: {names}.",
        "通知数超过 notices.at_most_per_hour 的限制。未发送：{names}。",
    ),
    "standing": ("Still there now: {names}.", "目前仍存在：{names}。"),
    "none_standing": ("None of these is there any more.", "这些报警均已消失。"),
    "test_body": (
        "Somebody has tried whether notices of this line arrive. Nothing is wrong, and there is nothing to do.",
        "有人在测试本产线的通知能否送达。没有异常，无需处理。",
    ),
}


@dataclass(frozen=True)
class Wording:
    """How this line speaks. `page` is the address of its page, "" for none."""

    line: str
    languages: tuple[Language, ...]
    page: str = ""

    def subject(self, notice: Notice) -> str:
        """One line, in the first language."""
        return _Speaker(self, self.languages[0]).subject(notice)

    def body(self, notice: Notice) -> str:
        """All languages one after the other, then the link."""
        parts = ["\n".join(_Speaker(self, language).lines(notice)) for language in self.languages]
        link = [f"{self.page}/alarms"] if self.page else []
        return "\n\n".join([*parts, *link])


class _Speaker:
    def __init__(self, wording: Wording, language: Language) -> None:
        self._wording = wording
        self._words = Words(language)
        self._index = ("en", "zh").index(language)

    def _say(self, key: str, **values: object) -> str:
        return _TEXTS[key][self._index].format(**values)

    def _alarm(self, name: str) -> tuple[str, str]:
        """What it says, and what to do; one of a newer program's file, which this one does not know, by its name."""
        return self._words.alarm(Alarm[name]) if name in Alarm.__members__ else (name, "")

    def subject(self, notice: Notice) -> str:
        text, count = self._alarm(notice.alarm)[0], sum(notice.held.values())
        return one_line(self._say(notice.kind.value, line=self._wording.line, text=text, count=count))

    def lines(self, notice: Notice) -> list[str]:
        head = [self.subject(notice)]
        if notice.kind is Kind.TEST:
            return [*head, self._say("test_body")]
        if notice.kind is Kind.HELD:
            return [*head, *self._held(notice)]
        return [*head, *self._of_alarm(notice)]

    def _held(self, notice: Notice) -> list[str]:
        colon, comma = self._words("colon"), self._words("comma")
        names = comma.join(f"{name}{colon}{count}" for name, count in sorted(notice.held.items()))
        standing = self._say("standing", names=self._names(notice.standing)) if notice.standing else ""
        return [self._say("why_held", names=names), standing or self._say("none_standing")]

    def _names(self, names: Sequence[str]) -> str:
        return self._words("comma").join(f"{name} ({self._alarm(name)[0]})" for name in names)

    def _of_alarm(self, notice: Notice) -> list[str]:
        remedy = self._alarm(notice.alarm)[1]
        ended = notice.kind is Kind.ENDED
        when = (
            self._say(
                "span", since=clock(notice.since), until=clock(notice.until), lasted=span(notice.until - notice.since)
            )
            if ended
            else self._say("since", since=clock(notice.since))
        )
        priority = self._words.known(notice.priority)
        return [
            when,
            *([self._say("times", count=notice.count)] if notice.count > 1 else []),
            *([self._say("do", remedy=remedy)] if remedy and not ended else []),
            *([self._say("detail", detail=one_line(notice.detail, 400))] if notice.detail else []),
            self._say("name", alarm=notice.alarm, priority=priority),
        ]


def clock(at: float) -> str:
    """`at` (Unix seconds) as local date and time, with the offset from UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))


def span(seconds: float) -> str:
    """How long, to the second: 3 h 20 min, 4 min 5 s, 12 s."""
    whole = max(0, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
