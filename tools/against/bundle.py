"""One exported YOLO as a bundle of ours: wrapped, in fp32, bf16 and int8, with no golden part. For measuring alone.

Needs the package `onnx`. The threshold is chosen here too: random weights have none of their own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.precision.calibrate import calibrate
from aoi_daemon.engine.precision.prepare import prepare_fp32
from aoi_daemon.engine.precision.quantize import quantise
from aoi_daemon.engine.precision.wrap import wrap_float_model
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import MANIFEST, load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.open import open_executor
from tools.against.ours import recipe_of

BOXES: Final = (1.0, 20.0)
"""So many boxes a picture, in the mean, are what a line sees."""
_AIM: Final = 8.0
_STEPS: Final = 12
_LEAST: Final = 0.05

Pictures = Sequence[NDArray[np.uint8]]


def make_bundle(exported: Path, folder: Path, classes: Sequence[str], pictures: Pictures) -> list[str]:
    """Write the bundle of `exported` into `folder`; what could not be made, as sentences.

    Args:
        exported: ONNX, float32 images in, raw heads out.
        folder: is made.
        classes: the model's names, in its order.
        pictures: (H, W, 3) uint8, that int8's ranges are taken from.

    Raises:
        ModelError: it is no such model.
    """
    folder.mkdir()
    wrap_float_model(exported, folder / "fp32.onnx", "yolo", channels=3)
    names, notes = ["fp32"], []
    try:
        _make_int8(folder, pictures)
        names.append("int8")
    except ModelError as error:
        notes.append(f"int8 of the same model could not be made: {error}")
    models = {name: {"file": f"{name}.onnx", "sha256": _hash(folder / f"{name}.onnx")} for name in names}
    models["bf16"] = models["fp32"]
    manifest = {
        "version": 2, "name": "against", "task": "yolo", "classes": list(dict.fromkeys(classes)), "channels": 3,
        "stride_px": 32, "has_template": False, "models": models,
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))
    load_bundle(folder)
    return notes


def choose_conf(folder: Path, pictures: Pictures, iou: float) -> float:
    """The threshold at which about eight boxes a picture survive, in the mean.

    Raises:
        ModelError: at none do 1 to 20.
    """
    bundle = load_bundle(folder)
    size_px = pictures[0].shape[0]
    with open_executor(bundle, InspectionSection(backend="onnx"), pictures[0].shape) as executor:
        executor.decoder = decoder_for(bundle.manifest, recipe_of(size_px, _LEAST, iou))
        found = [executor.infer(picture, None, NO_DEADLINE) for picture in pictures]

    def boxes(conf: float) -> float:
        criteria = Criteria.compile(recipe_of(size_px, conf, iou), bundle.manifest.classes)
        return float(np.mean([judge(each, criteria, 0, slack_ns=1, at_most=None).defect_count for each in found]))

    low, high = _LEAST, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if boxes(middle) > _AIM else (low, middle)
    if not BOXES[0] <= boxes(high) <= BOXES[1]:
        raise ModelError(f"no threshold leaves {BOXES[0]:g} to {BOXES[1]:g} boxes a picture; name one with --conf")
    return round(high, 4)


def _make_int8(folder: Path, pictures: Pictures) -> None:
    frames = []
    for place, picture in enumerate(pictures):
        file = folder / f"calibration{place}.png"
        cv2.imwrite(str(file), picture)
        frames.append(Frame(file.stem, file, None, 3))
    model: Any = prepare_fp32(folder / "fp32.onnx")
    ranges = calibrate(model, frames, threads=2, advance=lambda: None)
    onnx.save(quantise(model, ranges["entropy"], frames[0]), str(folder / "int8.onnx"))


def _hash(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
