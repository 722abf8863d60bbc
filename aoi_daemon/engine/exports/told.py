"""What a person tells of an exported model, where the file does not say it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from aoi_daemon.engine.precision.wrap import Activation


@dataclass(frozen=True)
class Told:
    """What `adapt` is told.

    Attributes:
        classes: in the model's order; (): as the file says.
        good: those that are no defect; (): those whose names say so (`good`, `ok`, `background`, `normal`).
        activation: what scores or maps still need; None: as the file says.
        threshold: of an anomaly model: from which value on a part is bad; None: as the file says.
        first_label: of torchvision's detectors: the label of the first class, 0 or 1; None: as the file says.
    """

    classes: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    activation: Activation | None = None
    threshold: float | None = None
    first_label: int | None = None


NOTHING = Told()
