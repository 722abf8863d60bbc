"""Make a backup: into a folder beside its own, which gets its name when all is in it and on the disk.

Process: offline. Reads the line's files; what it opens that the line writes to are its databases, see `databases`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from aoi_daemon import __version__
from aoi_daemon.backup.contents import Contents, Wanted
from aoi_daemon.backup.copying import Pace, remove
from aoi_daemon.backup.faults import BackupError
from aoi_daemon.backup.manifest import FILES, MANIFEST, Manifest, Reference
from aoi_daemon.backup.named import CONFIG, DATA, LINE, RECORDS, Named, Places, named, users_files
from aoi_daemon.backup.state import kept_product
from aoi_daemon.config.load import Configuration, load
from aoi_daemon.files import make_folder, put_in_place, replace_file
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.records.database import IMAGES


def make_backup(wanted: Wanted) -> Manifest:
    """Make `wanted.out`; what is in it.

    Raises:
        BackupError: it is there already, or something cannot be copied.
        ConfigError: the configuration is not right.
        OSError: the disk is full, say; an incomplete backup is left, with which the next one goes on.
    """
    config, out = Path(os.path.normpath(wanted.config.absolute())), Path(os.path.normpath(wanted.out.absolute()))
    if out.exists():
        raise BackupError(f"{out}: is there already; name a folder that is not: a backup is never changed")
    if not out.parent.is_dir():
        raise BackupError(f"{out.parent}: is no folder; is the disk of the backup mounted?")
    configuration = load(config)
    found = sorted(named(config), key=lambda each: (len(each.path.parts), each.path))
    _refuse_rings(found, config, out)
    partial = partial_of(out)
    partial.mkdir(mode=0o700, exist_ok=True)
    with _alone(partial):
        if wanted.anew:
            for path in partial.iterdir():  # the folder itself is what is held
                remove(path)
        (partial / MANIFEST).unlink(missing_ok=True)
        make_folder(partial / FILES)
        manifest = _fill(partial / FILES, wanted, configuration, found)
        replace_file(partial / MANIFEST, manifest.model_dump_json(indent=1).encode() + b"\n", 0o600)
        put_in_place(partial, out)
    return manifest


def partial_of(out: Path) -> Path:
    """Where the backup `out` is made."""
    return out.with_name(f".{out.name}.incomplete")


def _fill(folder: Path, wanted: Wanted, configuration: Configuration, found: list[Named]) -> Manifest:
    config = configuration.file
    pace = Pace("copied", _estimate(found, wanted), wanted.mb_per_s)
    backup, places = Contents(folder, pace), Places(config.parent)
    sources = {config: LINE, config.parent / "recipes": f"{CONFIG}/recipes"}
    places.places.update(sources)
    references = []
    for each in found:
        place = places.of(each.path, each.what)
        if each.what in ("records", "state") or each.path.exists():
            references.append(Reference(toml=f"{CONFIG}/{_toml(each.toml)}", key=each.key, place=place))
        if each.what == "records":
            backup.records_folder = each.path
        elif each.what != "state" and not each.path.exists():
            backup.left_out.append(f"{each.path}: is not here ({each.toml}: {'.'.join(map(str, each.key))})")
        elif each.what == "replay" and "replay" in wanted.without:
            backup.left_out.append(f"{each.path}: the images that are replayed")
        elif each.what != "state" and place == places.places.get(each.path):
            sources[each.path] = place
    also = [users for users in users_files(config) if users.exists() and users not in sources]
    sources |= {users: places.of(users, "file") for users in also}
    for path, place in sources.items():
        if path.exists():
            backup.tops.append(place)
            backup.tree(path, place)
    product = kept_product(configuration.line, wanted.state)
    if product is None:
        backup.left_out.append("the product in use: nothing is kept of it, line.recipe is in use after a restore")
    else:
        backup.tops.append(f"{DATA}/{product.name}")
        backup.file(product, f"{DATA}/{product.name}")
    records = backup.records_folder
    if records is not None and "records" not in wanted.without and records.is_dir():
        backup.tops.append(RECORDS)
        backup.records(records, wanted)
    backup.left_out += [f"the {what}, as was asked" for what in ("records", "pictures") if what in wanted.without]
    pace.end()
    _remove_others(folder, backup)
    return Manifest(
        program=__version__, made=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        line=configuration.line.line.name, config=str(config), left_out=tuple(backup.left_out), tops=tuple(backup.tops),
        references=tuple(references), folders=tuple(backup.folders.values()), files=tuple(backup.files),
    )  # fmt: skip


def _toml(name: str) -> str:
    return name if "/" in name else "line.toml"


def _refuse_rings(found: list[Named], config: Path, out: Path) -> None:
    for each in found:
        around = (each.path, *each.path.parents)
        if each.what != "state" and each.path in (config.parent, *config.parent.parents):
            raise BackupError(
                f"{each.toml}: {'.'.join(map(str, each.key))} = {str(each.path)!r} has line.toml in it; give what it "
                "names a folder of its own"
            )
        if each.path in out.parents or (each.what == "records" and out in around):
            raise BackupError(f"{out}: lies in {each.path}, which is backed up; name a folder elsewhere")
    if (config.parent / "recipes") in out.parents:
        raise BackupError(f"{out}: lies in the recipes, which are backed up; name a folder elsewhere")


def _estimate(found: list[Named], wanted: Wanted) -> int:
    """Bytes to copy, roughly: for the progress."""
    total = 0
    for each in found:
        if each.what == "state" or each.what in wanted.without or not each.path.exists():
            continue
        for path, _, files in os.walk(each.path):
            if "pictures" in wanted.without and f"/{IMAGES}" in path:
                continue
            for name in files:
                try:
                    total += (Path(path) / name).stat().st_size
                except OSError:
                    continue
    return total


def _remove_others(folder: Path, backup: Contents) -> None:
    """What an interrupted backup had copied and is no longer wanted."""
    kept = {each.place for each in backup.files}
    for path, _, files in os.walk(folder):
        for name in files:
            file = Path(path) / name
            if file.relative_to(folder).as_posix() not in kept:
                file.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        fd = hold(folder)
    except HeldError:
        raise BackupError(f"{folder}: another backup is being made there; wait for it") from None
    try:
        if fd is not None and not _is(folder, fd):
            raise BackupError(f"{folder}: another backup has just been made there; look at it, then begin anew")
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _is(folder: Path, fd: int) -> bool:
    """Whether `folder` is still what was held: whoever had it before may have given it its name."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False
