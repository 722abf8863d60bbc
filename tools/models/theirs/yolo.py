"""Ultralytics: YOLO of every task, and RT-DETR. Run offline; nothing is fetched or sent."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tools.models.answers import Arrays, Told
from tools.models.boards import GOOD
from tools.models.layout import TESTS
from tools.models.matching import PICTURE_BOUND
from tools.models.rows import Row
from tools.models.theirs.frames import Asked, files_of, frames_of
from tools.models.theirs.settle import settle

# Before the import: no check for a newer version, no package installed, nothing sent.
os.environ |= {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
_OVERLAP: Final = 0.5
_THRESHOLDS: Final = (0.5, 0.25, 0.1, 0.05, 0.02)
_LEAST: Final = 0.001
"""Of a threshold."""
_MOST: Final = 300
_ALL: Final = 1.0
"""As an overlap: nothing is left out."""
_ENOUGH: Final = 110
_SETTLE: Final = 400
_EPOCHS: Final = 1000
"""More than the minutes last."""
_RATE: Final = 0.002
_SLOW: Final = 0.0004
_DATA: Final = {"detect": "outlines", "segment": "outlines", "obb": "turned", "classify": "classes"}


def train(row: Row, asked: Asked) -> Path:
    """Train the row's model for `asked.minutes`; the weights' file."""
    from ultralytics import RTDETR, YOLO, settings  # noqa: PLC0415

    settings.update({"sync": False})
    data = asked.boards / _DATA[row.task]
    kind = RTDETR if row.name == "rtdetr" else YOLO
    model = kind(row.model)
    model.train(
        data=str(data if row.task == "classify" else data / "data.yaml"), imgsz=asked.size_px,
        time=asked.minutes / 60, epochs=_EPOCHS, batch=asked.batch, nbs=asked.batch, device=asked.device,
        workers=asked.workers, project=str(asked.runs.resolve()), name=row.trained, exist_ok=True, pretrained=False,
        cache="ram", plots=False, val=False, amp=False, seed=0, verbose=False, optimizer="AdamW", warmup_epochs=1.0,
        lr0=_SLOW if row.name == "rtdetr" else _RATE, mosaic=0.0, scale=0.2,
        # Colour is what tells two of the classes apart.
        hsv_h=0.0, hsv_s=0.2, hsv_v=0.2, bgr=0.0, auto_augment=None, erasing=0.0,
    )  # fmt: skip
    weights = asked.runs / row.trained / "weights" / "last.pt"
    model = kind(str(weights))
    images = data / ("train" if row.task == "classify" else "images/train")
    settle(model.model.float(), frames_of(images, at_most=_SETTLE))
    model.save(str(weights.with_name("settled.pt")))
    return weights.with_name("settled.pt")


def answer(row: Row, asked: Asked, weights: Path, folder: Path) -> tuple[Told, Arrays]:
    """Export the weights as the row says, and tell what the program makes of the export."""
    import torch  # noqa: PLC0415
    from ultralytics import RTDETR, YOLO, __version__  # noqa: PLC0415

    kind = RTDETR if row.name == "rtdetr" else YOLO
    tests = asked.boards / ("one" if row.task == "classify" else "test")
    told = Told(row.name, size_px=asked.size_px, versions={"ultralytics": __version__, "torch": torch.__version__})
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(weights, folder / "model.pt")
    model = kind(str(folder / "model.pt"))
    told.classes = [model.names[key] for key in sorted(model.names)]
    frames = frames_of(tests / "exact")
    if row.task == "classify":
        told.threshold, told.good, told.smooth = 0.5, [GOOD], True
    else:
        told.threshold = _threshold(model, frames, asked)
        # Where the graph or the program leaves none out, none is left out.
        told.overlap = None if row.export == "end2end" or row.name == "rtdetr" else _OVERLAP
    if row.task == "obb" and row.export != "end2end":
        told.duplicates = "two boxes are one by their upright boxes' overlap here, by the turned ones' there"
    options: dict[str, Any] = {"raw": {}, "nms": {"nms": True}, "end2end": {"nms": False}}[row.export]
    if row.export == "nms":
        options |= {"conf": told.threshold, "iou": _OVERLAP, "max_det": _MOST}
    file = model.export(format="onnx", imgsz=asked.size_px, opset=row.opset, device="cpu", batch=1, **options)
    if Path(file) != folder / "model.onnx":
        shutil.move(file, folder / "model.onnx")
    (folder / "model.pt").unlink()
    arrays = {"frames": frames} | _same_tensor(row, folder / "model.onnx", frames, told)
    files = files_of(asked.boards, tests, "square" if row.task == "classify" or row.name == "rtdetr" else "larger")
    exported = kind(str(folder / "model.onnx"), task=row.task) if kind is YOLO else kind(str(folder / "model.onnx"))
    worst = [_worst(exported, asked.boards / name, asked, told) for name in files]
    return told, arrays | {"files": np.array(files), "worst": np.array(worst, np.float64)}


def _threshold(model: Any, frames: Any, asked: Asked) -> float:
    """The highest at which enough boxes are left to compare."""
    scores: list[float] = []
    for frame in frames:
        [result] = model.predict(
            frame, imgsz=asked.size_px, conf=_THRESHOLDS[-1], iou=_OVERLAP, device="cpu", verbose=False
        )
        found = result.obb if result.obb is not None else result.boxes
        scores += found.conf.tolist()
    enough = _ENOUGH * len(frames) / TESTS
    return next((each for each in _THRESHOLDS if sum(score >= each for score in scores) >= enough), _THRESHOLDS[-1])


def _same_tensor(row: Row, file: Path, frames: Any, told: Told) -> Arrays:
    """What ONNX Runtime says of the export, and Ultralytics' own functions behind it."""
    import onnxruntime as ort  # noqa: PLC0415
    import torch  # noqa: PLC0415

    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    rows: list[Any] = []
    maps: list[Any] = []
    for number, frame in enumerate(frames):
        tensor = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1)[None]).astype(np.float32) / 255
        outputs = [torch.from_numpy(each) for each in session.run(None, {given.name: tensor})]
        if row.task == "classify":
            rows.append(outputs[0][0].numpy())
            continue
        found = _suppressed(row, outputs[0], told)
        if row.task == "segment":
            maps.append(_masks(row, outputs, told))
        rows += [(number, *each) for each in _boxes(row, found)]
    if row.task == "classify":
        return {"scores": np.stack(rows)}
    table = np.array(rows, np.float64).reshape(-1, 7)
    found_all = {"picture": table[:, 0].astype(np.int64), "boxes": table[:, 1:5], "scores": table[:, 5]}
    found_all["labels"] = table[:, 6].astype(np.int64)
    if row.task == "segment":
        found_all["maps"] = np.stack(maps)
    return found_all


def _suppressed(row: Row, output: Any, told: Told) -> Any:
    """Rows x1 y1 x2 y2 (x y w h where turned), score, class, and what else there is."""
    import torch  # noqa: PLC0415
    from ultralytics.utils import ops  # noqa: PLC0415
    from ultralytics.utils.nms import non_max_suppression  # noqa: PLC0415

    classes = len(told.classes)
    if row.name == "rtdetr":
        # As RTDETRPredictor.postprocess: boxes are shares, each query's best class counts.
        places, scores = output[0, :, :4], output[0, :, 4:]
        best, label = scores.max(1, keepdim=True)
        found = torch.cat((ops.xywh2xyxy(places) * told.size_px, best, label.float()), 1)
        return found[best[:, 0] > told.threshold]
    if row.export != "raw":
        return output[0][output[0, :, 4] > told.threshold]
    # Each class of a candidate by itself, as in Ultralytics' own validation.
    return non_max_suppression(
        output,
        told.threshold,
        told.overlap,
        nc=classes,
        multi_label=True,
        rotated=row.task == "obb",
        max_det=_MOST if told.overlap != _ALL else 100_000,
    )[0]


def _boxes(row: Row, found: Any) -> Any:
    """x1 y1 x2 y2, score, class; of a turned box what it reaches."""
    from ultralytics.utils import ops  # noqa: PLC0415

    if row.task != "obb" or not len(found):
        return found[:, :6].tolist()
    import torch  # noqa: PLC0415

    turned = torch.cat((found[:, :4], found[:, -1:]), 1)
    corners = ops.xywhr2xyxyxyxy(turned)
    return torch.cat((corners.amin(1), corners.amax(1), found[:, 4:6]), 1).tolist()


def _masks(row: Row, outputs: Any, told: Told) -> Any:
    """(classes, h, w) at the prototypes' size: the greatest score of the masks there, all that reach the threshold.

    By Ultralytics' own functions, before it leaves duplicates out and makes the masks larger: a union of areas needs
    neither, and says where a part is bad all the same.
    """
    from ultralytics.utils import ops  # noqa: PLC0415

    prototypes = outputs[1][0]
    maps = np.zeros((len(told.classes), *prototypes.shape[1:]), np.float32)
    found = _suppressed(row, outputs[0], replace(told, overlap=_ALL))
    if len(found):
        masks = ops.process_mask(prototypes, found[:, 6:], found[:, :4], (told.size_px, told.size_px), upsample=False)
        for mask, label, score in zip(masks.numpy(), found[:, 5].int().tolist(), found[:, 4].tolist(), strict=True):
            maps[label] = np.maximum(maps[label], (mask > 0) * np.float32(score))
    return maps


def _worst(model: Any, file: Path, asked: Asked, told: Told) -> float:
    """Of one picture's file, by its own `predict`."""
    iou = 0.99999 if told.overlap is None else told.overlap
    [result] = model.predict(
        str(file),
        imgsz=asked.size_px,
        conf=max(told.threshold - PICTURE_BOUND, _LEAST),
        iou=iou,
        device="cpu",
        verbose=False,
        max_det=_MOST,
    )
    if result.probs is not None:
        return 1.0 - float(result.probs.data[told.classes.index(told.good[0])])
    found = result.obb if result.obb is not None else result.boxes
    return max(found.conf.tolist(), default=0.0)
