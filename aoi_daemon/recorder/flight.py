"""The flight recorder: copies of one camera's last frames, in memory that is taken once.

Process: recorder, its reader thread. Memory: reads the frame ring in place; the copies are the recorder's own.
A frame is copied before its verdict is known: the ring has reused the slot by the time that a fault is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import FrameOverrunError
from aoi_daemon.ring.frames import FrameRing, RingLayout

Image = NDArray[np.uint8]


class Context(NamedTuple):
    """What a frame is kept around of: a fault's reason or an alarm, and the number of the part (0: an alarm)."""

    cause: str
    part: int


@dataclass(eq=False)
class Frame:
    """A copied frame.

    `part` and `recipe` are 0 until its verdict is known. `spoken_for`: it has been handed to the disk.
    """

    camera: int
    image_plane: Image
    template_plane: Image
    number: int = 0
    trigger_ns: int = 0
    ready_ns: int = 0
    fov: int = 0
    shape: tuple[int, int, int] = (0, 0, 0)
    has_template: bool = False
    part: int = 0
    recipe: int = 0
    context: Context | None = None
    spoken_for: bool = False
    recent: bool = False
    waiting: bool = False

    @property
    def image(self) -> Image:
        """(H, W, C) uint8."""
        return self._of(self.image_plane)

    @property
    def template(self) -> Image | None:
        """As `image`, where one came with the frame."""
        return self._of(self.template_plane) if self.has_template else None

    @property
    def stamp_ns(self) -> int:
        """When its part was there, as near as is known."""
        return self.trigger_ns or self.ready_ns

    def _of(self, plane: Image) -> Image:
        height_px, width_px, channels = self.shape
        return plane[: height_px * width_px * channels].reshape(self.shape)


class FlightRecorder:
    """The last `keep` frames of one camera, and `spare` more that may wait for the disk.

    All calls come from the reader thread; `released` alone is filled by the disk's.
    """

    def __init__(self, ring: FrameRing, camera: int, *, keep: int, spare: int) -> None:
        self._ring = ring
        self._keep = keep
        self.camera = camera
        self.recent: deque[Frame] = deque()
        self.released: deque[Frame] = deque()
        # And a complete ring, which may be copied before the old ones are let go, and the one that is being written.
        frames = keep + spare + ring.layout.slots + 1
        self._free = [_new_frame(ring.layout, camera) for _ in range(frames)]
        self._by_ready_ns: dict[int, Frame] = {}
        self._next = 0
        self.missed = 0

    def copy_new(self, newest: int) -> Iterator[Frame]:
        """Copy what has come up to frame `newest` of the ring, oldest first.

        Each is to be used before the next is asked for; `forget_old` says which leave.
        """
        self._take_back()
        # The slot after the newest is the one that acquire writes now.
        oldest = max(1, newest - self._ring.layout.slots + 2)
        first = self._next or oldest
        self.missed += max(0, oldest - first)
        for number in range(max(first, oldest), newest + 1):
            self._next = number + 1
            frame = self._copy(number)
            if frame is None:
                self.missed += 1
            else:
                yield frame

    def forget_old(self) -> Iterator[Frame]:
        """Frames that are recent no longer, for those who still want something of them."""
        while len(self.recent) > self._keep:
            frame = self.recent.popleft()
            del self._by_ready_ns[frame.ready_ns]
            yield frame
            frame.recent = False
            if not frame.waiting:
                self._free.append(frame)

    def find(self, ready_ns: int) -> Frame | None:
        """The recent frame that was ready at `ready_ns`."""
        return self._by_ready_ns.get(ready_ns)

    def _take_back(self) -> None:
        while self.released:
            frame = self.released.popleft()
            frame.waiting = False
            if not frame.recent:
                self._free.append(frame)

    def _copy(self, number: int) -> Frame | None:
        frame = self._free.pop()  # the last one given back: its memory is warm, and the rest stays untouched
        try:
            image, template = self._ring.frame(number)
            frame.shape = (image.shape[0], image.shape[1], image.shape[2])
            np.copyto(frame.image, image)
            frame.has_template = template is not None
            if template is not None:
                np.copyto(frame._of(frame.template_plane), template)
            frame.trigger_ns, frame.ready_ns, frame.fov = self._ring.stamps(number)
            # Last: acquire does not wait for a reader.
            self._ring.check(number)
        except FrameOverrunError:
            self._free.append(frame)
            return None
        frame.number, frame.part, frame.recipe, frame.context = number, 0, 0, None
        frame.spoken_for, frame.recent = False, True
        self.recent.append(frame)
        self._by_ready_ns[frame.ready_ns] = frame
        return frame


def _new_frame(layout: RingLayout, camera: int) -> Frame:
    # Not zeroed: pages that are never needed, templates' above all, are never taken.
    template_bytes = layout.slot_bytes - layout.plane_bytes
    return Frame(camera, np.empty(layout.plane_bytes, np.uint8), np.empty(template_bytes, np.uint8))
