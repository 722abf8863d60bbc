"""What the web server and its libraries have to say, in the daemon's own log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.hmi.doors.doors import Lines

_GONE: Final = "No response returned."
"""Starlette's word for a browser that went away while its answer was being made: no fault of anybody's."""
_EACH: Final = 6
_MOST: Final = 60
"""Lines a minute: of one kind by one address, and in all. Whoever comes can cause them, so they are few."""


class WebLog(logging.Handler):
    """Takes warnings and errors of the libraries to `log`, one line each; not more than a person reads."""

    def __init__(self, log: Any, clock: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._clock = clock
        self._lines = Lines(_EACH, _MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. `address` is who caused it, where that is known."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RuntimeError) and str(error) == _GONE:
            return
        address = str(getattr(record, "address", ""))
        # By where it was written, not by its words: those may hold what the client made up.
        left_out = self._lines.take((record.pathname, str(record.lineno), address), self._clock())
        if left_out is None:
            return
        more = {"address": address} if address else {}
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        write(
            "page_library", source=record.name, said=record.getMessage(), exc_info=error,
            **({"left_out": left_out} if left_out else {}), **more,
        )  # fmt: skip


def install(log: Any) -> None:
    """Send what any library logs to `log`; nothing else is written."""
    logging.basicConfig(handlers=[WebLog(log)], level=logging.WARNING, force=True)
