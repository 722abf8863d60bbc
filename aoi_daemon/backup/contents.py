"""What goes into a backup, and as what: files and folders as they are, the records as of one moment.

Process: offline. Reads the line's files; what it opens that the line writes to are its databases, see `databases`.
"""

from __future__ import annotations

import math
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aoi_daemon.backup import databases
from aoi_daemon.backup.copying import Pace, copy_file, hash_file
from aoi_daemon.backup.faults import BackupError
from aoi_daemon.backup.manifest import StoredFile, StoredFolder
from aoi_daemon.backup.named import RECORDS
from aoi_daemon.recorder.clock.kept import FILE as CLOCK
from aoi_daemon.recorder.clock.kept import known
from aoi_daemon.recorder.clock.wall import spans_of
from aoi_daemon.records.database import DATABASE, IMAGES, TEMPLATES

_LEFT: Final = ("incoming",)
"""Of the records folder: what a recorder has in hand."""
_LOGS: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Wanted:
    """What a backup is to hold."""

    config: Path
    out: Path
    state: Path | None = None
    without: frozenset[str] = frozenset()
    records_days: float | None = None
    mb_per_s: float = 40.0
    anew: bool = False


@dataclass
class Contents:
    """What has been put into a backup so far; `folder` is its `files`."""

    folder: Path
    pace: Pace
    records_folder: Path | None = None
    tops: list[str] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)
    folders: dict[str, StoredFolder] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def target(self, place: str) -> Path:
        """Where `place` lies in the backup; its folder is made."""
        target = self.folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def file(self, source: Path, place: str) -> None:
        """One file. Raises BackupError where it may not be read."""
        try:
            self.files.append(copy_file(source, self.target(place), place, self.pace))
        except PermissionError as error:
            raise BackupError(f"{source}: {error.strerror}; run as root, or as the service's user") from error

    def tree(self, source: Path, place: str) -> None:
        """A file, or a folder with all in it; a link to a folder is left out, for it may lead round in a ring."""
        if not source.is_dir():
            self.file(source, place)
            return
        for path, names, files in os.walk(source):
            inside = Path(path).relative_to(source).as_posix()
            at = place if inside == "." else f"{place}/{inside}"
            self._folder(Path(path), at)
            # Records go by themselves: their databases are being written to.
            names[:] = [name for name in names if Path(path) / name != self.records_folder]
            for name in [name for name in names if (Path(path) / name).is_symlink()]:
                self.left_out.append(f"{path}/{name}: a link to a folder")
            for name in sorted(files):
                self._one(Path(path) / name, f"{at}/{name}")

    def _one(self, source: Path, place: str) -> None:
        try:
            if source.is_file():
                self.file(source, place)
            elif not source.is_symlink():
                self.left_out.append(f"{source}: no regular file")
        except FileNotFoundError:
            pass  # an editor's, gone while we looked

    def _folder(self, source: Path, place: str) -> None:
        self.target(place).mkdir(exist_ok=True)
        self.folders[place] = StoredFolder(place=place, mode=stat.S_IMODE(source.stat().st_mode) & 0o777)

    # -- records ---------------------------------------------------------------

    def records(self, source: Path, wanted: Wanted) -> None:
        """All of a records folder: databases as of one moment, pictures that they name, and whatever else is there."""
        self._folder(source, RECORDS)
        inside = sorted(path for path in source.iterdir() if path.name not in (*_LEFT, IMAGES, TEMPLATES))
        for path in inside:
            if path.name.endswith(_LOGS) or ".damaged-" in path.name or path.name.startswith("."):
                if ".damaged-" in path.name and not path.name.endswith(_LOGS):
                    self.left_out.append(f"{path}: a database that was put aside")
                continue
            if path.is_dir():
                self.tree(path, f"{RECORDS}/{path.name}")
            elif path.is_file() and path.name != DATABASE:
                self._database(path) if databases.is_database(path) else self._one(path, f"{RECORDS}/{path.name}")
        # Last of the databases: whatever says how far something has come in the records is older than they are.
        if (source / DATABASE).is_file():
            self._parts(source, wanted)

    def _database(self, source: Path) -> None:
        place = f"{RECORDS}/{source.name}"
        databases.copy_database(source, self.target(place), self.pace)
        self._stored(place, source)

    def _stored(self, place: str, source: Path) -> None:
        target, mode = self.folder / place, stat.S_IMODE(source.stat().st_mode) & 0o777
        target.chmod(mode)
        size_bytes = target.stat().st_size
        digest = hash_file(target, self.pace)
        self.files.append(StoredFile(place=place, sha256=digest, size_bytes=size_bytes, mode=mode))

    def _parts(self, source: Path, wanted: Wanted) -> None:
        place = f"{RECORDS}/{DATABASE}"
        databases.copy_database(source / DATABASE, self.target(place), self.pace)
        with databases.changing(self.folder / place) as connection:
            if wanted.records_days is not None:
                kept = known(self.folder / RECORDS / CLOCK)
                steps, now_s = ([], math.inf) if kept is None else ((kept.restored or kept).steps, kept.now_s)
                databases.keep_days(connection, wanted.records_days, spans_of(steps), now_s or math.inf)
                self.left_out.append(f"records older than {wanted.records_days:g} days before the newest")
            if "pictures" in wanted.without:
                databases.forget(connection)
            else:
                gone = [file for file in databases.pictures(connection) if not self._picture(source, file)]
                databases.forget(connection, gone)
                if gone:
                    self.left_out.append(f"{len(gone)} pictures that were removed for their age while this was made")
        self._stored(place, source / DATABASE)

    def _picture(self, source: Path, file: str) -> bool:
        path = source / file
        for folder in reversed(Path(file).parents[:-1]):
            if folder.as_posix() not in self.folders and (source / folder).is_dir():
                self._folder(source / folder, f"{RECORDS}/{folder.as_posix()}")
        try:
            self.file(path, f"{RECORDS}/{file}")
        except FileNotFoundError:
            (self.folder / RECORDS / file).unlink(missing_ok=True)
            return False
        return True
