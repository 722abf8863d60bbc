"""What the builder is doing, for whoever waits: a bar for each phase, from 10.x and RTX on.

TensorRT calls from its own threads. Nothing may be raised into it: Ctrl-C sets
`cancelled`, and TensorRT stops at the next step.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from aoi_daemon.infer.trt.vendor import Vendor


class Progress:
    """Told of phases and steps; shows nothing. Base of those that do."""

    def __init__(self) -> None:
        self.cancelled = False

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """`phase`, of so many steps, began within `parent`."""

    def step(self, phase: str, done: int) -> None:
        """So many steps of `phase` are done."""

    def finish(self, phase: str) -> None:
        """`phase` is over."""


class PlainProgress(Progress):
    """A line for each outer phase, with its time: for a log, or where `rich` is missing."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[str, float] = {}

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """See `Progress`."""
        if not parent:
            self._begun[phase] = time.monotonic()

    def finish(self, phase: str) -> None:
        """See `Progress`."""
        begun = self._begun.pop(phase, None)
        if begun is not None:
            sys.stderr.write(f"{phase}: {time.monotonic() - begun:.1f} s\n")


class RichProgress(Progress):
    """A bar for each phase that is open, the inner ones indented."""

    def __init__(self, bars: Any) -> None:
        super().__init__()
        self._bars = bars
        self._tasks: dict[str, Any] = {}
        self._depth: dict[str, int] = {}

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """See `Progress`."""
        depth = self._depth.get(parent or "", -1) + 1
        self._depth[phase] = depth
        self._tasks[phase] = self._bars.add_task("  " * depth + phase, total=steps or None)

    def step(self, phase: str, done: int) -> None:
        """See `Progress`."""
        if phase in self._tasks:
            self._bars.update(self._tasks[phase], completed=done)

    def finish(self, phase: str) -> None:
        """See `Progress`."""
        if phase in self._tasks:
            self._bars.remove_task(self._tasks.pop(phase))


@contextmanager
def shown() -> Iterator[Progress]:
    """Progress on standard error, as well as it can be shown there; Ctrl-C cancels."""
    with _cancelling() as cancel:
        try:
            from rich.console import Console  # noqa: PLC0415  # of the extra `engine`; the NGC container has none
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
            from rich.progress import Progress as Bars  # noqa: PLC0415
        except ImportError:
            cancel.append(PlainProgress())
            yield cancel[0]
            return
        console = Console(stderr=True)
        if not console.is_terminal:
            cancel.append(PlainProgress())
            yield cancel[0]
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, console=console, transient=True) as bars:
            cancel.append(RichProgress(bars))
            yield cancel[0]


def make_monitor(vendor: Vendor, progress: Progress) -> Any | None:
    """An IProgressMonitor that tells `progress`; None where this version has none (8.6)."""
    base = getattr(vendor.api, "IProgressMonitor", None)
    if base is None:
        return None

    class Monitor(base):  # type: ignore[misc, valid-type]  # the base is known at run time
        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            progress.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            progress.step(name, step + 1)
            return not progress.cancelled

        def phase_finish(self, name: str) -> None:
            progress.finish(name)

    return Monitor()


@contextmanager
def _cancelling() -> Iterator[list[Progress]]:
    watched: list[Progress] = []

    def cancel(_signal: int, _frame: FrameType | None) -> None:
        for progress in watched:
            progress.cancelled = True

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield watched
    finally:
        signal.signal(signal.SIGINT, before)
