"""What the commands print: plain text, so that it reads the same in a terminal, a log and a mail.

Process: offline. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.qualify.qualify import Measured
from aoi_daemon.engine.qualify.rates import Rate, percent, rate
from aoi_daemon.engine.qualify.task_figures import MAP_TASKS
from aoi_daemon.engine.report.report import Report
from aoi_daemon.infer.bundle import Bundle


def summary(report: Report) -> str:
    """The figures, a line for each precision, and what they show of it."""
    rows = [["", "mAP 0.33", "mAP 0.5", "0.5:0.95", "F-score", "escapes", "false calls", "flips", "ms", "p99 ms", ""]]
    for precision, measured in report.measured.items():
        rows.append(
            [
                precision,
                *(f"{value * 100:.2f}" for value in (measured.map33, measured.map50, measured.map50_95)),
                f"{measured.at_limits.f_score * 100:.2f}",
                _of(measured.agreement.escapes),
                _of(measured.agreement.false_calls),
                str(len(measured.flips)),
                f"{measured.median_ms:.1f}",
                f"{measured.p99_ms:.1f}",
                report.standing(precision),
            ]
        )
    threads = next(iter(report.runs.values())).threads
    head = f"{report.bundle} on {len(report.boards)} boards of {report.boards_from}, {threads} threads, CPU"
    lines = [head, *_table(rows)]
    for precision in report.runs:
        before = ", ".join(f"{reason} {count}" for reason, count in report.not_looked_at(precision).items())
        if before:
            lines.append(f"{precision}: rejected before the model saw them: {before}")
    if report.bounds is None:
        lines += [f"{p} {name}: {rate}" for p, measured in report.measured.items() for name, rate in _rates(measured)]
        lines += [f"{precision} left out: {reason}" for precision, reason in report.refused.items()]
    if report.task != "top100":
        lines += [f"{precision}: {measured.of_task}" for precision, measured in report.measured.items()]
    lines += [f"{precision}: {conclusion}" for precision, conclusion in report.conclusions.items()]
    lines += [f"{name}: {words}" for name, words in report.notes.items() if name.startswith("2:4")]
    lines += [f"{precision} not judged: {reason}" for precision, reason in report.skipped.items()]
    return "\n".join(lines)


def _rates(measured: Measured) -> list[tuple[str, Rate]]:
    seen = measured.agreement
    return [("escapes", seen.escapes), ("false calls", seen.false_calls)]


def show(bundle: Bundle) -> str:
    """A bundle's manifest, for people."""
    manifest = bundle.manifest
    passed = sum(part.passed for part in manifest.golden)
    lines = [
        f"{manifest.name}  {bundle.hash[:16]}",
        *_fields(manifest),
        f"  golden      {len(manifest.golden)} parts: {passed} PASS, {len(manifest.golden) - passed} REJECT"
        + ("" if manifest.has_boxes else ", without boxes"),
        "  thresholds  " + ", ".join(f"{limit.name} {limit.score:g}" for limit in manifest.golden_limits)
        + (f"; maps {manifest.maps.threshold:g}" if manifest.task in MAP_TASKS else ""),
    ]
    if manifest.calibration is not None:
        c = manifest.calibration
        layers = sum(len(block.layers) for block in c.kept_float)
        lines.append(
            f"  int8        {c.method} calibration on {c.frames} frames, set {c.set_sha256[:16]}"
            + (f"; {layers} layers in float" if layers else "")
        )
    if manifest.qualification is not None:
        q = manifest.qualification
        sizes = ", ".join(f"{size.width_px}x{size.height_px}" for size in q.sizes)
        lines.append(f"  measured    on {q.boards} boards of {sizes} px, set {q.set_sha256[:16]}; limits at 95 %:")
        rows = [["", "mAP 0.33", "mAP 0.5", "0.5:0.95", "F-score", "escapes", "false calls", "flips"]]
        rows += [
            [precision, *(f"{v * 100:.2f}" for v in (f.map33, f.map50, f.map50_95, f.f_score)),
             _at_most(f.escapes, f.bad_boards), _at_most(f.false_calls, f.good_boards), str(f.flips)]
            for precision, f in q.models.items()
        ]  # fmt: skip
        lines += [f"    {row}" for row in _table(rows)]
        lines += [f"  left out    {precision}: {reason}" for precision, reason in q.refused.items()]
    if manifest.provenance is not None:
        p = manifest.provenance
        lines.append(f"  made        {p.made_at} by `{p.command}`")
        lines.append("  with        " + ", ".join(f"{name} {version}" for name, version in p.versions.items()))
    return "\n".join(lines)


def _fields(manifest: Manifest) -> list[str]:
    inputs = "image and template" if manifest.has_template else "image"
    return [
        *([f"  task        {manifest.task}"] if manifest.task != "top100" else []),
        f"  precisions  {', '.join(manifest.models)}",
        f"  classes     {', '.join(manifest.classes)}"
        + (f" (no defect: {', '.join(manifest.good_classes)})" if manifest.good_classes else ""),
        f"  input       {inputs}, uint8, {manifest.channels} channel{'s' * (manifest.channels > 1)}, "
        f"multiples of {manifest.stride_px} px",
    ]


def _at_most(count: int, of: int) -> str:
    return f"{count} of {of} (at most {percent(rate(count, of).high)})" if of else "-"


def _of(seen: Rate) -> str:
    return f"{seen.count} of {seen.of}" if seen.of else "-"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns to the right, the first to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
