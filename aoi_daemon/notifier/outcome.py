"""What became of one attempt to deliver a notice. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_SAID_CHARS: Final = 200
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True)
class Outcome:
    """One attempt.

    Attributes:
        done: the addresses that the server has taken the notice for ("" is a webhook's).
        refused: those that it will never be taken for.
        what: what went wrong, in words; "" where nothing did.
        remedy: what to do about it.
        unsure: the connection ended before the answer, so that it may have arrived all the same.
        of_server: it is the server or the configuration, so that no other notice would go out either.
        wait_s: the server asks to be left alone for so long.
        said: what the server said last.
    """

    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    what: str = ""
    remedy: str = ""
    unsure: bool = False
    of_server: bool = False
    wait_s: float = 0.0
    said: str = ""

    def without(self, secrets: Iterable[str]) -> Outcome:
        """The same, with none of `secrets` in its texts."""
        found = list(secrets)
        return replace(
            self, what=scrub(self.what, found), remedy=scrub(self.remedy, found), said=scrub(self.said, found)
        )


def one_line(text: str, chars: int = _SAID_CHARS) -> str:
    """`text` of a stranger for a log or a terminal: one line, no control characters, not too long."""
    plain = _UNSAFE.sub(" ", text).strip()
    return plain if len(plain) <= chars else f"{plain[: chars - 3]}..."


def scrub(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, plain or in base64: a server may say them back."""
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode()):
            if form:
                text = text.replace(form, "***")
    return text
