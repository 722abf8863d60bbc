"""Where the line will write, as far as it can be known to be impossible; for `check-config` alone.

A line starts all the same: who writes there says what is wrong, and goes on once it is mended.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from aoi_daemon.config.schema import LineConfig


def place_problems(line: LineConfig, folder: Path) -> list[str]:
    """What stands in the place of the records' folder, or of the users' file; `folder` is where line.toml lies."""
    problems = []
    if line.recorder is not None and (wrong := _no_folder(folder / line.recorder.folder)):
        problems.append(f"recorder.folder = {str(line.recorder.folder)!r}: {wrong}")
    if line.hmi is not None and (wrong := _no_file(line.hmi.users_file(folder))):
        problems.append(f"hmi.users = {str(line.hmi.users)!r}: {wrong}")
    return problems


def _no_folder(path: Path) -> str:
    """Why `path` cannot be a folder, made when it is needed; "" where nothing speaks against it."""
    for each in (path, *path.parents):
        try:
            mode = each.stat().st_mode
        except FileNotFoundError:
            if each.is_symlink():
                return f"{each} is a link that leads nowhere"
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return _why(error)
            if error.errno != errno.ENOTDIR:
                return ""  # this user may not be the one that it runs as
        else:
            return "" if stat.S_ISDIR(mode) else f"{each} is a file; name a folder"
    return ""


def _no_file(path: Path) -> str:
    """Why `path` cannot be a file that is there, or is made beside others."""
    try:
        return "is a folder; name a file" if stat.S_ISDIR(path.stat().st_mode) else ""
    except FileNotFoundError:
        return _no_folder(path.parent)
    except OSError as error:
        return _why(error) if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR) else ""


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
