"""TOML with the place of what is wrong. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any, Final

from aoi_daemon.files.text import TextError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PLACE: Final = re.compile(
    r"(?P<words>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
_MOST_LOOKS: Final = 200
_MOST_CHARACTERS: Final = 100_000
"""A key's line is looked for no longer, and in no longer text: who has written more by hand?"""


def parse(text: str) -> dict[str, Any]:
    """What `text` says.

    Raises:
        TextError: it is not TOML; with line and column where the parser knows them.
    """
    try:
        found: dict[str, Any] = tomllib.loads(text)
        return found
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.fullmatch(str(error))
        if place is None:
            raise TextError(f"is not TOML: {error}") from None
        words = place["words"]
        if place["line"]:
            raise TextError(f"is not TOML: {words}", int(place["line"]), int(place["column"])) from None
        last = text.rpartition("\n")[2]
        raise TextError(f"is not TOML: {words} at the end", text.count("\n") + 1, len(last) + 1) from None
    except RecursionError:
        raise TextError("is not TOML that can be read: it is nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits, on which Python itself has a bound
        raise TextError(f"is not TOML that can be read: {error}") from None


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line of `text`, from 1, at which the statement begins that gives `path` its value; 0: not known.

    The parser itself is asked, so that no other reading of TOML can be wrong about it: the first lines of a file are
    TOML wherever a statement ends, and the value is there from the end of its own statement on.

    Args:
        text: TOML that can be parsed.
        path: keys, and positions in lists.
    """
    lines = text.split("\n")
    looks = 0

    def complete(count: int) -> tuple[int, bool]:
        """Where the last statement within the first `count` lines ends, and whether the value is there by then."""
        nonlocal looks
        while True:
            looks += 1
            try:
                found: Any = tomllib.loads("\n".join(lines[:count]) + "\n")
                for step in path:
                    found = found[step]
            except tomllib.TOMLDecodeError:
                if looks > _MOST_LOOKS:
                    return count, True
                count -= 1
            except (KeyError, IndexError, TypeError):
                return count, False
            else:
                return count, True

    without, by_then = 0, len(lines)
    if not path or len(text) > _MOST_CHARACTERS or not complete(by_then)[1]:
        return 0
    while by_then - without > 1:
        middle = (without + by_then) // 2
        if complete(middle)[1]:
            by_then = middle
        else:
            without = middle
    begins = complete(by_then - 1)[0] + 1
    return begins if looks <= _MOST_LOOKS else 0
