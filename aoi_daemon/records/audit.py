"""The audit as a chain: each row of who did what holds a hash over the one before it and over itself.

An audit row is an event of kind `audit`. Its link in `audit_chain` is SHA-256 over the link before and the row's
number, run, place in it, time and body as they stand in the database. So a row that is changed, removed, put in or
moved shows; where the last ones are cut off, SQLite's own count of the rows that there ever were shows it. Whoever may
write the file can do all that again with new hashes: against that helps a hash that is kept elsewhere, in the journal
or on paper.

What goes for its age goes from the beginning: the last link of those that went stays as the anchor of the others.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

KIND: Final = "audit"
BEGIN: Final = "0" * 64
"""What stands before the first link of all."""

CHAIN: Final = """
-- Of each audit row: its link (see `audit`). AUTOINCREMENT: the count knows of links that were cut off the end.
CREATE TABLE audit_chain (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- counts from 1, over all runs
    event_id INTEGER UNIQUE,            -- NULL: the row was removed for its age; the link is the others' anchor
    hash TEXT NOT NULL                  -- 64 hex digits
);
"""
NO_CHAIN: Final = "CREATE TEMP VIEW audit_chain AS SELECT 0 AS n, 0 AS event_id, '' AS hash WHERE 0;\n"
"""For whoever reads an older version."""


class Head(NamedTuple):
    """The last link: its number (0: there is none yet), and its hash."""

    n: int
    hash: str


class Row(NamedTuple):
    """What a link is over."""

    run: str
    number: int
    at: float
    body: str


def link(before: str, n: int, row: Row) -> str:
    """The hash of link `n`."""
    content = json.dumps([n, *row], ensure_ascii=False, separators=(",", ":"), default=repr)
    return hashlib.sha256(f"{before}\n{content}".encode("utf-8", "surrogatepass")).hexdigest()


def head(connection: sqlite3.Connection) -> Head:
    """The last link."""
    found = connection.execute("SELECT n, hash FROM audit_chain ORDER BY n DESC LIMIT 1").fetchone()
    return Head(0, BEGIN) if found is None else Head(*found)


def append(connection: sqlite3.Connection, event_id: int) -> None:
    """Chain the audit row `event_id`, which has just been written; inside the same transaction."""
    row = connection.execute(
        "SELECT r.run, e.number, e.at, e.body FROM events e JOIN runs r ON r.id = e.run_id WHERE e.id = ?", (event_id,)
    ).fetchone()
    last = head(connection)
    # After a cut the count goes on where it was, and the hole shows.
    n = max(last.n, _counted(connection)) + 1
    connection.execute("INSERT INTO audit_chain VALUES (?, ?, ?)", (n, event_id, link(last.hash, n, Row(*row))))


def forget(connection: sqlite3.Connection, before: float, after_id: int = 0, last_id: int = 2**62) -> int:
    """Remove events that are due; of the audit only those behind which none stands that is not. How many went.

    Due are those of before `before` (Unix seconds) whose id is above `after_id` and at most `last_id`.
    """
    due = "e.at < ? AND e.id > ? AND e.id <= ?"
    values = (before, after_id, last_id)
    gone = connection.execute(
        f"DELETE FROM events AS e WHERE {due} AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.event_id = e.id)",
        values,
    ).rowcount
    (stays,) = connection.execute(
        f"SELECT min(c.n) FROM audit_chain c JOIN events e ON e.id = c.event_id WHERE NOT ({due})", values
    ).fetchone()
    if connection.execute(_OLDER_STAYS).fetchone():
        return gone
    last = head(connection).n if stays is None else stays - 1
    anchor = connection.execute("SELECT max(n) FROM audit_chain WHERE n <= ?", (last,)).fetchone()[0]
    if anchor is None:
        return gone
    gone += connection.execute(
        "DELETE FROM events WHERE id IN (SELECT event_id FROM audit_chain WHERE n <= ?)", (anchor,)
    ).rowcount
    connection.execute("DELETE FROM audit_chain WHERE n < ?", (anchor,))
    connection.execute("UPDATE audit_chain SET event_id = NULL WHERE n = ?", (anchor,))
    return gone


_OLDER_STAYS: Final = """
SELECT 1 FROM events WHERE kind = 'audit' AND id < (SELECT min(event_id) FROM audit_chain)
AND NOT EXISTS (SELECT 1 FROM audit_chain WHERE event_id IS NULL) LIMIT 1
"""
"""Before there was a chain, dated by a clock that was wrong: all links wait until it may go."""


@dataclass(frozen=True)
class Verified:
    """What a look through the chain found.

    `rows` hold; `first` is the number of the first of them; `older` audit rows are from before there was a chain;
    `anchored`: rows before `first` went for their age. `since`: links after the one that was asked for, None: it is
    not there.
    """

    rows: int
    first: int
    head: Head
    older: int
    anchored: bool
    problems: tuple[str, ...]
    since: int | None = None


def verify(connection: sqlite3.Connection, kept: str = "") -> Verified:
    """Look through the chain; `kept` is a hash that was kept elsewhere. The recorder may go on meanwhile."""
    connection.execute("BEGIN")  # rows, links and count are those of one moment
    try:
        return _verify(connection, kept)
    finally:
        connection.execute("ROLLBACK")


def _verify(connection: sqlite3.Connection, kept: str) -> Verified:
    before, expected, first, rows, since = BEGIN, 1, 0, 0, None
    anchored = False
    problems: list[str] = []
    for n, event_id, hashed, row in _links(connection):
        if event_id is None and not rows and not problems:
            anchored, first = True, n + 1
        else:
            first = first or n
            problem = _problem(before, expected, n, hashed, row)
            problems += [problem] if problem else []
            rows += not problem
        before, expected = hashed, n + 1
        since = 0 if hashed == kept else since if since is None else since + 1
    counted = _counted(connection)
    if counted >= expected:
        problems.append(f"{_rows(expected, counted)}: cut off the end")
    older = 0
    for event_id, at, is_older in connection.execute(_UNCHAINED).fetchall():
        # They go before the first link does: where links have gone for their age, nothing older can be left.
        older += is_older and not anchored
        if anchored or not is_older:
            problems.append(f"event {event_id} (at {at}): was put in, it is in no link")
    return Verified(rows, first, Head(expected - 1, before), older, anchored, tuple(problems), since)


def _counted(connection: sqlite3.Connection) -> int:
    """The number of the last link that there ever was."""
    found = connection.execute("SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit_chain'").fetchone()
    return int(found[0])


_UNCHAINED: Final = """
SELECT id, at, id < ifnull((SELECT min(event_id) FROM audit_chain), 9223372036854775807)
FROM events e WHERE kind = 'audit' AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.event_id = e.id) ORDER BY id
"""
"""Audit rows without a link; 1: from before the first of them that has one."""


def _links(connection: sqlite3.Connection) -> Iterator[tuple[int, int | None, str, Row | None]]:
    found = connection.execute(
        "SELECT c.n, c.event_id, c.hash, e.kind, r.run, e.number, e.at, e.body FROM audit_chain c "
        "LEFT JOIN events e ON e.id = c.event_id LEFT JOIN runs r ON r.id = e.run_id ORDER BY c.n"
    )
    for n, event_id, hashed, kind, *row in found:
        yield n, event_id, hashed, Row(*row) if kind == KIND else None


def _problem(before: str, expected: int, n: int, hashed: str, row: Row | None) -> str:
    if n > expected:
        # The link was made over one that is gone: it cannot hold either, and one line says it.
        return f"{_rows(expected, n - 1)}: missing before row {n}"
    if row is None:
        return f"row {n}: its event was removed, or is none of the audit any more"
    if link(before, n, row) != hashed:
        return f"row {n} (at {row.at}): changed, or the row before it was; it says {str(row.body)[:120]!r}"
    return ""


def _rows(first: int, last: int) -> str:
    return f"row {first}" if first == last else f"rows {first} to {last}"
