"""What is still to be published: read from the records, and written down once the broker has it.

Whatever is wrong with the records is said and tried again; it never ends the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.errors import AoiError
from aoi_daemon.publisher.cursor import CursorError, CursorFile
from aoi_daemon.publisher.losses import Losses
from aoi_daemon.publisher.source import Source
from aoi_daemon.publisher.stream import Cursor, Row, Stream
from aoi_daemon.stage.logs import logger

POLL_S: Final = 0.1
_BATCH: Final = 500
_LOW: Final = 250
_LOOK_S: Final = 5.0
_RETRY_S: Final = 1.0
_SAVE_S: Final = 0.2
_PATIENCE_S: Final = 5.0
"""So long may the records be away before it is said: at a first start the recorder has to make them."""


class _Feed(NamedTuple):
    """A stream, the table that it comes from, and how its rows are read."""

    name: str
    table: str
    stream: Stream
    rows: Callable[[int, int], list[Row]]


class Backlog:
    """The streams of alarms and of results; rows older than `keep_s` are given up.

    `trouble` and `unsaved` say what is wrong with the records, and with the file of the cursors ("": nothing).
    """

    def __init__(self, source: Source, folder: Path, keep_s: float) -> None:
        self._log = logger()
        self._source = source
        self._folder = folder
        self._keep_s = keep_s
        self.alarms = Stream(Cursor(0, ""))
        self.results = Stream(Cursor(0, ""))
        self._feeds = (
            _Feed("alarms", "events", self.alarms, source.alarms),
            _Feed("results", "parts", self.results, source.results),
        )
        self._cursors: CursorFile | None = None
        self._saved: dict[str, Cursor] = {}
        self._settled = 0  # the opening of the records that the cursors have been checked against; 0: none
        self._losses = Losses()
        self._newest = 0
        self._read_due_s = self._look_due_s = self._save_due_s = 0.0
        self._away_since_s: float | None = None
        self.trouble = ""
        self.unsaved = ""

    @property
    def size(self) -> int:
        """Parts that the broker has not confirmed."""
        return max(0, self._newest - self.results.cursor.id)

    @property
    def lost(self) -> int:
        """Parts that were not published, and never will be."""
        return self._losses.before + self.results.lost + self.results.to_lose

    def read(self, now_s: float) -> None:
        """Read on, where there is room and it is time to. `now_s` is of a clock that does not step."""
        if now_s < self._read_due_s:
            return
        self._read_due_s = now_s + POLL_S
        try:
            self._source.look()
            if self._source.opened != self._settled and not self._settle():
                return
            if now_s >= self._look_due_s:
                self._look_due_s = now_s + _LOOK_S
                self._skip()
            self._load(now_s)
        except AoiError as error:
            self._failed(str(error), now_s)
            return
        self._losses.say(now_s, self.lost)
        if self.trouble:
            self._log.info("records_back", folder=str(self._folder))
        self.trouble, self._away_since_s = "", None

    def save(self, now_s: float) -> None:
        """Write down, now and then, how far the broker has confirmed."""
        if self._settled and now_s >= self._save_due_s:
            self._save_due_s = now_s + (_SAVE_S if self._save() else _RETRY_S)

    def close(self) -> None:
        """Save, and let go of all files."""
        if self._settled:
            self._save()
        if self._cursors is not None:
            self._cursors.close()
        self._source.close()

    def _save(self) -> bool:
        try:
            if self._cursors is None:
                self._cursors = CursorFile(self._folder)
            for feed in self._feeds:
                if self._saved.get(feed.name) != feed.stream.cursor:
                    self._write(self._cursors, feed)
        except CursorError as error:
            # To go on costs repeated messages at the next start; to stop would cost the results.
            if not self.unsaved:
                self._log.error("cursor_not_saved", error=str(error))
            self.unsaved = str(error)
            self._saved.clear()
            if self._cursors is not None:
                self._cursors.close()
                self._cursors = None
            return False
        self.unsaved = ""
        return True

    def _write(self, cursors: CursorFile, feed: _Feed) -> None:
        lost = feed.stream.lost if feed.table == "parts" else 0
        cursors.write(feed.name, feed.stream.cursor, lost)
        self._losses.before += lost
        feed.stream.lost = 0
        self._saved[feed.name] = feed.stream.cursor

    def _settle(self) -> bool:
        """The records have been opened: see where each stream goes on. False: one has to be emptied first."""
        opened = self._source.opened
        if not self._settled:
            self._cursors = self._cursors or CursorFile(self._folder)
            self._losses.before = self._cursors.lost
            for feed in self._feeds:
                feed.stream.start_after(self._cursors.read(feed.name) or self._beginning(feed))
        for feed in self._feeds:
            if self._source.belongs(feed.table, feed.stream.cursor):
                continue
            if not feed.stream.idle:
                return False  # what was read from the old records goes out first
            self._log.warning(
                "records_replaced", stream=feed.name, folder=str(self._folder),
                remedy="what only the old records hold was not published; export it from there",
            )  # fmt: skip
            feed.stream.start_after(self._beginning(feed))
        self._settled = opened
        return True

    def _beginning(self, feed: _Feed) -> Cursor:
        return Cursor(self._source.first_since(feed.table, time.time() - self._keep_s) - 1, "")

    def _skip(self) -> None:
        """Pass over what retention has removed, and what is too old to be of use."""
        for feed in self._feeds:
            count = feed.stream.skip_to(self._beginning(feed).id + 1)
            self._losses.add(count if feed.table == "parts" else 0)

    def _load(self, now_s: float) -> None:
        self._newest = self._source.newest("parts")
        for feed in self._feeds:
            if feed.stream.waiting >= _LOW:
                continue
            rows = feed.rows(feed.stream.read, _BATCH)
            count = feed.stream.load(rows)
            self._losses.add(count if feed.table == "parts" else 0)
            if len(rows) == _BATCH:
                self._read_due_s = now_s  # there is more

    def _failed(self, trouble: str, now_s: float) -> None:
        self._read_due_s = now_s + _RETRY_S
        if self._away_since_s is None:
            self._away_since_s = now_s
        if trouble != self.trouble and now_s - self._away_since_s >= _PATIENCE_S:
            self._log.error("records_away", error=trouble)
            self.trouble = trouble
