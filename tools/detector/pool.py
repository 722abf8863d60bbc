"""Training tiles on the device, and batches drawn from them.

Memory: all images live on the device as bytes, 0.8 MB for a pair; nothing is loaded during training
but fresh generated boards, which replace old ones in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tools.detector.data import SLOTS, TILE_PX, Tiles

Tensor = Any


@dataclass(frozen=True)
class Batch:
    """Samples on the device.

    Attributes:
        images: uint8 [B, C, H, W] until they are augmented, then float -1 to 1.
        boxes: float32 [B, SLOTS, 4] px.
        classes: int64 [B, SLOTS].
        binary: bool [B].
        areas: float32 [B, 4] px, where there is a part.
    """

    images: Tensor
    boxes: Tensor
    classes: Tensor
    binary: Tensor
    areas: Tensor


class Pool:
    """`fixed` tiles that stay and `fresh` ones that are overwritten, the oldest first."""

    def __init__(self, fixed: Tiles | None, fresh: int, device: Any, channels: int = 2) -> None:
        self.fixed = len(fixed) if fixed is not None else 0
        self.fresh = fresh
        count = self.fixed + fresh
        self.device = device
        self.images = torch.zeros((count, channels, TILE_PX, TILE_PX), dtype=torch.uint8, device=device)
        self.boxes = torch.zeros((count, SLOTS, 4), device=device)
        self.classes = torch.full((count, SLOTS), -1, dtype=torch.int64, device=device)
        self.binary = torch.zeros(count, dtype=torch.bool, device=device)
        self.areas = torch.zeros((count, 4), device=device)
        self.arrived = 0
        if fixed is not None:
            self._put(0, fixed)

    @property
    def usable_fresh(self) -> int:
        """How many of the fresh places hold a board by now."""
        return min(self.arrived, self.fresh)

    def add(self, tiles: Tiles) -> None:
        """Take in fresh boards."""
        place = self.arrived % self.fresh
        first = min(len(tiles), self.fresh - place)
        self._put(self.fixed + place, tiles.chosen(slice(0, first)))
        if first < len(tiles):
            self._put(self.fixed, tiles.chosen(slice(first, len(tiles))))
        self.arrived += len(tiles)

    def draw(self, rng: np.random.Generator, count: int, share: float) -> Batch:
        """Draw tiles at random: `share` of them fresh, if there are both kinds."""
        fresh = self.usable_fresh
        from_fresh = count if not self.fixed else (round(count * share) if fresh else 0)
        index = np.concatenate(
            [
                rng.integers(0, max(1, self.fixed), count - from_fresh),
                self.fixed + rng.integers(0, max(1, fresh), from_fresh),
            ]
        )
        rng.shuffle(index)
        chosen = torch.from_numpy(index).to(self.device)
        held = (self.images, self.boxes, self.classes, self.binary, self.areas)
        return Batch(*(values[chosen] for values in held))

    def _put(self, place: int, tiles: Tiles) -> None:
        span = slice(place, place + len(tiles))
        self.images[span] = torch.from_numpy(tiles.images).to(self.device)
        self.boxes[span] = torch.from_numpy(tiles.boxes).to(self.device)
        self.classes[span] = torch.from_numpy(tiles.classes).to(self.device)
        self.binary[span] = torch.from_numpy(tiles.binary).to(self.device)
        self.areas[span] = torch.from_numpy(tiles.areas).to(self.device)
