"""Read folders of labelled boards in DeepPCB's layout: test image, golden template, label file.

Process: offline. Needs numpy, OpenCV and Pillow alone, so that training on a machine without this program's
other packages can use it too.
Layout: `NAME_test.png`, `NAME_temp.png` and `NAME.txt` with `x1 y1 x2 y2 class` a line, classes from 1.
An empty `NAME.txt` says that the board is good; a missing one is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import Action, AoiError, PictureError
from aoi_daemon.pictures import list_pictures, picture_size, read_picture

CLASS_NAMES: Final = ("open", "short", "mousebite", "spur", "copper", "pin-hole")


class BoardsError(AoiError):
    """Something in a folder of boards that a person must change: it names the file and the value."""

    action: ClassVar[Action] = Action.REFUSE


@dataclass(frozen=True)
class Pair:
    """One board on disk.

    Attributes:
        boxes: int32 [N, 4], x1 y1 x2 y2 in pixels, inside the image.
        classes: int32 [N], 0-based: the label file's id minus 1, an index into the class names.
        width_px, height_px: of both images.
        bits: depth of both, where their samples have 16 bits; see `pictures`.
    """

    name: str
    test_path: Path
    template_path: Path
    boxes: NDArray[np.int32]
    classes: NDArray[np.int32]
    width_px: int
    height_px: int
    bits: int | None = None

    @property
    def is_good(self) -> bool:
        """Whether the board carries no label, and so must pass."""
        return not len(self.boxes)


def read_pairs(
    folder: Path, *, need_defects: bool = True, class_count: int = len(CLASS_NAMES), bits: int | None = None
) -> list[Pair]:
    """List the folder's boards, sorted by name, every label checked against its images.

    Args:
        folder: holds the files directly; anything else in it is left alone.
        need_defects: refuse a folder in which every label file is empty.
        class_count: label ids are 1 to this.
        bits: see `Pair`.

    Raises:
        BoardsError: no such folder, nothing in it, a file of a trio is missing, unreadable or of another
            size, or a label line is not a box inside the image with a class from 1 to `class_count`.
    """
    tests, templates, labels = _list(folder)
    for name, path in sorted(tests.items()):
        if name not in templates:
            raise BoardsError(f"{path}: its template {name}_temp.png is missing")
        if name not in labels:
            raise BoardsError(f"{path}: its label file {name}.txt is missing (an empty one means a good board)")
    for name, path in sorted(templates.items()):
        if name not in tests:
            raise BoardsError(f"{path}: its board {name}_test.png is missing")
    pairs = [
        replace(_read_pair(name, tests[name], templates[name], labels[name], class_count), bits=bits)
        for name in sorted(tests)
    ]
    if need_defects and all(pair.is_good for pair in pairs):
        raise BoardsError(f"{folder}: all {len(pairs)} label files are empty, there is no defect to learn or test")
    return pairs


def read_image(path: Path, bits: int | None = None) -> NDArray[np.uint8]:
    """Decode one image to gray uint8, (height_px, width_px).

    Raises:
        BoardsError: the file is missing or no image; see `pictures`.
    """
    try:
        return read_picture(path, 1, bits=bits)[:, :, 0]
    except PictureError as error:
        raise BoardsError(str(error)) from error


def read_label(
    path: Path, width_px: int, height_px: int, class_count: int = len(CLASS_NAMES)
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Parse one label file into boxes int32 [N, 4] and 0-based classes int32 [N].

    Raises:
        BoardsError: a line that is not `x1 y1 x2 y2 class` with the box inside the image.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as e:
        raise BoardsError(f"{path}: cannot be read as text: {e}") from e
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            x1, y1, x2, y2, kind = (int(word) for word in line.split())
        except ValueError:
            raise BoardsError(f"{path}:{number}: '{line}' is not five integers x1 y1 x2 y2 class") from None
        if not (0 <= x1 < x2 <= width_px and 0 <= y1 < y2 <= height_px):
            raise BoardsError(
                f"{path}:{number}: box {x1} {y1} {x2} {y2} is not inside the image of {width_px}x{height_px} px"
            )
        if not 1 <= kind <= class_count:
            raise BoardsError(f"{path}:{number}: class {kind}, allowed are 1 to {class_count}")
        rows.append((x1, y1, x2, y2, kind - 1))
    table = np.array(rows, np.int32).reshape(-1, 5)
    return np.ascontiguousarray(table[:, :4]), np.ascontiguousarray(table[:, 4])


def image_size(path: Path) -> tuple[int, int]:
    """Return (width_px, height_px), without decoding the pixels.

    Raises:
        BoardsError: the file is missing or no image.
    """
    try:
        return picture_size(path)
    except PictureError as error:
        raise BoardsError(str(error)) from error


def _list(folder: Path) -> tuple[dict[str, Path], dict[str, Path], dict[str, Path]]:
    """Test images, templates and label files of `folder`, each by board name."""
    try:
        files = {entry.name: entry for entry in folder.iterdir() if entry.is_file()}
    except OSError as e:
        raise BoardsError(f"{folder}: no such folder" if not folder.exists() else f"{folder}: {e.strerror}") from e
    try:
        pictures = list_pictures(folder)
    except PictureError as error:
        raise BoardsError(str(error)) from error
    tests, templates = _by_name(pictures, "_test"), _by_name(pictures, "_temp")
    if not tests and not templates:
        raise BoardsError(f"{folder}: holds no NAME_test.png")
    return tests, templates, {path.stem: path for path in files.values() if path.suffix == ".txt"}


def _by_name(pictures: list[Path], ending: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures:
        if path.stem.endswith(ending):
            board = path.stem[: -len(ending)]
            if board in found:
                raise BoardsError(f"{path}: {found[board].name} is already the same board's image")
            found[board] = path
    return found


def _read_pair(name: str, test: Path, template: Path, label: Path, class_count: int) -> Pair:
    width_px, height_px = image_size(test)
    other = image_size(template)
    if other != (width_px, height_px):
        raise BoardsError(f"{template}: is {other[0]}x{other[1]} px, but {test.name} is {width_px}x{height_px}")
    boxes, classes = read_label(label, width_px, height_px, class_count)
    return Pair(name, test, template, boxes, classes, width_px, height_px)
