"""Times as people write them, on a command line or in an address: ISO 8601, local unless they say otherwise. Pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_from(text: str) -> float:
    """`2026-11-22`, `2026-11-22T06:00`, `2026-11-22T05:00Z` as Unix seconds; a date alone is its first moment.

    Raises:
        ValueError: it is none of these.
    """
    return _parse(text).timestamp()


def parse_to(text: str) -> float:
    """As `parse_from`, for the end of a time: a date alone means all of that day."""
    found = _parse(text)
    if _DATE.fullmatch(text.strip()):
        # By the calendar and then to UTC: a day of the clock change has 23 or 25 hours.
        found = (found.replace(tzinfo=None) + timedelta(days=1)).astimezone()
    return found.timestamp()


def iso(at: float) -> str:
    """Unix seconds as local ISO 8601 with offset, to the millisecond."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="milliseconds")


def _parse(text: str) -> datetime:
    words = text.strip()
    if words.endswith(("Z", "z")):  # which Python 3.10 does not read
        words = f"{words[:-1]}+00:00"
    try:
        found = datetime.fromisoformat(words)
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is not a time such as 2026-11-22, 2026-11-22T06:00 or 2026-11-22T05:00Z") from None
