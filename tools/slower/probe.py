"""Runs one tree's line against a PLC simulator that is there already, and tells what it measured, as JSON lines.

Process: one for each run, `python -c` of this text in the root of the tree that is measured, so that `aoi_daemon` and
its harness are that tree's own: its configuration and its verdict ring have that revision's format. Whatever a change
of this tree's harness costs is therefore no part of the comparison but through these names, which both trees have:
LineDaemon, line_config, demo_recipe, Tally, make_reference_bundle, GoldenPair.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

_LOOK_S = 0.05
_PATIENCE_S = 10.0
_PATH = ("queue", "decide", "handover", "plc")
_STAGES = ("plc", "inspection")
_HOME_OF_0_1 = "tools.line"
"""Where the harness of 0.1.0 lies."""


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of `pid` so far; /proc/PID/schedstat alone is that of its first thread."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def cpu_of(stages: dict[str, int]) -> dict[str, int]:
    """CPU time in ns of each stage that is judged; several processes of one stage (`inspection-1`) are one."""
    return {name: sum(cpu_ns(pid) for label, pid in stages.items() if label.split("-")[0] == name) for name in _STAGES}


def way(part: Any) -> tuple[int, int]:
    """From when to when a part was on its way, CLOCK_MONOTONIC in ns; `part` is an Outcome of the tree."""
    # Without a trigger of its own (no image came) a part began as long before its deadline as it was ready after.
    return part.trigger_ns or 2 * part.ready_ns - part.deadline_ns, part.answered_ns or part.deadline_ns


def tell(**words: Any) -> None:
    """One line of JSON for who started this."""
    print(json.dumps(words), flush=True)


def make_bundle(boards: Path, folder: Path) -> None:
    """The tree's own reference model, with golden parts from the templates of `boards`: it costs little on a CPU."""
    import cv2  # noqa: PLC0415  # for this once

    from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle  # noqa: PLC0415

    golden = []
    for path in sorted(boards.glob("*_temp.png"))[:3]:
        # Boards that were just made, for a tree that may be older than the one reader of pictures.
        template: Any = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        damaged = template.copy()
        damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
        golden += [GoldenPair(template, template, True), GoldenPair(damaged, template, False)]
    make_reference_bundle(folder, golden)


def run(case: dict[str, Any]) -> None:
    """The line from the first part to the last; tells `decided` as it goes, and `result` at the end."""
    # The tree's own.
    home = "aoi_daemon.kit.line" if Path("aoi_daemon/kit/line").is_dir() else _HOME_OF_0_1
    daemon, report, setup = (importlib.import_module(f"{home}.{name}") for name in ("daemon", "report", "setup"))

    boards, parts, takt_ms = Path(case["boards"]), case["parts"], case["takt_ms"]
    config = setup.line_config(
        boards, takt_ms=takt_ms, deadline_ms=takt_ms, plc_port=case["plc_port"],
        photo_eye_port=case["photo_eye_port"], parts=parts, **case["sections"],
    )  # fmt: skip
    recipes = {"demo": setup.demo_recipe(boards, Path(case["bundle"]))}
    with daemon.LineDaemon(Path(case["folder"]), config, recipes) as line:
        line.watch()
        line.wait_ready()
        stages = line.status()["stages"]
        tally = report.Tally()
        missed_ns: list[tuple[int, int]] = []
        samples: list[tuple[int, dict[str, int]]] = []
        moved_s = time.monotonic()
        while tally.parts < parts:
            new = line.outcomes()
            tally.add(new)
            missed_ns += [way(part) for part in new if not 0 < part.answered_ns <= part.deadline_ns]
            # Steady: READY and the first parts behind it, the last parts not yet through.
            wanted = (case["skip"], parts - case["skip"])[len(samples)] if len(samples) < 2 else parts + 1
            if tally.parts >= wanted:
                samples.append((tally.parts, cpu_of(stages)))
            if new:
                tell(decided=tally.parts)
                moved_s = time.monotonic()
            elif time.monotonic() - moved_s > _PATIENCE_S:
                raise SystemExit(f"the line has stopped at {tally.parts} of {parts} parts\n{line.log()}")
            time.sleep(_LOOK_S)
        if line.status()["stages"] != stages:
            raise SystemExit(f"a stage was restarted while the parts passed\n{line.log()}")
    (from_part, from_ns), (to_part, to_ns) = samples
    skipped = [tally.stages_ms[name][case["skip"] :] for name in _PATH]
    tell(
        result={
            "path_ms": [sum(part) for part in zip(*skipped, strict=True)],
            "line_ms": tally.latencies_ms[case["skip"] :],
            "cpu_us": {name: (to_ns[name] - from_ns[name]) / 1e3 / (to_part - from_part) for name in _STAGES},
            "misses": tally.misses,
            "missed_ns": missed_ns,
            "parts": tally.parts,
        }
    )


def main() -> int:
    """Do what the JSON on the command line says."""
    case = json.loads(sys.argv[1])
    if case["do"] == "bundle":
        make_bundle(Path(case["boards"]), Path(case["folder"]))
    else:
        run(case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
