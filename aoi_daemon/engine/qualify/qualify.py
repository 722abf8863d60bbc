"""Run a model over labelled boards, say how good it is, and whether it may ship.

Process: offline. Blocks in ONNX Runtime. What is run is what the line runs: the same executor, and the line's own
look at the picture (`gauge`): optics, registration, model, maps, judgement. Every figure is of ONNX Runtime on the
CPU: that an engine on a GPU gives the same verdicts is what the golden parts prove on the machine itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.boxes import Box
from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.decide.judge import Criteria, Verdict, judge
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.decide.overlap import suppress_overlaps
from aoi_daemon.engine.frames import Frame, frame_of
from aoi_daemon.engine.labels import BoardsError, Pair
from aoi_daemon.engine.qualify import metrics, rates
from aoi_daemon.engine.qualify.metrics import DEEPPCB_IOU, Matches, Rule
from aoi_daemon.engine.qualify.task_figures import TaskFigures, figures
from aoi_daemon.errors import ConfigError, InferenceError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, Executor, FrameShape, warm_up
from aoi_daemon.inspection.gauge import Gauge

_WARM_UP_RUNS: Final = 3


@dataclass(frozen=True)
class Board:
    """A labelled board as the model takes it."""

    pair: Pair
    frame: Frame


@dataclass(frozen=True)
class Run:
    """What one model answered on a set of boards.

    Attributes:
        executor: back end, version, device and model, as the executor names itself.
        found: by board, duplicates suppressed as the recipe says, no threshold applied; none where optics or
            registration rejected the board before the model saw it.
        verdicts: by board, the line's.
        took_ns: (frames,) int64, the time of each frame that the model saw: optics, registration, model.
    """

    precision: str
    executor: str
    threads: int
    found: tuple[Detections, ...]
    verdicts: tuple[Verdict, ...]
    took_ns: NDArray[np.int64]

    @property
    def passed(self) -> NDArray[np.bool_]:
        """(boards,) the verdicts."""
        return np.array([verdict.passed for verdict in self.verdicts], np.bool_)


@dataclass(frozen=True)
class Measured:
    """The figures of one run. Fractions are 0..1; IoU is above 0.33 where no other is named.

    Attributes:
        map33, map33_voc: area under the curve, as it is (DeepPCB) and smoothed (VOC).
        map50, map50_95: COCO's.
        ap33: DeepPCB's, by class; None where no board has a label of it.
        at_limits, best: F-score at the limits, and the best that one threshold for all would reach.
        agreement: escapes, false calls, kappa of the verdicts.
        flips: indices of boards whose verdict is not the reference's.
        of_task: what else matters of a model of this task.
    """

    map33: float
    map33_voc: float
    map50: float
    map50_95: float
    ap33: tuple[float | None, ...]
    at_limits: metrics.Point
    best: metrics.Point
    agreement: rates.Agreement
    flips: tuple[int, ...]
    median_ms: float
    p99_ms: float
    matches: Matches
    of_task: TaskFigures


class Golden(NamedTuple):
    """A golden part: its frame, the verdict that it must get, and where a bad one is bad."""

    frame: Frame
    passed: bool
    boxes: tuple[Box, ...] = ()


class Judging:
    """The recipe that boards are judged by, ready for every size of frame that occurs."""

    def __init__(
        self, manifest: Manifest, recipe: Recipe | None, limits: Sequence[ClassLimit] | None = None, *, fov: int = 0
    ) -> None:
        """Judge by `recipe`; without one by `limits`, or the manifest's golden limits, over the whole frame.

        Args:
            manifest: the bundle's.
            recipe: judge by it, as the line does.
            limits: without a recipe: by these; None: the manifest's golden limits.
            fov: the field of view that the boards are of.

        Raises:
            ConfigError: recipe and bundle do not go together.
        """
        self.manifest = manifest
        self.fov = fov
        self._recipe = recipe
        self._limits = tuple(limits) if limits is not None else manifest.golden_limits
        self._by_size: dict[tuple[int, int], Criteria] = {}
        self.thresholds = self.criteria(*((recipe.width_px, recipe.height_px) if recipe else (16_384, 16_384))).scores

    def criteria(self, width_px: int, height_px: int) -> Criteria:
        """For a frame of this size. Raises BoardsError where the recipe is for another."""
        size = (width_px, height_px)
        if size not in self._by_size:
            self._by_size[size] = self._compile(width_px, height_px)
        return self._by_size[size]

    def _compile(self, width_px: int, height_px: int) -> Criteria:
        recipe = self._recipe_for(width_px, height_px)
        try:
            return Criteria.compile(recipe, self.manifest.classes)
        except ValueError as error:
            raise ConfigError(Path(f"recipe {recipe.name}"), [str(error)]) from error

    def gauge(self, executor: Executor, width_px: int, height_px: int, first: Path) -> Gauge:
        """What boards of this size, of which `first` is one, are looked at with; `executor` stays the caller's.

        Raises:
            BoardsError: the recipe is for another size; names `first`.
            ConfigError: recipe and bundle do not go together.
            ModelError: a template of the recipe's cannot be read, or not be aligned to.
        """
        try:
            recipe = self._recipe_for(width_px, height_px)
        except BoardsError as error:
            raise BoardsError(f"{first}: {error}") from error
        try:
            return Gauge(recipe, executor, Bundle(self.manifest, recipe.bundle, ""))
        except ValueError as error:
            raise ConfigError(Path(f"recipe {recipe.name}"), [str(error)]) from error

    def _recipe_for(self, width_px: int, height_px: int) -> Recipe:
        recipe = self._recipe
        if recipe is None:
            return Recipe(
                id=1, name="golden-limits", bundle=Path(), width_px=width_px, height_px=height_px,
                channels=self.manifest.channels, limits=self._limits,
            )  # fmt: skip
        if (recipe.width_px, recipe.height_px) != (width_px, height_px):
            raise BoardsError(
                f"the board is {width_px}x{height_px} px, recipe {recipe.name} is for "
                f"{recipe.width_px}x{recipe.height_px}"
            )
        return recipe


def boards_of(
    pairs: Sequence[Pair], manifest: Manifest, *, aligned: bool = False, fitted: bool = False
) -> list[Board]:
    """The pairs as the manifest's model takes them.

    Args:
        pairs: labelled.
        manifest: the bundle's.
        aligned: templates are needed even where the model takes none: boards are aligned to them.
        fitted: boards are of a recipe's size, and fitted to the model's.

    Raises:
        BoardsError: a size that the model does not take.
    """
    return [Board(pair, frame_of(pair, manifest, aligned=aligned, fitted=fitted)) for pair in pairs]


def run_boards(
    precision: str,
    executor: Executor,
    boards: Sequence[Board],
    judging: Judging,
    *,
    threads: int,
    advance: Callable[[], None],
) -> Run:
    """Run every board, one at a time as on the line; `advance` is called after each.

    A template of the recipe's is what boards are compared with; where it has none of the field of view, their own.

    Raises:
        BoardsError: an image cannot be read, or is not of the recipe's size.
        InferenceError: the model does not take a frame, or answers what no model may say; names the frame.
    """
    found, verdicts, took_ns = [], [], []
    gauges: dict[tuple[int, ...], Gauge] = {}
    for board in boards:
        image, template = board.frame.read()
        height_px, width_px, channels = image.shape
        gauge = gauges.get(image.shape)
        cold = gauge is None
        if gauge is None:
            gauge = gauges[image.shape] = judging.gauge(executor, width_px, height_px, board.frame.image)
        try:
            if cold:
                _warm_up(gauge, (height_px, width_px, channels))
            own = None if judging.fov in gauge.templates else template
            start_ns = time.monotonic_ns()
            seen = gauge.see(image, own, judging.fov)
            if seen.inferred_ns:
                took_ns.append(seen.inferred_ns - start_ns)
            everything = gauge.found(seen)
        except InferenceError as error:
            raise InferenceError(f"{board.frame.image}: {' '.join(str(error).split())}") from error
        verdicts.append(seen.verdict)
        kept = suppress_overlaps(*everything, gauge.criteria.overlap)
        found.append(Detections._make(column[kept] for column in everything))
        advance()
    return Run(precision, executor.name, threads, tuple(found), tuple(verdicts), np.array(took_ns, np.int64))


def _warm_up(gauge: Gauge, shape: FrameShape) -> None:
    warm_up(gauge.executor, shape, runs=_WARM_UP_RUNS)
    if gauge.registrar is not None:
        gauge.registrar.warm_up(_WARM_UP_RUNS)


def measure(run: Run, boards: Sequence[Board], judging: Judging, reference: Run | None) -> Measured:
    """All figures of a run; flips are against `reference` (None: there is none to compare with)."""
    truths = [board.pair for board in boards]
    count = len(judging.manifest.classes)
    matches = metrics.match_all(run.found, truths, DEEPPCB_IOU, count)
    at50 = metrics.match_all(run.found, truths, 0.5, count)
    good = np.array([board.pair.is_good for board in boards], np.bool_)
    took_ms = run.took_ns / 1e6 if len(run.took_ns) else np.zeros(1)
    return Measured(
        map33=metrics.mean_average_precision(matches, Rule.AREA),
        map33_voc=metrics.mean_average_precision(matches, Rule.VOC),
        map50=metrics.mean_average_precision(at50, Rule.COCO),
        map50_95=metrics.map_range(run.found, truths, count),
        ap33=tuple(metrics.average_precisions(matches, Rule.AREA)),
        at_limits=metrics.f_score_at(matches, judging.thresholds),
        best=metrics.best_f_score(matches),
        agreement=rates.agreement(run.passed, good),
        flips=() if reference is None else tuple(rates.flips(run.passed, reference.passed).tolist()),
        median_ms=float(np.median(took_ms)),
        p99_ms=float(np.percentile(took_ms, 99, method="higher")),
        matches=matches,
        of_task=figures(judging.manifest, run, truths, judging.thresholds, reference),
    )


def golden_wrong(executor: Executor, golden: Mapping[str, Golden], judging: Judging) -> list[str]:
    """The names of the golden parts whose verdict does not hold with this executor, or whose defect is not found."""
    wrong = []
    # Golden parts are read as the bundle says, not as the recipe that boards were judged by.
    executor.decoder = decoder_for(judging.manifest)
    for name, (frame, passed, boxes) in golden.items():
        image, template = frame.read()
        raw = executor.infer(image, template, NO_DEADLINE)
        criteria = judging.criteria(image.shape[1], image.shape[0])
        verdict = judge(raw, criteria, 0, slack_ns=0, at_most=None)
        if verdict.passed is not passed or unmet(boxes, verdict.defects, criteria.classes):
            wrong.append(name)
    return wrong
