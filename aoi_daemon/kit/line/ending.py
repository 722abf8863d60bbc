"""How a run of the line ends, whoever asked for it: the report written, its table shown, the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from aoi_daemon.errors import CameraError, ModelError
from aoi_daemon.files.offline import stopped_as_by_ctrl_c
from aoi_daemon.kit.boards.labels import BoardsError
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.kit.line.report import line_failed
from aoi_daemon.kit.simulator.client import SimulatorError
from aoi_daemon.stage.control import NotRunningError


def exit_code(
    run: Callable[[Console], dict[str, Any]], summary: Callable[[dict[str, Any]], Table], report_file: Path | None
) -> int:
    """Run, report and judge: 0 the line did its work, 1 it did not, 2 a folder is wrong, 130 stopped."""
    console = Console(stderr=True)
    try:
        # Else what the run has started, a daemon and a PLC, would go on for ever, at real-time priority.
        with stopped_as_by_ctrl_c():
            report = run(console)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except (BoardsError, CameraError, ModelError, FileNotFoundError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    except (DaemonError, NotRunningError, SimulatorError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    Console().print(summary(report))
    if report_file is not None:
        try:
            report_file.write_text(json.dumps(report, indent=2) + "\n")
        except OSError as error:
            console.print(f"{report_file}: {error.strerror}; the report is not written", style="red", markup=False)
            return 1
    problems = line_failed(report)
    for problem in problems:
        console.print(f"FAILED: {problem}", style="bold red")
    return 1 if problems else 0
