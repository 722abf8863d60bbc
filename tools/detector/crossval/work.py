"""One run in a worker process: train on the boards of its fold's other groups, judge on the held-out ones.

Memory: a worker holds all boards in the machine's memory and those of the run it is at on the device.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from aoi_daemon.engine.qualify.metrics import Rule, average_precisions
from aoi_daemon.kit.boards.labels import CLASS_NAMES
from tools.detector import evaluate, predict, start
from tools.detector.crossval.pack import Packed, unpack
from tools.detector.crossval.variants import Learn, Variant
from tools.detector.data import TILE_PX
from tools.detector.model import Detector
from tools.detector.plan import Plan
from tools.detector.pool import Pool
from tools.detector.train import Trainer

# Of the boards to learn from, each 25th chooses the score threshold instead, as in a run of train_detector.
THRESHOLD_STEP: Final = 25
WARM_UP_STEPS: Final = 12
MEASURE_S: Final = 6.0
# Boards judged to see how long one takes.
LOOKED_AT: Final = 10


@dataclass(frozen=True)
class Run:
    """One run of a variant.

    Attributes:
        held: boards to judge on; the other scans are learnt from.
        fold: the name that reports give them.
    """

    variant: Variant
    seed: int
    fold: str
    held: tuple[int, ...]


@dataclass(frozen=True)
class Setting:
    """What all runs share.

    Attributes:
        data: as `pack` wrote it.
        weights: for variants that start with a trained detector.
        measure_s: how long the pace is measured.
    """

    data: Path
    plan: Plan
    device: str
    weights: Path | None = None
    measure_s: float = MEASURE_S


class Bench:
    """All boards of a worker, and what runs of it need again and again."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.device = torch.device(setting.device)
        torch.backends.cudnn.benchmark = True
        if setting.device == "cpu":
            torch.set_num_threads(1)
        self.packed: Packed = unpack(setting.data)
        self.weights = start.read(setting.weights) if setting.weights is not None else None

    def speed(self, run: Run) -> tuple[float, float]:
        """Steps a second, and seconds to judge a board; with the other workers beside."""
        with tempfile.TemporaryDirectory(prefix="crossval-") as folder:
            trainer = self._trainer(run, self.setting.plan, Path(folder))
            rate = trainer.measure(WARM_UP_STEPS, self.setting.measure_s)
            few = run.held[:LOOKED_AT]
            # The first look chooses kernels: seconds on a GPU, once.
            self._detect(trainer.average, few)
            begun_s = time.monotonic()
            self._detect(trainer.average, few)
            return rate, (time.monotonic() - begun_s) / len(few)

    def carry_out(self, run: Run, plan: Plan) -> dict[str, Any]:
        """Train and judge; returns what is written of the run."""
        with tempfile.TemporaryDirectory(prefix="crossval-") as folder:
            trainer = self._trainer(run, plan, Path(folder))
            begun_s = time.monotonic()
            trainer.run(lambda _: 0.0, lambda _: None)
            trained_s = time.monotonic() - begun_s
            learnt, chooses = self._dealt(run)
            threshold = evaluate.best_threshold(*self._judged(trainer.average, chooses))
            found, truths = self._judged(trainer.average, np.array(run.held))
        return {
            "variant": run.variant.name,
            "seed": run.seed,
            "fold": run.fold,
            "boards": len(run.held),
            "learnt": len(learnt),
            "trained_s": trained_s,
            "judged_s": time.monotonic() - begun_s - trained_s,
            "plan": asdict(trainer.plan),
            **figures(found, truths, threshold),
        }

    def _dealt(self, run: Run) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The boards that the run learns from, and those that choose its threshold."""
        mine = {
            Learn.SCANS: ~self.packed.generated,
            Learn.GENERATED: self.packed.generated,
            Learn.BOTH: np.ones(len(self.packed.names), np.bool_),
        }[run.variant.learn].copy()
        mine[list(run.held)] = False
        places = np.flatnonzero(mine)
        step = max(2, min(THRESHOLD_STEP, len(places) // 2))
        return np.delete(places, np.s_[step - 1 :: step]), places[step - 1 :: step]

    def _trainer(self, run: Run, plan: Plan, folder: Path) -> Trainer:
        keep, _ = self._dealt(run)
        scans, generated = (keep[self.packed.generated[keep] == kind] for kind in (False, True))
        pool = Pool(self.packed.tiles.chosen(scans) if len(scans) else None, len(generated), self.device)
        if len(generated):
            pool.add(self.packed.tiles.chosen(generated))
        trainer = Trainer(replace(run.variant.plan(plan), seed=run.seed), folder, pool)
        if run.variant.start and self.weights is not None:
            trainer.start(self.weights)
        return trainer

    def _detect(self, detector: Detector, places: Any) -> list[evaluate.Detections]:
        look = predict.looker(detector, self.device)
        images = self.packed.tiles.images
        return [look(images[place], TILE_PX, TILE_PX) for place in places]

    def _judged(
        self, detector: Detector, places: NDArray[np.intp]
    ) -> tuple[list[evaluate.Detections], list[evaluate.Truth]]:
        tiles = self.packed.tiles
        used = [tiles.classes[place] >= 0 for place in places]
        truths = [
            evaluate.Truth(tiles.boxes[place][mask], tiles.classes[place][mask].astype(np.int32))
            for place, mask in zip(places, used, strict=True)
        ]
        return self._detect(detector, places), truths


def figures(
    found: list[evaluate.Detections], truths: list[evaluate.Truth], threshold: float
) -> dict[str, float | dict[str, float]]:
    """What a run is judged by, fractions 0 to 1."""
    protocol = average_precisions(evaluate.matched(found, truths), Rule.AREA)
    by_class = {name: value for name, value in zip(CLASS_NAMES, protocol, strict=True) if value is not None}
    own = evaluate.best_threshold(found, truths)
    at, best = evaluate.operating_points(found, truths, [threshold, own])
    return {
        "map33": float(np.mean(list(by_class.values()))) if by_class else 0.0,
        "map50": evaluate.mean_average_precision(found, truths, 0.5),
        "map75": evaluate.mean_average_precision(found, truths, 0.75),
        "f": at.f_score,
        "threshold": threshold,
        "f_best": best.f_score,
        "escapes": at.escapes,
        "ap33": by_class,
    }
