"""Rows on their way to the broker, in the order of their ids. Pure.

What counts is `cursor`: every row up to it has been confirmed, or was not to be
sent. It alone is written down, so whatever is lost between here and the broker
is sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Cursor(NamedTuple):
    """Row `id` of a stream and all before it are done.

    `key` names that row in every database ("": not known), to tell that one has been replaced.
    """

    id: int
    key: str


@dataclass
class Row:
    """One row: its id and key in the records, and its message (None: it is not to be sent).

    `lost`: so many rows just before it are not in the records any more.
    """

    id: int
    key: str
    payload: bytes | None
    lost: int = 0
    done: bool = False


class Stream:
    """The rows after `cursor`, which have been read and are not confirmed yet."""

    def __init__(self, cursor: Cursor) -> None:
        self.confirmed = 0
        self.lost = 0  # rows lost before `cursor`, since this was last set to 0
        self._waiting: deque[Row] = deque()
        self._open: deque[Row] = deque()  # sent or not to be sent; the first of them is not done
        self._sent: dict[int, Row] = {}
        self.start_after(cursor)

    def start_after(self, cursor: Cursor) -> None:
        """Forget what was read, and go on after `cursor`."""
        self.cursor = cursor
        self.read = cursor.id  # the last id that was read
        self.to_lose = 0  # rows known to be lost that `cursor` has not come to
        self._waiting.clear()
        self._open.clear()
        self._sent.clear()

    @property
    def waiting(self) -> int:
        """Rows that have been read and not been sent on this connection."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether all that was read is done."""
        return not self._waiting and not self._open

    def load(self, rows: Iterable[Row]) -> int:
        """Take rows in, which follow those that are there. A hole in their ids is so many lost: how many there were."""
        lost = 0
        for row in rows:
            row.lost = row.id - self.read - 1
            lost += row.lost
            self._waiting.append(row)
            self.read = row.id
        self.to_lose += lost
        return lost

    def skip_to(self, first: int) -> int:
        """Rows before `first` are not to be had, or not wanted any more: how many that are."""
        lost = first - 1 - self.read
        if lost <= 0:
            return 0
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.key == "":
            last.id, last.lost = first - 1, last.lost + lost
        else:
            self._waiting.append(Row(first - 1, "", None, lost))
        self.read = first - 1
        self.to_lose += lost
        return lost

    def take(self) -> Row | None:
        """The next row to send; its sender says `sent` at once. None: there is none."""
        while self._waiting:
            row = self._waiting.popleft()
            self._open.append(row)
            # One that was confirmed out of order on the last connection is not sent again.
            if row.payload is not None and not row.done:
                return row
            row.done = True
            self._advance()
        return None

    def sent(self, row: Row, message: int) -> None:
        """`row` went out as `message`."""
        self._sent[message] = row

    def confirm(self, message: int) -> bool:
        """The broker has `message`; False when it was none of this stream's."""
        row = self._sent.pop(message, None)
        if row is None:
            return False
        row.done = True
        self.confirmed += 1
        self._advance()
        return True

    def rewind(self) -> None:
        """The connection is gone: what it had not confirmed is sent again, in order."""
        self._waiting.extendleft(reversed(self._open))
        self._open.clear()
        self._sent.clear()

    def _advance(self) -> None:
        while self._open and self._open[0].done:
            row = self._open.popleft()
            self.lost += row.lost
            self.to_lose -= row.lost
            self.cursor = Cursor(row.id, row.key)
