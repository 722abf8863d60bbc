"""Boards in a real frame ring, as acquire would have put them there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.options import BoardOptions, Colour
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory

Image = NDArray[np.uint8]
SLOTS: Final = 8


@dataclass(frozen=True)
class Pair:
    """A board and its template, (H, W, C) uint8 each, and whether it was drawn without a defect."""

    name: str
    image: Image
    template: Image
    is_good: bool


def boards(
    count: int, width_px: int, height_px: int, channels: int, *, seed: int = 4, good_fraction: float = 0.3
) -> Iterator[Pair]:
    """`count` generated boards, such a part of them good."""
    colour = Colour.MONO if channels == 1 else Colour.BGR
    options = BoardOptions(width_px, height_px, colour=colour, good_fraction=good_fraction)
    for index in range(count):
        board = generate(seed, index, options)
        shape = (height_px, width_px, channels)
        yield Pair(f"board {index}", board.test.reshape(shape), board.template.reshape(shape), not board.defects)


def keep_boards(file: Path, count: int, width_px: int, height_px: int) -> None:
    """Draw mono boards, half of them good, into `file`, (count, 2, H, W) uint8: image and template."""
    drawn = boards(count, width_px, height_px, 1, good_fraction=0.5)
    np.save(file, np.stack([np.stack((pair.image[:, :, 0], pair.template[:, :, 0])) for pair in drawn]))


def kept_boards(file: Path) -> Iterator[tuple[str, Image, Image]]:
    """Name, image and template, (H, W, 1) uint8, of the boards in `file`."""
    for number, (image, template) in enumerate(np.load(file, mmap_mode="r")):
        yield f"board {number}", np.array(image)[:, :, None], np.array(template)[:, :, None]


class FilledRing:
    """A ring whose slots hold boards; sequence numbers go on and on, the slots come round."""

    def __init__(self, width_px: int, height_px: int, channels: int) -> None:
        layout = RingLayout(SLOTS, width_px, height_px, channels)
        self._memory = SharedMemory.create("bench", layout.size_bytes)
        self.ring = FrameRing(self._memory, layout)
        now_ns = time.monotonic_ns()
        for slot, pair in enumerate(boards(SLOTS, width_px, height_px, channels)):
            image, template = self.ring.planes(slot)
            image[: pair.image.size] = pair.image.ravel()
            template[: pair.template.size] = pair.template.ravel()
            # Slot 0 is that of sequence SLOTS: 0 is no sequence.
            sequence = slot or SLOTS
            self.ring.publish(
                sequence, pair.image.shape, fov=0, trigger_ns=now_ns, ready_ns=now_ns, has_template=True
            )  # fmt: skip

    @property
    def planes(self) -> list[Image]:
        """Every image and template plane, to be page-locked."""
        return [plane for slot in range(SLOTS) for plane in self.ring.planes(slot)]

    def sequence(self, number: int) -> int:
        """The sequence that part `number` lies under."""
        return number % SLOTS + 1
