"""A session of ONNX Runtime, or a bystander that only sleeps and wakes: a child of `threads`, see `turns.serve`.

A session's order is `seconds`, `takt_ms` (0: flat out) and `fifo`; a bystander's is `seconds`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import outputs_of
from tools.backends.bare import feed_of, onnx_session
from tools.backends.turns import say, serve
from tools.gpu.frames import boards
from tools.gpu.realtime import PRIORITY, go_fifo, measure, settle

_PLC_PRIORITY: Final = 50
_PERIOD_NS: Final = 1_000_000
_WARM_UP_RUNS: Final = 10
_BOARDS: Final = 4


def main() -> int:
    """Open what the command line says, and serve."""
    case: dict[str, Any] = json.loads(sys.argv[1])
    try:
        {"session": _session, "bystander": _bystander}[case["kind"]](case)
    except (AoiError, ImportError) as error:
        say({"refused": str(error)})
    return 0


def _session(case: dict[str, Any]) -> None:
    bundle = load_bundle(Path(case["bundle"]))
    session = onnx_session(
        bundle.model_path("fp32"), threads=case["threads"], spinning=case["spinning"],
        inter_op_threads=case["inter_op_threads"],
    )  # fmt: skip
    size_px, manifest = case["size_px"], bundle.manifest
    feeds = [feed_of(manifest, b.image, b.template) for b in boards(_BOARDS, size_px, size_px, manifest.channels)]
    names = [tensor.name for tensor in outputs_of(manifest)]

    def once(number: int) -> None:
        session.run(names, feeds[number % _BOARDS])

    measure(once, _WARM_UP_RUNS)
    settle()

    def answer(order: dict[str, Any]) -> dict[str, Any]:
        scheduling = go_fifo(PRIORITY) if order["fifo"] else _go_ordinary()
        until_ns = time.monotonic_ns() + round(order["seconds"] * 1e9)
        takt_ms = order["takt_ms"]
        # At a takt all at once, so that the pace is kept; flat out one by one, as their number is not known.
        runs = max(1, int(order["seconds"] * 1000 / takt_ms)) if takt_ms else 1
        took_ns: list[int] = []
        began_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        while not took_ns or (not takt_ms and time.monotonic_ns() < until_ns):
            took_ns += measure(once, runs, takt_ms)
        cpu_ns, wall_ns = time.process_time_ns() - cpu_ns, time.monotonic_ns() - began_ns
        _go_ordinary()
        return {"ns": took_ns, "cpu_ns": cpu_ns, "wall_ns": wall_ns, "scheduling": scheduling}

    serve({}, answer)


def _bystander(case: dict[str, Any]) -> None:
    settle()
    if case["is_plc"]:
        go_fifo(_PLC_PRIORITY)

    def answer(order: dict[str, Any]) -> dict[str, Any]:
        until_ns = time.monotonic_ns() + round(order["seconds"] * 1e9)
        late_ns: list[int] = []
        while time.monotonic_ns() < until_ns:
            due_ns = time.monotonic_ns() + _PERIOD_NS
            time.sleep(_PERIOD_NS / 1e9)
            late_ns.append(time.monotonic_ns() - due_ns)
        return {"ns": late_ns}

    serve({}, answer)


def _go_ordinary() -> str:
    for thread in Path("/proc/self/task").iterdir():
        try:
            os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))
        except ProcessLookupError:
            continue  # it has ended meanwhile
    return "SCHED_OTHER"


if __name__ == "__main__":
    sys.exit(main())
