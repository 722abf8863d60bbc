"""What the web server and its libraries have to say, in the daemon's own log."""

from __future__ import annotations

import logging
from typing import Any, Final

_GONE: Final = "No response returned."
"""Starlette's word for a browser that went away while its answer was being made: no fault of anybody's."""


class WebLog(logging.Handler):
    """Takes warnings and errors of the libraries to `log`, one line each."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, RuntimeError) and str(error) == _GONE:
            return
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        write("page_library", source=record.name, said=record.getMessage(), exc_info=error)


def install(log: Any) -> None:
    """Send what any library logs to `log`; nothing else is written."""
    logging.basicConfig(handlers=[WebLog(log)], level=logging.WARNING, force=True)
