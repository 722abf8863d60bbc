"""`tools/bench_ultralytics`: export, wrap, measure in turns, compare.

Schema of the JSON (version 1): `machine` as in tools/backends/report.py; `options`; `complete`; `sizes`, a list with
`size_px`, `conf`, `iou`, `notes`, `base`, `ultralytics` (its version), `sides` (by name: `total_ms`, `outside_ms`,
`boxes`; compare.py), `refused` (by name: why) and `demands` (asks, ratio, at_most, holds; null: too few runs).
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aoi_daemon.errors import AoiError
from aoi_daemon.files import replace_file
from tools.against import compare, theirs
from tools.against.arguments import arguments
from tools.against.bundle import choose_conf, make_bundle
from tools.backends.machine import machine, quiet_problem, watched
from tools.backends.report import machine_line, markdown, table
from tools.backends.turns import CaseError, Contestant, RefusedError
from tools.gpu.frames import boards

_EXPORT_S: Final = 600.0
_OPEN_S: Final = 300.0
_TURN_S: Final = 120.0
_WIDTH: Final = 150
BASE: Final = "predict, ONNX Runtime"
SAME: Final = "ours, onnx fp32"
_OURS: Final = (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("openvino", "int8"))

Keep = Callable[[dict[str, Any]], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure each size, tell, write; the exit code."""
    options = arguments(argv)
    console = Console(stderr=True)
    named = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report: dict[str, Any] = {
        "version": 1, "machine": machine(), "options": named, "complete": False, "sizes": [],
    }  # fmt: skip
    stopped = False
    try:
        with watched(report["machine"], witness=False), tempfile.TemporaryDirectory(prefix="aoi-against-") as work:
            for size_px in options.sizes:
                folder = Path(work) / str(size_px)
                folder.mkdir()
                report["sizes"].append({})
                _measure(size_px, folder, options, console, report["sizes"][-1].update)
        report["complete"] = True
    except KeyboardInterrupt:
        stopped = True
        console.print("stopped; what follows is what was measured until then")
    except (AoiError, OSError) as error:
        console.print(f"bench_ultralytics: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    try:
        failed = _told(report, options)
    except OSError as error:
        console.print(f"bench_ultralytics: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    return 130 if stopped else 1 if failed else 0


def _measure(size_px: int, folder: Path, options: Any, console: Console, keep: Keep) -> None:
    """One size; `keep` is told what there is, again and again.

    Raises:
        AoiError: the model cannot be exported, wrapped or judged.
    """
    with console.status(f"{size_px} px: exporting, wrapping, calibrating"):
        pictures = [board.image for board in boards(options.pictures, size_px, size_px, 3)]
        np.save(folder / "pictures.npy", np.stack(pictures))
        exported = _exported(size_px, folder, options)
        notes = make_bundle(Path(exported["onnx"]), folder / "bundle", exported["classes"], pictures)
        conf = options.conf or choose_conf(folder / "bundle", pictures, options.iou)
    notes += [exported["openvino_failed"]] if exported["openvino"] is None else []
    keep(
        {"size_px": size_px, "conf": conf, "iou": options.iou, "notes": notes, "base": BASE, "sides": {},
         "ultralytics": exported["version"], "refused": {}, "demands": []}
    )  # fmt: skip
    with ExitStack() as owned:
        sides: dict[str, Contestant] = {}
        refused: dict[str, str] = {}
        for name, command in _commands(size_px, folder, exported, conf, options).items():
            try:
                one = Contestant(command, limit_s=_OPEN_S, environment=_environment(folder))
                sides[name] = owned.enter_context(one)
            except RefusedError as error:
                refused[name] = str(error)
            except CaseError as error:
                refused[name] = f"FAILED: {error}"
        keep({"refused": refused})
        answers: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        try:
            _take_turns(sides, answers, refused, options, console)
        finally:
            done = {name: compare.side(given) for name, given in answers.items() if given}
            keep({"sides": done, "demands": compare.judged(done, BASE, SAME)})


def _exported(size_px: int, folder: Path, options: Any) -> dict[str, Any]:
    weights = None if options.weights is None else str(options.weights.resolve())
    case = {
        "kind": "export", "folder": str(folder), "pictures": str(folder / "pictures.npy"), "size_px": size_px,
        "seed": options.seed, "weights": weights,
    }  # fmt: skip
    command = [options.python, theirs.__file__, json.dumps(case)]
    with Contestant(command, limit_s=_EXPORT_S, environment=_environment(folder)) as exporter:
        found = exporter.opened
    if found["onnx"] is None:
        raise CaseError(f"Ultralytics could not export the model: {found['onnx_failed']}")
    return found


def _commands(
    size_px: int, folder: Path, exported: dict[str, Any], conf: float, options: Any
) -> dict[str, list[str]]:  # fmt: skip
    common = {"pictures": str(folder / "pictures.npy"), "conf": conf, "iou": options.iou}
    found = {}
    for name, model in ((BASE, exported["onnx"]), ("predict, its OpenVINO export", exported["openvino"])):
        if model is not None:
            case = {"kind": "predict", "model": model, "size_px": size_px, **common}
            found[name] = [options.python, theirs.__file__, json.dumps(case)]
    for backend, precision in _OURS:
        inspection = {"backend": backend, "precision": precision, "threads": options.threads}
        mine = {"bundle": str(folder / "bundle"), "inspection": inspection, **common}
        found[f"ours, {backend} {precision}"] = [sys.executable, "-m", "tools.against.ours", json.dumps(mine)]
    return found


def _environment(folder: Path) -> dict[str, str]:
    # Its settings file is not the user's own, and says what theirs.py wants it to say.
    return {**os.environ, "YOLO_CONFIG_DIR": str(folder)}


def _take_turns(
    sides: dict[str, Contestant], answers: dict[str, list[dict[str, Any]]], refused: dict[str, str], options: Any,
    console: Console,
) -> None:  # fmt: skip
    """Add to `answers`; what fails on the way is told in `refused`, and has no turn any more."""
    draw, order = random.Random(options.seed), list(sides)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        for number in progress.track(range(options.runs), description="in turns"):
            draw.shuffle(order)
            for name in list(order):
                time.sleep(options.pause_ms / 1000)
                try:
                    answers[name].append(sides[name].ask({"picture": number % options.pictures}, limit_s=_TURN_S))
                except CaseError as error:
                    # The others go on: an hour of theirs is not lost to it.
                    refused[name] = f"FAILED after {len(answers[name])} runs: {error}"
                    order.remove(name)


def _told(report: dict[str, Any], options: Any) -> bool:
    """Print the tables and write the files; whether something failed."""
    failed, pages = False, []
    busy = quiet_problem(report["machine"]["load_before"], report["machine"]["cores"])
    for of in report["sizes"]:
        if not of:
            continue  # stopped before it began
        below = [f"Ultralytics {of['ultralytics']}, confidence {of['conf']}, overlap {of['iou']}", *of["notes"]]
        below += [f"{name}: {why}" for name, why in of["refused"].items()]
        for demand in of["demands"]:
            holds = {True: "holds", False: "DOES NOT HOLD", None: "too few runs to say"}[demand["holds"]]
            below.append(f"{demand['asks']}: ratio {demand['ratio']}, at most {demand['at_most']:g}: {holds}")
            failed |= demand["holds"] is False
        failed |= any(why.startswith("FAILED") for why in of["refused"].values())
        below += [machine_line(report), *([busy] if busy else [])]
        title = f"the same YOLO, {of['size_px']} x {of['size_px']} px, ms"
        Console(width=_WIDTH).print(table(title, compare.HEAD, compare.rows(of), below))
        pages.append(f"**{title}**\n\n" + markdown(compare.HEAD, compare.rows(of), below))
    if options.json is not None:
        replace_file(options.json, (json.dumps(report, indent=1) + "\n").encode())
    if options.markdown is not None:
        replace_file(options.markdown, "\n".join(pages).encode())
    return failed


if __name__ == "__main__":
    sys.exit(main())
