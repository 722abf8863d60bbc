"""Kill the inspection process while parts pass, and see what the PLC saw: `python3 -m tools.gpu.kill_inspection`.

A complete simulated line runs; SIGKILL comes between two parts or inside one. Written down: how long until
READY=0, how long until READY again with every golden verdict proven anew, and what became of each part.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.kit.files import kept_folder
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.kit.line.report import readiness
from aoi_daemon.kit.line.run import Line, simulated_line
from aoi_daemon.kit.line.setup import DEMO_BUNDLE, demo_boards
from aoi_daemon.kit.report_file import check_report
from aoi_daemon.kit.simulator.client import SimulatorError
from aoi_daemon.stage.control import NotRunningError
from tools.line.bench import add_inspection, inspection_of
from tools.line.bench_report import told

_READY_0_MS: Final = 300.0
"""READY=0 has to be at the PLC so soon after the kill."""
_PARTS: Final = 1_000_000
_LOOK_S: Final = 0.02
_EXAMPLES: Final = """examples:
  python3 -m tools.gpu.kill_inspection                          ONNX Runtime on the CPU
  python3 -m tools.gpu.kill_inspection --bundle FOLDER --backend tensorrt --precision fp16 --json kill.json

exit codes: 0 READY=0 in time, back with its golden parts proven, no part passed without proof; 1 not so;
2 the command line, the bundle or the engine is wrong.
"""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="kill_inspection", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--parts", type=int, default=100, metavar="N", help="before the kill, and after (default 100)")
    parser.add_argument("--takt-ms", type=float, default=50.0, metavar="MS", help="time from part to part (default 50)")
    parser.add_argument("--boards", type=Path, metavar="DIR", help="boards in DeepPCB's layout (default: generated)")
    parser.add_argument("--bundle", type=Path, default=DEMO_BUNDLE, metavar="DIR", help="model bundle")
    parser.add_argument("--back-s", type=float, default=90.0, metavar="S", help="READY must be back by then (90)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    add_inspection(parser)
    found = parser.parse_args(argv)
    if found.parts < 1:
        parser.error(f"--parts {found.parts}: at least 1")
    if not 2 <= found.takt_ms <= 60_000:
        parser.error(f"--takt-ms {found.takt_ms:g}: 2 to 60000")
    if found.back_s <= 0:
        parser.error(f"--back-s {found.back_s:g}: above 0")
    check_report(parser, "--json", found.json)
    return found


def main(argv: list[str] | None = None) -> int:
    """Run it; the exit code."""
    asked = arguments(argv)
    console = Console(stderr=True)
    try:
        load_bundle(asked.bundle)
        result = run(asked)
    except (DaemonError, NotRunningError, SimulatorError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except (AoiError, FileNotFoundError) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    text = json.dumps(result, indent=2)
    if asked.json is not None:
        asked.json.write_text(text + "\n")
    print(text)
    return 1 if result["failed"] else 0


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Parts, the kill, parts until READY is back, parts; the result.

    Raises:
        AoiError: boards or bundle are not what can be run.
        DaemonError: the line never became READY, or not again.
    """
    boards = asked.boards or demo_boards(kept_folder(), lambda _: None)
    inspection = inspection_of(asked)
    with simulated_line(
        boards, parts=_PARTS, takt_ms=asked.takt_ms, deadline_ms=asked.takt_ms, bundle=asked.bundle,
        inspection=inspection,
    ) as line:  # fmt: skip
        patience_s = 20 + asked.parts * asked.takt_ms / 1e3
        _pass(line, lambda: _parts(line) >= asked.parts, patience_s, f"{asked.parts} parts")
        victim = line.daemon.status()["stages"]["inspection"]
        killed_ns = time.monotonic_ns()
        os.kill(victim, signal.SIGKILL)
        _pass(line, lambda: _ready(line, victim), asked.back_s, "READY after the kill")
        back = _parts(line)
        _pass(line, lambda: _parts(line) >= back + asked.parts, patience_s, f"{asked.parts} parts more")
        status = line.daemon.status()
        # The PLC's account first: what it had decided by then has its outcome in the ring.
        parts, events = line.plc.parts(), line.plc.events()
        line.tally.add(line.daemon.outcomes())
        report = line.tally.report(line.counters(), parts)
        result = {
            "inspection": inspection,
            **told(line.daemon.log_file),
            "takt_ms": asked.takt_ms,
            **readiness(events, parts, killed_ns),
            "golden_passed": status["golden_passed"],
            "restarts": status["restarts"],
            "parts": len(parts),
            "unproven_passes": report["line_escapes"],
            "rejected_for": report["rejected_for"],
        }
    result["failed"] = failures(result)
    return result


def failures(result: dict[str, Any]) -> list[str]:
    """What did not go as it must; empty: all did."""
    found = []
    if result["ready_0_ms"] is None or result["ready_0_ms"] > _READY_0_MS:
        found.append(f"READY=0 came {result['ready_0_ms']} ms after the kill, {_READY_0_MS:g} are allowed")
    if not result["golden_passed"]:
        found.append("the golden parts were not proven after the restart")
    if result["passed_between"]:
        found.append(f"parts {result['passed_between']} passed between the kill and READY")
    if result["unproven_passes"]:
        found.append(f"parts {result['unproven_passes']} passed without a PASS of the daemon")
    if not result["passed_after"]:
        found.append("no part passed after READY was back")
    return found


def _pass(line: Line, until: Callable[[], bool], patience_s: float, what: str) -> None:
    give_up_s = time.monotonic() + patience_s
    while not until():
        line.tally.add(line.daemon.outcomes())
        if time.monotonic() > give_up_s:
            raise DaemonError(f"waited {patience_s:g} s in vain for: {what}\n{line.daemon.log()}")
        time.sleep(_LOOK_S)


def _parts(line: Line) -> int:
    parts: int = line.counters()["parts"]
    return parts


def _ready(line: Line, victim: int) -> bool:
    """READY as the PLC sees it, by another process than the killed one."""
    status = line.daemon.status()
    is_another = status["stages"].get("inspection") not in (None, 0, victim)
    return bool(is_another and status["golden_passed"] and line.plc.status()["ready_effective"])


if __name__ == "__main__":
    sys.exit(main())
