"""Progress of work that takes longer than two seconds: a bar on a terminal, nothing elsewhere.

Process: offline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any


class Progress:
    """Bars on stderr, one a task; `with` takes them away."""

    def __init__(self, *, shown: bool | None = None) -> None:
        """Show bars; `shown` None: where stderr is a terminal."""
        self._bars: Any = _bars() if (sys.stderr.isatty() if shown is None else shown) else None

    def task(self, what: str, total: int) -> Callable[[], None]:
        """Begin a task of `total` steps; call what comes back after each."""
        if self._bars is None:
            return _nothing
        bars, task = self._bars, self._bars.add_task(what, total=total)

        def advance() -> None:
            bars.advance(task)

        return advance

    def __enter__(self) -> Progress:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()


def _bars() -> Any:
    """Bars on stderr; None where rich is not installed: on a line PC nobody misses them."""
    try:
        # Loaded only to be seen; scripts do without.
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
        from rich.progress import Progress as Bars  # noqa: PLC0415
    except ImportError:
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bars(*columns, console=Console(stderr=True), transient=True)


def _nothing() -> None:
    pass
