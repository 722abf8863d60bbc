"""ONNX Runtime's threads and spinning: what they cost a part, the processor, and whoever else runs on it.

Each variant is a session in a process of its own; the variants take turns in an order that is drawn anew for each
round. A turn is twice the same time: paced, with SCHED_FIFO and the priority of inspection, as on the line; and flat
out, as ordinary work (a loop without pauses would be stopped by the kernel). Meanwhile two bystanders sleep 1 ms again
and again: one with plc's priority, one as ordinary work. How late they wake is what the variant costs others.

In the report `variants` is a list: `threads`, `inter_op_threads`, `spinning`, and for `paced` and `flat_out` each
`took_ms` (stats.figures), `cpu_ms_per_part` (all threads of the process, waiting included), `cores` (CPU time over
time), and of the bystanders `plc_late_ms`, `ordinary_late_ms` (stats.figures).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from contextlib import ExitStack
from itertools import product
from typing import Any, Final, NamedTuple

from rich.progress import Progress

from aoi_daemon.infer.bundle import Bundle, load_bundle
from tools.backends.report import number
from tools.backends.stats import figures
from tools.backends.turns import Contestant

_OPEN_S: Final = 120.0
_MORE_S: Final = 60.0
_FRAME_PX: Final = 640
MODES: Final = ("paced", "flat_out")
HEAD: Final = (
    "threads", "spinning", "", "p50", "p99", "max", "CPU ms a part", "cores", "plc wakes late p50, p99, max",
    "ordinary wakes late p50, p99, max", "n",
)  # fmt: skip

Keep = Callable[[dict[str, Any]], None]


class Variant(NamedTuple):
    """How a session is opened."""

    threads: int
    spinning: bool
    inter_op_threads: int = 1

    def __str__(self) -> str:
        inter = "" if self.inter_op_threads == 1 else f" + {self.inter_op_threads} inter-op"
        return f"{self.threads}{inter}"


def variants(most_threads: int) -> list[Variant]:
    """1 and `most_threads` threads, each with and without spinning; and the graph's branches side by side."""
    threads = dict.fromkeys((1, most_threads))
    return [Variant(*each) for each in product(threads, (False, True))] + [Variant(most_threads, False, 2)]


def measure_threads(options: argparse.Namespace, progress: Progress, keep: Keep) -> None:
    """Measure every variant in every round; `keep` is given `variants` after each turn.

    Raises:
        AoiError: the bundle's fp32 cannot be run here.
        CaseError: a child failed.
    """
    bundle = load_bundle(options.bundle[0])
    todo = variants(options.threads)
    turn_s = options.seconds / options.rounds / len(MODES)
    kept: dict[Variant, dict[str, list[dict[str, Any]]]] = {each: {mode: [] for mode in MODES} for each in todo}
    draw = random.Random(options.seed)
    with ExitStack() as owned:
        sessions = {each: owned.enter_context(_session(bundle, each)) for each in todo}
        others = {name: owned.enter_context(_bystander(name)) for name in ("plc", "ordinary")}
        task = progress.add_task("", total=len(todo) * options.rounds * len(MODES))
        for number_ in range(options.rounds):
            order = list(todo)
            draw.shuffle(order)
            for variant in order:
                for mode in MODES:
                    says = f"round {number_ + 1}: {variant} threads, spinning {'on' if variant.spinning else 'off'}, "
                    progress.update(task, description=says + mode.replace("_", " "))
                    kept[variant][mode].append(_turn(sessions[variant], others, mode, turn_s, options.takt_ms))
                    progress.advance(task)
            keep({"variants": [each._asdict() | _of(kept[each]) for each in todo], "notes": []})


def _turn(
    session: Contestant, others: dict[str, Contestant], mode: str, seconds: float, takt_ms: float
) -> dict[str, Any]:  # fmt: skip
    for each in others.values():
        each.order({"seconds": seconds})
    paced = mode == "paced"
    limit_s = _MORE_S + seconds
    order = {"seconds": seconds, "takt_ms": takt_ms if paced else 0.0, "fifo": paced}
    answer = session.ask(order, limit_s=limit_s)
    return answer | {name: each.answer(limit_s=limit_s)["ns"] for name, each in others.items()}


def _of(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    found = {}
    for mode, answers in turns.items():
        took = [ns for answer in answers for ns in answer["ns"]]
        cpu_ns = sum(answer["cpu_ns"] for answer in answers)
        found[mode] = {
            "took_ms": figures(took),
            "cpu_ms_per_part": round(cpu_ns / len(took) / 1e6, 3),
            "cores": round(cpu_ns / sum(answer["wall_ns"] for answer in answers), 3),
            "scheduling": answers[0]["scheduling"],
        } | {f"{name}_late_ms": figures([ns for a in answers for ns in a[name]]) for name in ("plc", "ordinary")}
    return found


def _session(bundle: Bundle, variant: Variant) -> Contestant:
    case = {"kind": "session", "bundle": str(bundle.folder), "size_px": _FRAME_PX, **variant._asdict()}
    return Contestant([sys.executable, "-m", "tools.backends.thread_child", json.dumps(case)], limit_s=_OPEN_S)


def _bystander(name: str) -> Contestant:
    case = {"kind": "bystander", "is_plc": name == "plc"}
    return Contestant([sys.executable, "-m", "tools.backends.thread_child", json.dumps(case)], limit_s=_OPEN_S)


def rows(report: dict[str, Any]) -> list[list[str]]:
    """Two rows of text for each variant, as HEAD says."""
    found = []
    for each in report["variants"]:
        variant = Variant(each["threads"], each["spinning"], each["inter_op_threads"])
        for mode in MODES:
            of = each[mode]
            took = of["took_ms"]
            found.append(
                [
                    str(variant), "on" if variant.spinning else "off", mode.replace("_", " "),
                    *(number(took[key]) for key in ("p50", "p99", "max")), number(of["cpu_ms_per_part"]),
                    f"{of['cores']:.2f}", *(_late(of[f"{name}_late_ms"]) for name in ("plc", "ordinary")),
                    str(took["n"]),
                ]
            )  # fmt: skip
    return found


def _late(late: dict[str, Any]) -> str:
    return ", ".join(number(late[key]) for key in ("p50", "p99", "max"))
