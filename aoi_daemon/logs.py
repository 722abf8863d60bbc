"""Logging: events with key-value pairs, one line each, written without ever waiting.

Stages write to a non-blocking pipe that the supervisor empties, so a terminal
or a journal that stalls costs lines, never time on the path; what was dropped
is counted and said in the next line that gets through.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def resolve_format(wanted: str) -> str:
    """`auto` becomes `console` on a terminal and `json` elsewhere."""
    if wanted != "auto":
        return wanted
    return "console" if sys.stderr.isatty() else "json"


class LineWriter:
    """Writes lines to a descriptor; one that would block is dropped and counted."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.dropped = 0

    def msg(self, line: str) -> None:
        """Write one line."""
        data = (line + "\n").encode(errors="replace")
        if self.dropped:
            data = f"<4>({self.dropped} log lines were dropped here)\n".encode() + data
        try:
            os.write(self._fd, data)
        except OSError:
            self.dropped += 1
        else:
            self.dropped = 0

    log = debug = info = warning = warn = error = critical = fatal = exception = msg


def _with_priority(_logger: Any, method: str, event: str) -> str:
    """The prefix by which journald takes a line's priority."""
    return f"<{_PRIORITY.get(method, 6)}>{event}"


def _name_stage(stage: str) -> Any:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("stage", stage)
        return event

    return add


def configure(stage: str, level: str, line_format: str, fd: int = 2) -> None:
    """Set structlog up for this process: `line_format` is `json` or `console`."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=line_format == "json"),
        _name_stage(stage),
    ]
    render: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(), _with_priority]
        if line_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=True)]
    )
    writer = LineWriter(fd)
    structlog.configure(
        processors=shared + render,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )


def logger() -> Any:
    """The process' logger (structlog leaves its type open)."""
    return structlog.get_logger()
