"""torchvision: detectors, a classifier, a segmenter."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from tools.models.answers import Arrays, Told
from tools.models.boards import CLASSES, GOOD
from tools.models.rows import Row
from tools.models.theirs import torch_train
from tools.models.theirs.frames import Asked, files_of, frames_of
from tools.models.theirs.settle import planes, settle

MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)
_BACKGROUND: Final = "background"
_THRESHOLDS: Final = (0.5, 0.3, 0.2, 0.1, 0.06)
_ENOUGH: Final = 110
_SETTLE: Final = 400
_BATCH_BOXES: Final = 8


def network_of(row: Row, size_px: int) -> Any:
    """The network, untrained.

    The detectors have a backbone of our own, as torchvision's documents show it: its own ones learn nothing in
    minutes without weights from elsewhere (Faster R-CNN on MobileNetV3: no box of 0.1 in 120 pictures after four).
    """
    import torchvision  # noqa: PLC0415
    from torchvision.models import detection, segmentation  # noqa: PLC0415

    count = 1 + len(CLASSES)
    if row.kind == "boxes":
        anchors = detection.anchor_utils.AnchorGenerator(((16, 32, 64),), ((0.5, 1.0, 2.0),))
        sizes = {"min_size": size_px, "max_size": size_px}
        if row.model == "fasterrcnn":
            return detection.FasterRCNN(
                _backbone(), count, **sizes, rpn_anchor_generator=anchors, box_batch_size_per_image=64,
                rpn_post_nms_top_n_train=300, rpn_post_nms_top_n_test=300,
                box_roi_pool=torchvision.ops.MultiScaleRoIAlign(["0"], 7, 2),
            )  # fmt: skip
        if row.model == "ssd":
            boxes = detection.anchor_utils.DefaultBoxGenerator([[2, 3]], scales=[0.12, 0.3])
            backbone = _backbone()
            backbone.out_channels = [backbone.out_channels]  # here of each map
            return detection.ssd.SSD(backbone, boxes, (size_px, size_px), count)
        return detection.RetinaNet(_backbone(), count, **sizes, anchor_generator=anchors)
    bare: dict[str, Any] = {"weights": None, "num_classes": count}
    if row.model == "lraspp":
        return segmentation.lraspp_mobilenet_v3_large(**bare, weights_backbone=None)
    return torchvision.models.resnet18(**bare)


def _backbone() -> Any:
    """Four convolutions, a place for 8 px."""
    from torch import nn  # noqa: PLC0415

    layers: list[Any] = []
    for given, made, stride in ((3, 24, 2), (24, 48, 2), (48, 64, 2), (64, 64, 1)):
        layers += [nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]
    network: Any = nn.Sequential(*layers)
    network.out_channels = 64
    return network


def train(row: Row, asked: Asked) -> Path:
    """Train the row's network for `asked.minutes`; the weights' file."""
    import torch  # noqa: PLC0415

    torch.manual_seed(0)
    network = network_of(row, asked.size_px).to(asked.device)
    if row.kind == "boxes":
        batches = torch_train.box_batches(asked.boards, batch=_BATCH_BOXES, device=asked.device)
        torch_train.train_until(
            network, batches, lambda each: sum(network(*each).values()), minutes=asked.minutes
        )  # fmt: skip
        # Its detectors want targets in training: the statistics are those of the training.
    else:
        source = torch_train.map_frames if row.kind == "maps" else torch_train.class_frames
        frames, labels = source(asked.boards)
        loss = torch.nn.CrossEntropyLoss()

        def loss_of(each: Any) -> Any:
            found = network(each[0])
            return loss(found["out"] if row.kind == "maps" else found, each[1])

        some = torch_train.batches_of(
            frames, labels, batch=asked.batch, device=asked.device, mean=MEAN, deviation=DEVIATION
        )
        torch_train.train_until(network, some, loss_of, minutes=asked.minutes)
        settle(network, frames[:: max(1, len(frames) // _SETTLE)], mean=MEAN, deviation=DEVIATION)
    weights = asked.runs / f"{row.trained}.pth"
    torch.save(network.cpu().state_dict(), weights)
    return weights


def answer(row: Row, asked: Asked, weights: Path, folder: Path) -> tuple[Told, Arrays]:
    """Export, and tell what the network itself says, on the CPU."""
    import torch  # noqa: PLC0415
    import torchvision  # noqa: PLC0415

    network = network_of(row, asked.size_px)
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.eval()
    # Its detectors make pictures smaller themselves, and linear.
    told = Told(row.name, size_px=asked.size_px, smooth=row.kind != "boxes")
    told.versions = {"torchvision": torchvision.__version__, "torch": torch.__version__}
    tests = asked.boards / ("one" if row.kind == "labels" else "test")
    frames = frames_of(tests / "exact")
    folder.mkdir(parents=True, exist_ok=True)
    if row.kind == "boxes":
        told.classes, told.good = [_BACKGROUND, *CLASSES], [_BACKGROUND]
        tensors = planes(frames)
        export(
            network,
            ([tensors[0]],),
            folder / "model.onnx",
            row.opset,
            output_names=["boxes", "labels", "scores"] if row.model == "fasterrcnn" else ["boxes", "scores", "labels"],
        )
        arrays = _detected(network, tensors, told)
    else:
        told.classes = [GOOD if row.kind == "labels" else _BACKGROUND, *CLASSES]
        told.good, told.threshold = told.classes[:1], 0.5
        told.pixels = {"scale": 1 / 255, "mean": MEAN, "deviation": DEVIATION}
        tensors = planes(frames, mean=MEAN, deviation=DEVIATION)
        axes = {"input": {0: "batch"}, "output": {0: "batch"}} if row.export == "dynamic" else None
        names = {"output_names": ["output"] if row.kind == "labels" else ["out"], "dynamic_axes": axes}
        export(network, (tensors[:1],), folder / "model.onnx", row.opset, **names)
        arrays = {"scores" if row.kind == "labels" else "maps": _probabilities(network, tensors)}
    files = files_of(asked.boards, tests, "square")
    worst = np.array([_worst(network, asked.boards / name, row, asked, told) for name in files])
    return told, arrays | {"frames": frames, "files": np.array(files), "worst": worst}


def export(network: Any, given: Any, file: Path, opset: int, **options: Any) -> None:
    """Write `file` by PyTorch's exporter that traces."""
    import torch  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, given, str(file), dynamo=False, opset_version=opset, input_names=["input"], **options
        )


def _detected(network: Any, tensors: Any, told: Told) -> Arrays:
    import torch  # noqa: PLC0415

    with torch.no_grad():
        found = [network([tensor])[0] for tensor in tensors]
    scores = torch.cat([each["scores"] for each in found])
    told.threshold = next((each for each in _THRESHOLDS if int((scores >= each).sum()) >= _ENOUGH), _THRESHOLDS[-1])
    picture = np.concatenate([np.full(len(each["scores"]), number) for number, each in enumerate(found)])
    kept = (scores >= told.threshold).numpy()
    labels = torch.cat([each["labels"] for each in found]).numpy()
    boxes = torch.cat([each["boxes"] for each in found]).numpy()
    return {"picture": picture[kept], "boxes": boxes[kept], "scores": scores.numpy()[kept], "labels": labels[kept]}


def _probabilities(network: Any, tensors: Any) -> Any:
    import torch  # noqa: PLC0415

    parts = []
    with torch.no_grad():
        for some in tensors.split(16):
            found = network(some)
            parts.append((found["out"] if isinstance(found, dict) else found).softmax(1).numpy())
    return np.concatenate(parts)


def _worst(network: Any, file: Path, row: Row, asked: Asked, told: Told) -> float:
    """Of one picture's file: read by Pillow and made ready by torchvision's own transforms."""
    import torch  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415
    from torchvision.transforms import v2  # noqa: PLC0415

    steps: list[Any] = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    if row.kind != "boxes":
        steps[1:1] = [v2.Resize((asked.size_px, asked.size_px))]
        steps.append(v2.Normalize(MEAN, DEVIATION))
    with Image.open(file) as picture, torch.no_grad():
        tensor = v2.Compose(steps)(picture.convert("RGB"))
        if row.kind == "boxes":
            scores = network([tensor])[0]["scores"]
            return float(scores.max()) if len(scores) else 0.0
        found = network(tensor[None])
    if row.kind == "labels":
        return 1.0 - float(found.softmax(1)[0, 0])
    return float(found["out"].softmax(1)[0, 1:].max())
