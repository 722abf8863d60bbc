"""Where the control socket of a line is: by the line's name, so that two lines of one user do not meet.

`run` makes it at `socket_path`; the commands look for it with `find_socket`, which also finds one of an older version.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError
from aoi_daemon.files.text import TextError
from aoi_daemon.files.toml import parse
from aoi_daemon.stage.control import NotRunningError, connect

_PREFIX: Final = "aoi-daemon"
_SERVICE: Final = Path("/run/aoi-daemon")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a line can be called: all of it can stand in a file's name, and leaves the path room."""
DEFAULT_LINE: Final = "line-1"
"""What a line is called whose line.toml gives it no name."""
_LOOK_S: Final = 2.0
ENGINES: Final = ".engines"
"""What `inspection.backend = "auto"` has measured: this ending, beside the file that keeps the product in use."""


def socket_path(configured: Path | None, line: str) -> Path:
    """Where the line called `line` listens: configured, else in the runtime folder of the service or the user."""
    if configured is not None:
        return configured
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable].split(":")[0]) / f"{_PREFIX}-{line}.sock"
    return Path(tempfile.gettempdir()) / f"{_own_prefix()}-{line}.sock"


def old_socket_path(path: Path) -> Path:
    """Where a daemon of 0.1.0 listens that has its socket at `path` now."""
    own = path.name.startswith(f"{_own_prefix()}-") and path.parent == Path(tempfile.gettempdir())
    return path.with_name(f"{_own_prefix() if own else _PREFIX}.sock")


def state_path(configured: Path | None, socket: Path, line: str, suffix: str) -> Path:
    """Where something is kept over restarts: the folder configured, else the service's, else beside the control socket.

    In a folder by the line's name, for several lines may share it; a command finds it there whatever its environment.
    """
    of_service = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    folder = configured or (Path(of_service) if of_service else None)
    return socket.with_suffix(suffix) if folder is None else folder / f"{_PREFIX}-{line}{suffix}"


def find_socket(told: Path | None, config: Path | None, default: Path) -> Path:
    """The socket that a command asks.

    Args:
        told: by `--socket`.
        config: by `--config`: the line of this line.toml.
        default: the line.toml of the service, for a choice between several lines that run.

    Raises:
        AoiError: several lines run and none was named, or `config` does not name one.
    """
    if told is not None:
        return told
    if config is not None:
        return _of_config(config)
    live = [path for path in _candidates() if _listens(path)]
    if len(live) > 1:
        chosen = _of_config(default) if _may_look(default) else None
        if chosen in live:
            return chosen
        raise AoiError(
            "several lines run here: "
            + ", ".join(map(str, live))
            + "; say which: --config FILE (its line.toml), or --socket PATH"
        )
    if live:
        return live[0]
    refused = [path for path in _candidates() if path.exists()]
    if _may_look(default):
        return _of_config(default)
    return refused[0] if refused else next(_folders()) / f"{_PREFIX}-LINE.sock"


def _of_config(config: Path) -> Path:
    """The socket of the line in the file `config`, of which nothing else needs to be right."""
    try:
        found: dict[str, Any] = parse(config.read_text(encoding="utf-8-sig"))
        line, section = found.get("line", {}), found.get("supervisor", {})
        name, configured = line.get("name", DEFAULT_LINE), section.get("socket")
        if not (isinstance(name, str) and _NAME.fullmatch(name) and isinstance(configured, (str, type(None)))):
            raise TextError("line.name or supervisor.socket is not one")
    except (OSError, UnicodeError, TextError, AttributeError) as error:
        why = getattr(error, "strerror", None) or error
        raise AoiError(f"{config}: cannot tell which line it is: {why}; --socket PATH needs no file") from None
    path = socket_path(None if configured is None else Path(configured), name)
    if configured is not None:
        return path
    # The one that a command's own environment leads to may be another than the service's.
    places = [folder / path.name for folder in _folders()]
    places += [Path(tempfile.gettempdir()) / f"{_own_prefix()}-{name}.sock", old_socket_path(path)]
    places.append(_SERVICE / f"{_PREFIX}.sock")
    return next((place for place in (path, *places) if _ours(place)), path)


def _may_look(path: Path) -> bool:
    """There, and in a folder that this user may look into: the service's own is closed to others."""
    return os.path.exists(path)  # noqa: PTH110  # Path.exists() raises where it may not look


def _own_prefix() -> str:
    return f"{_PREFIX}-{os.getuid()}"


def _folders() -> Iterator[Path]:
    for variable in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable].split(":")[0])
    yield _SERVICE


def _candidates() -> list[Path]:
    """Every socket that may be a line's, the user's own first."""
    found = [path for folder in _folders() for path in sorted(folder.glob(f"{_PREFIX}*.sock"))]
    shared = sorted(Path(tempfile.gettempdir()).glob(f"{_own_prefix()}*.sock"))
    return list(dict.fromkeys([*found, *(path for path in shared if _ours(path))]))


def _ours(path: Path) -> bool:
    """There, and where everybody may put a file: made by this user, or it may be somebody's who wants to be asked."""
    try:
        owner = path.lstat().st_uid
    except OSError:
        return False
    return path.parent != Path(tempfile.gettempdir()) or owner == os.getuid()


def _listens(path: Path) -> bool:
    try:
        with connect(path, _LOOK_S):
            return True
    except NotRunningError:
        return False
