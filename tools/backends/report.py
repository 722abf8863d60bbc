"""The report of `tools/bench_backends` as JSON, as a table in the terminal and as one in Markdown. Pure.

Schema of the JSON (version 1), times in ms where the name does not say otherwise:

    version, kind       1, and "executors", "line" or "threads"
    machine             cpu, flags, cores, governor, kernel, python, packages; load_before, load_after (of a
                        minute); stalls (tools/line/witness.py), where it was watched
    options             those of the command line that change figures
    notes               sentences on what these figures are not
    complete            false: it was stopped, and holds what was measured until then
    cases               in the order of the table, each with bundle, task, backend, precision, size_px and either
                        `refused`, a sentence, or
        name, floor_name    what ran, as the executor and the floor tell it; notes: what they say of it
        floor_ms, executor_ms   n, p50, p90, p99, p99.9, p99.99 (null: n does not allow it), max, mean
        over_ms, ratio      the executor's p50 over the floor's
        open_s              cold: no cache of the compiled model; warm: with it, median. The file is in the page cache
        first_ms            the first inference after a cold opening
        rss_mib             resident memory that opening and warming up have added

Of kind "line" the cases have, in place of these, what tools/backends/line.py says; of kind "threads" there are
`variants`, see tools/backends/threads.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from tools.backends.stats import PERCENTILES

VERSION: Final = 1
HEAD: Final = (
    "bundle, task", "px", "back end", "floor p50", *PERCENTILES, "over", "n", "MiB", "open cold, warm s", "first"
)  # fmt: skip


def rows(report: dict[str, Any]) -> list[list[str]]:
    """A row of text for each case that was measured, as HEAD says."""
    found = []
    for case in measured(report):
        ours, opened = case["executor_ms"], case["open_s"]
        found.append(
            [
                f"{case['bundle']}, {case['task']}", str(case["size_px"]), f"{case['backend']} {case['precision']}",
                number(case["floor_ms"]["p50"]), *(number(ours[name]) for name in PERCENTILES),
                f"{case['over_ms']:+.2f}", str(ours["n"]), f"{case['rss_mib']:.0f}",
                f"{opened['cold']:.1f}, " + ("-" if opened["warm"] is None else f"{opened['warm']:.1f}"),
                number(case["first_ms"]),
            ]
        )  # fmt: skip
    return found


def refusals(report: dict[str, Any]) -> list[str]:
    """What was not measured and why; one line for all sizes that have the same reason."""
    sizes: dict[tuple[str, str, str], list[int]] = {}
    for case in report["cases"]:
        if "refused" in case:
            key = (f"{case['backend']} {case['precision']}", case["bundle"], case["refused"])
            sizes.setdefault(key, []).append(case["size_px"])
    return [
        f"{who}, {bundle}, {' '.join(map(str, px))} px: {why}" for (who, bundle, why), px in sizes.items()
    ]  # fmt: skip


def remarks(report: dict[str, Any]) -> list[str]:
    """What executors and floors say of themselves, once for each back end and precision."""
    return list(
        dict.fromkeys(
            f"{case['backend']} {case['precision']}, {case['bundle']}: {note}"
            for case in measured(report)
            for note in case.get("notes", ())
        )
    )


def measured(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The cases that have figures."""
    return [case for case in report["cases"] if "refused" not in case]


def machine_line(report: dict[str, Any]) -> str:
    """On what it was measured, in a sentence."""
    on = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in on["packages"].items())
    text = (
        f"{on['cpu']}, {on['cores']} cores, {' '.join(on['flags']) or 'none of the flags that matter'}; Python "
        f"{on['python']}, {packages}; load {on['load_before']} before and {on.get('load_after', '?')} after"
    )
    if "stalls" in on:
        seen = on["stalls"]
        text += f"; held up for more than 1 ms {seen['stalls']} times, {seen['longest_ms']:.1f} ms at most"
    return text


def table(title: str, head: Iterable[str], body: Iterable[Sequence[str]], below: Iterable[str]) -> Table:
    """For the terminal."""
    made = Table(title=title, title_justify="left", caption=Text("\n".join(below)), caption_justify="left")
    for place, name in enumerate(head):
        made.add_column(name, justify="left" if place == 0 else "right", no_wrap=place > 0)
    for row in body:
        made.add_row(*row)
    return made


def markdown(head: Sequence[str], body: Iterable[Sequence[str]], below: Iterable[str]) -> str:
    """For a document: the table, then the sentences as a list."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in body]
    rest = [f"- {text}" for text in below]
    return "\n".join([*lines, "", *rest]) + "\n"


def number(value: float | None) -> str:
    """In ms to two places, above 100 to one; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.1f}"
