"""What a replayed camera sees: the frames of a video file.

Process: acquire. Blocks: in the decoder, while a camera is opened; later only in `ahead`. Memory:
`preload` frames as the camera would send them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from aoi_daemon.acquire.images import Expose, Picture, Truth
from aoi_daemon.errors import CameraError, PictureError
from aoi_daemon.pictures import size_of
from aoi_daemon.stage.logs import logger

# Read by OpenCV at the first video: FFmpeg prints what it makes of damage; what counts is said by our own words.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
_JPEG: Final = b"\xff\xd8"
_JPEG_END: Final = b"\xff\xd9"


class Video:
    """The frames of a video file. It is read through once when it is opened, to count them.

    A frame cannot be found but by reading all before it, so the file is read on by one frame for each
    part, those that are kept in memory included: the file is then always where the line is. Turned as its
    rotation says, like a picture by its EXIF orientation.

    A frame of another size than the first (OpenCV would scale it to that), or that is cut short, is a part
    without an image. So is the last frame of a video that ends before its header says: the frame may be
    incomplete. Of codecs other than Motion JPEG the size of a single frame is not known here.

    Raises:
        CameraError: no frame can be read, or reading one takes longer than `takt_ns` and not all are kept.
    """

    def __init__(self, path: Path, *, colour: bool, preload: int, takt_ns: int, expose: Expose) -> None:
        self._path, self._colour, self._expose = path, colour, expose
        self._kept: list[Picture | None] = []
        packets, self._left_out = _faults(path)
        begun_ns = time.monotonic_ns()
        self._rewind()
        promised = int(self._file.get(cv2.CAP_PROP_FRAME_COUNT))
        while self._file.grab():
            if self._at < preload:
                self._kept.append(self._retrieve())
            self._at += 1
        self._length = self._at
        if not self._length:
            raise CameraError(f"{path}: is no video that can be read")
        if packets not in (0, self._length):
            raise CameraError(f"{path}: of {packets} frames {self._length} can be decoded; record it anew")
        if self._length < promised:
            self._left_out.add(self._length - 1)
            logger().warning("video_ends_early", file=str(path), frames=self._length, header_frames=promised)
        self._kept = [None if at in self._left_out else kept for at, kept in enumerate(self._kept)]
        if self._left_out:
            logger().warning(
                "video_frames_left_out", file=str(path), count=len(self._left_out), first=min(self._left_out),
                reason="of another size than the first, or cut short",
            )  # fmt: skip
        self._next: tuple[int, Picture | None] = (-1, None)
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
        kept = index < len(self._kept)
        self._next = index, self._kept[index] if kept else None if index in self._left_out else self._retrieve()

    def take(self, index: int) -> Picture | None:
        """See `Source`."""
        if index < len(self._kept):
            return self._kept[index]
        self.ahead(index)
        return self._next[1]

    def _rewind(self) -> None:
        # The others that OpenCV would try next take a name for a numbered sequence, or print what they miss.
        self._file = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        self._file.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self._at = 0

    def _retrieve(self) -> Picture:
        done, image = self._file.retrieve()
        if not done:
            raise CameraError(f"{self._path}: frame {self._at} cannot be decoded")
        if not self._colour:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return Picture(self._expose(np.asarray(image, np.uint8), str(self._path)), None)


def has_a_frame(path: Path) -> bool:
    """Whether the file is a video whose first frame can be read."""
    file = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        return bool(file.grab())
    finally:
        file.release()


def _faults(path: Path) -> tuple[int, set[int]]:
    """How many frames a Motion JPEG video has as they are in the file, and which of them are not to be shown.

    0 and none where the codec is another.
    """
    file = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    count, first, faults = 0, (0, 0), set[int]()
    try:
        while True:
            done, packet = file.read()
            if not done:
                return count, faults
            raw = packet.tobytes()
            if not raw.startswith(_JPEG):
                return 0, set()
            try:
                size = size_of(raw, path)
            except PictureError:
                size = (0, 0)
            first = first if count else size
            # Some cameras fill up behind the end.
            if size != first or not raw.rstrip(b"\0").endswith(_JPEG_END):
                faults.add(count)
            count += 1
    finally:
        file.release()
