"""Which files a configuration names, and where each stands in a backup.

A place in a backup begins with `config/`, which becomes the folder of line.toml, or with `data/`, which becomes the
folder of records and product in use (the service's /var/lib/aoi-daemon). What lies beside line.toml keeps its place
there; what lies elsewhere gets one, and the key that names it is written anew where it must be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel

from aoi_daemon.backup.rewrite import Key
from aoi_daemon.config.hmi import TOKENS_FILE, USERS_FILE
from aoi_daemon.config.load import read_model
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.recipe_files import recipe_files
from aoi_daemon.config.schema import LineConfig

CONFIG: Final = "config"
DATA: Final = "data"
LINE: Final = f"{CONFIG}/line.toml"
RECORDS: Final = f"{DATA}/records"

_OF_THIS_PC: Final = ("socket", "producer")
"""Keys of what is made, or installed, on each PC anew."""


_WORDS: Final[dict[Key, str]] = {
    ("recorder", "folder"): "records",
    ("supervisor", "state_folder"): "state",
    ("bundle",): "bundle",
}


class Named(NamedTuple):
    """A file or folder that `key` of the file `toml` (a path from line.toml's folder) names; `path` as it is there.

    `what`: records, state, bundle, replay, or file.
    """

    toml: str
    key: Key
    path: Path
    what: str


def named(config: Path) -> list[Named]:
    """What line.toml and its recipes name, but what each PC has of its own.

    Raises:
        ConfigError: a file is not right.
    """
    line = read_model(config, LineConfig)
    found = [_named(config.name, key, value, config.parent) for key, value in _paths(line)]
    if line.recorder is not None and not any(each.what == "records" for each in found):
        found.append(Named(config.name, ("recorder", "folder"), line.recorder.folder_in(config.parent), "records"))
    for file in recipe_files(config.parent / "recipes"):
        recipe = read_model(file, Recipe)
        toml = f"recipes/{file.name}"
        found += [_named(toml, key, value, file.parent) for key, value in _paths(recipe)]
    return found


def _named(toml: str, key: Key, value: Path, folder: Path) -> Named:
    what = "replay" if key[0] == "cameras" else _WORDS.get(key, "file")
    return Named(toml, key, Path(os.path.normpath((folder / value).absolute())), what)


def _paths(model: BaseModel, at: Key = ()) -> Iterator[tuple[Key, Path]]:
    """Each path that was written into the file, whatever its section: one that is new is met here too."""
    for name in sorted(model.model_fields_set):
        yield from _paths_in(getattr(model, name), (*at, name))


def _paths_in(value: object, at: Key) -> Iterator[tuple[Key, Path]]:
    if isinstance(value, BaseModel):
        yield from _paths(value, at)
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _paths_in(each, (*at, number))
    elif isinstance(value, Path) and at[-1] not in _OF_THIS_PC:
        yield at, value


class Places:
    """Gives each path its place in the backup; what lies within another goes with it."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of line.toml."""
        self._folder = folder
        self.places: dict[Path, str] = {}

    def of(self, path: Path, what: str) -> str:
        """The place of `path`, an absolute path without `..`."""
        if path in self.places:
            return self.places[path]
        above = next((each for each in path.parents if each in self.places and each != self._folder), None)
        if what in ("records", "state"):
            place = RECORDS if what == "records" else DATA
        elif above is not None:
            place = f"{self.places[above]}/{path.relative_to(above).as_posix()}"
            if self.places[above] != DATA:  # the state folder is not taken as it is, what is named in it does
                return place
        elif self._folder in path.parents:
            place = f"{CONFIG}/{path.relative_to(self._folder).as_posix()}"
        else:
            group = {"bundle": "bundles", "replay": "replay"}.get(what, "files")
            place = self._free(f"{CONFIG}/{group}/{path.name or 'root'}")
        self.places[path] = place
        return place

    def _free(self, wanted: str) -> str:
        """A place that nobody has: neither in this backup nor, by chance, beside line.toml."""
        taken, place, number = set(self.places.values()), wanted, 2
        while any(place == each or place.startswith(f"{each}/") or each.startswith(f"{place}/") for each in taken) or (
            self._folder / place.removeprefix(f"{CONFIG}/")
        ).exists():
            place, number = f"{wanted}-{number}", number + 1
        return place


def users_files(config: Path) -> tuple[Path, ...]:
    """The files of users, where no key names one, and of tokens."""
    return config.parent / USERS_FILE, config.parent / TOKENS_FILE
