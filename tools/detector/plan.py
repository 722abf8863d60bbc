"""How to train, and what a training says of itself while it goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.detector.loss import Aim


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        minutes: training time; 0 trains for `epochs`.
        epochs: passes over the pool, when `minutes` is 0.
        steps: optimiser steps, when both are 0.
        crop_px: side of the squares seen in training, a multiple of 32.
        crops_px: several sides in place of `crop_px`, each step one of them.
        validations: how often the averaged weights are judged, evenly over the run.
        generated_share: part of each batch that is generated, where there are labelled boards, too.
        aim: what the loss asks for.
        scale: part of the samples that are enlarged or reduced.
        invert: part of the samples whose copper and substrate change places, which changes the six classes of boards.
    """

    minutes: float
    epochs: int = 0
    steps: int = 0
    batch: int = 64
    rate: float = 2e-3
    decay: float = 0.05
    crop_px: int = 608
    crops_px: tuple[int, ...] = ()
    seed: int = 1
    validations: int = 8
    compiled: bool = False
    generated_share: float = 0.5
    aim: Aim = field(default_factory=Aim)
    scale: float = 0.3
    invert: float = 0.2


@dataclass(frozen=True)
class Figures:
    """What `train` reports every `LOG_EVERY_STEPS` steps; losses are means over them, speeds too."""

    done: float
    step: int
    elapsed_s: float
    class_loss: float
    box_loss: float
    rate: float
    boards_per_s: float
    steps_per_s: float
    left_s: float
