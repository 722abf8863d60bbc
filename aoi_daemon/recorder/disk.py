"""The thread that writes: rows first, then pictures, then what is too old; over and over.

Process: recorder, its disk thread. Blocks: on the disk, for as long as the disk likes: no process waits for
this thread. Memory: what waits for it is the inbox's, and bounded.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from aoi_daemon import kernel_time
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.files import make_folder
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.attempts import Attempts
from aoi_daemon.recorder.clock.timekeeper import Timekeeper
from aoi_daemon.recorder.flight import FlightRecorder
from aoi_daemon.recorder.health import DISK_FULL, Counts, Health
from aoi_daemon.recorder.inbox import Inbox, Job
from aoi_daemon.recorder.mending import OPENING_S, put_aside
from aoi_daemon.recorder.products import Products
from aoi_daemon.recorder.removed import Removed
from aoi_daemon.recorder.retention import free_bytes
from aoi_daemon.recorder.session import Filed, Line, Session
from aoi_daemon.records.database import RecordsError, is_damage

_TICK_S: Final = 0.05
"""Rows are written so often. A transaction costs the same for one row as for ten."""
_PICTURES_NS: Final = 40_000_000
"""Time for pictures between two looks at the rows, at least."""
_SHARE, _MOST_PICTURES_NS = 4, 1_000_000_000
"""Pictures have so many times what a transaction took: its sync takes 0.1 s and more on slow flash."""
_ROWS_AT_ONCE: Final = 500
_MOMENTS_AT_ONCE: Final = 100
_LOOK_NS: Final = 1_000_000_000
_FORWARD_STEP: Final = 10
"""Percent between two lines of the log."""
_RETRY_S: Final = 0.5
_GAPS_NS: Final = 5_000_000_000
"""Losses are written so often, so that a long trouble is one row and not thousands."""
_ANY_PART: Final = 2**63
_OPENING_NS: Final = int(OPENING_S * 1e9)
_FILLING_NS: Final = 3_000_000_000
"""What a bite of an older database may take longer than a write: on a busy PC it waits for a core, not for the disk."""

T = TypeVar("T")
_Fault = (RecordsError, OSError, sqlite3.Error)


class Disk:
    """Writes what is in `inbox` below `folder`. `health` and `counts` are for the reader thread to tell.

    `clock` says what time it is for a record, also to the reader thread; `read` are the kernel's clocks.
    """

    def __init__(
        self, folder: Path, section: RecorderSection, line: Line, *, recipes: Iterable[Recipe], inbox: Inbox,
        flights: list[FlightRecorder], log: Any, read: Callable[[], Reading] = kernel_time.read,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._section = section
        self._line = line
        self._products = Products(recipes, line.cameras)
        self._inbox = inbox
        self._flights = flights
        self._log = log
        self.clock = Timekeeper(folder, log, read)
        self._removed = Removed(log)
        self._recipes: SimpleQueue[Recipe] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
        self._failure: Exception | None = None
        self._filed: list[Filed] = []  # pictures that are in place and wait for their rows
        self._held: int | None = None
        self._first = True
        self._looked_ns = self._gaps_ns = 0
        self._no_room = False
        self._more_to_remove = False
        self.health = Health(int(section.slow_s * 1e9))
        self._attempts = Attempts(folder, self.health)
        self.counts = Counts()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def check(self) -> None:
        """Raise what the thread has died of. Not the disk's doing: a new process is what helps."""
        if self._failure is not None:
            raise self._failure

    def finish(self, timeout_s: float) -> bool:
        """Write what is left, and end; False when that takes longer than `timeout_s`."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def new_recipe(self, recipe: Recipe) -> None:
        """Parts are judged by `recipe` from now on."""
        self._recipes.put(recipe)

    # -- the thread ----------------------------------------------------------

    def _run(self) -> None:
        try:
            self._keep_writing()
        except Exception as error:  # noqa: BLE001  raised again by `check`, in the thread that ends the process
            self._failure = error
        finally:
            self._let_go()

    def _keep_writing(self) -> None:
        while True:
            try:
                with closing(self._attempts.timed(self._open, _OPENING_NS)) as session:
                    self._serve(session)
                return
            except _Fault as error:
                damaged = isinstance(error, sqlite3.Error) and is_damage(error)
                if damaged or isinstance(error, RecordsError):
                    self._filed.clear()  # the parts that they belong to went with the database
                if damaged:
                    self._aside(str(error))
                self._attempts.fault(error)
            if self._stop.wait(_RETRY_S):
                return

    def _hold(self) -> None:
        """The folder is this recorder's: two in one database would take each other's runs for their own."""
        self._let_go()  # of a folder that may have been moved away since
        make_folder(self._folder)
        try:
            self._held = hold(self._folder)
        except HeldError as error:
            raise RecordsError(
                f"{error}: does another line record there? give each line a recorder.folder of its own"
            ) from None

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _aside(self, error: str) -> None:
        """The database was in order when it was opened, and is no longer."""
        try:
            self.counts.aside = put_aside(self._folder, error, self._log)
        except OSError as why:
            self._attempts.fault(why)

    def _open(self) -> Session:
        self._hold()
        self.clock.begin()
        session = Session(
            self._folder, self._section, self._line, self._products, self._log, first=self._first,
            now_s=self.clock.time(), removed=self._removed,
        )  # fmt: skip
        try:
            self.clock.opened(session)
        except BaseException:
            session.close()
            raise
        self._first = False
        self.counts.aside = session.aside or self.counts.aside
        return session

    def _serve(self, session: Session) -> None:
        while True:
            stopping = self._stop.is_set()
            now_ns = time.monotonic_ns()
            self._take_recipes(session)
            self._commit(session, now_ns, gaps_too=stopping or now_ns - self._gaps_ns > _GAPS_NS)
            # Some rows have always come while one transaction was synced; with a backlog of them no picture is begun.
            if self._inbox.rows_waiting < _ROWS_AT_ONCE:
                done_ns = time.monotonic_ns()
                share_ns = min(max(_PICTURES_NS, _SHARE * (done_ns - now_ns)), _MOST_PICTURES_NS)
                self._write_pictures(session, done_ns + share_ns, _ANY_PART if stopping else session.last_part)
            waiting = self._inbox.rows_waiting + self._inbox.moments_waiting + self._inbox.pictures_waiting
            if stopping:
                if not waiting and not self._filed:
                    self.clock.keep()
                    self._removed.tell(time.monotonic(), all_of_it=True)
                    return
                continue
            due = now_ns - self._looked_ns >= _LOOK_NS
            if due:
                self._looked_ns = now_ns
                self._attempts.timed(lambda: self._look(session))
            if due or self._more_to_remove:
                self._more_to_remove = self._attempts.timed(lambda: self.clock.bite(session))
                self._removed.tell(time.monotonic())
            if session.filling.pending:
                self._with_room(session, session.filling.bite, _FILLING_NS)
            self._tell_forward(session.filling.percent)
            if not waiting:
                self._stop.wait(_TICK_S)

    def _tell_forward(self, percent: int) -> None:
        if percent // _FORWARD_STEP != self.counts.forward_percent // _FORWARD_STEP:
            self._log.info("records_filled", percent=percent)
        self.counts.forward_percent = percent

    def _take_recipes(self, session: Session) -> None:
        try:
            while True:
                self._products.take(self._recipes.get_nowait())
                session.forget_templates()
        except Empty:
            pass

    # -- rows ----------------------------------------------------------------

    def _commit(self, session: Session, now_ns: int, *, gaps_too: bool) -> None:
        rows = self._inbox.rows(_ROWS_AT_ONCE)
        moments = self._inbox.moments(_MOMENTS_AT_ONCE)
        gaps = self._inbox.gaps() if gaps_too else []
        if not (rows or moments or gaps or self._filed):
            return
        dated = self.clock.dating()
        done = self._with_room(
            session,
            lambda: session.commit(
                [row._replace(at=dated(row.at)) for row in rows],
                [moment._replace(at=dated(moment.at)) for moment in moments],
                [replace(gap, at=dated(gap.at)) for gap in gaps],
                [filed._replace(image=replace(filed.image, at=dated(filed.image.at))) for filed in self._filed],
            ),
        )
        for row in (*done.new, *done.again):
            if row.lost:
                self._inbox.lose_frame(row)
        self._inbox.recorded(len(rows), len(moments), gaps)
        if gaps_too:
            self._gaps_ns = now_ns
        self.counts.parts += len(done.new)
        self.counts.pictures += sum(each.image.kind != "template" for each in self._filed)
        self._filed.clear()
        self.health.well(time.monotonic_ns())

    # -- pictures ------------------------------------------------------------

    def _write_pictures(self, session: Session, until_ns: int, up_to_part: int) -> None:
        while time.monotonic_ns() < until_ns:
            job = self._inbox.take_picture(up_to_part)
            if job is None:
                return
            try:
                self._write_picture(session, job)
            finally:
                self._flights[job.frame.camera].released.append(job.frame)

    def _write_picture(self, session: Session, job: Job) -> None:
        if self._no_room:
            self._inbox.lose_picture(job, at=job.at, why="the disk is full")
            return
        try:
            self._filed += self._with_room(session, lambda: session.file(replace(job, at=self.clock.dating()(job.at))))
        except _Fault as error:
            what = self._attempts.fault(error)
            full = what == DISK_FULL
            self._inbox.lose_picture(job, at=job.at, why="the disk is full" if full else what)
            if not (full and isinstance(error, OSError)):
                raise
            self._no_room = True

    # -- the disk ------------------------------------------------------------

    def _look(self, session: Session) -> None:
        """Is the folder still there, and is there room on its disk?"""
        session.look()
        self.clock.look(session)
        self._no_room = False
        while session.retention.short_bytes() and not self._no_room:
            self._no_room = not self.clock.make_room(session)
        self.counts.free_bytes = free_bytes(self._folder)
        now_ns = time.monotonic_ns()
        if self._no_room:
            self.health.fault(DISK_FULL, now_ns)
        else:
            self.health.well(now_ns)

    def _with_room(self, session: Session, act: Callable[[], T], more_ns: int = 0) -> T:
        return self._attempts.with_room(act, lambda: self.clock.make_room(session), more_ns)
