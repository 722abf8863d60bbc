"""One bundle and precision on the GPU, all in one process: agreement with the CPU, then the executor beside its floor.

The floor is the least that runs the executor's own context: the same copies from the same page-locked slots, the same
launch, `synchronize`; nothing is checked or decoded. Blocks of both alternate, so that a machine that changes
meanwhile changes for both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.trt import open as trt_open
from aoi_daemon.infer.trt.executor import TensorRtExecutor
from tools.gpu.agreement import Part, compared
from tools.gpu.bare import Floor
from tools.gpu.frames import FilledRing, kept_boards
from tools.gpu.realtime import measure, settle
from tools.gpu.stats import summary
from tools.gpu.task_bundles import recipe_of

BLOCK: Final = 1000
_LIMIT_NS: Final = 50_000_000
"""A part's time on the line, so that the deadline is looked at as it is there."""

Case = dict[str, Any]


def run(case: Case) -> Case:
    """Agreement over the golden parts and the case's boards; latency flat out.

    The case has `bundle`, `precision`, `size`, `boards_file`, `runs`, `warm_up_runs`, `wait`, `graph`.
    """
    bundle = load_bundle(Path(case["bundle"]))
    width_px, height_px = case["size"]
    shape = (height_px, width_px, bundle.manifest.channels)
    has_template = bundle.manifest.has_template
    parts: list[Part] = [(part.name, part.image, part.template, part.passed) for part in bundle.golden()]
    shapes = list(dict.fromkeys([shape, *(tuple(part[1].shape) for part in parts)]))
    filled = FilledRing(*shape[1::-1], shape[2])
    began = time.monotonic()
    with trt_open.open_executor(
        bundle, case["precision"], shapes, wait=case["wait"], cuda_graph=case["graph"],
        warm_up_runs=case["warm_up_runs"], pinned=filled.planes,
    ) as executor:  # fmt: skip
        opened_s = time.monotonic() - began
        for name, image, template in kept_boards(Path(case["boards_file"])):
            parts.append((name, image, template if has_template else None, None))
        tally = compared(executor, bundle, case["precision"], parts)
        executor.decoder = decoder_for(bundle.manifest, recipe_of(bundle.manifest, bundle.folder, width_px, height_px))
        # Closed before the executor: a context that outlives the device's brings the process down.
        with closing(Floor(executor._device, executor._lanes[shape], executor._buffers)) as floor:
            return {
                "name": executor.name,
                "notes": executor.notes,
                "task": bundle.manifest.task,
                "opened_s": round(opened_s, 2),
                "outputs_bytes": floor.outputs_bytes,
                "agreement": tally.result(),
                **_latency(executor, floor, filled, case["runs"]),
            }


def _latency(executor: TensorRtExecutor, floor: Floor, filled: FilledRing, runs: int) -> Case:
    ring, has_template = filled.ring, executor.has_template

    def on_the_line(number: int) -> None:
        sequence = filled.sequence(number)
        image, template = ring.frame(sequence)
        executor.infer(image, template if has_template else None, time.monotonic_ns() + _LIMIT_NS)
        ring.check(sequence)

    frames = [ring.frame(filled.sequence(number)) for number in range(ring.layout.slots)]

    def bare(number: int) -> None:
        floor.run(*frames[number % len(frames)])

    settle()
    for part in (bare, on_the_line):
        measure(part, min(runs, 200))
    took = alternate({"bare": bare, "executor": on_the_line}, runs)
    decode_ns = _decoding(executor, frames, min(runs, 2 * BLOCK))
    found = {kind: summary([ns for block in blocks for ns in block]) for kind, blocks in took.items()}
    found["decode"] = summary(decode_ns)
    ratios = [
        statistics.median(ours) / statistics.median(theirs)
        for ours, theirs in zip(took["executor"], took["bare"], strict=True)
    ]
    return {
        "flat_out_ms": found,
        "ratio_p50": round(statistics.median(ratios), 4),
        "ratio_p50_least_most": [round(min(ratios), 4), round(max(ratios), 4)],
        "ratio_p50_without_decode": round(
            (statistics.median(ns for block in took["executor"] for ns in block) - statistics.median(decode_ns))
            / statistics.median(ns for block in took["bare"] for ns in block),
            4,
        ),
    }


def alternate(parts: dict[str, Callable[[int], object]], runs: int) -> dict[str, list[list[int]]]:
    """`runs` of each, ns, in blocks of BLOCK; which of them begins changes from round to round."""
    took: dict[str, list[list[int]]] = {name: [] for name in parts}
    order = list(parts)
    left = runs
    while left:
        for name in order:
            took[name].append(measure(parts[name], min(BLOCK, left)))
        order.reverse()
        left -= min(BLOCK, left)
    return took


def _decoding(
    executor: TensorRtExecutor, frames: list[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]], runs: int
) -> list[int]:
    """What reading the outputs takes of `infer`, ns."""
    took = [0] * runs
    for number in range(runs):
        image, template = frames[number % len(frames)]
        arrays = executor._answer(image, template if executor.has_template else None, NO_DEADLINE)
        start_ns = time.monotonic_ns()
        executor.decoder.decode(arrays, image.shape)
        took[number] = time.monotonic_ns() - start_ns
    return took
