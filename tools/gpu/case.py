"""One measurement in a process of its own: `python3 -m tools.gpu.case '{"kind": ...}'` prints one JSON object.

A process each, because a second CUDA context in a process makes libraries fail, and how CUDA waits is a
property of the context.

Kinds:
    executor  what a part costs on the line: the frame found in the ring, `infer`, and the ring's check that
              the slot was still the part's. Deadline, return values and answers are checked as on the line.
    bare      the floor: the same copies from the same page-locked slots, `execute_async_v3`, one copy out,
              `synchronize`; nothing is checked. How CUDA waits is the context's flag, spin or block.
    eager     what a user comes from: the detector in PyTorch, eager, from numpy arrays to numpy arrays.
    agreement no latency: what the GPU finds beside what ONNX Runtime finds.
    pair      agreement, then executor and floor in turns: see tools/gpu/pair.py.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE
from tools.gpu.frames import FilledRing
from tools.gpu.realtime import go_fifo, measure, settle
from tools.gpu.stats import summary

Case = dict[str, Any]


def run(case: Case) -> Case:
    """Measure; the case with its results."""
    kinds = {"executor": _executor, "bare": _bare, "eager": _eager, "agreement": _agreement, "pair": _pair}
    measured = kinds[case["kind"]](case)
    return {**case, **measured}


def _executor(case: Case) -> Case:
    from aoi_daemon.infer.trt.open import open_executor  # noqa: PLC0415  # CUDA starts in this process alone

    bundle = load_bundle(Path(case["bundle"]))
    width_px, height_px = case["size"]
    filled = FilledRing(width_px, height_px, bundle.manifest.channels)
    began = time.monotonic()
    with open_executor(
        bundle, case["precision"], [(height_px, width_px, bundle.manifest.channels)],
        wait=case["wait"], cuda_graph=case["graph"], warm_up_runs=case["warm_up_runs"], pinned=filled.planes,
    ) as executor:  # fmt: skip
        opened_s = time.monotonic() - began
        ring = filled.ring
        takes_template = executor.has_template

        def part(number: int) -> None:
            sequence = filled.sequence(number)
            image, template = ring.frame(sequence)
            executor.infer(image, template if takes_template else None, NO_DEADLINE)
            ring.check(sequence)

        return {
            "name": executor.name,
            "notes": executor.notes,
            "opened_s": round(opened_s, 2),
            "warm_up": [record._asdict() for record in executor.warm_up],
            **_both(part, case),
        }


def _bare(case: Case) -> Case:
    from tools.gpu.bare import BareLoop  # noqa: PLC0415

    bundle = load_bundle(Path(case["bundle"]))
    width_px, height_px = case["size"]
    shape = (height_px, width_px, bundle.manifest.channels)
    filled = FilledRing(width_px, height_px, bundle.manifest.channels)
    loop = BareLoop(bundle, case["precision"], shape, spin=case["wait"] == "spin", graph=case["graph"])
    for plane in filled.planes:
        loop.device.register(plane)
    pairs = [filled.ring.frame(filled.sequence(number)) for number in range(filled.ring.layout.slots)]
    measure(lambda number: loop.run(*pairs[number % len(pairs)]), case["warm_up_runs"])
    result = {
        "name": f"bare execute_async_v3, {case['wait']}, CUDA graph {loop.graph}",
        **_both(lambda number: loop.run(*pairs[number % len(pairs)]), case),
    }
    loop.close()
    return result


def _eager(case: Case) -> Case:
    from tools.gpu.eager import Eager  # noqa: PLC0415

    width_px, height_px = case["size"]
    model = Eager(case["precision"], case["checkpoint"])
    filled = FilledRing(width_px, height_px, 1)
    pairs = [filled.ring.frame(filled.sequence(number)) for number in range(filled.ring.layout.slots)]
    measure(lambda number: model.run(*pairs[number % len(pairs)]), case["warm_up_runs"])
    return {
        "name": model.name,
        **_both(lambda number: model.run(*pairs[number % len(pairs)]), case),
    }


def _agreement(case: Case) -> Case:
    from tools.gpu.agreement import compare  # noqa: PLC0415

    return compare(case)


def _pair(case: Case) -> Case:
    from tools.gpu import pair  # noqa: PLC0415

    return pair.run(case)


def _both(part: Callable[[int], object], case: Case) -> Case:
    """Latency flat out, then at takt."""
    found: Case = {"scheduling": "SCHED_OTHER"}
    settle()
    if case["runs"]:
        found["flat_out_ms"] = summary(measure(part, case["runs"]))
    if case["paced_runs"]:
        if case["fifo"]:
            found["scheduling"] = f"SCHED_OTHER flat out, {go_fifo()} at takt"
        found["paced_ms"] = summary(measure(part, case["paced_runs"], case["takt_ms"]))
    return found


def main() -> int:
    """Run the case given as JSON."""
    case = json.loads(sys.argv[1])
    try:
        print(json.dumps(run(case)))
    except (AoiError, ImportError) as error:
        print(json.dumps({**case, "failed": f"{type(error).__name__}: {error}"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
