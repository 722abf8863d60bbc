"""Logging: events with key-value pairs, one line each, written without ever waiting.

Stages and supervisor write to one non-blocking pipe, and a thread of the
supervisor carries it to where the lines go: a terminal or a journal that stalls
costs lines, never time on the path nor the supervisor's; what was dropped is
counted and said in the next line that gets through.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Final

from aoi_daemon.ring.doorbell import make_pipe

# structlog takes rich along, where it is there: a sixth of a stage's start, for tracebacks that show all variables.
_KEPT_OUT: Final[dict[str, Any]] = {} if "rich" in sys.modules else {"rich": None}
sys.modules.update(_KEPT_OUT)
import structlog  # noqa: E402

for _name in _KEPT_OUT:
    del sys.modules[_name]  # a command may show its progress by it

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_PUMP_BYTES: Final = 64 * 1024
LAST_LINES_S: Final = 1.0
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
        self._cut = b""
        self.dropped = 0

    def msg(self, line: str) -> None:
        """Write one line."""
        data = (line + "\n").encode(errors="replace")
        if self.dropped:
            data = self._cut + f"<4>({self.dropped} log lines were dropped here)\n".encode() + data
        try:
            written = os.write(self._fd, data)
        except OSError:
            self.dropped += 1
            return
        # A pipe takes more than PIPE_BUF bytes in part where it has no room for all: the next line begins a new one.
        self.dropped, self._cut = (0, b"") if written == len(data) else (self.dropped + 1, b"\n")

    log = debug = info = warning = warn = error = critical = fatal = exception = msg


class LogPump:
    """Carries what is written to `write_fd` to `out_fd`, in a thread that may be held up there.

    A thread, because nothing else is sure not to wait: O_NONBLOCK on a terminal is set for the shell too, and poll
    promises a pipe's 4096 bytes, but nothing of a terminal that Ctrl-S has stopped or of the journal's socket. The
    queue is the pipe, whose writers count what they drop.
    """

    def __init__(self, out_fd: int = 2) -> None:
        self._out_fd = out_fd
        self._read_fd, self.write_fd = make_pipe()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._read_fd, select.POLLIN)
        while True:
            poll.poll()
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._read_fd, _PUMP_BYTES)
                if not data:
                    return
                self._carry(data)

    def _carry(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._out_fd, data) :]
            except BlockingIOError:  # somebody else has set O_NONBLOCK on it
                select.select([], [self._out_fd], [])
            except OSError:
                return  # nobody will ever read it

    def close(self) -> None:
        """No more lines: what is in the pipe is carried on, for at most LAST_LINES_S where nobody reads it.

        The pipe is left to the system where that takes longer, or where a stage still holds it.
        """
        os.close(self.write_fd)
        self._thread.join(LAST_LINES_S)
        if not self._thread.is_alive():
            os.close(self._read_fd)

    def __enter__(self) -> LogPump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
