"""What a run of `tools/bench_line` came to: the line beside its floor, as JSON and as a table. Pure but for `told`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from aoi_daemon.stage.status import quantiles

_ENOUGH: Final = {"p50": 1, "p99": 100, "p999": 1000, "p9999": 10_000, "max": 1}
"""Fewer samples than this, and the quantile would be the greatest one by another name."""


def over_floor(p50_ms: float, floors: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The floors' part of the report: both runs of each as one, and what the line's p50 is over their medians."""
    samples = {
        kind + suffix: [ms for part in parts for ms in part[key]]
        for suffix, key in (("", "paced"), ("_flat_out", "flat_out"))
        for kind, parts in floors.items()
    }
    floor_ms = {name: quantiles(values) for name, values in samples.items()}
    bare = floor_ms["model"]["p50"] + floor_ms["plc"]["p50"]
    return {
        "floor_ms": floor_ms,
        "floor_samples": len(samples["model"]),
        "floor_of": {kind: {key: parts[0][key] for key in ("name", "scheduling")} for kind, parts in floors.items()},
        "over_floor_ms": round(p50_ms - bare, 3),
        "over_floor_ratio": round(p50_ms / bare, 3),
    }


def told(log: Path) -> dict[str, Any]:
    """What the daemon's log says of its engine, of real-time rights that it was refused, of the link to the PLC."""
    found: dict[str, Any] = {"links_lost": []}
    for line in log.read_text(errors="replace").splitlines():
        start = line.find("{")
        try:
            event = json.loads(line[start:]) if start >= 0 else {}
        except ValueError:
            continue  # a library's own words
        if event.get("event") == "engine_open":
            found |= {"engine": event["engine"], "engine_notes": event["notes"]}
        elif event.get("event") == "realtime_refused":
            found["realtime_refused"] = event["refused"]
        elif event.get("event") == "plc_link_down":
            found["links_lost"].append(event["error"])
    return found


def summary(report: dict[str, Any]) -> Table:
    """The figures as a table."""
    machine, parts, samples = report["machine"], report["parts"], report["floor_samples"]
    inspection = report["inspection"]
    title = (
        f"{parts} parts at {report['takt_ms']:g} ms, {inspection['backend']} {inspection['precision']}, "
        f"{machine['cores']} cores, {machine['cpu']}, ms"
    )
    table = Table("", "p50", "p99", "p99.9", "p99.99", "max", title=title, title_justify="left")
    rows = [("ready to verified answer", parts, report["latency_ms"])]
    rows += [(f"  {name}", parts, values) for name, values in report["stages_ms"].items()]
    rows += [(f"floor: {name.replace('_', ' ')}", samples, values) for name, values in report["floor_ms"].items()]
    for name, count, values in rows:
        table.add_row(name, *(f"{values[key]:.3f}" if count >= least else "-" for key, least in _ENOUGH.items()))
    lines = [
        f"deadlines missed {report['deadline_misses']}, undelivered {report['undelivered']}; "
        f"rejected as LATE {report['rejected_for'].get('LATE', 0)}; "
        f"p50 over the bare medians {report['over_floor_ms']:+.3f} ms (ratio {report['over_floor_ratio']:.3f})",
        f"floor: {report['floor_of']['model']['name']}, {report['floor_of']['model']['scheduling']}",
    ]
    if "engine" in report["daemon"]:
        lines.append(f"line: {report['daemon']['engine']}")
    for name, kib in report.get("memory_kib", {}).items():
        early, end, most = (f"{kib[key] / 1024:.1f}" for key in ("early", "end", "most"))
        lines.append(
            f"memory of {name}: {early} MiB after a tenth of the parts, {end} at the end, {most} at most; "
            f"{kib['faults']} page faults between"
        )
    if "machine_stalls" in report:
        seen = report["machine_stalls"]
        lines.append(
            f"the machine was held up for more than 1 ms: {seen['stalls']} times, {seen['longest_ms']:.1f} ms at most "
            f"({seen['scheduling']}); {seen['rows_that_met_a_stall']} of {seen['rows_of_misses']} rows of misses met it"
        )
    for lost in report["daemon"]["links_lost"]:
        lines.append(f"connection to the PLC lost: {lost}")
    for refused in (*report["daemon"].get("engine_notes", ()), *report["daemon"].get("realtime_refused", ())):
        lines.append(f"note: {refused}")
    table.caption, table.caption_justify = Text("\n".join(lines)), "left"
    return table
