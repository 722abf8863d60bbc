"""Put a backup in place: checked first, then copied beside, then renamed, line.toml last.

Process: offline, on a PC whose line is stopped. Where a file goes is told by its place in the backup alone, never by a
path that the manifest holds: `config/` to the folder of line.toml, `data/` to that of records and product in use.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aoi_daemon.backup.copying import Pace, copy_file, remove
from aoi_daemon.backup.faults import BackupError
from aoi_daemon.backup.manifest import FILES, Manifest, Reference, read_manifest
from aoi_daemon.backup.named import CONFIG, DATA, LINE, RECORDS
from aoi_daemon.backup.refusals import (
    Wanted,
    check_hashes,
    is_there,
    line_in,
    refuse_full,
    refuse_links,
    refuse_running,
    refuse_small_disk,
    to_itself,
)
from aoi_daemon.backup.rewrite import Key, RewriteError, rewritten
from aoi_daemon.backup.state import SERVICE_DATA, product_name
from aoi_daemon.config.load import load
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import ConfigError
from aoi_daemon.files import make_folder, put_in_place, replace_file, sync_folder
from aoi_daemon.files.text import decode
from aoi_daemon.files.toml import parse
from aoi_daemon.hmi.access.command import SERVICE_USER
from aoi_daemon.recorder.clock.kept import FILE as CLOCK
from aoi_daemon.recorder.clock.kept import after_restore, known, write_kept

_STATE_KEY: Final[Key] = ("supervisor", "state_folder")


@dataclass
class Restored:
    """What came of it: what lies where, what was kept beside, and what a person should know."""

    manifest: Manifest
    targets: list[Path]
    kept: list[Path] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def restore(wanted: Wanted) -> Restored:
    """Restore it, all of it or nothing.

    Raises:
        BackupError: the backup is damaged, something is there already, or a line is running; nothing was changed.
        OSError: the disk is full, say; nothing was changed.
    """
    manifest = read_manifest(wanted.backup)
    files = wanted.backup / FILES
    for place in (*(each.place for each in manifest.files), *(each.place for each in manifest.folders)):
        refuse_links(files, place)
    line = line_in(files / LINE)
    targets = _targets(manifest, wanted, line)
    with to_itself(targets.values()):
        refuse_running(wanted, files / LINE, targets)
        refuse_full(wanted, targets)
        done = _put(manifest, wanted, line, targets)
    try:
        load(targets[LINE])
    except ConfigError as error:
        done.notes.append(f"the line cannot start yet: {error}")
    return done


def _put(manifest: Manifest, wanted: Wanted, line: LineConfig, targets: dict[str, Path]) -> Restored:
    """Check it, copy it beside its targets, and give it their names."""
    files = wanted.backup / FILES
    pace = Pace("checked and copied", 2 * sum(each.size_bytes for each in manifest.files), wanted.mb_per_s)
    check_hashes(manifest, files, pace)
    refuse_small_disk(manifest, wanted)
    done = Restored(manifest, list(targets.values()))
    staged = {top: target.with_name(f".{target.name}.restoring") for top, target in targets.items()}
    try:
        for folder in {target.parent for target in targets.values()}:
            make_folder(folder)
        _copy(manifest, files, staged, pace)
        pace.end()
        _rewrite(manifest, wanted, line, staged, done)
        if RECORDS in targets:
            _own_clock(staged[RECORDS], targets[RECORDS])
        _give(staged, wanted)
        _swap(targets, staged, done)
    finally:
        for path in staged.values():
            remove(path)
    return done


def _targets(manifest: Manifest, wanted: Wanted, line: LineConfig) -> dict[str, Path]:
    """Where each top goes."""
    found: dict[str, Path] = {}
    for top in manifest.tops:
        root, _, rest = top.partition("/")
        target = (wanted.into if root == CONFIG else wanted.data) / rest
        if root == DATA and top.endswith(".product"):
            target = wanted.data / product_name(line)
        for other, there in found.items():
            if target == there or target in there.parents or there in target.parents:
                raise BackupError(f"{target}: both {other} and {top} of the backup would go there; name another --data")
        found[top] = target
    return found


# -- the work ---------------------------------------------------------------------------------------------------------


def _copy(manifest: Manifest, files: Path, staged: dict[str, Path], pace: Pace) -> None:
    for path in staged.values():
        remove(path)
    for folder in sorted(manifest.folders, key=lambda each: each.place):
        _staged(manifest, staged, folder.place).mkdir(parents=True, exist_ok=True)
    for each in manifest.files:
        target = _staged(manifest, staged, each.place)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy_file(files / each.place, target, each.place, pace, expected=each)
        except ValueError as error:
            raise BackupError(str(error)) from error
    # Last, and from the inside: a folder that may not be written takes no file.
    for folder in sorted(manifest.folders, key=lambda each: each.place, reverse=True):
        _staged(manifest, staged, folder.place).chmod(folder.mode | 0o700)


def _staged(manifest: Manifest, staged: dict[str, Path], place: str) -> Path:
    top = manifest.top_of(place)
    assert top is not None  # read_manifest saw to it
    return staged[top] / place.removeprefix(top).lstrip("/") if place != top else staged[top]


def _rewrite(manifest: Manifest, wanted: Wanted, line: LineConfig, staged: dict[str, Path], done: Restored) -> None:
    references = list(manifest.references)
    keeps_product = any(top.startswith(f"{DATA}/") and top.endswith(".product") for top in manifest.tops)
    if keeps_product and line.supervisor.state_folder is None and wanted.data != SERVICE_DATA:
        references.append(Reference(toml=LINE, key=_STATE_KEY, place=DATA))
    make_folder(wanted.data)
    modes = {each.place: each.mode for each in manifest.files}
    for toml in sorted({each.toml for each in references}):
        if toml not in modes:
            raise BackupError(f"{toml}: the manifest speaks of it, and it is not in the backup; it is damaged")
        file = _staged(manifest, staged, toml)
        text, target = decode(file.read_bytes()), _target(toml, wanted)
        values = dict(_values(text, [each for each in references if each.toml == toml], wanted, line))
        try:
            changed = rewritten(text, values)
        except (RewriteError, KeyError, IndexError, TypeError) as error:
            raise BackupError(f"{toml}: {error}") from error
        if changed != text:
            replace_file(file, changed.encode(), modes[toml])
            done.changed += [f"{target}: {'.'.join(map(str, key))} = {value!r}" for key, value in values.items()]


def _values(text: str, references: list[Reference], wanted: Wanted, line: LineConfig) -> Iterator[tuple[Key, str]]:
    """The paths that must be written anew."""
    tables = parse(text)
    for each in references:
        old = _old(tables, each.key)
        if old is None and each.key == ("recorder", "folder") and line.recorder is not None:
            old = str(line.recorder.folder)
        folder = _target(each.toml, wanted).parent
        value = new_value(folder, old, _target(each.place, wanted), wanted.into)
        if value is not None:
            yield each.key, value


def new_value(folder: Path, old: str | None, target: Path, into: Path) -> str | None:
    """How a TOML file in `folder` names `target`; None where it does so already. Pure.

    Args:
        folder: where the file is to be.
        old: what it says now; None: nothing.
        target: what it must name.
        into: the folder of line.toml; what is inside is named by a relative path, so that it may move as one.
    """
    if old is not None and os.path.normpath(folder / old) == str(target):
        return None
    if target == into or into in target.parents:
        return os.path.relpath(target, folder)
    return str(target)


def _old(tables: object, key: Key) -> str | None:
    inner: Any = tables
    try:
        for step in key:
            inner = inner[step]
    except (KeyError, IndexError, TypeError):
        return None
    return inner if isinstance(inner, str) else None


def _target(place: str, wanted: Wanted) -> Path:
    root, _, rest = place.partition("/")
    return Path(os.path.normpath((wanted.into if root == CONFIG else wanted.data) / rest))


def _own_clock(records: Path, target: Path) -> None:
    """The time of the other PC is not that of this one, which keeps what it knows of its own."""
    write_kept(records / CLOCK, after_restore(known(records / CLOCK), known(target / CLOCK)))


def _give(staged: dict[str, Path], wanted: Wanted) -> None:
    """To the service's user, where root restores: records, and what others may not read."""
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return
    for top, path in staged.items():
        for each in (path, *(path.rglob("*") if path.is_dir() else ())):
            if top.startswith(f"{DATA}/") or not each.stat().st_mode & 0o004:
                os.chown(each, user.pw_uid, user.pw_gid)
    os.chown(wanted.data, user.pw_uid, user.pw_gid)


def _swap(targets: dict[str, Path], staged: dict[str, Path], done: Restored) -> None:
    moved: list[tuple[Path, Path | None]] = []
    try:
        # Without line.toml no line starts: it comes last, and goes first.
        moved.append((targets[LINE], _aside(targets[LINE])))
        for top in sorted(targets, key=lambda each: each == LINE):
            if top != LINE:
                moved.append((targets[top], _aside(targets[top])))
            put_in_place(staged[top], targets[top])
    except BaseException:
        for target, old in reversed(moved):
            remove(target)
            if old is not None:
                old.rename(target)
        raise
    done.kept += [old for _, old in moved if old is not None]


def _aside(path: Path) -> Path | None:
    """Move what is at `path` beside it; its new name, None where nothing is there."""
    if not is_there(path):
        if path.is_dir():
            path.rmdir()
        return None
    number = 1
    while (old := path.with_name(f"{path.name}.before-restore-{number}")).exists() or old.is_symlink():
        number += 1
    path.rename(old)
    sync_folder(path.parent)
    return old
