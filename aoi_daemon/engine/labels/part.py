"""One labelled part, as every layout of labels is read into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import Action, AoiError, PictureError
from aoi_daemon.pictures import picture_size, read_picture


class BoardsError(AoiError):
    """Something in a folder of boards that a person must change: it names the file and the value."""

    action: ClassVar[Action] = Action.REFUSE


@dataclass(frozen=True)
class Pair:
    """One board on disk, and its template where it has one.

    Attributes:
        template_path: None: it has none.
        boxes: int32 [N, 4], x1 y1 x2 y2 in pixels, inside the image.
        classes: int32 [N], an index into the class names; of DeepPCB's labels the file's id minus 1.
        width_px, height_px: of both images.
        bits: depth of both, where their samples have 16 bits; see `pictures`.
        is_placed: whether the boxes say where it is bad; where not, they are the complete image.
    """

    name: str
    test_path: Path
    template_path: Path | None
    boxes: NDArray[np.int32]
    classes: NDArray[np.int32]
    width_px: int
    height_px: int
    bits: int | None = None
    is_placed: bool = True

    @property
    def is_good(self) -> bool:
        """Whether the board carries no label, and so must pass."""
        return not len(self.boxes)

    @property
    def template(self) -> Path:
        """Its template. Raises BoardsError where it has none."""
        if self.template_path is None:
            raise BoardsError(f"{self.test_path}: its template {self.name}_temp.png is missing")
        return self.template_path


def read_image(path: Path, bits: int | None = None) -> NDArray[np.uint8]:
    """Decode one image to gray uint8, (height_px, width_px).

    Raises:
        BoardsError: the file is missing or no image; see `pictures`.
    """
    try:
        return read_picture(path, 1, bits=bits)[:, :, 0]
    except PictureError as error:
        raise BoardsError(str(error)) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return (width_px, height_px), without decoding the pixels.

    Raises:
        BoardsError: the file is missing or no image.
    """
    try:
        return picture_size(path)
    except PictureError as error:
        raise BoardsError(str(error)) from error
