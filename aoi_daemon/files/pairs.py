"""Parts on disk by their names: NAME_test, NAME_temp and NAME.txt, whatever the case of their endings. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TEST = "_test"
TEMPLATE = "_temp"
LABEL = ".txt"


class NamesError(ValueError):
    """Two files of one part where there must be one. Names both."""


class Parts(NamedTuple):
    """The pictures under test, the templates and the label files, each by its part's name."""

    tests: dict[str, Path]
    templates: dict[str, Path]
    labels: dict[str, Path]


def name_before(path: Path, ending: str) -> str | None:
    """NAME of a picture NAME_test.png, for the ending `_test`; None for any other picture."""
    return path.stem[: -len(ending)] if path.stem.lower().endswith(ending) else None


def parts_in(pictures: Iterable[Path], files: Iterable[Path]) -> Parts:
    """What is what among `pictures`, with the label files among `files`, each in the order given.

    Raises:
        NamesError: two files are the same of one part, or two names differ by nothing but their case: on another
            system they would be one.
    """
    pictures = list(pictures)
    tests, templates = _by_name(pictures, TEST), _by_name(pictures, TEMPLATE)
    labels: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() == LABEL:
            _enter(labels, path.stem, path, "label file")
    spelled: dict[str, tuple[str, Path]] = {}
    for name, path in (*tests.items(), *templates.items(), *((path.stem, path) for path in pictures)):
        _same_spelling(spelled, name, path)
    for name, path in labels.items():
        if name.lower() in spelled:  # a text that belongs to no picture is nobody's label
            _same_spelling(spelled, name, path)
    return Parts(tests, templates, labels)


def _by_name(pictures: Iterable[Path], ending: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures:
        name = name_before(path, ending)
        if name is not None:
            _enter(found, name, path, "image")
    return found


def _enter(found: dict[str, Path], name: str, path: Path, what: str) -> None:
    if name in found:
        raise NamesError(f"{path}: {found[name].name} is already the same part's {what}; take one of them away")
    found[name] = path


def _same_spelling(spelled: dict[str, tuple[str, Path]], name: str, path: Path) -> None:
    first, other = spelled.setdefault(name.lower(), (name, path))
    if name != first:
        raise NamesError(
            f"{path}: its part is {name!r}, that of {other.name} is {first!r}, the same but for upper and lower case; "
            "rename one of them"
        )
