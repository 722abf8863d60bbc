"""Tells the service manager what the line does: READY, STATUS, the watchdog, reloads.

Process: supervisor, once in each of its ticks; time is passed in. Blocks: never.
READY=1 goes out once the PLC has verified READY for the first time; what comes
later is between the PLC and the daemon, and STATUS alone follows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.stage.board import Board, Cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.service import Manager, Notifier
from aoi_daemon.supervisor.watchdog import Look, Watchdog
from aoi_daemon.supervisor.words import Words, describe

_SECOND: Final = 1_000_000_000
_COUNTS_NS: Final = 5 * _SECOND
_LOOK_NS: Final = 5 * _SECOND
EXTEND_S: Final = 60
"""What a start or a reload that goes on asks for each time; after that the manager ends one that has stopped."""
_FEEDS: Final = 4
"""Feeds in one watchdog time: more than two, as a datagram that finds the manager's queue full is dropped."""


class Notices:
    """What is told to `manager`, and when.

    Args:
        manager: what `service.take_environment` found.
        board: read only.
        line: the configuration at start; `describe` gets the one of the moment.
        log: for what the operator of the PC should know.
    """

    def __init__(self, manager: Manager, board: Board, line: LineConfig, log: Any) -> None:
        self._notifier = Notifier(manager.address)
        self._board = board
        self._log = log
        self._watchdog = Watchdog(int(line.supervisor.start_s * 1e9))
        self._watchdog_ns = manager.watchdog_ns
        self._period_ns = manager.watchdog_ns // _FEEDS or _LOOK_NS
        self._fed_ns = -self._period_ns  # the first tick feeds
        self._counted_ns = 0
        self._stuck = ""
        self._was_ready = self._reloads = False
        self._owes_ready = False
        self._owes_stopping = True
        self._said = Words("")
        self.refused = ""
        for problem in manager.problems:
            log.warning("service_manager", problem=problem)
        if problem := too_short(manager.watchdog_ns, line):
            log.warning("service_manager", problem=problem)

    def tick(self, now_ns: int, line: LineConfig, looks: Callable[[], list[Look]]) -> None:
        """Once in each tick of the supervisor: whatever is due."""
        words = describe(self._board, line, self.refused)
        if not self._was_ready and self._board[Cell.READY]:
            self._was_ready = self._owes_ready = True
        if self._owes_ready:
            self._send_ready(words)
        self._say(words, now_ns)
        if now_ns - self._fed_ns >= self._period_ns:
            self._feed(now_ns, looks())

    def _send_ready(self, words: Words) -> None:
        self._owes_ready = not self._notifier.send(ready=1, status=str(words))
        if not self._owes_ready:
            self._said = words

    def _say(self, words: Words, now_ns: int) -> None:
        said = self._said
        if (words.state, words.more) == (said.state, said.more) and (
            words == said or now_ns - self._counted_ns < _COUNTS_NS
        ):
            return
        if self._notifier.send(status=str(words)):
            self._said, self._counted_ns = words, now_ns

    def _feed(self, now_ns: int, looks: list[Look]) -> None:
        stuck = self._watchdog.stuck(Line(self._board[Cell.LINE_STATE]), looks, now_ns)
        if stuck != self._stuck:
            self._stuck = stuck
            log = self._log.error if stuck else self._log.info
            log("watchdog", fed=not stuck, stands=stuck)
        if stuck:
            return
        fields = {"watchdog": 1} if self._watchdog_ns else {}
        if self._reloads or not self._was_ready:
            # A PLC that is switched off may stay so over a weekend, and a new engine takes a while to prove itself:
            # start and reload go on for as long as the loop does.
            fields["extend_timeout_usec"] = EXTEND_S * 1_000_000
        if not fields or self._notifier.send(**fields):
            self._fed_ns = now_ns

    def reloading(self, now_ns: int) -> None:
        """A reload begins. Before the first READY=1 it is part of the start: RELOADING=1 would end that."""
        self._reloads = True
        if self._was_ready:
            # One datagram with both, else systemd 253 to 257 takes the reload for hung.
            self._notifier.send(reloading=1, monotonic_usec=now_ns // 1000)

    def reloaded(self, line: LineConfig, error: str = "") -> None:
        """It is over; `error` says why nothing landed."""
        self.refused = error
        self._reloads = False
        if self._was_ready:
            self._send_ready(describe(self._board, line, error))

    def stopping(self) -> None:
        """The service has been told to end. Asked again when its stages have ended: the manager hears it once."""
        # A manager that is busy, as one is that stops many services, may have a full queue: the word would be lost.
        self._owes_stopping = self._owes_stopping and not self._notifier.send(stopping=1, status="stopping")

    def close(self) -> None:
        """Close the socket."""
        self._notifier.close()


def too_short(watchdog_ns: int, line: LineConfig) -> str:
    """Which time of the configuration the watchdog would not wait for; "": none."""
    longest_ms = watchdog_ns / 1e6 * (_FEEDS - 1) / _FEEDS
    times_ms = {
        "supervisor.hang_ms": line.supervisor.hang_ms,
        "plc.heartbeat_ms": line.plc.heartbeat_ms,
        "plc.reconnect_max_ms": line.plc.reconnect_max_ms,
    }
    key = max(times_ms, key=lambda name: times_ms[name])
    if not watchdog_ns or times_ms[key] < longest_ms:
        return ""
    return (
        f"WatchdogSec = {watchdog_ns / 1e9:g} s is too short for {key} = {times_ms[key]:g}: "
        "the service would be ended before the supervisor could mend a stage; make it more than twice that time"
    )
