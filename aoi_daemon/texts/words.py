"""The texts in one language, from `en.toml` and `zh.toml`.

The English of the alarms is `decide/alarm_list.py`; classes and causes are in English as the daemon calls them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, Literal

from aoi_daemon.decide.alarm_list import KINDS, Alarm
from aoi_daemon.files.toml import parse
from aoi_daemon.messages import Reason

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")


@dataclass(frozen=True)
class Catalogue:
    """The file of one language. What it has no entry for is called as the daemon calls it."""

    words: Mapping[str, str]
    alarms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Text and remedy by the alarm's name."""
    classes: Mapping[str, str] = field(default_factory=dict)
    because: Mapping[str, str] = field(default_factory=dict)
    """Why the line changed its state, by the value of the event."""


@cache
def catalogue(language: Language) -> Catalogue:
    """The texts in `language`, read once."""
    found = parse(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))
    alarms = {name: (text, remedy) for name, (text, remedy) in found.pop("alarms", {}).items()}
    return Catalogue(alarms=alarms, **found)


class Words:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._texts = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`, with `values` filled in. Raises KeyError for a key that the catalogue has not."""
        text = self._texts.words[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether the catalogue has `key`."""
        return key in self._texts.words

    def known(self, key: str) -> str:
        """The text of `key`; the key itself where a newer daemon has a name that this catalogue has not."""
        return self._texts.words.get(key, key)

    def cause(self, name: str) -> str:
        """Why a part was rejected: a class of the bundle, or the name of a reason."""
        return self(name) if name in Reason.__members__ else self._texts.classes.get(name, name)

    def because(self, cause: str) -> str:
        """Why the line changed its state, as the daemon's events have it."""
        return self._texts.because.get(cause, cause)

    def person(self, by: str) -> str:
        """Who acted, as the audit has it, with the role in this language."""
        name, _, role = by.removesuffix(")").rpartition(" (")
        return f"{name} ({self(role)})" if role in ("operator", "quality", "maintenance") else by

    def alarm(self, alarm: Alarm) -> tuple[str, str]:
        """What `alarm` says, and what to do about it."""
        kind = KINDS[alarm]
        return self._texts.alarms.get(alarm.name, (kind.text, kind.remedy))
