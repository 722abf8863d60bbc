"""Choose how INT8 is made: the method of calibration, and the layers that stay in float.

Process: offline. Needs the extra `engine`; blocks in ONNX Runtime. Every choice is made on boards of its own, those
that thresholds are chosen on: the qualification set then tells of a model that it had no say in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.calibration import FloatLayers
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.frames import Frame, spread
from aoi_daemon.engine.precision.calibrate import METHODS, Method, Ranges
from aoi_daemon.engine.precision.graph import Graph, Model, save_model
from aoi_daemon.engine.precision.quantize import quantise
from aoi_daemon.engine.precision.sensitivity import (
    Asked,
    Sensitivity,
    Trial,
    as_json,
    blocks_of,
    is_good_enough,
    search,
    trial_json,
)
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify import metrics, rates
from aoi_daemon.engine.qualify.drift import Drift, drift
from aoi_daemon.engine.qualify.metrics import Rule
from aoi_daemon.engine.qualify.qualify import Board, Judging, Run, run_boards
from aoi_daemon.infer.onnx.executor import OnnxExecutor

MOST_BOARDS: Final = 100
"""Boards of one trial; 100 of the demo's take 5 s on two cores, and a search has 36 trials."""


@dataclass(frozen=True)
class Choice:
    """How INT8 is to be made.

    Attributes:
        methods: what each method reached with all layers quantised, the best first.
        sensitivity: by block; None: it was not asked for, or not needed.
        boards: how many the choice was made on.
    """

    methods: Mapping[Method, Trial]
    sensitivity: Sensitivity | None
    boards: int

    @property
    def kept_float(self) -> frozenset[str]:
        """Names of the layers that stay in float."""
        return frozenset() if self.sensitivity is None else self.sensitivity.kept_float

    @property
    def reached(self) -> Trial:
        """What the choice came to on the boards that it was made on."""
        return next(iter(self.methods.values())) if self.sensitivity is None else self.sensitivity.best


class Trials:
    """Models tried one after the other on the same boards; each is removed again."""

    def __init__(
        self, folder: Path, manifest: Manifest, judging: Judging, boards: Sequence[Board], threads: int
    ) -> None:
        """Try on at most MOST_BOARDS of `boards`, evenly spread; `folder` takes the file that is being tried."""
        self.boards = spread(boards, MOST_BOARDS)
        self._file = folder / "int8-trial.onnx"
        self._manifest, self._judging, self._threads = manifest, judging, threads
        self._reference: Run | None = None

    def attempt(self, model: Model) -> Trial:
        """What `model` reaches. The first one is FP32, with which the others are compared."""
        save_model(model, self._file)
        try:
            with OnnxExecutor(self._file, self._manifest, threads=self._threads) as executor:
                run = run_boards(
                    "int8", executor, self.boards, self._judging, threads=self._threads, advance=lambda: None
                )
        finally:
            self._file.unlink()
        if self._reference is None:
            self._reference = run
        matches = metrics.match_all(run.found, [board.pair for board in self.boards], 0.5, len(self._manifest.classes))
        flips = len(rates.flips(run.passed, self._reference.passed))
        moved = drift(run.found, self._reference.found, self._judging.thresholds, flips)
        return Trial(metrics.mean_average_precision(matches, Rule.COCO), moved)


def choose(
    model: Model, ranges: Mapping[Method, Ranges], frame: Frame, asked: Asked, trials: Trials, *, progress: Progress,
    now_s: Callable[[], float] = time.monotonic,
) -> Choice:  # fmt: skip
    """Try every method of calibration, then, where it is asked for or needed, the layers.

    Args:
        model: prepared FP32.
        ranges: by method, from `calibrate`.
        frame: any real one.
        asked: whether and how long layers are tried.
        trials: the boards.
        progress: shows how far it is.
        now_s: a monotonic clock, s.

    Raises:
        ModelError: there is nothing to quantise.
    """
    advance = progress.task("choosing int8's calibration", 1 + len(METHODS))
    trials.attempt(model)
    advance()
    reached: dict[Method, Trial] = {}
    for method in METHODS:
        reached[method] = trials.attempt(quantise(model, ranges[method], frame))
        advance()
    methods = dict(sorted(reached.items(), key=lambda item: _rank(item[1].drift, asked)))
    method, everything = next(iter(methods.items()))
    needed = asked.when == "auto" and not is_good_enough(everything.drift, asked)
    found = None
    if needed or asked.when == "always":
        blocks = blocks_of(Graph(model))

        def attempt(kept_float: Collection[str]) -> Trial:
            return trials.attempt(quantise(model, ranges[method], frame, kept_float))

        advance = progress.task("int8 block by block", len(blocks))
        found = search(blocks, everything, asked, attempt=attempt, now_s=now_s, advance=advance)
    return Choice(methods, found, len(trials.boards))


def _rank(drift: Drift, asked: Asked) -> tuple[int, float, float]:
    """Lower is better. Within the bound one box is chance: there the scores decide, of which every box has one."""
    return drift.flips, max(drift.share, asked.bound), drift.score_rms


def choice_json(choice: Choice) -> dict[str, Any]:
    """The choice as JSON, for the report."""
    return {
        "boards": choice.boards,
        "methods": {method: trial_json(trial) for method, trial in choice.methods.items()},
        "sensitivity": None if choice.sensitivity is None else as_json(choice.sensitivity),
    }


def float_layers(choice: Choice) -> tuple[FloatLayers, ...]:
    """The layers that stay in float and why, for the manifest."""
    if choice.sensitivity is None:
        return ()
    left = {index: trial for index, trial in choice.sensitivity.steps}
    return tuple(
        FloatLayers(
            layers=block.layers,
            why=f"quantised alone: {block.alone.drift}; with it and worse ones in float: {left[index].drift}",
        )
        for index, block in enumerate(choice.sensitivity.blocks)
        if block.kept_float and block.alone is not None
    )
