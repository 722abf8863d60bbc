"""What a replayed camera sees: the images of a folder, single or as DeepPCB's pairs.

Process: acquire. Blocks: in the disk and the decoder, while a camera is opened; later only in `ahead`, for
one image. Memory: `preload` images as the camera would send them, and of a folder's other images the files
as they are on disk, so that nothing is read from a disk once the line runs.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import CameraError, PictureError
from aoi_daemon.files.boxes import LabelError, read_boxes
from aoi_daemon.files.pairs import NamesError, parts_in
from aoi_daemon.pictures import SUFFIXES, Channels, decode_picture, list_pictures, read_bytes

Image = NDArray[np.uint8]
Expose = Callable[[Image, str], Image]
"""From a decoded image, gray (H, W) or BGR (H, W, 3), and its name to what the camera would send."""


class Truth(enum.IntEnum):
    """What is known of a replayed part from its label file."""

    UNKNOWN = 0
    GOOD = 1
    BAD = 2


class Picture(NamedTuple):
    """One part's image and, of a pair, its template, of the same size, as the camera would send them."""

    image: Image
    template: Image | None


class Still(NamedTuple):
    """One part on disk."""

    image: Path
    template: Path | None
    truth: Truth


class Source(Protocol):
    """The pictures of a replay, in their order."""

    def __len__(self) -> int:
        """How many there are, at least one."""

    def truth(self, index: int) -> Truth:
        """What is known of picture `index`."""

    def ahead(self, index: int) -> None:
        """Have picture `index` ready: called while nothing else is due."""

    def take(self, index: int) -> Picture | None:
        """Picture `index`, which `ahead` was called for; None: its part has no image."""


def list_stills(folder: Path) -> list[Still]:
    """The folder's parts in natural order. With a NAME_temp among them, the pairs alone; else every image.

    Raises:
        CameraError: no image, half a pair, or a label file that is none. Names the file.
    """
    try:
        images = list_pictures(folder)
    except PictureError as error:
        raise CameraError(str(error)) from error
    if not images:
        raise CameraError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    try:
        tests, templates, labels = parts_in(images, (entry for entry in folder.iterdir() if entry.is_file()))
    except NamesError as error:
        raise CameraError(str(error)) from None
    if not templates:
        return [Still(path, None, read_truth(labels.get(path.stem))) for path in images]
    for board, path in {**tests, **templates}.items():
        if (board in tests) != (board in templates):
            missing = f"{board}_temp" if board in tests else f"{board}_test"
            raise CameraError(f"{path}: the other half of its pair, {missing}, is missing")
    return [Still(path, templates[board], read_truth(labels.get(board))) for board, path in tests.items()]


def read_truth(label: Path | None) -> Truth:
    """BAD with a defect a line (`x1 y1 x2 y2 class`), GOOD when empty, UNKNOWN with no such file.

    Raises:
        CameraError: a line is no defect. Names file, line and column.
    """
    if label is None:
        return Truth.UNKNOWN
    try:
        return Truth.BAD if read_boxes(label) else Truth.GOOD
    except LabelError as error:
        raise CameraError(str(error)) from error


class Stills:
    """The images of a folder. All are decoded once when they are opened, so that a bad one is found then."""

    def __init__(
        self, folder: Path, *, colour: bool, preload: int, expose: Expose, bits: int | None = None
    ) -> None:  # fmt: skip
        self._channels: Channels = 3 if colour else 1
        self._bits = bits
        self._expose = expose
        self._stills = list_stills(folder)
        self._kept: list[Picture] = []
        self._files: list[tuple[bytes, bytes | None]] = []
        for still in self._stills:
            files = _read(still.image), _read(still.template) if still.template else None
            picture = self._decode(still, *files)
            if len(self._kept) < preload:
                self._kept.append(picture)
            else:
                self._files.append(files)
        self._next = (-1, self._kept[0])

    def __len__(self) -> int:
        return len(self._stills)

    def truth(self, index: int) -> Truth:
        """See `Source`."""
        return self._stills[index].truth

    def ahead(self, index: int) -> None:
        """See `Source`."""
        kept = len(self._kept)
        if index >= kept and index != self._next[0]:
            self._next = index, self._decode(self._stills[index], *self._files[index - kept])

    def take(self, index: int) -> Picture:
        """See `Source`."""
        if index < len(self._kept):
            return self._kept[index]
        self.ahead(index)
        return self._next[1]

    def _decode(self, still: Still, image_file: bytes, template_file: bytes | None) -> Picture:
        image = self._image(image_file, still.image)
        if template_file is None or still.template is None:
            return Picture(image, None)
        template = self._image(template_file, still.template)
        if template.shape != image.shape:
            raise CameraError(
                f"{still.template}: is {template.shape[1]}x{template.shape[0]} px, "
                f"but {still.image.name} is {image.shape[1]}x{image.shape[0]}"
            )
        return Picture(image, template)

    def _image(self, file: bytes, path: Path) -> Image:
        try:
            image = decode_picture(file, path, self._channels, bits=self._bits)
        except PictureError as error:
            raise CameraError(str(error)) from error
        return self._expose(image if self._channels == 3 else image[:, :, 0], str(path))


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except PictureError as error:
        raise CameraError(str(error)) from error
