"""What a program said of its own model, and how it reaches our side: a folder a row, no pickles.

ROW/model.onnx    the export
ROW/row.json      `Told`
ROW/answers.npz   arrays by name:
  frames          (n, H, W, 3) uint8, BGR: shown to both as they are, of the model's size
  boxes, scores, labels, picture   kind boxes: (m, 4) x1 y1 x2 y2 px, (m,), (m,), (m,) index of the frame
  scores          kind labels: (n, classes)
  maps            kind maps: (n, classes, h, w); anomalib: with masks, alike, and the parts' scores (n,)
  files           (k,) names of pictures below the boards' folder, shown to both from the file
  worst           (k,) score of the worst defect that its own `predict` finds there, 0 where it finds none
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass
class Told:
    """Beside the arrays.

    Attributes:
        row: its name.
        classes: of the model, in its order.
        good: those that are no defect.
        threshold: a defect counts from this score on.
        overlap: two boxes of a class that overlap more are one; None: the graph or the program asks for none.
        size_px: of the model's square.
        versions: of the programs.
        train_s: how long the model was trained.
        device: on which.
        smooth: whether the program makes a picture smaller with smoothing; a recipe says `smooth` there.
        pixels: what stands in place of 0 to 255, where the file does not say: scale, mean, deviation.
        duplicates: why boxes of a thing that both find may be one side's alone, where they may; "" else.
        failed: why there is no answer; "" there is one.
    """

    row: str
    classes: list[str] = field(default_factory=list)
    good: list[str] = field(default_factory=list)
    threshold: float = 0.25
    overlap: float | None = None
    size_px: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    train_s: float = 0.0
    device: str = ""
    smooth: bool = False
    pixels: dict[str, Any] | None = None
    duplicates: str = ""
    failed: str = ""


def write_answers(folder: Path, told: Told, arrays: Arrays) -> None:
    """Write both files; row.json last, so that a row that has one is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    if arrays:
        named: dict[str, Any] = dict(arrays)
        np.savez_compressed(folder / "answers.npz", **named)
    (folder / "row.json").write_text(json.dumps(asdict(told), indent=1))


def read_told(folder: Path) -> Told | None:
    """None: the row was not run. Raises ValueError where the file is of another version."""
    file = folder / "row.json"
    if not file.is_file():
        return None
    try:
        return Told(**json.loads(file.read_text()))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file}: {error}; delete the folder and train again") from error


def read_arrays(folder: Path) -> Arrays:
    """The arrays of `folder`/answers.npz."""
    with np.load(folder / "answers.npz", allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
