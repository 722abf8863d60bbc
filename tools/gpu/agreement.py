"""Does the GPU say what ONNX Runtime on the CPU says? That is what the bundle was qualified with.

The same ONNX file on both sides, golden parts and generated boards, verdicts by the bundle's own limits.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.qualify.metrics import iou_matrix
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, Executor
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.trt.open import open_executor
from tools.gpu.frames import boards

LOOKED_AT: Final = 0.25
"""Boxes below this score on the CPU are not compared: no limit comes near them."""
MAX_THREADS: Final = 8


@dataclass
class Tally:
    """What was compared, and how far apart it was."""

    parts: int = 0
    boxes: int = 0
    flips: list[str] = field(default_factory=list)
    """Parts whose verdict differs."""
    flip_scores: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of each of those the highest score on CPU and GPU: how near the limit both are tells rounding from a fault."""
    passed: int = 0
    """Parts that pass on the CPU."""
    golden_wrong: list[str] = field(default_factory=list)
    """Golden parts that the GPU judges otherwise than the bundle says."""
    unmatched: int = 0
    """Boxes of the CPU that the GPU has none of the same class for."""
    ious: list[float] = field(default_factory=list)
    score_differences: list[float] = field(default_factory=list)

    def add(self, name: str, cpu: Detections, gpu: Detections, verdicts: tuple[bool, bool]) -> None:
        """One part: what each found, and PASS or not by CPU and GPU."""
        self.parts += 1
        self.passed += verdicts[0]
        if verdicts[0] is not verdicts[1]:
            self.flips.append(name)
            surest = [round(float(found.scores.max(initial=0.0)), 5) for found in (cpu, gpu)]
            self.flip_scores[name] = (surest[0], surest[1])
        overlap = iou_matrix(cpu.boxes, gpu.boxes)
        for row in np.flatnonzero(cpu.scores >= LOOKED_AT):
            self.boxes += 1
            same = np.flatnonzero((gpu.classes == cpu.classes[row]) & (overlap[row] > 0))
            if not len(same):
                self.unmatched += 1
                continue
            # Without NMS in the graph one defect has several boxes, alike but for their score.
            apart = np.abs(gpu.scores[same] - cpu.scores[row])
            best = same[np.argmax(overlap[row, same] - apart)]
            self.ious.append(float(overlap[row, best]))
            self.score_differences.append(abs(float(cpu.scores[row] - gpu.scores[best])))

    def result(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "parts": self.parts,
            "passed": self.passed,
            "verdict_flips": self.flips,
            "flip_scores": self.flip_scores,
            "golden_wrong": self.golden_wrong,
            "boxes_compared": self.boxes,
            "boxes_unmatched": self.unmatched,
            "least_iou": round(min(self.ious), 5) if self.ious else None,
            "mean_iou": round(float(np.mean(self.ious)), 6) if self.ious else None,
            "p99_score_difference": round(float(np.percentile(self.score_differences, 99)), 6) if self.ious else None,
            "greatest_score_difference": round(max(self.score_differences), 6) if self.ious else None,
        }


Part = tuple[str, NDArray[np.uint8], NDArray[np.uint8] | None, bool | None]


def compare(case: dict[str, Any]) -> dict[str, Any]:
    """Run the case's bundle and precision on both, over its golden parts and `boards` generated ones."""
    bundle = load_bundle(Path(case["bundle"]))
    width_px, height_px = case["size"]
    parts = list(_parts(bundle, case["boards"], width_px, height_px))
    shapes = list(dict.fromkeys(tuple(image.shape) for _, image, _, _ in parts))
    with open_executor(bundle, case["precision"], shapes, wait=case["wait"], cuda_graph=case["graph"]) as gpu:
        tally = compared(gpu, bundle, case["precision"], parts)
        return {"name": gpu.name, "notes": gpu.notes, **tally.result()}


def compared(gpu: Executor, bundle: Bundle, precision: str, parts: Iterable[Part]) -> Tally:
    """What `gpu` says of `parts` beside what ONNX Runtime says with the bundle's file of `precision`."""
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    tally = Tally()
    with OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=threads) as cpu:
        for name, image, template, passed in parts:
            criteria = _criteria(bundle, image.shape[1], image.shape[0])
            on_cpu = cpu.infer(image, template, NO_DEADLINE)
            on_gpu = gpu.infer(image, template, NO_DEADLINE)
            verdicts = tuple(judge(found, criteria, 0, slack_ns=1).passed for found in (on_cpu, on_gpu))
            tally.add(name, on_cpu, on_gpu, (verdicts[0], verdicts[1]))
            if passed is not None and verdicts[1] is not passed:
                tally.golden_wrong.append(name)
    return tally


def _parts(bundle: Bundle, count: int, width_px: int, height_px: int) -> Iterator[Part]:
    for golden in bundle.golden():
        yield golden.name, golden.image, golden.template, golden.passed
    # Half of them good: a verdict that is always the same shows no flip.
    for pair in boards(count, width_px, height_px, bundle.manifest.channels, good_fraction=0.5):
        yield pair.name, pair.image, pair.template if bundle.manifest.has_template else None, None


def _criteria(bundle: Bundle, width_px: int, height_px: int) -> Criteria:
    recipe = Recipe(
        id=1, name="agreement", bundle=bundle.folder, width_px=width_px, height_px=height_px,
        channels=bundle.manifest.channels, limits=bundle.manifest.golden_limits,
    )  # fmt: skip
    return Criteria.compile(recipe, bundle.manifest.classes)
