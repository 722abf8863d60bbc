"""The results as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from aoi_daemon.files import replace_file

_COLUMNS: Final = ("runs", "p50", "p99", "p99.9", "p99.99", "max")
_KINDS: Final = {"bare": "bare loop (floor)", "executor": "executor", "eager": "PyTorch eager"}


def write_json(file: Path, results: dict[str, Any]) -> None:
    """Written after each case, so that a run that is cut short leaves what it had."""
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, (json.dumps(results, indent=1) + "\n").encode())


def show(results: dict[str, Any], console: Console) -> None:
    """Latency flat out and at takt, then agreement, then what failed."""
    for key, title in (("flat_out_ms", "one part after the other, ms"), ("paced_ms", "at takt, ms")):
        rows = [case for case in results["cases"] if key in case]
        if rows:
            console.print(_latency(rows, key, title))
    agreement = [case for case in results["cases"] if case["kind"] == "agreement" and "failed" not in case]
    if agreement:
        console.print(_agreement(agreement))
    for case in results["cases"]:
        if "failed" in case:
            console.print(f"{_name(case)}: {case['failed']}", markup=False, highlight=False)
        for note in case.get("notes", ()):
            console.print(f"{_name(case)}: {note}", markup=False, highlight=False)


def _latency(rows: list[dict[str, Any]], key: str, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("what", "precision", "wait", "CUDA graph"):
        table.add_column(column)
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for case in rows:
        figures = [case[key][column] for column in _COLUMNS]
        cells = [f"{figures[0]:,}", *("-" if figure is None else f"{figure:.3f}" for figure in figures[1:])]
        eager = case["kind"] == "eager"
        how = ("", "") if eager else (case["wait"], "yes" if case["graph"] else "no")
        table.add_row(_KINDS[case["kind"]], case["precision"], *how, *cells)
    return table


def _agreement(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="GPU against ONNX Runtime, the same file", title_justify="left")
    headings = ("precision", "parts", "verdict flips", "golden wrong", "boxes", "unmatched", "least IoU", "score diff")
    for column in headings:
        table.add_column(column, justify="right")
    for case in rows:
        least, difference = case["least_iou"], case["greatest_score_difference"]
        table.add_row(
            case["precision"], str(case["parts"]), str(len(case["verdict_flips"])), str(len(case["golden_wrong"])),
            str(case["boxes_compared"]), str(case["boxes_unmatched"]),
            "-" if least is None else f"{least:.4f}", "-" if difference is None else f"{difference:.5f}",
        )  # fmt: skip
    return table


def _name(case: dict[str, Any]) -> str:
    graph = "graph" if case.get("graph") else "no graph"
    return f"{case['kind']} {case['precision']} {case.get('wait', '')} {graph}"
