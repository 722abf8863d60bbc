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
from tools.models.theirs.frames import SMOOTHED, Asked, files_of, frames_of
from tools.models.theirs.settle import planes, settle

MEAN: Final = (0.485, 0.456, 0.406)
DEVIATION: Final = (0.229, 0.224, 0.225)
_BACKGROUND: Final = "background"
_THRESHOLDS: Final = (0.5, 0.3, 0.2, 0.1)
_ENOUGH: Final = 110
_SETTLE: Final = 400
_BATCH_BOXES: Final = 8


def network_of(row: Row, size_px: int) -> Any:
    """The network, untrained."""
    import torchvision  # noqa: PLC0415
    from torch.nn import BatchNorm2d  # noqa: PLC0415
    from torchvision.models import detection, segmentation  # noqa: PLC0415
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone  # noqa: PLC0415
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7  # noqa: PLC0415

    count = 1 + len(CLASSES)
    bare: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": count}
    sizes = {"min_size": size_px, "max_size": size_px}
    if row.model == "fasterrcnn":
        return detection.fasterrcnn_mobilenet_v3_large_320_fpn(**bare, **sizes)
    if row.model == "ssdlite":
        return detection.ssdlite320_mobilenet_v3_large(**bare)
    if row.model == "retinanet":
        backbone = resnet_fpn_backbone(
            backbone_name="resnet18", weights=None, norm_layer=BatchNorm2d, trainable_layers=5,
            returned_layers=[2, 3, 4], extra_blocks=LastLevelP6P7(256, 256),
        )  # fmt: skip
        return detection.RetinaNet(backbone, count, **sizes)
    if row.model == "lraspp":
        return segmentation.lraspp_mobilenet_v3_large(**bare)
    return torchvision.models.resnet18(weights=None, num_classes=count)


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
    told = Told(row.name, size_px=asked.size_px, picture_reason=SMOOTHED)
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
