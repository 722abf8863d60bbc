"""What every adapter is asked, and the pictures it answers for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Asked(NamedTuple):
    """What the command line says.

    Attributes:
        boards: folder of the pictures (layout.py).
        runs: folder of what is trained.
        size_px: of the models.
        device: `cpu` or `cuda`.
        minutes: of each training.
        batch: pictures of a step.
        workers: processes that read pictures.
    """

    boards: Path
    runs: Path
    size_px: int
    device: str
    minutes: float
    batch: int
    workers: int


def frames_of(folder: Path, *, at_most: int | None = None) -> NDArray[np.uint8]:
    """The pictures in and below `folder`, in the order of their names: (n, H, W, 3) uint8, BGR."""
    files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name)
    return np.stack([np.asarray(cv2.imread(str(file)), np.uint8) for file in files[:at_most]])


def files_of(boards: Path, tests: Path, larger: Literal["larger", "square"]) -> list[str]:
    """The pictures that are shown from their file, below `boards`: each of the model's size, and larger ones.

    Squares for programs that make any picture square, by stretching or cutting it: here it keeps its sides' ratio.
    """
    return [str(file.relative_to(boards)) for part in ("exact", larger) for file in sorted((tests / part).iterdir())]
