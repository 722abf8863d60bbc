"""The processes off the critical path, seen from the supervisor: recorder, page, publisher, notifier.

Whatever becomes of them, no part is held up and READY stays: they are started
again for as long as it takes, and what they say of themselves is shown.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.ring.parcel import MessageError
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.process import STOPPED, StageProcess
from aoi_daemon.stage.stage import OFF_PATH, SECTIONS, Setup, now_ns
from aoi_daemon.supervisor.progress import Progress
from aoi_daemon.supervisor.shared import Shared

_SECOND: Final = 1_000_000_000
_SILENT_NS: Final = 15 * _SECOND
"""One that has said nothing for so long hangs."""
_LEAST_DELAY_NS: Final = _SECOND // 5
_MOST_DELAY_NS: Final = 10 * _SECOND
_STEADY_NS: Final = 60 * _SECOND
"""One that ran so long is started again at once."""
_STOP_NS: Final = 5 * _SECOND


class Attendant:
    """One of them: its process, what it last said of itself, and when it is started again."""

    def __init__(self, name: str, log_fd: int) -> None:
        self.process = StageProcess(name, 0, log_fd)
        self.wanted = False
        self.heard_ns = 0
        self.due_ns = 0
        self.restarts = 0
        self.down_since_ns = 0
        self._delay_ns = _LEAST_DELAY_NS
        self._facts: dict[str, Any] = {}
        self._progress = Progress()

    @property
    def facts(self) -> dict[str, Any]:
        """What it last said of itself, or that it does not run."""
        state = {} if self.process.pid else {"state": "down"}
        return {"pid": self.process.pid, "restarts": self.restarts, **self._facts, **state}

    def hear(self, now: int) -> None:
        """Take in what it has said."""
        for message in self.process.heard():
            self.heard_ns = now
            if message.pop("tell", "") == "alive":
                self._facts = message
                self.down_since_ns = 0

    def hangs(self, now: int) -> bool:
        """It runs and has been silent for too long; one that starts is waited for while it gets on."""
        started = self.process.started_ns
        if self.heard_ns < started:
            return self._progress.stuck(self.process.pid, started, now)
        return now - self.heard_ns > _SILENT_NS

    def ended(self, now: int) -> None:
        """Its process is gone: when it is started again."""
        if now - self.process.started_ns > _STEADY_NS:
            self._delay_ns = _LEAST_DELAY_NS
        self.due_ns = now + self._delay_ns
        self._delay_ns = min(2 * self._delay_ns, _MOST_DELAY_NS)
        self.restarts += 1
        self.down_since_ns = self.down_since_ns or now


class Attendants:
    """All of them; `configuration` says which are wanted."""

    def __init__(
        self, configuration: Configuration, shared: Shared, log_fd: int, setup: Callable[[str, dict[str, int]], Setup]
    ) -> None:
        self._shared = shared
        self._setup = setup
        self._log = logger()
        self.all = {name: Attendant(name, log_fd) for name in OFF_PATH}
        self.want(configuration)

    def want(self, configuration: Configuration) -> None:
        """Which are to run from now on."""
        for name, attendant in self.all.items():
            attendant.wanted = getattr(configuration.line, SECTIONS[name]) is not None

    def by_pidfd(self) -> dict[int, Attendant]:
        """Those that run, by the descriptor that is readable when they have ended."""
        return {a.process.pidfd: a for a in self.all.values() if a.process.pidfd >= 0}

    def look(self, now: int, *, paused: bool) -> None:
        """Hear them, start those that are due, end those that hang (unless the machine `paused`) or are not wanted."""
        for attendant in self.all.values():
            process = attendant.process
            attendant.hear(now)
            if not process.pid:
                if attendant.wanted and now >= attendant.due_ns:
                    self._start(attendant)
            elif not attendant.wanted and not process.ended_on_purpose:
                self._end(attendant)
            elif not paused and attendant.hangs(now):
                self._log.error("process_hangs", which=process.name, pid=process.pid, action="kill and restart")
                process.signal(signal.SIGKILL)

    def ended(self, attendant: Attendant) -> str:
        """Its process is gone. How it ended, in words; empty when it was told to."""
        now = now_ns()
        attendant.hear(now)
        on_purpose = attendant.process.ended_on_purpose
        name, pid, how = attendant.process.name, attendant.process.pid, attendant.process.reap()
        if on_purpose:
            attendant.due_ns = now
            return ""
        attendant.ended(now)
        if how in STOPPED:
            self._log.info("process_stopped", which=name, pid=pid, how=how)
            return ""
        self._log.error("process_lost", which=name, pid=pid, how=how, restarts=attendant.restarts)
        return how

    def restart(self, sections: Iterable[str]) -> None:
        """End those of these sections in order; they are started again with the configuration as it is then."""
        for name, attendant in self.all.items():
            if SECTIONS[name] in sections:
                self._end(attendant)

    def hand(self, **command: Any) -> None:
        """Tell all that run what carries a recipe."""
        for attendant in self.all.values():
            attendant.process.hand(**command)

    def stop_all(self, wait: Callable[[list[StageProcess], int], None]) -> None:
        """The last parts are recorded first; then they end."""
        running = [attendant.process for attendant in self.all.values() if attendant.process.pid]
        for process in running:
            process.ended_on_purpose = True
            process.tell(do="stop")
            process.signal(signal.SIGTERM)  # heard by those that are not ready yet
        wait(running, _STOP_NS)

    def trouble(self, name: str, now: int, patience_ns: int = 10 * _SECOND) -> bool:
        """It says that something is wrong, or has not run for a while."""
        attendant = self.all[name]
        if not attendant.wanted:
            return False
        down = attendant.down_since_ns and now - attendant.down_since_ns > patience_ns
        return bool(down) or attendant.facts.get("state", "ok") not in ("ok", "down")

    def _start(self, attendant: Attendant) -> None:
        process = attendant.process
        try:
            with self._shared.read_only_fds() as fds:
                process.start(self._setup(process.name, fds))
        except (OSError, MessageError) as error:
            self._log.error("process_not_started", which=process.name, error=str(error))
            attendant.ended(now_ns())
            return
        self._log.info("process_started", which=process.name, pid=process.pid)

    def _end(self, attendant: Attendant) -> None:
        if attendant.process.pid:
            attendant.process.ended_on_purpose = True
            attendant.process.tell(do="stop")
