"""The frame ring: one camera's frames in shared memory, written once, read in place.

One writer (acquire), one reader on the path (inspection) and any number beside
it. The writer never waits. A slot holds the image and, where pairs are replayed,
the template that came with it. Slots are page aligned, by the pages of this system,
so that a GPU can register them.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import FrameOverrunError
from aoi_daemon.ring.memory import SharedMemory

HEADER: Final = struct.Struct("<qqqiiiii4x")
"""A slot's header: sequence (0: being written, or never written), trigger_ns, ready_ns, fov, width_px,
height_px, channels, has_template."""
_CONTENT: Final = struct.Struct("<qqiiiii4x")
"""A header without its sequence, which says that the rest is there: it is written alone, last, 8 bytes at once."""


@dataclass(frozen=True)
class RingLayout:
    """The size of a ring: `slots` frames of up to max_height_px x max_width_px x channels uint8.

    `has_templates`: each slot has a plane for a template too. A camera brings none, and frames are large.
    """

    slots: int
    max_width_px: int
    max_height_px: int
    channels: int
    page_bytes: int = mmap.PAGESIZE
    has_templates: bool = True

    @property
    def plane_bytes(self) -> int:
        """One image plane, rounded up to whole pages."""
        return -(-self.max_width_px * self.max_height_px * self.channels // self.page_bytes) * self.page_bytes

    @property
    def slot_bytes(self) -> int:
        """The planes of one slot."""
        return self.plane_bytes * (2 if self.has_templates else 1)

    @property
    def size_bytes(self) -> int:
        """The headers' pages and the planes of each slot."""
        headers = -(-self.slots * HEADER.size // self.page_bytes) * self.page_bytes
        return headers + self.slots * self.slot_bytes


class FrameRing:
    """A view of a ring in `memory`, for its writer or a reader.

    Sequences count from 1; frame `sequence` lies in slot `sequence % slots`.
    """

    def __init__(self, memory: SharedMemory, layout: RingLayout) -> None:
        self.layout = layout
        # Through struct and a memoryview: a structured numpy scalar costs ten times as much.
        self._headers = memory.map
        self._cells = memoryview(memory.map)[: layout.slots * HEADER.size].cast("q")
        self._stride = HEADER.size // 8
        first = layout.size_bytes - layout.slots * layout.slot_bytes

        def plane(slot: int, place: int) -> NDArray[np.uint8]:
            if place and not layout.has_templates:
                return np.empty(0, np.uint8)
            offset = first + slot * layout.slot_bytes + place * layout.plane_bytes
            return np.frombuffer(memory.map, np.uint8, layout.plane_bytes, offset)

        self._planes = [(plane(slot, 0), plane(slot, 1)) for slot in range(layout.slots)]

    def planes(self, sequence: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The raw (image, template) planes of the slot of `sequence`: flat uint8, page aligned; empty: none."""
        return self._planes[sequence % self.layout.slots]

    def begin(self, sequence: int) -> None:
        """Writer: take the slot of `sequence`; whatever was in it is gone from now on."""
        # Before the first pixel: a reader that still has this slot in hand finds so at its `check`.
        self._cells[(sequence % self.layout.slots) * self._stride] = 0

    def occupant(self, sequence: int) -> int:
        """The sequence that lies in the slot of `sequence` now (0: none)."""
        return self._cells[(sequence % self.layout.slots) * self._stride]

    def find(self, ready_ns: int) -> int:
        """The sequence of the frame that was ready at `ready_ns` (0: it is not, or no longer, in the ring)."""
        for slot in range(self.layout.slots):
            sequence, _, found_ns, *_ = HEADER.unpack_from(self._headers, slot * HEADER.size)
            if found_ns == ready_ns:
                return int(sequence)
        return 0

    def publish(
        self,
        sequence: int,
        shape: tuple[int, int, int],
        *,
        fov: int,
        trigger_ns: int,
        ready_ns: int,
        has_template: bool,
    ) -> None:
        """Writer: the planes of `sequence` hold a frame of `shape` (height, width, channels)."""
        height_px, width_px, channels = shape
        slot = sequence % self.layout.slots
        _CONTENT.pack_into(
            self._headers, slot * HEADER.size + 8,
            trigger_ns, ready_ns, fov, width_px, height_px, channels, has_template,
        )  # fmt: skip
        # Last, after pixels and header: from here on the frame is complete for whoever looks.
        self._cells[slot * self._stride] = sequence

    def frame(self, sequence: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Image and, where one came with it, template of `sequence`, in place: (H, W, C) uint8.

        The arrays are the slot itself: call `check` once they have been read.

        Raises:
            FrameOverrunError: the slot holds another frame.
        """
        self.check(sequence)
        _, _, _, _, width_px, height_px, channels, has_template = HEADER.unpack_from(
            self._headers, (sequence % self.layout.slots) * HEADER.size
        )
        shape = (height_px, width_px, channels)
        size = shape[0] * shape[1] * shape[2]
        image, template = self.planes(sequence)
        if size > image.size or (has_template and size > template.size):
            # Torn by a writer that lapped us between the two reads.
            raise FrameOverrunError(sequence, self.occupant(sequence))
        return (
            image[:size].reshape(shape),
            template[:size].reshape(shape) if has_template else None,
        )

    def stamps(self, sequence: int) -> tuple[int, int, int]:
        """(trigger_ns, ready_ns, fov) of `sequence`. Call `check` afterwards."""
        _, trigger_ns, ready_ns, fov, *_ = HEADER.unpack_from(
            self._headers, (sequence % self.layout.slots) * HEADER.size
        )
        return trigger_ns, ready_ns, fov

    def check(self, sequence: int) -> None:
        """Raise FrameOverrunError unless the slot still holds `sequence`.

        After the read, not before: the writer never waits for a reader.
        """
        found = self.occupant(sequence)
        if found != sequence:
            raise FrameOverrunError(sequence, found)
