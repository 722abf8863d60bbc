"""`manifest.json` of a backup: what is in it. It may come from a stranger: no place leads out of the folder."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict, ValidationError

from aoi_daemon.backup.faults import BackupError
from aoi_daemon.config.section import Section, Sha256

MANIFEST: Final = "manifest.json"
FILES: Final = "files"
FORMAT: Final = 1
_LARGEST_BYTES: Final = 1 << 31


def _place(value: str) -> str:
    steps = value.split("/")
    if not re.fullmatch(r"(config|data)(/[^\x00-\x1f]+)?", value) or any(step in ("", ".", "..") for step in steps):
        raise ValueError(f"{value[:200]!r} is no place in a backup")
    if any(len(step.encode(errors="replace")) > 255 for step in steps):
        raise ValueError(f"{value[:200]!r} has a name of more than 255 bytes")
    return value


Place = Annotated[str, AfterValidator(_place)]
Mode = Annotated[int, Field(ge=0, le=0o777)]
Listed = Strict(False)


class StoredFile(Section):
    """One file: `files/PLACE` of the backup."""

    place: Place
    sha256: Sha256
    size_bytes: int = Field(ge=0)
    mode: Mode


class StoredFolder(Section):
    """One folder, which may be empty."""

    place: Place
    mode: Mode


class Reference(Section):
    """A path in a TOML file: what stands at `place` in this backup."""

    toml: Place
    key: Annotated[tuple[str | int, ...], Listed] = Field(min_length=1, max_length=16)
    place: Place


class Manifest(Section):
    """All of a backup."""

    format: int = Field(FORMAT, ge=1, le=FORMAT)
    program: str = Field(max_length=64, description="The version of aoi-daemon that made it.")
    made: str = Field(max_length=40, description="UTC, ISO 8601: for people.")
    line: str = Field(max_length=64, description="line.name.")
    config: str = Field(max_length=4096, description="Where line.toml was: for people.")
    left_out: Annotated[tuple[str, ...], Listed] = Field((), description="In words.")
    tops: Annotated[tuple[Place, ...], Listed] = Field(description="What a restore puts in its place as one.")
    references: Annotated[tuple[Reference, ...], Listed] = ()
    folders: Annotated[tuple[StoredFolder, ...], Listed] = ()
    files: Annotated[tuple[StoredFile, ...], Listed] = ()

    def top_of(self, place: str) -> str | None:
        """The top that `place` stands in."""
        return next((top for top in self.tops if place == top or place.startswith(f"{top}/")), None)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the backup in `folder`.

    Raises:
        BackupError: it is none, not complete, damaged, or of a newer version; with the remedy.
    """
    file = folder / MANIFEST
    try:
        if file.is_symlink() or file.stat().st_size > _LARGEST_BYTES:
            raise BackupError(f"{file}: is no manifest of a backup")
        raw = json.loads(file.read_bytes())
        newer = isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > FORMAT
    except FileNotFoundError:
        begun = (folder / FILES).is_dir()
        hint = "an interrupted backup: `aoi-daemon backup` goes on with it" if begun else "no backup"
        raise BackupError(f"{folder}: has no {MANIFEST}, so this is {hint}") from None
    except (ValueError, RecursionError) as error:
        raise BackupError(f"{file}: is damaged ({str(error)[:100]}); take another backup") from None
    if newer:
        raise BackupError(
            f"{file}: has format {raw['format']}, this program reads {FORMAT}; restore it with the newer aoi-daemon "
            f"that made it ({str(raw.get('program'))[:40]})"
        )
    try:
        found = Manifest.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BackupError(f"{file}: {where}: {first['msg']}; it is damaged, or was not made by aoi-daemon") from None
    _check(found, file)
    return found


def _check(manifest: Manifest, file: Path) -> None:
    places = [each.place for each in manifest.files]
    folders = {each.place for each in manifest.folders}
    for place in (*places, *folders):
        if manifest.top_of(place) is None:
            raise BackupError(f"{file}: {place} stands in nothing that is restored; the manifest is damaged")
    if len(set(places)) < len(places) or not folders.isdisjoint(places):
        raise BackupError(f"{file}: two things have the same place; the manifest is damaged")
    taken = set(places)
    for place in (*places, *folders):
        while place := place.rpartition("/")[0]:
            if place in taken:
                raise BackupError(f"{file}: {place} is a file and a folder; the manifest is damaged")
    for top in manifest.tops:
        if any(other != top and other.startswith(f"{top}/") for other in manifest.tops) or top in ("config", "data"):
            raise BackupError(f"{file}: {top} cannot be put in place as one; the manifest is damaged")
    if len(set(manifest.tops)) < len(manifest.tops) or "config/line.toml" not in places:
        raise BackupError(f"{file}: has no line.toml, or a top twice; the manifest is damaged")
