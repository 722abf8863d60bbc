"""What a person said of a rejected part: one tap, a later tap replaces it, and every tap stays in the log."""

from __future__ import annotations

import sqlite3
from typing import Literal, get_args

from aoi_daemon.records.database import writing
from aoi_daemon.records.faults import RecordsError

ReviewVerdict = Literal["defect", "false_call"]
MAX_NOTE: int = 500
"""Characters of a note."""


def review(
    connection: sqlite3.Connection, part_id: int, verdict: ReviewVerdict | None, *, by: str, note: str = "", at: float
) -> None:
    """Write what `by` said of part `part_id` at `at` (Unix seconds); `verdict` None takes it back.

    A reviewed part, its row and its pictures, is never removed for age or space.

    Args:
        connection: from `open_writer`, in no transaction.
        part_id: `Part.id`; a rejected part's.
        verdict: `defect` (the reject was right) or `false_call` (the part was good).
        by: who, as in the audit.
        note: cut at MAX_NOTE characters.
        at: when.

    Raises:
        RecordsError: no such part, it passed, or another verdict.
        sqlite3.OperationalError: the disk is full, or the recorder holds the database for more than 5 s.
    """
    if verdict is not None and verdict not in get_args(ReviewVerdict):
        raise RecordsError(f"review: {verdict!r} is neither 'defect' nor 'false_call'")
    note = note[:MAX_NOTE]
    with writing(connection):
        found = connection.execute("SELECT passed FROM parts WHERE id = ?", (part_id,)).fetchone()
        if found is None:
            raise RecordsError(f"review: there is no part with the id {part_id}; it may have been removed for its age")
        if found[0]:
            raise RecordsError(f"review: part {part_id} passed; only rejected parts are reviewed")
        if verdict is None:
            connection.execute("DELETE FROM reviews WHERE part_id = ?", (part_id,))
        else:
            connection.execute(
                "INSERT INTO reviews (part_id, at, by, verdict, note) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (part_id) DO UPDATE SET at = excluded.at, by = excluded.by, "
                "verdict = excluded.verdict, note = excluded.note",
                (part_id, at, by, verdict, note),
            )
        connection.execute(
            "INSERT INTO review_log (part_id, at, by, verdict, note) VALUES (?, ?, ?, ?, ?)",
            (part_id, at, by, verdict, note),
        )
