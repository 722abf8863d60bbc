"""timm: classifiers, by both of PyTorch's exporters."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tools.models.answers import Arrays, Told
from tools.models.boards import GOOD
from tools.models.rows import Row
from tools.models.theirs import torch_train
from tools.models.theirs.frames import Asked, files_of, frames_of
from tools.models.theirs.settle import planes, settle
from tools.models.theirs.vision import DEVIATION, MEAN, export

_SETTLE = 400


def train(row: Row, asked: Asked) -> Path:
    """Train the row's network for `asked.minutes`; the weights' file."""
    import timm  # noqa: PLC0415
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    network = timm.create_model(row.model, pretrained=False, num_classes=len(torch_train.LABELS)).to(asked.device)
    frames, labels = torch_train.class_frames(asked.boards)
    loss = torch.nn.CrossEntropyLoss()
    some = torch_train.batches_of(
        frames, labels, batch=asked.batch, device=asked.device, mean=MEAN, deviation=DEVIATION
    )
    torch_train.train_until(network, some, lambda each: loss(network(each[0]), each[1]), minutes=asked.minutes)
    settle(network, frames[:: max(1, len(frames) // _SETTLE)], mean=MEAN, deviation=DEVIATION)
    weights = asked.runs / f"{row.trained}.pth"
    torch.save(network.cpu().state_dict(), weights)
    return weights


def answer(row: Row, asked: Asked, weights: Path, folder: Path) -> tuple[Told, Arrays]:
    """Export, and tell what the network itself says, on the CPU."""
    import timm  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    network = timm.create_model(row.model, pretrained=False, num_classes=len(torch_train.LABELS))
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    told = Told(row.name, list(torch_train.LABELS), [GOOD], 0.5, None, asked.size_px)
    told.smooth = True
    told.versions = {"timm": timm.__version__, "torch": torch.__version__}
    told.pixels = {"scale": 1 / 255, "mean": MEAN, "deviation": DEVIATION}
    frames = frames_of(asked.boards / "one" / "exact")
    tensors = planes(frames, mean=MEAN, deviation=DEVIATION)
    folder.mkdir(parents=True, exist_ok=True)
    if row.export == "dynamo":
        _export_by_dynamo(network, tensors[:1], folder / "model.onnx", row.opset)
    else:
        export(network, (tensors[:1],), folder / "model.onnx", row.opset)
    with torch.no_grad():
        scores = torch.cat([network(some).softmax(1) for some in tensors.split(16)]).numpy()
    ready = timm.data.create_transform(
        (3, asked.size_px, asked.size_px), is_training=False, crop_pct=1.0, mean=MEAN, std=DEVIATION,
        interpolation="bilinear", crop_mode="squash"
    )  # fmt: skip
    files = files_of(asked.boards, asked.boards / "one", "square")
    worst = []
    for name in files:
        with Image.open(asked.boards / name) as picture, torch.no_grad():
            worst.append(1.0 - float(network(ready(picture.convert("RGB"))[None]).softmax(1)[0, 0]))
    return told, {"frames": frames, "scores": scores, "files": np.array(files), "worst": np.array(worst)}


def _export_by_dynamo(network: Any, given: Any, file: Path, opset: int) -> None:
    """By PyTorch's newer exporter: weights in a file beside it."""
    import torch  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (given,), str(file), dynamo=True, opset_version=opset, external_data=True)
