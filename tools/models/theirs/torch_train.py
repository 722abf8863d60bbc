"""Small training loops for networks that bring none: boxes, labels, maps. On the device that is asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.models.boards import CLASSES, GOOD
from tools.models.theirs.settle import planes

_RATE: Final = 0.001
_WARM_UP: Final = 30
LABELS: Final = (GOOD, *CLASSES)

Frames = NDArray[np.uint8]


def train_until(network: Any, batches: Iterator[Any], loss_of: Callable[[Any], Any], *, minutes: float) -> int:
    """Show `batches` until `minutes` are over, the rate falling to nothing; the number of steps."""
    import torch  # noqa: PLC0415

    network.train()
    optimiser = torch.optim.AdamW([each for each in network.parameters() if each.requires_grad], _RATE)
    start_ns, whole_ns = time.monotonic_ns(), minutes * 60e9
    steps = 0
    while (share := (time.monotonic_ns() - start_ns) / whole_ns) < 1:
        for group in optimiser.param_groups:
            group["lr"] = _RATE * (1 - share) * min(1.0, (steps + 1) / _WARM_UP)
        loss = loss_of(next(batches))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        steps += 1
    network.eval()
    return steps


def labelled_boxes(boards: Path) -> tuple[Frames, list[NDArray[np.float32]], list[NDArray[np.int64]]]:
    """Frames, boxes (n, 4) px and labels from 1 of the boards to train with."""
    names = json.loads((boards / "outlines" / "data.yaml").read_text())["names"]
    assert [names[key] for key in sorted(names)] == list(CLASSES)
    frames, boxes, labels = [], [], []
    for file in sorted((boards / "outlines" / "images" / "train").iterdir()):
        frame = np.asarray(cv2.imread(str(file)), np.uint8)
        rows = [
            line.split()
            for line in (boards / "outlines" / "labels" / "train" / f"{file.stem}.txt").read_text().splitlines()
        ]
        points = [np.array(row[1:], np.float32).reshape(-1, 2) * frame.shape[1::-1] for row in rows]
        frames.append(frame)
        found = [np.concatenate((each.min(axis=0), each.max(axis=0))) for each in points]
        boxes.append(np.array(found, np.float32).reshape(-1, 4))
        labels.append(np.array([1 + int(row[0]) for row in rows], np.int64))
    return np.stack(frames), boxes, labels


def box_batches(boards: Path, *, batch: int, device: str, seed: int = 0) -> Iterator[tuple[list[Any], list[Any]]]:
    """Pictures and targets, as torchvision's detectors take them; without end."""
    import torch  # noqa: PLC0415

    frames, boxes, labels = labelled_boxes(boards)
    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(len(frames), size=batch)
        tensors = planes(frames[chosen]).to(device)
        targets = [
            {"boxes": torch.from_numpy(boxes[each]).to(device), "labels": torch.from_numpy(labels[each]).to(device)}
            for each in chosen
        ]
        yield list(tensors), targets


def class_frames(boards: Path) -> tuple[Frames, NDArray[np.int64]]:
    """Frames and labels (index into LABELS) of the folders of classes."""
    frames, labels = [], []
    for label, name in enumerate(LABELS):
        for file in sorted((boards / "classes" / "train" / name).iterdir()):
            frames.append(np.asarray(cv2.imread(str(file)), np.uint8))
            labels.append(label)
    return np.stack(frames), np.array(labels, np.int64)


def map_frames(boards: Path) -> tuple[Frames, NDArray[np.int64]]:
    """Frames and maps (n, H, W) of labels, 0 good."""
    files = sorted((boards / "outlines" / "images" / "train").iterdir())
    frames = np.stack([np.asarray(cv2.imread(str(file)), np.uint8) for file in files])
    maps = [cv2.imread(str(boards / "maps" / "train" / file.name), cv2.IMREAD_GRAYSCALE) for file in files]
    return frames, np.stack([np.asarray(each, np.int64) for each in maps])


def batches_of(
    frames: Frames, labels: NDArray[np.int64], *, batch: int, device: str, mean: Any, deviation: Any, seed: int = 0
) -> Iterator[tuple[Any, Any]]:
    """Tensors and labels; without end, mirrored by lot."""
    import torch  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    while True:
        chosen = rng.integers(len(frames), size=batch)
        some, of = frames[chosen], labels[chosen]
        if rng.random() < 0.5:
            some, of = some[:, :, ::-1], of[..., ::-1] if of.ndim == 3 else of
        tensor = planes(np.ascontiguousarray(some), mean=mean, deviation=deviation)
        yield tensor.to(device), torch.from_numpy(np.ascontiguousarray(of)).to(device)
