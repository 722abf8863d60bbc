"""The training loop: bounded by the clock or by epochs, resumable, with averaged weights.

Precision: bf16 autocast on CUDA, float32 on a CPU. The learning rate follows a half cosine over the part
of the budget that is spent, so a run of one minute is a whole schedule, too.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector import checkpoint
from tools.detector.augment import Strength, augment
from tools.detector.loss import detection_loss
from tools.detector.model import Detector, Shape, normalise
from tools.detector.pace import Pace, left_s
from tools.detector.plan import Figures, Plan
from tools.detector.pool import Pool
from tools.detector.ranks import Ranks
from tools.detector.start import is_folded, unfold
from tools.detector.stream import BoardStream

LAST: Final = "last.pt"
BEST: Final = "best.pt"
WARM_UP: Final = 0.03
FINAL_RATE: Final = 0.01
# The last part of the run sees boards as they come, lightly varied.
GENTLE_FROM: Final = 0.85
AVERAGING: Final = 0.9995
MAX_GRADIENT: Final = 10.0
SAVE_EVERY_S: Final = 45.0
LOG_EVERY_STEPS: Final = 50
# At the latest, where steps are slow.
LOG_EVERY_S: Final = 10.0
# A training of fewer steps has learnt nothing; one that begins with a trained detector has something to lose.
LEAST_STEPS: Final = 100
LEAST_STEPS_TUNING: Final = 50
# Between the seeds of processes, far from what people type.
RANK_SEEDS: Final = 1_000_003
CLASS_HEAD: Final = "class_out."
# Boards on which an exported model's normalisation is unfolded.
UNFOLD_ON: Final = 16

Tensor = Any


@dataclass
class _State:
    """What changes while training, and what a checkpoint holds."""

    step: int = 0
    elapsed_s: float = 0.0
    best: float = -1.0
    validated: int = 0


class Trainer:
    """Owns the network, its average and the optimiser for one run folder."""

    def __init__(
        self, plan: Plan, out: Path, pool: Pool, shape: Shape | None = None, ranks: Ranks | None = None
    ) -> None:
        self.plan, self.out, self.pool = plan, out, pool
        self.ranks = ranks or Ranks(0, 1, pool.device)
        self._batch = self.ranks.share_of(plan.batch)
        # Set by the owner when fresh boards shall be taken in between steps.
        self.stream: BoardStream | None = None
        self.device = pool.device
        torch.manual_seed(plan.seed)
        self.detector = Detector(shape).to(self.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.detector).eval()
        matrices = [p for p in self.detector.parameters() if p.ndim > 1]
        others = [p for p in self.detector.parameters() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate, fused=self.device.type == "cuda")
        self.state = _State()
        self._least = LEAST_STEPS
        # The processes have begun alike, and vary their boards each in its own way.
        if self.ranks.count > 1:
            torch.manual_seed(plan.seed + RANK_SEEDS * (1 + self.ranks.rank))

    def start(self, weights: Detector) -> None:
        """Begin with the weights of another run, or of an exported model (`start.read`).

        Those of other classes are taken over but for the last layer of the class scores.

        Raises:
            BoardsError: they are of another shape.
        """
        if replace(weights.shape, classes=()) != replace(self.detector.shape, classes=()):
            raise BoardsError(f"start: weights of shape {weights.shape}, this detector's is {self.detector.shape}")
        if is_folded(weights):
            with torch.no_grad():
                drawn = self.pool.draw(np.random.default_rng(self.plan.seed), UNFOLD_ON, self.plan.generated_share)
                images = normalise(drawn.images.float())
            weights = unfold(weights.to(self.device), *images.split(1, 1))
        held = weights.state_dict()
        if weights.shape.classes != self.detector.shape.classes:
            held = {name: value for name, value in held.items() if not name.startswith(CLASS_HEAD)}
        else:
            self._least = LEAST_STEPS_TUNING
        for network in (self.detector, self.average):
            network.load_state_dict(held, strict=False)

    def resume(self) -> None:
        """Go on from the run folder's last checkpoint.

        Raises:
            BoardsError: there is none, or it is damaged.
        """
        average, content = checkpoint.load(self.out / LAST)
        self.average.load_state_dict(average.state_dict())
        self.detector.load_state_dict(content["raw"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.state = _State(**content["progress"])

    def measure(self, warm_up: int, seconds: float) -> float:
        """Steps a second, from real steps at the schedule's first rate; the weights are of no use afterwards."""
        rng = np.random.default_rng(self.ranks.seeds(self.plan.seed))
        network = self.ranks.joined(self.detector)
        for _ in range(warm_up):
            self._step(network, rng, 0.0)
        start_s = now_s = self._settled_s()
        steps = 0
        while self.ranks.agreed(now_s - start_s) < seconds:
            self._step(network, rng, 0.0)
            steps, now_s = steps + 1, self._settled_s()
        return steps / (now_s - start_s)

    def _settled_s(self) -> float:
        """The time when the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.monotonic()

    def run(self, validate: Callable[[Detector], float], report: Callable[[Figures], None]) -> None:
        """Train to the end of the budget; the best averaged weights are in `BEST` afterwards.

        Of several processes the first alone judges, reports and writes.

        Args:
            validate: judges averaged weights; higher is better.
            report: takes the figures of the last steps.

        Raises:
            BoardsError: the loss is no longer a number, a generator died, or the time is too short to learn anything.
        """
        # Another start of the same run must not see the same batches again.
        rng = np.random.default_rng(self.ranks.seeds(self.plan.seed, self.state.step))
        network = torch.compile(self.detector) if self.plan.compiled else self.detector
        network = self.ranks.joined(network)
        pace = Pace(0.0 if self.state.step else 60 * self.plan.minutes, self._least)
        saved_s = self.state.elapsed_s
        losses = torch.zeros(3, device=self.device)
        with _clock(self.state) as now_s:
            marked_s, fresh = now_s(), 0
            while (done := self.ranks.agreed(self._done(now_s()))) < 1.0:
                losses += self._step(network, rng, done)
                fresh += 1
                due = int(done * self.plan.validations)
                judged = due > self.state.validated and pace.is_known
                is_due = judged or fresh == LOG_EVERY_STEPS or now_s() - marked_s > LOG_EVERY_S
                if pace.is_due():
                    self._settled_s()
                    is_due = pace.at(self.ranks.agreed(now_s()))
                if is_due:
                    report(self._figures(done, now_s(), losses / fresh, fresh / max(now_s() - marked_s, 1e-9)))
                if judged:
                    self.state.validated = due
                    self._judge(validate)
                if is_due or pace.has_settled:
                    marked_s, fresh = now_s(), 0
                    losses.zero_()
                if now_s() - saved_s > SAVE_EVERY_S:
                    saved_s = self.state.elapsed_s = now_s()
                    self._save()
        pace.end(self.ranks.agreed(self.state.elapsed_s))
        self._judge(validate)
        self._save()

    def _figures(self, done: float, elapsed_s: float, losses: Tensor, steps_per_s: float) -> Figures:
        """What is reported; raises BoardsError where the loss is no longer a number."""
        means = losses.tolist()
        if not math.isfinite(means[0]):
            raise BoardsError(f"training diverged at step {self.state.step}: loss {means[0]}")
        boards, left = steps_per_s * self.plan.batch, left_s(done, elapsed_s, 60 * self.plan.minutes)
        rate = self._rate(done)
        return Figures(done, self.state.step, elapsed_s, means[1], means[2], rate, boards, steps_per_s, left)

    def _done(self, elapsed_s: float) -> float:
        """Which part of the budget is spent, 0 to 1."""
        if self.plan.minutes > 0:
            return elapsed_s / (60 * self.plan.minutes)
        if not self.plan.epochs:
            return self.state.step / self.plan.steps
        boards = self.pool.fixed + self.pool.fresh
        return self.state.step * self.plan.batch / (self.plan.epochs * boards)

    def _rate(self, done: float) -> float:
        wave = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        warm = min(1.0, done / WARM_UP + 0.01)
        return self.plan.rate * warm * (FINAL_RATE + (1 - FINAL_RATE) * wave)

    def _step(self, network: Any, rng: np.random.Generator, done: float) -> Tensor:
        """One optimiser step. Returns total, class and box loss, [3], still on the device."""
        if self.stream is not None and (tiles := self.stream.take()) is not None:
            self.pool.add(tiles)
        strength = Strength(scale=self.plan.scale, invert=self.plan.invert)
        share, crop_px = self.plan.generated_share, self.plan.crop_px
        if self.plan.crops_px:
            crop_px = self.plan.crops_px[self.state.step % len(self.plan.crops_px)]
        if done >= GENTLE_FROM:
            # Towards the end the labelled boards count for more.
            strength, share = strength.quieter(), share / 2
        with torch.no_grad():
            drawn = self.pool.draw(rng, self._batch, share)
            batch = augment(drawn, crop_px, strength)
            images = batch.images.contiguous(memory_format=torch.channels_last)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(done)
        self.detector.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            logits, log_reach = network(*images.split(1, 1))
        total, class_part, box_part = detection_loss(logits, log_reach, batch.boxes, batch.classes, self.plan.aim)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.detector.parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.state.step += 1
        self._follow()
        return torch.stack([total.detach(), class_part, box_part])

    def _follow(self) -> None:
        """Move the average towards the weights; a young average forgets faster."""
        step = self.state.step
        keep = min(AVERAGING, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(_numbers(self.average), _numbers(self.detector), 1 - keep)

    def _judge(self, validate: Callable[[Detector], float]) -> None:
        if not self.ranks.is_first:
            return
        score = validate(self.average)
        # The later of equals: it has seen more.
        if score >= self.state.best:
            self.state.best = score
            checkpoint.save(self.out / BEST, self.average, step=self.state.step, score=score)

    def _save(self) -> None:
        if not self.ranks.is_first:
            return
        checkpoint.save(
            self.out / LAST,
            self.average,
            raw=self.detector.state_dict(),
            optimiser=self.optimiser.state_dict(),
            progress=dict(self.state.__dict__),
        )


def _numbers(network: Any) -> list[Tensor]:
    """Weights and running statistics, in a fixed order; step counters left out."""
    return [value for value in network.state_dict().values() if value.is_floating_point()]


@contextmanager
def _clock(state: _State) -> Iterator[Callable[[], float]]:
    """Seconds of training, those before a resume included; `state.elapsed_s` is set at the end."""
    start_s = time.monotonic() - state.elapsed_s
    try:
        yield lambda: time.monotonic() - start_s
    finally:
        state.elapsed_s = time.monotonic() - start_s
