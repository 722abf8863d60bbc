"""`python -m tools.models train`: each row's model trained, exported and asked, by the program that it is of.

Process: one for each row (a library that dies, or changes what is global, takes no other row with it).
"""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tools.models.answers import Told, read_told, write_answers
from tools.models.layout import write_boards
from tools.models.rows import ROWS, Row
from tools.models.theirs.frames import Asked

_ADAPTERS: Final = {
    "ultralytics": "yolo", "torchvision": "vision", "timm": "timm_", "anomalib": "anomalib_", "keras": "keras_",
}  # fmt: skip
_LAST_LINES: Final = 3


def train_all(rows: Sequence[Row], out: Path, words: Sequence[str], *, size_px: int, count: int, again: bool) -> int:
    """Run each row in a process of its own; how many have no answer.

    Args:
        rows: in this order.
        out: the folder of everything.
        words: of the command line, for the processes.
        size_px: of the boards.
        count: of the boards to train with.
        again: rows that have an answer are run once more.
    """
    print(f"drawing {count} boards of {size_px} px into {out / 'boards'}", flush=True)
    write_boards(out / "boards", size_px, count)
    missing = 0
    for number, row in enumerate(rows, 1):
        there = None if again else read_told(out / row.name)
        if there is not None and not there.failed:
            print(f"[{number}/{len(rows)}] {row.title}: is there", flush=True)
            continue
        start_ns = time.monotonic_ns()
        print(f"[{number}/{len(rows)}] {row.title} ...", end="", flush=True)
        log = out / row.name / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as lines:
            ended = subprocess.run(
                [sys.executable, "-m", "tools.models", "train", *words, "--one", row.name],
                stdout=lines,
                stderr=lines,
                check=False,
            )
        told = read_told(out / row.name)
        if ended.returncode or told is None:
            last = " | ".join(log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:])
            told = Told(row.name, failed=f"exit code {ended.returncode}: {last}")
            write_answers(out / row.name, told, {})
        missing += bool(told.failed)
        print(f" {(time.monotonic_ns() - start_ns) / 1e9:.0f} s{': ' + told.failed if told.failed else ''}", flush=True)
    return missing


def train_one(name: str, out: Path, asked: Asked) -> int:
    """Run one row here; its answer is in `out`. Exit code 0, whatever came of it: row.json says."""
    row = next(each for each in ROWS if each.name == name)
    folder = out / row.name
    try:
        adapter: Any = importlib.import_module(f"tools.models.theirs.{_ADAPTERS[row.program]}")
        weights, train_s = _trained(adapter, row, asked)
        told, arrays = adapter.answer(row, asked, weights, folder)
        told.train_s, told.device = round(train_s, 1), asked.device
        write_answers(folder, told, arrays)
    except ImportError as error:
        write_answers(folder, Told(name, failed=f"{error}: not installed here"), {})
    except Exception as error:  # noqa: BLE001  # every library has its own errors, and one row must not end the table
        traceback.print_exc()
        words = " ".join(str(error).split())[:300]
        write_answers(folder, Told(name, failed=f"{type(error).__name__}: {words}"), {})
    return 0


def _trained(adapter: Any, row: Row, asked: Asked) -> tuple[Path, float]:
    """The weights, and how long they took; those that another row has trained are taken."""
    kept = asked.runs / f"{row.trained}.txt"
    if kept.is_file():
        name, took = kept.read_text().split("\n")
        return asked.runs / name, float(took)
    start_ns = time.monotonic_ns()
    weights = adapter.train(row, asked)
    seconds = (time.monotonic_ns() - start_ns) / 1e9
    kept.write_text(f"{weights.relative_to(asked.runs)}\n{seconds:.1f}")
    return weights, seconds
