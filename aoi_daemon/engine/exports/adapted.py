"""A model that keeps the contract of infer/executor.py, made of an exported one.

Process: offline. Needs the extra `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.precision.graph import Model


@dataclass(frozen=True)
class Adapted:
    """What `adapt` makes, and what its manifest must say.

    Attributes:
        model: with input `image` uint8 (1, H, W, channels), and the outputs of its task.
        output: task, classes, and what the outputs mean.
        stride_px: frame sizes must be multiples.
        notes: what a person should know of what was done to it.
    """

    model: Model
    output: ModelOutput
    stride_px: int
    notes: tuple[str, ...] = ()
