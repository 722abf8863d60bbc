"""What can be known to be wrong with `[recorder]` before it starts; for `check-config` alone.

A line starts all the same: the recorder says what is wrong, and goes on once it is mended.
"""

from __future__ import annotations

import os
from pathlib import Path

from aoi_daemon.config.recorder import RecorderSection


def recorder_problems(section: RecorderSection, folder: Path) -> list[str]:
    """A file in the place of the records' folder, or of one above it; `folder` is where line.toml lies."""
    wrong = _no_folder(folder / section.folder)
    return [f"recorder.folder = {str(section.folder)!r}: {wrong}"] if wrong else []


def _no_folder(path: Path) -> str:
    """Why `path` cannot be a folder, made when it is needed; "" where nothing speaks against it."""
    for each in (path, *path.parents):
        try:
            if each.is_dir():
                return ""
            if os.path.lexists(each):
                return f"{each} is a file or leads nowhere; name a folder" if each != path else "is no folder"
        except (OSError, ValueError):
            return ""  # this user may not be the one that it runs as
    return ""
