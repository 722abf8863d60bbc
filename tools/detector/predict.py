"""Run a detector over boards on disk, as it will run on the line: batch 1, top 100, then suppression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aoi_daemon.kit.boards.labels import Pair
from tools.detector.data import SUBSTRATE, read_both
from tools.detector.decoder import Decoder, fused
from tools.detector.evaluate import SCORE_FLOOR, Detections, Truth, suppress
from tools.detector.model import SIZE_MULTIPLE, Detector

# Decoded images that wait for the device at a time.
AHEAD = 64

Bytes = NDArray[np.uint8]


def detect(
    detector: Detector,
    pairs: Sequence[Pair],
    device: Any,
    threads: int,
    progress: Callable[[int], None] | None = None,
) -> list[Detections]:
    """Detect on every board, in float32.

    Raises:
        BoardsError: an image is unreadable.
    """
    found: list[Detections] = []
    padded = partial(_padded, template=detector.shape.template)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        look = looker(detector, device)
        for start in range(0, len(pairs), AHEAD):
            for pair, both in zip(
                pairs[start : start + AHEAD], pool.map(padded, pairs[start : start + AHEAD]), strict=True
            ):
                found.append(look(both, pair.width_px, pair.height_px))
                if progress is not None:
                    progress(len(found))
    return found


def looker(detector: Detector, device: Any) -> Callable[[Bytes, int, int], Detections]:
    """Give a function that looks at one part.

    It takes image and template, where the detector has one, uint8 [C, H, W], and the part's width and height in px
    inside them.
    """
    decoder = Decoder(fused(detector)).to(device).eval()

    def look(both: Bytes, width_px: int, height_px: int) -> Detections:
        with torch.inference_mode():
            answer = decoder(*torch.from_numpy(both[:, None, :, :, None]).to(device))
            boxes, scores, classes = (part[0].cpu().numpy() for part in answer)
        return _clean(boxes, scores, classes, width_px, height_px)

    return look


def truth_of(pairs: Sequence[Pair]) -> list[Truth]:
    """Labels of boards in the form that `evaluate` takes."""
    return [Truth(pair.boxes.astype(np.float32), pair.classes) for pair in pairs]


def _clean(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int32], width_px: int, height_px: int
) -> Detections:
    """Cut at the image's border, drop what cannot matter, suppress."""
    size = np.array([width_px, height_px] * 2, np.float32)
    boxes = np.clip(boxes, 0, size)
    keep = (scores >= SCORE_FLOOR) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return suppress(Detections(boxes[keep], scores[keep], classes[keep]))


def _padded(pair: Pair, template: bool) -> Bytes:
    """Decode and fill up with substrate to the network's multiple: uint8 [C, H, W]."""
    down = -pair.height_px % SIZE_MULTIPLE
    right = -pair.width_px % SIZE_MULTIPLE
    return np.pad(read_both(pair, template), ((0, 0), (0, down), (0, right)), constant_values=SUBSTRATE)
