"""Which files of recipes/ are recipes: what editors and file managers leave there is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aoi_daemon.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def recipe_files(folder: Path) -> list[Path]:
    """The files of `folder` that are meant as recipes, sorted; none where it is no folder that can be read.

    Hidden files (`.#b.toml`, `._b.toml`), backups (`b.toml~`, `b.toml.bak`, `#b.toml#`) and locks are not meant so.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return []
    files = [path for path in files if path.suffix.lower() == ".toml" and path.name[0] not in ".#"]
    return [path for path in files if not _is_lock(path)]


def checked_recipe_files(folder: Path) -> list[Path]:
    """The same, each with a name that a recipe can have.

    Raises:
        ConfigError: one has another; with the remedy.
    """
    files = recipe_files(folder)
    wrong = [problem for path in files if (problem := _name_problem(path)) is not None]
    if wrong:
        raise ConfigError(folder, wrong)
    return files


def _name_problem(path: Path) -> str | None:
    name = f"{path.name!r}" if len(path.name) <= 80 else f"{path.name[:80]!r}..."
    if not _NAME.fullmatch(path.stem):
        return f"{name}: a recipe's name is 1 to 64 of A-Z a-z 0-9 . _ -; rename the file"
    if path.suffix != ".toml":
        return f"{name}: a recipe's file ends with .toml in lower case; rename it to {path.stem}.toml"
    return None


def _is_lock(path: Path) -> bool:
    """Whether this is an editor's lock: a link to `user@host.pid`, which is no file."""
    if not path.is_symlink() or path.exists():
        return False
    target = str(path.readlink())
    return "@" in target and "/" not in target
