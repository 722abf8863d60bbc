"""Where the units and the starting configuration lie: in a checkout at its top, in a wheel inside the package."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

_IN_THE_WHEEL: Final = Path(__file__).parent / "shipped"
"""Made by the build (tools/wheel/build.py)."""
_CHECKOUT: Final = Path(__file__).resolve().parents[2]
_STARTING: Final = ("README.md", "line.toml", "recipes/demo.toml", "recipes/demo.golden", "bundles/demo")
"""Of the folder `config`. A line that runs in a checkout has its users, passwords and own products there too."""
_OF_A_RUN: Final = "compiled"
"""A bundle's folder of what a back end compiled here (infer/openvino/blobs.py, which the wheel's build cannot load)."""


def shipped(name: Literal["config", "systemd"]) -> Path:
    """The folder `name` as it came with the program.

    Raises:
        FileNotFoundError: this is neither a checkout nor an installed wheel; with the remedy.
    """
    for root in (_IN_THE_WHEEL, _CHECKOUT):
        # A folder of that name may lie beside any package: only a checkout has this file at its top.
        if (root / name).is_dir() and (root == _IN_THE_WHEEL or (root / "pyproject.toml").is_file()):
            return root / name
    missing = "is not there; install aoi-daemon again from its wheel"
    raise FileNotFoundError(errno.ENOENT, missing, str(_IN_THE_WHEEL / name))


def starting_files(config: Path) -> list[Path]:
    """The files to start a line from, of the folder `config` of a checkout or a wheel; no others that lie there."""
    named = (config / name for name in _STARTING)
    found = (file for path in named for file in (path.rglob("*") if path.is_dir() else (path,)))
    return sorted(file for file in found if file.is_file() and _OF_A_RUN not in file.parts)


def kept_folder() -> Path:
    """Where drawn boards are kept from one call to the next: `runs` of a checkout, else the user's cache.

    A folder of this process alone, gone with it, where there is none that can be written to.
    """
    # Some packages leave a pyproject.toml of theirs beside all others.
    if not _IN_THE_WHEEL.is_dir() and (_CHECKOUT / "pyproject.toml").is_file():
        return _CHECKOUT / "runs"
    with suppress(OSError, RuntimeError):  # RuntimeError: a user of no name and without HOME, as in a container
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "aoi-daemon"
        cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK | os.X_OK):
            return cache
    made = Path(tempfile.mkdtemp(prefix="aoi-boards-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
