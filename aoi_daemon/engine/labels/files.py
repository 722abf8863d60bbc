"""The pictures of a folder: which are parts, which are templates and masks beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.engine.labels.part import BoardsError, image_size
from aoi_daemon.errors import PictureError
from aoi_daemon.files.pairs import TEMPLATE, TEST, name_before
from aoi_daemon.files.text import TextError, behind, read_text
from aoi_daemon.pictures import list_pictures, picture_is_turned

MASK: Final = "_mask"


class Pictures(NamedTuple):
    """Of one folder, each by its part's name: NAME.png or NAME_test.png, NAME_temp.png, NAME_mask.png."""

    parts: dict[str, Path]
    templates: dict[str, Path]
    masks: dict[str, Path]


def pictures_of(folder: Path) -> Pictures:
    """What lies in `folder` itself, board2 before board10.

    Raises:
        BoardsError: it cannot be listed, two pictures are the same of one part, or a template has no part.
    """
    found = Pictures({}, {}, {})
    spelled: dict[str, Path] = {}
    try:
        pictures = list_pictures(folder)
    except PictureError as error:
        raise BoardsError(str(error) if folder.exists() else f"{folder}: no such folder") from error
    for path in pictures:
        of, name = _place(found, path)
        # Of another spelling, too: on another system both would be one.
        other = spelled.setdefault(f"{id(of)} {name.lower()}", path)
        if other != path:
            raise BoardsError(f"{path}: {other.name} is a picture of the same name: take one of them away")
        of[name] = path
    for name, path in found.templates.items():
        if name not in found.parts:
            raise BoardsError(f"{path}: the part that it is the template of, {name}.png, is missing")
    return found


def sizes_of(picture: Path, template: Path | None) -> tuple[int, int]:
    """(width_px, height_px) of a part's picture. Raises BoardsError where its template has another."""
    size = image_size(picture)
    if template is not None and (other := image_size(template)) != size:
        raise BoardsError(f"{template}: is {other[0]}x{other[1]} px, but {picture.name} is {size[0]}x{size[1]}")
    return size


def refuse_turned(picture: Path) -> None:
    """Refuse a labelled picture that EXIF turns: nothing says whether its labels are of it before or after that.

    Raises:
        BoardsError: it is turned, or no picture.
    """
    try:
        turned = picture_is_turned(picture)
    except PictureError as error:
        raise BoardsError(str(error)) from error
    if turned:
        raise BoardsError(
            f"{picture}: its EXIF says that it is to be turned, and nothing says whether its labels were drawn before "
            "or after: save it turned, without EXIF, and look at its labels again"
        )


def text_of(file: Path, most_bytes: int = 2**22) -> str:
    """The text in a label file. Raises BoardsError: it cannot be read, or is no text."""
    try:
        return read_text(file, most_bytes)
    except OSError as error:
        raise BoardsError(f"{file}: cannot be read: {error.strerror}") from error
    except TextError as error:
        raise BoardsError(behind(file, error.problem)) from None


def labels_of(folder: Path, suffix: str) -> dict[str, Path]:
    """The files of a folder with this ending, by their names; hidden ones are left out."""
    if not folder.is_dir():
        return {}
    shown = (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))
    return {path.stem: path for path in shown if path.suffix.lower() == suffix and path.is_file()}


def refuse_unlabelled(parts: Iterable[Path], labels: dict[str, Path], missing: str) -> None:
    """Refuse a picture without a label file, and a label file without its picture.

    Args:
        parts: the pictures.
        labels: by the pictures' names.
        missing: what an error says of a picture without; `{}` is its name.

    Raises:
        BoardsError: naming the file.
    """
    names = set()
    for path in parts:
        names.add(path.stem)
        if path.stem not in labels:
            raise BoardsError(f"{path}: {missing.format(path.stem)}")
    for name, path in labels.items():
        if name not in names:
            raise BoardsError(f"{path}: its picture {name}.png is missing: copy it, or take the label file away")


def _place(found: Pictures, path: Path) -> tuple[dict[str, Path], str]:
    for ending, of in ((TEMPLATE, found.templates), (MASK, found.masks), (TEST, found.parts)):
        name = name_before(path, ending)
        if name:
            return of, name
    return found.parts, path.stem
