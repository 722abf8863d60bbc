"""What an address asks for: the parameters of a search, one table for the page, the API and its document. Pure.

Each parameter is given at most once; an empty one is as if it were not there, as forms send all their fields. One that
cannot be read as it was meant is refused by its name, with what it may be (decision 33).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from aoi_daemon.errors import AoiError
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.messages import Reason
from aoi_daemon.records.find import Place, Reviewed, Wanted
from aoi_daemon.records.times import iso, parse_from, parse_to
from aoi_daemon.texts.words import Words

AFTER: Final = "after"
"""Where the search goes on: a `Place`."""
LIMIT: Final = "limit"
MOST: Final = 500
"""Parts of one answer of the API."""
_TEXT: Final = 100
_SHOWN: Final = 60
_NAME: Final = re.compile(r"[0-9a-f]{32}-[0-9]{1,18}", re.ASCII)
_SCORE: Final = re.compile(r"[0-9]{0,3}\.?[0-9]{0,17}(?<=[0-9.])", re.ASCII)


class NotAskedRightError(AoiError):
    """A parameter cannot be taken. `key` is the text that says what it may be, in `texts`; `value` as it is shown."""

    def __init__(self, name: str, value: str, key: str, **values: object) -> None:
        self.name = name
        shown = value if value.isprintable() else ascii(value)[1:-1]
        self.value = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        self.key = key
        self.values = values
        super().__init__(f"{name} = {self.value!r}")


def in_words(words: Words, error: NotAskedRightError) -> str:
    """One line: the parameter, what it was, and what it may be."""
    return words("not_asked_right", name=error.name, value=error.value, may=words(error.key, **error.values))


@dataclass(frozen=True)
class Parameter:
    """One parameter. `read` gives fields of `Wanted` for its text, or None for what it cannot be.

    `may`: the text that says what it may be; `schema`: the same in JSON Schema; `values`: all that it may be, where
    they are few.
    """

    name: str
    read: Callable[[str], Mapping[str, Any] | None]
    may: str
    schema: Mapping[str, Any]
    values: tuple[str, ...] = ()


def _since(text: str) -> Mapping[str, Any] | None:
    return _time("since", parse_from, text)


def _until(text: str) -> Mapping[str, Any] | None:
    return _time("until", parse_to, text)


def _time(field: str, parse: Callable[[str], float], text: str) -> Mapping[str, Any] | None:
    try:
        found = parse(text)
        iso(found)  # what nobody can be shown is no time either
    except (ValueError, OverflowError, OSError):
        return None
    return {field: found}


def _part(text: str) -> Mapping[str, Any] | None:
    if _NAME.fullmatch(text):
        run, _, digits = text.partition("-")
        return {"run": run, "part": int(digits)}
    number = whole(text)
    return {"part": number} if number else None


def _text(field: str) -> Callable[[str], Mapping[str, Any] | None]:
    return lambda text: {field: text} if text.isprintable() and len(text) <= _TEXT else None


def _one_of(field: str, values: Mapping[str, Any]) -> Callable[[str], Mapping[str, Any] | None]:
    return lambda text: {field: values[text]} if text in values else None


def _score(field: str) -> Callable[[str], Mapping[str, Any] | None]:
    def read(text: str) -> Mapping[str, Any] | None:
        if not _SCORE.fullmatch(text) or text == ".":
            return None
        found = float(text)
        return {field: found} if math.isfinite(found) and 0 <= found <= 1 else None

    return read


_REASONS: Final = {reason.name: reason.name for reason in Reason}
_REVIEWED: Final[dict[str, str]] = {value: value for value in get_args(Reviewed)}
_PASSED: Final = {"true": True, "false": False}
_ANY: Final = {"type": "string", "maxLength": _TEXT}
_TIME: Final = {"type": "string", "examples": ["2026-11-22", "2026-11-22T06:00", "2026-11-22T05:00Z"]}
_RANGE: Final = {"type": "number", "minimum": 0, "maximum": 1}


def _choice(name: str, field: str, values: Mapping[str, Any]) -> Parameter:
    schema = {"type": "string", "enum": list(values)}
    return Parameter(name, _one_of(field, values), "may_be_one_of", schema, tuple(values))


PARAMETERS: Final = (
    Parameter("from", _since, "may_be_time", _TIME),
    Parameter("to", _until, "may_be_time", _TIME),
    Parameter("part", _part, "may_be_part", {"type": "string", "pattern": "^([0-9a-f]{32}-)?[0-9]{1,18}$"}),
    Parameter("recipe", _text("recipe"), "may_be_text", _ANY),
    _choice("passed", "passed", _PASSED),
    Parameter("class", _text("name"), "may_be_text", _ANY),
    _choice("reason", "reason", _REASONS),
    Parameter("camera", _text("camera"), "may_be_text", _ANY),
    Parameter("view", _text("view"), "may_be_text", _ANY),
    _choice("review", "review", _REVIEWED),
    Parameter("score_min", _score("score_min"), "may_be_score", _RANGE),
    Parameter("score_max", _score("score_max"), "may_be_score", _RANGE),
)
"""The filters, in the order in which they are shown."""


@dataclass(frozen=True)
class Asked:
    """What was asked: `texts` are the filters as they came, without the empty ones."""

    wanted: Wanted
    texts: Mapping[str, str]
    place: Place | None = None
    limit: int | None = None

    def without(self, name: str) -> dict[str, str]:
        """The filters but `name`, from the newest part on."""
        return {key: text for key, text in self.texts.items() if key != name}


def read_asked(query: Iterable[tuple[str, str]], *, limited: bool = False) -> Asked:
    """What `query` (names and values, as they came) asks for. `limited`: it may say how many parts it wants.

    Raises:
        NotAskedRightError: for the first parameter that cannot be taken.
    """
    table = {parameter.name: parameter for parameter in PARAMETERS}
    also = (AFTER, LIMIT) if limited else (AFTER,)
    given: dict[str, str] = {}
    for name, text in query:
        if name not in table and name not in also:
            shown = name if name.isprintable() else ascii(name)
            raise NotAskedRightError(shown[:_SHOWN], text, "may_be_known", known=", ".join((*table, *also)))
        if name in given:
            raise NotAskedRightError(name, text, key="may_be_once")
        given[name] = text.strip()
    given = {name: text for name, text in given.items() if text}
    place, limit = _place(given.pop(AFTER, "")), _limit(given.pop(LIMIT, ""))
    fields: dict[str, Any] = {}
    for parameter in PARAMETERS:
        if parameter.name in given:
            found = parameter.read(given[parameter.name])
            if found is None:
                shown = ", ".join(parameter.values)
                raise NotAskedRightError(parameter.name, given[parameter.name], parameter.may, values=shown, most=_TEXT)
            fields.update(found)
    wanted = replace(Wanted(), **fields)
    if wanted.since >= wanted.until:
        raise NotAskedRightError("to", given.get("to", ""), "may_be_later")
    if wanted.score_min is not None and wanted.score_max is not None and wanted.score_min > wanted.score_max:
        raise NotAskedRightError("score_max", given["score_max"], "may_be_more")
    in_order = {parameter.name: given[parameter.name] for parameter in PARAMETERS if parameter.name in given}
    return Asked(wanted, in_order, place, limit)


def _place(text: str) -> Place | None:
    found = Place.read(text)
    if text and found is None:
        raise NotAskedRightError(AFTER, text, key="may_be_place")
    return found


def _limit(text: str) -> int | None:
    found = whole(text) if text else None
    if text and (found is None or not 1 <= found <= MOST):
        raise NotAskedRightError(LIMIT, text, key="may_be_limit", most=MOST)
    return found
