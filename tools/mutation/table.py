"""The table of a campaign, by file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_Z: Final = 1.959964
"""Of a two-sided 95 % interval."""


class Row(NamedTuple):
    """`mutants` were judged of `all`. `at_import` and `timeouts` are among `killed`; `left`: not tried yet."""

    name: str
    all: int
    mutants: int
    killed: int
    at_import: int
    timeouts: int
    equivalent: int
    survived: int
    left: int

    @property
    def share(self) -> float:
        """Of those that can be killed, 0..1."""
        judged = self.killed + self.survived
        return self.killed / judged if judged else 1.0

    @property
    def lower(self) -> float | None:
        """Lower end of Wilson's 95 % interval where only some were judged."""
        return wilson_lower(self.killed, self.killed + self.survived) if self.mutants < self.all else None


def wilson_lower(hits: int, of: int) -> float:
    """Lower end of Wilson's score interval, two-sided 95 % (E. B. Wilson, JASA 22, 1927)."""
    if of == 0:
        return 0.0
    share, square = hits / of, _Z * _Z
    middle = share + square / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return (middle - half) / (1 + square / of)


def total(name: str, rows: Sequence[Row]) -> Row:
    """The sum."""
    return Row(name, *(sum(int(row[at]) for row in rows) for at in range(1, len(Row._fields))))


def markdown(groups: Iterable[tuple[str, Sequence[Row]]]) -> str:
    """A table with a line for each file, and one for each group."""
    lines = [
        "| file | mutants | killed | on import | by time-out | equivalent | survived | share | Wilson, lower end |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in groups:
        lines += [_line(row) for row in rows]
        lines.append(_line(total(f"**{name}**", rows)))
    return "\n".join(lines)


def _line(row: Row) -> str:
    mutants = f"{row.mutants}" if row.mutants == row.all else f"{row.mutants} of {row.all}"
    if row.left:
        mutants += f" ({row.left} not tried)"
    lower = "" if row.lower is None else f"{row.lower:.1%}"
    cells = (
        row.name,
        mutants,
        row.killed,
        row.at_import,
        row.timeouts,
        row.equivalent,
        row.survived,
        f"{row.share:.1%}",
        lower,
    )
    return "| " + " | ".join(map(str, cells)) + " |"
