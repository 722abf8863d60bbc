"""Write pictures as PNG files: each appears complete, or not at all.

Process: recorder, its disk thread. Blocks: on the disk. Encoding and writing leave the interpreter free for
the reader thread.

A picture is not forced to the platter: that takes 5 to 100 ms a file on the flash of a line PC, and would cost
pictures on every slow disk, for the sake of the last half minute before a power cut. Instead the recorder looks
at its start whether the newest pictures are complete (see `lost_pictures`). A template is: it is written once, and
many rows name it.

`incoming/` holds the file that is being written, and `list`: the pictures that are in place but not yet in the
database. What a killed recorder leaves there tells its successor all that it must clean up.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.files import make_folder, sync_folder
from aoi_daemon.records.database import IMAGES, TEMPLATES

INCOMING: Final = "incoming"
LIST: Final = "list"

Image = NDArray[np.uint8]


class Written(NamedTuple):
    """A file that is in place; `file` is relative to the records folder."""

    file: str
    size_bytes: int
    width_px: int
    height_px: int


class Pictures:
    """Writes below `folder`. Raises OSError when the disk does not take it; nothing half is left then."""

    def __init__(self, folder: Path, level: int) -> None:
        self._folder = folder
        self._options = [cv2.IMWRITE_PNG_COMPRESSION, level]
        (folder / INCOMING).mkdir(exist_ok=True)
        self._list = os.open(folder / INCOMING / LIST, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self._made: set[Path] = set()  # folders

    def write(self, image: Image, name: str, at: float) -> Written:
        """Write a frame of `at` (Unix seconds), (H, W, C) uint8, as `name`.png."""
        hour = datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d/%H")
        return self._put(image, f"{IMAGES}/{hour}/{name}.png")

    def write_template(self, image: Image) -> Written:
        """Write a template, once for each content."""
        size = image.shape[:2]
        name = hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).hexdigest()
        file = f"{TEMPLATES}/{name}.png"
        try:
            there = (self._folder / file).stat().st_size
        except FileNotFoundError:
            written = self._put(image, file)
            sync_folder((self._folder / file).parent)
            return written
        return Written(file, there, size[1], size[0])

    def recorded(self) -> None:
        """All that was written is in the database."""
        os.ftruncate(self._list, 0)

    def close(self) -> None:
        """Close the list."""
        os.close(self._list)

    def _put(self, image: Image, file: str) -> Written:
        done, encoded = cv2.imencode(".png", image, self._options)
        if not done:  # no frame of the ring is of a kind that PNG has not
            raise OSError(f"{file}: OpenCV cannot encode a frame of {image.shape}")
        target, partial = self._folder / file, self._folder / INCOMING / "partial.png"
        try:
            with partial.open("wb") as out:
                out.write(encoded.data)
                if file.startswith(TEMPLATES):
                    out.flush()
                    os.fsync(out.fileno())
            self._make(target.parent)
            os.write(self._list, f"{file}\n".encode())
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            self._made.clear()
            raise
        return Written(file, encoded.size, image.shape[1], image.shape[0])

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            make_folder(folder)
            self._made = {folder}  # the hour's; the next one will not be asked for this one
