"""Picture files on the disk: which there are in a folder, in a person's order, and what is in one."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from aoi_daemon.errors import PictureError

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
"""What `list_pictures` takes for a picture, in small or capital letters."""
_MOST_BYTES: Final = 2**31


def list_pictures(folder: Path) -> list[Path]:
    """The picture files that lie in `folder` itself, board2 before board10.

    Left out: hidden files, links that lead nowhere or in a circle, and what is no regular file.

    Raises:
        PictureError: the folder cannot be listed.
    """
    try:
        found = [entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise PictureError(f"{folder}: cannot be listed: {error.strerror}") from error
    return sorted((entry for entry in found if not entry.name.startswith(".") and _is_file(entry)), key=natural)


def natural(path: Path) -> list[tuple[bool, int, str]]:
    """A key that sorts board2 before board10."""
    parts = re.findall(r"[0-9]+|[^0-9]+", path.stem.lower())
    key = [(part[0] in "0123456789", int(part) if part[0] in "0123456789" else 0, part) for part in parts]
    return [*key, (False, 0, path.name)]


def read_bytes(file: Path) -> bytes:
    """The content of a regular file. Raises PictureError for any other, at once: a pipe is not waited for."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
                raise PictureError(f"{file}: is {what}, not a picture file")
            if found.st_size > _MOST_BYTES:
                raise PictureError(f"{file}: has {found.st_size} bytes, a picture file has {_MOST_BYTES} at most")
            with open(opened, "rb", closefd=False) as reader:
                return reader.read()
        finally:
            os.close(opened)
    except OSError as error:
        raise PictureError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"{file}: is no name of a file: {error}") from error


def _is_file(entry: Path) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False
