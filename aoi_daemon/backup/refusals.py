"""What is looked at before a restore touches anything.

Process: offline. Each of them raises BackupError with the remedy.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.backup.copying import Pace, hash_file
from aoi_daemon.backup.faults import BackupError
from aoi_daemon.backup.manifest import Manifest
from aoi_daemon.backup.named import CONFIG
from aoi_daemon.config.load import read_model
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import AoiError, ConfigError
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.recorder.retention import free_bytes
from aoi_daemon.stage.control import NotRunningError, connect
from aoi_daemon.stage.control_path import find_socket, old_socket_path, socket_path

_SPARE_BYTES: Final = 64 << 20
_STOP: Final = "systemctl stop aoi-daemon, or end its `aoi-daemon run`"


@dataclass(frozen=True)
class Wanted:
    """Where a backup is to go. `into` is to be the folder of line.toml, `data` that of the records."""

    backup: Path
    into: Path
    data: Path
    replace: bool = False
    mb_per_s: float = 400.0


def refuse_links(files: Path, place: str) -> None:
    """A link in a stranger's backup would bring a file of this PC into the restored one."""
    path = files
    for step in ("", *place.split("/")):
        path = path / step
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            raise BackupError(f"{path}: is missing in the backup; it is damaged, take another one") from None
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise BackupError(f"{path}: is a link or no regular file; a backup has none, do not trust this one")


def line_in(file: Path) -> LineConfig:
    """The configuration in a backup."""
    try:
        return read_model(file, LineConfig)
    except ConfigError as error:
        raise BackupError(f"{error}; was it made by another version? restore it with that one") from error


@contextlib.contextmanager
def to_itself(targets: Iterable[Path]) -> Iterator[None]:
    """What is to be replaced belongs to the restore meanwhile: no line starts with it, and none may be running.

    A line that runs holds its recipes, its recorder the records, whatever their sockets are.
    """
    with contextlib.ExitStack() as held:
        for folder in targets:
            if folder.is_dir():
                try:
                    fd = hold(folder)
                except HeldError:
                    raise BackupError(f"{folder}: a line is running with it; stop it first: {_STOP}") from None
                if fd is not None:
                    held.callback(os.close, fd)
        yield


def refuse_running(wanted: Wanted, coming: Path, targets: dict[str, Path]) -> None:
    """Neither the line that is there nor the one that comes may be running. `coming`: the line.toml in the backup.

    Into a folder where nothing is, to look at it, any line may run meanwhile: none can be using what is not there.
    """
    if not any(is_there(path) for path in targets.values()):
        return
    sockets = set()
    for file in (coming, wanted.into / "line.toml"):
        if not file.is_file():
            continue
        with contextlib.suppress(AoiError):  # one that is there and cannot be read is no line that runs
            sockets.add(find_socket(None, file, file))
        with contextlib.suppress(ConfigError):
            line = read_model(file, LineConfig)
            own = socket_path(line.supervisor.socket, line.line.name)
            # 0.1.0 called it the same for every line.
            sockets |= {own, old_socket_path(own)}
    for path in sorted(sockets):
        try:
            with connect(path, 2.0):
                pass
        except NotRunningError as error:
            if "permission denied" in str(error):
                raise BackupError(f"{error}: whether a line is running cannot be told") from error
            continue
        raise BackupError(f"{path}: a line is running here; stop it first: {_STOP}")


def refuse_full(wanted: Wanted, targets: dict[str, Path]) -> None:
    """What is there stays, unless it is to be replaced."""
    there = [path for path in targets.values() if is_there(path)]
    if there and not wanted.replace:
        raise BackupError(
            f"{', '.join(map(str, there))}: there already; --replace puts the backup in their place and keeps them "
            "beside it, --into FOLDER restores elsewhere"
        )


def is_there(path: Path) -> bool:
    """Whether something would be lost; an empty folder is nothing."""
    if path.is_dir() and not path.is_symlink():
        return any(path.iterdir())
    return path.is_symlink() or path.exists()


def check_hashes(manifest: Manifest, files: Path, pace: Pace) -> None:
    """Each file is what the manifest says."""
    wrong: list[str] = []
    for each in manifest.files:
        file = files / each.place
        if file.stat().st_size != each.size_bytes or hash_file(file, pace) != each.sha256:
            wrong.append(each.place)
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise BackupError(
            f"{files}: {', '.join(wrong[:3])}{more}: not what the manifest says: damaged, or changed since; nothing "
            "was restored, take another backup"
        )


def refuse_small_disk(manifest: Manifest, wanted: Wanted) -> None:
    """There is room for all of it."""
    needs: dict[int, tuple[Path, int]] = {}
    for each in manifest.files:
        folder = wanted.into if each.place.startswith(f"{CONFIG}/") else wanted.data
        while not folder.exists():
            folder = folder.parent
        disk = folder.stat().st_dev
        needs[disk] = folder, needs.get(disk, (folder, _SPARE_BYTES))[1] + each.size_bytes
    for folder, size_bytes in needs.values():
        free = free_bytes(folder)
        if free < size_bytes:
            raise BackupError(f"{folder}: has {free / 1e9:.2f} GB free, and {size_bytes / 1e9:.2f} GB are needed")
