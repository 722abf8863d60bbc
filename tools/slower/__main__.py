"""Is this tree slower than another revision? `tools/no_slower REV`.

Runs the line of both, one after the other (ABBA), with the same PLC simulator, boards and a model that costs little,
on the CPU. Judged: the median of the paired ratios of queue + decide + handover + plc, the CPU time of plc and of
inspection for a part (each at most 1.05), and missed deadlines (none new). Printed and not judged: the complete line,
and a miss that began while a core of the machine itself stood still, as a witness of highest priority saw it. This tree
is measured as it is, committed or not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aoi_daemon.kit.report_file import check_report
from aoi_daemon.kit.simulator.client import SimulatorError
from tools.lib.numbers import bounded
from tools.slower.ratios import LEAST_PAIRS, LEAST_PARTS, LIMIT, Comparison, Pair, Run, compare, order
from tools.slower.revision import RevisionError, Tree, as_it_is, beside
from tools.slower.run import Bench, RunError

ROOT: Final = Path(__file__).resolve().parents[2]
_START_S: Final = 6.0
_WIDTH: Final = 120
_EXAMPLES: Final = """examples:
  ./tools/no_slower HEAD~1                 this commit, and what is not committed yet, beside the one before it
  ./tools/no_slower main --json slower.json
  ./tools/no_slower HEAD --registers       with the register profile and the poll block as well
  ./tools/no_slower HEAD --pairs 20        a narrower interval

Nothing else should run on the machine meanwhile: on two cores that others kept busy, a tree beside itself came to
ratios of 0.89 to 1.05. An interval that holds both 1 and 1.05 tells nothing: more --pairs, or a quieter machine.

exit codes: 0 not slower; 1 the rule is broken; 2 the command line, the revision, or a line that cannot be measured;
130 stopped with Ctrl-C.
"""

Measure = Callable[[Tree, Callable[[int], None]], Run]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/no_slower", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("revision", metavar="REV", help="the other revision: a commit, branch or tag")
    parser.add_argument(
        "--pairs", type=bounded(LEAST_PAIRS, 1000), default=LEAST_PAIRS, metavar="N",
        help="pairs of runs (default and least %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--parts", type=bounded(LEAST_PARTS, 100_000), default=LEAST_PARTS, metavar="N",
        help="parts of a run (default and least %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--takt-ms", type=bounded(5, 60_000), default=20, metavar="MS", help="time from part to part (default 20)"
    )
    parser.add_argument("--registers", action="store_true", help="with registers (FC16) and poll block (FC03)")
    parser.add_argument("--seed", type=bounded(0, 2**31), default=0, metavar="N", help="of the bootstrap (default 0)")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where the other revision is checked out (default: a temporary one)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run and the verdict as JSON")
    found = parser.parse_args(argv)
    check_report(parser, "--json", found.json)
    return found


def measured(trees: dict[str, Tree], measure: Measure, pairs: int, console: Console, parts: int) -> list[Pair]:
    """All pairs, in ABBA order; each run is told as a line."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    found = []
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("parts", total=2 * pairs * parts)
        for number in range(pairs):
            runs: dict[str, Run] = {}
            for side in order(number):
                done = (2 * number + len(runs)) * parts

                def decided(count: int, done: int = done) -> None:
                    progress.update(task, completed=done + count)

                run = runs[side] = measure(trees[side], decided)
                console.print(
                    f"pair {number + 1} of {pairs}, {side}: path {run.path_ms:.3f} ms, plc {run.plc_cpu_us:.0f} us, "
                    f"inspection {run.inspection_cpu_us:.0f} us, line {run.line_ms:.3f} ms, {run.misses} missed",
                    soft_wrap=True,
                )
            found.append(Pair(runs["before"], runs["after"]))
    return found


def shown(comparison: Comparison, pairs: int) -> Table:
    """The figures as a table."""
    table = Table(title_justify="left")
    for heading in ("", "before", "after", "ratio", "95 % interval", ""):
        table.add_column(heading, no_wrap=True)
    table.title = f"{pairs} pairs; a ratio is the median of the paired ratios"
    for figure in comparison.figures:
        judged = (f"above {LIMIT:g}" if figure.broken else "holds") if figure.judged else "not judged"
        table.add_row(
            figure.name, _with_unit(figure.before, figure.unit), _with_unit(figure.after, figure.unit),
            f"{figure.ratio:.3f}", f"{figure.low:.3f} to {figure.high:.3f}", judged,
        )  # fmt: skip
    before, after = comparison.before, comparison.after
    table.add_row("deadlines missed", str(before.all), str(after.all), "", "", "not judged")
    table.add_row(
        "  without a stall of the machine", str(before.unexplained), str(after.unexplained), "", "",
        "more" if after.unexplained > before.unexplained else "holds",
    )  # fmt: skip
    return table


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if unit == "us" else f"{value:.3f} {unit}"


def as_json(
    options: argparse.Namespace, trees: dict[str, Tree], pairs: Sequence[Pair], found: Comparison
) -> dict[str, Any]:
    """Everything that was measured, and the verdict."""
    return {
        "trees": {side: tree.name for side, tree in trees.items()},
        "pairs": [
            {"first": order(number)[0], "before": pair.before._asdict(), "after": pair.after._asdict()}
            for number, pair in enumerate(pairs)
        ],
        "figures": [asdict(figure) | {"broken": figure.broken} for figure in found.figures],
        "misses": {"before": found.before._asdict(), "after": found.after._asdict()},
        "limit": LIMIT,
        "broken": found.broken,
        "parts": options.parts,
        "takt_ms": options.takt_ms,
        "registers": options.registers,
        "seed": options.seed,
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
    }


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT, measure: Measure | None = None) -> int:
    """Compare; the exit code. `root` and `measure` are for tests: another tree, and what stands for a run."""
    options = arguments(argv)
    console = Console(stderr=True)
    # Ctrl-C too: a shell that starts this in the background lets it ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _as_ctrl_c)
    try:
        return _run(options, console, root, measure)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    except (RevisionError, RunError, SimulatorError) as error:
        console.print(f"no_slower: {error}", style="red", markup=False, soft_wrap=True)
        return 2


def _as_ctrl_c(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _run(options: argparse.Namespace, console: Console, root: Path, measure: Measure | None) -> int:
    with beside(root, options.revision, options.folder, lambda words: console.print(words, markup=False)) as other:
        trees = {"before": other, "after": Tree(as_it_is(root), root, sys.executable)}
        for side, tree in trees.items():
            console.print(f"{side}: {tree.name}", markup=False, soft_wrap=True)
        _say_what_to_expect(options, console)
        with tempfile.TemporaryDirectory(prefix="aoi-no-slower-") as folder:
            if measure is None:
                bench = Bench(Path(folder), options.parts, options.takt_ms, options.registers)
                bench.prepare(tuple(trees.values()))
                measure = bench.measure
            pairs = measured(trees, measure, options.pairs, console, options.parts)
    found = compare(pairs, options.seed)
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(options, trees, pairs, found), indent=2) + "\n")
    out = Console()
    if not out.is_terminal:
        out = Console(width=_WIDTH)  # of a pipe rich takes 80 for granted
    out.print(shown(found, len(pairs)))
    for words in found.broken:
        out.print(f"SLOWER: {words}", style="bold red", markup=False, soft_wrap=True)
    if not found.broken:
        out.print("not slower", style="green")
    return 1 if found.broken else 0


def _say_what_to_expect(options: argparse.Namespace, console: Console) -> None:
    run_s = options.parts * options.takt_ms / 1e3 + _START_S
    console.print(f"{2 * options.pairs} runs of about {run_s:.0f} s: {2 * options.pairs * run_s / 60:.0f} min")
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        console.print(f"note: the machine is busy (load {load:.1f} on {cores} cores), which widens the interval")


if __name__ == "__main__":
    sys.exit(main())
