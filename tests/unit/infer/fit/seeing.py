"""A perfect model: it finds what is painted on a frame, and the part that it sees of what is cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.executor import Detections

SCORE = 0.75


class Seeing:
    """An executor. Each gray value beyond 200 but for white is one defect; its box is around all that is seen of it."""

    def __init__(self, shape: tuple[int, int, int], *, has_template: bool = False, duplicates: int = 1) -> None:
        self.name = "seeing"
        self.notes: list[str] = []
        self.has_template = has_template
        self.decoder: Any = self
        self.shape = shape
        self.duplicates = duplicates
        self.seen: list[tuple[np.ndarray, np.ndarray | None]] = []
        self.deadlines: list[int] = []
        self.is_closed = False

    def infer(self, image: np.ndarray, template: np.ndarray | None, deadline_ns: int) -> Detections:
        if image.shape != self.shape:
            raise InferenceError(f"the frame is {image.shape}")
        self.seen.append((image.copy(), None if template is None else template.copy()))
        self.deadlines.append(deadline_ns)
        return self.decoder.decode([image], image.shape)

    def decode(self, outputs: list[np.ndarray], _shape: tuple[int, int, int]) -> Detections:
        image = outputs[0][..., 0]
        rng = np.random.default_rng(0)
        boxes = []
        for value in np.unique(image[(image > 200) & (image < 255)]):
            y, x = np.nonzero(image == value)
            box = np.array((x.min(), y.min(), x.max() + 1, y.max() + 1), np.float32)
            # Never smaller: of a sliver of 1 px that would be a speck, which is joined with nothing.
            off = np.array((-1, -1, 1, 1)) * (box[2:] - box[:2]).min() / 5
            boxes += [box, *(box + rng.uniform(0, 1, 4) * off for _ in range(1, self.duplicates))]
        found = np.array(boxes, np.float32).reshape(-1, 4)
        scores = np.full(len(found), SCORE, np.float32)
        scores[np.arange(len(found)) % self.duplicates > 0] -= 0.1
        return Detections(found, scores, np.zeros(len(found), np.int32))

    def close(self) -> None:
        self.is_closed = True
