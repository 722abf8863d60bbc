"""Picture files on the disk: which there are in a folder, in a person's order, and what is in one."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from aoi_daemon.errors import PictureError
from aoi_daemon.files.regular import NotRegularError, TooLargeError, read_regular

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
        return read_regular(file, _MOST_BYTES)
    except NotRegularError as error:
        raise PictureError(f"{file}: is {error.what}, not a picture file") from None
    except TooLargeError as error:
        raise PictureError(f"{file}: has {error.size_bytes} bytes, a picture file has {_MOST_BYTES} at most") from None
    except OSError as error:
        raise PictureError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"{file}: is no name of a file: {error}") from error


def _is_file(entry: Path) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False
