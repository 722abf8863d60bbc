"""What a replayed camera sees: the frames of a video file.

Process: acquire. Blocks: in the decoder, while a camera is opened; later only in `ahead`. Memory:
`preload` frames as the camera would send them.
"""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from aoi_daemon.acquire.images import Expose, Picture, Truth
from aoi_daemon.errors import CameraError


class Video:
    """The frames of a video file. It is read through once when it is opened, to count them.

    A frame cannot be found but by reading all before it, so the file is read on by one frame for each
    part, those that are kept in memory included: the file is then always where the line is.

    Raises:
        CameraError: no frame can be read, or reading one takes longer than `takt_ns` and not all are kept.
    """

    def __init__(self, path: Path, *, colour: bool, preload: int, takt_ns: int, expose: Expose) -> None:
        self._path, self._colour, self._expose = path, colour, expose
        self._kept: list[Picture] = []
        begun_ns = time.monotonic_ns()
        self._rewind()
        while self._file.grab():
            if self._at < preload:
                self._kept.append(self._retrieve())
            self._at += 1
        self._length = self._at
        if not self._length:
            raise CameraError(f"{path}: is no video that can be read")
        self._next = (-1, self._kept[0])
        if self._length == len(self._kept):
            self._file.release()
        elif (each_ns := (time.monotonic_ns() - begun_ns) // self._length) > takt_ns:
            raise CameraError(
                f"{path}: a frame takes {each_ns / 1e6:.1f} ms to decode, the takt is {takt_ns / 1e6:g} ms; "
                f"set preload to {self._length} to keep all frames"
            )

    def __len__(self) -> int:
        return self._length

    def truth(self, index: int) -> Truth:
        """A video has no label files."""
        return Truth.UNKNOWN

    def ahead(self, index: int) -> None:
        """See `Source`."""
        if self._length == len(self._kept) or index == self._next[0]:
            return
        if index < self._at:
            self._rewind()
        while self._at <= index:
            if not self._file.grab():
                raise CameraError(f"{self._path}: frame {self._at} of {self._length} can no longer be read")
            self._at += 1
        self._next = index, self._retrieve() if index >= len(self._kept) else self._kept[index]

    def take(self, index: int) -> Picture:
        """See `Source`."""
        if index < len(self._kept):
            return self._kept[index]
        self.ahead(index)
        return self._next[1]

    def _rewind(self) -> None:
        self._file = cv2.VideoCapture(str(self._path))
        self._at = 0

    def _retrieve(self) -> Picture:
        done, image = self._file.retrieve()
        if not done:
            raise CameraError(f"{self._path}: frame {self._at} cannot be decoded")
        if not self._colour:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return Picture(self._expose(np.asarray(image, np.uint8), str(self._path)), None)
