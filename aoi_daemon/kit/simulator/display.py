"""One live line on the terminal: what the simulated PLC sees.

It runs in the process that the terminal belongs to and asks the simulator,
a process of its own, over the control channel: drawing never delays a scan.
"""

from __future__ import annotations

import time
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from aoi_daemon.kit.simulator.client import SimulatorError, SimulatorProcess

_PERIOD_S: Final = 0.25
_COILS: Final = ("PASS", "REJECT", "ALARM", "READY", "HEARTBEAT", "RUN_PERMIT", "OVERRUN")
_COUNTS: Final = ("parts", "good", "ejected", "missed", "escape", "false_call", "late")
_BAD: Final = frozenset({"REJECT", "ALARM", "OVERRUN"})


def line_of(status: dict[str, Any]) -> Text:
    """The live line for `status`."""
    line = Text()
    for name in _COILS:
        style = ("bold red" if name in _BAD else "bold green") if status["coils"][name] else "dim"
        line.append(f"{name} ", style)
    line.append(f"seq {status['coils']['SEQ']:3d}  ")
    if not status["ready_effective"]:
        line.append("NOT READY  ", "yellow")
    line.append("  ".join(f"{name} {status['counters'][name]}" for name in _COUNTS))
    if status["fault"] != "none":
        line.append(f"  fault: {status['fault']}", "bold magenta")
    return line


def watch(simulator: SimulatorProcess) -> None:
    """Draw until the simulator ends, or until Ctrl-C; the last line stays."""
    with Live(console=Console(stderr=True), auto_refresh=False) as live:
        try:
            while True:
                live.update(line_of(simulator.status()), refresh=True)
                time.sleep(_PERIOD_S)
        except (SimulatorError, OSError):
            return
