"""What FP32 has a say in: thresholds on one set of boards, golden parts on another; by the task of the model.

Process: offline. Blocks in ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.bundle import golden
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.by_task import recommend_frames, recommend_maps
from aoi_daemon.engine.qualify.map_peaks import map_peaks
from aoi_daemon.engine.qualify.qualify import Board, Judging, run_boards
from aoi_daemon.engine.qualify.task_figures import MAP_TASKS
from aoi_daemon.engine.qualify.thresholds import Recommendation, recommend
from aoi_daemon.infer.executor import Executor


@dataclass(frozen=True)
class Fp32:
    """The model that chooses, opened; of so many threads."""

    executor: Executor
    threads: int
    progress: Progress


def choose_limits(
    fp32: Fp32, manifest: Manifest, boards: Sequence[Board], least: float
) -> tuple[Manifest, list[Recommendation]]:
    """A threshold for each class, and the manifest, which says how maps are read.

    Args:
        fp32: the model.
        manifest: what it is.
        boards: labelled, good and bad.
        least: no threshold is below.

    Raises:
        AoiError: a picture or an answer is wrong; names it.
    """
    pairs, count = [board.pair for board in boards], len(manifest.classes)
    advance = fp32.progress.task("choosing thresholds", len(boards))
    if manifest.task in MAP_TASKS:
        return recommend_maps(map_peaks(fp32.executor, boards, advance), pairs, manifest, least)
    judging = Judging(manifest, None)
    run = run_boards("fp32", fp32.executor, boards, judging, threads=fp32.threads, advance=advance)
    if manifest.task == "classify":
        return manifest, recommend_frames(run.found, pairs, count, least)
    return manifest, recommend(run.found, pairs, count, least)


def choose_golden(
    fp32: Fp32, wanted: golden.Wanted, boards: Sequence[Board], judging: Judging
) -> list[golden.Chosen]:
    """The golden parts; see `golden.choose`."""
    advance = fp32.progress.task("choosing golden parts", len(boards))
    run = run_boards("fp32", fp32.executor, boards, judging, threads=fp32.threads, advance=advance)
    if wanted.manifest.task not in MAP_TASKS:
        return golden.choose(boards, run, wanted)
    advance = fp32.progress.task("looking at good parts' maps", len(boards))
    full = wanted.manifest.full_score if wanted.manifest.task == "anomaly" else 1.0
    counting = [name not in wanted.manifest.good_classes for name in wanted.manifest.classes]
    shares = [
        float((peaks.maps / full / wanted.thresholds)[np.array(counting)].max())
        for peaks in map_peaks(fp32.executor, boards, advance)
    ]
    return golden.choose(boards, run, wanted, shares)
