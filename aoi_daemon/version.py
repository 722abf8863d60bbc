"""Which program this is: the release, and the commit that it was made from."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path
from typing import Final

from aoi_daemon import __version__

_FOLDER: Final = Path(__file__).resolve().parent
_WRITTEN: Final = _FOLDER / "COMMIT"
"""Made by the build of a wheel (tools/wheel/build.py)."""
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}(\+changes)?")
UNKNOWN: Final = "unknown"
_GIT_S: Final = 5.0
_ELSEWHERE: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
"""What a hook of another repository sets: it would be asked instead."""


@functools.cache
def commit() -> str:
    """The commit, abbreviated, with `+changes` where a checkout has some; "unknown" where nothing tells."""
    try:
        found = _WRITTEN.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = commit_of(_FOLDER.parent)
    return found if _COMMIT.fullmatch(found) else UNKNOWN


def commit_of(checkout: Path) -> str:
    """The commit of the checkout whose top is `checkout`; "unknown" where it is none, or git is not installed."""
    if not (checkout / ".git").exists():  # a folder inside somebody else's repository has not that one's commit
        return UNKNOWN
    environment = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE}
    words = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+changes"]
    try:
        said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=_GIT_S, env=environment)
    except (OSError, subprocess.SubprocessError):
        return UNKNOWN
    return said.stdout.strip()


def described() -> str:
    """As people are told it: `0.2.0 (1a2b3c4d5e6f)`."""
    return f"{__version__} ({commit()})"
