"""Run a simulated line from the first part to the last: PLC simulator, daemon, replayed boards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoi_daemon.kit.line.daemon import DaemonError, LineDaemon
from aoi_daemon.kit.line.report import Tally
from aoi_daemon.kit.line.setup import DEMO_BUNDLE, demo_recipe, golden_of, line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess

_LOOK_S = 0.05
_PATIENCE_S = 10.0
_LAST_S = 1.0


@dataclass
class Line:
    """A running line: the daemon, the PLC, and the tally of what became of the parts."""

    daemon: LineDaemon
    plc: SimulatorProcess
    tally: Tally

    def counters(self) -> dict[str, Any]:
        """The PLC's counts of parts."""
        found: dict[str, Any] = self.plc.status()["counters"]
        return found

    def run(self, parts: int, progress: Callable[[Tally, dict[str, Any]], None]) -> None:
        """Until the PLC has decided `parts` parts (0: for ever), or none has come for a while.

        Raises:
            DaemonError: no part came for ten seconds.
        """
        decided, since = -1, time.monotonic()
        while True:
            self.tally.add(self.daemon.outcomes())
            counters = self.counters()
            progress(self.tally, counters)
            now = counters["good"] + counters["escape"] + counters["ejected"]
            if 0 < parts <= now:
                break
            if now != decided:
                decided, since = now, time.monotonic()
            elif time.monotonic() - since > _PATIENCE_S:
                raise DaemonError(f"the line has stopped at {now} of {parts} parts:\n{self.daemon.log()}")
            time.sleep(_LOOK_S)
        self.tally.add(self.daemon.outcomes())

    def report(self, *, cut_short: bool = False) -> dict[str, Any]:
        """The figures so far. `cut_short`: parts still come, and those on their way count for neither side."""
        counters, seen = self.counters(), self.plc.parts()
        if not cut_short:
            return self.tally.report(counters, seen)
        decided = counters["good"] + counters["escape"] + counters["ejected"]
        until = time.monotonic() + _LAST_S
        while self.tally.parts < decided and time.monotonic() < until:
            self.tally.add(self.daemon.outcomes()[: decided - self.tally.parts])
            time.sleep(0.001)
        return self.tally.report({**counters, "parts": decided}, seen[:decided])


@contextmanager
def simulated_line(
    boards: Path,
    *,
    parts: int,
    takt_ms: float,
    deadline_ms: float,
    scan_ms: float = 0,
    bundle: Path = DEMO_BUNDLE,
    folder: Path | None = None,
    change: Callable[[dict[str, Any], dict[str, Any]], None] | None = None,
    **more: Any,
) -> Iterator[Line]:
    """A line that is READY and passes `parts` boards. `more` are sections of line.toml.

    `change` may make another product of line and recipe: then no golden parts come with it.

    Raises:
        DaemonError: it does not become READY; with the end of the daemon's log.
    """
    with tempfile.TemporaryDirectory(prefix="aoi-line-") as made:
        where = folder or Path(made)
        where.mkdir(parents=True, exist_ok=True)
        with SimulatorProcess(scan_ms=scan_ms, deadline_ms=deadline_ms, keep=max(parts, 1000)) as plc:
            config = line_config(
                boards, takt_ms=takt_ms, deadline_ms=deadline_ms, plc_port=plc.port,
                photo_eye_port=plc.photo_eye_port, parts=parts, **more,
            )  # fmt: skip
            recipe, golden = demo_recipe(boards, bundle), golden_of(boards, bundle)
            if change is not None:
                change(config, recipe)
                golden = {}
            with LineDaemon(where, config, {"demo": recipe}, golden) as daemon:
                daemon.watch()
                daemon.wait_ready()
                yield Line(daemon, plc, Tally())
