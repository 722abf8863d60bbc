"""Under which licence each locked package is, and what this repository holds of others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from packaging.utils import canonicalize_name

from tools.locks.pins import FOLDER, ROOT, SETS, Pin
from tools.locks.resolve import INDEX, LockError, plain_environment

LIST: Final = FOLDER / "licences.md"
VENDORED: Final = {
    "aoi_daemon/hmi/static/fonts/sans-sc-*": (
        "Noto Sans SC, cut to the page's characters", "OFL-1.1", "https://github.com/notofonts/noto-cjk"
    ),
    "aoi_daemon/hmi/static/fonts/sans-[0-9]*": (
        "Roboto, Latin letters", "OFL-1.1", "https://github.com/googlefonts/roboto-classic"
    ),
}  # fmt: skip
"""Files of the package that others made: what, licence, home page. The licence's text lies beside them."""
_LONGEST: Final = 60
_HOMES: Final = ("homepage", "home", "source", "source code", "repository", "github", "documentation")
_HEAD: Final = """\
# Licences

Every package that `tools/locks/*.txt` hold, with the licence that it names itself, and what the repository holds of
others. The project itself is under Apache-2.0. Made by `./tools/lock`; not to be changed by hand.
`line` is what a line runs with, `dev` what the tests use beside it, `build` what builds the project.

"""


class Licence(NamedTuple):
    """What a package says of itself."""

    licence: str
    home: str


def table(pins: Mapping[str, Sequence[Pin]], found: Mapping[str, Licence]) -> str:
    """The list.

    Args:
        pins: of each set, the smallest first.
        found: by name, of every pin.
    """
    lines = [_HEAD, "| package | version | licence | for | home page |", "|---|---|---|---|---|"]
    versions: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for name in SETS:
        for pin in pins[name]:
            first.setdefault(pin.name, name)
            if pin.version not in versions.setdefault(pin.name, []):
                versions[pin.name].append(pin.version)
    for name in sorted(versions):
        licence, home = found[name]
        lines.append(f"| {name} | {', '.join(versions[name])} | {licence} | {first[name]} | {home} |")
    lines += ["", "| in the repository | what | licence | home page |", "|---|---|---|---|"]
    lines += [
        f"| {files} | {what} | {licence} | {home} |"
        for files, (what, licence, home) in VENDORED.items()
        if any(ROOT.glob(files))
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def licences(pins: Sequence[Pin]) -> dict[str, Licence]:
    """By name; of packages that are not installed here, which another Python needs, from the index.

    Raises:
        LockError: a package cannot be fetched, or names no licence.
    """
    found: dict[str, Licence] = {}
    absent: dict[str, Pin] = {}
    for pin in pins:
        try:
            found[pin.name] = licence_of(metadata.metadata(pin.name))
        except metadata.PackageNotFoundError:
            absent[pin.name] = pin
    found.update(_fetched(list(absent.values())))
    without = [name for name, each in found.items() if not each.licence]
    if without:
        raise LockError(f"{', '.join(without)}: no licence is named; ask before it is used")
    return found


def licence_of(about: metadata.PackageMetadata) -> Licence:
    """The expression, the classifiers, or the field that was there before; the text of a licence is not one."""
    named = [each for each in about.get_all("Classifier") or () if each.startswith("License")]
    classifiers = ", ".join(each.rpartition(" :: ")[2] for each in named)
    field = _one(about, "License")
    licence = _one(about, "License-Expression") or (field if 0 < len(field) <= _LONGEST else "") or classifiers
    return Licence(" ".join(licence.split()), _home(about))


def _home(about: metadata.PackageMetadata) -> str:
    urls = [each.partition(", ") for each in about.get_all("Project-URL") or ()]
    by_label = {label.lower(): url for label, _, url in urls}
    return _one(about, "Home-page") or next((by_label[label] for label in _HOMES if label in by_label), "")


def _one(about: metadata.PackageMetadata, key: str) -> str:
    found = about.get_all(key)
    return str(found[0]).strip() if found else ""


def _fetched(pins: Sequence[Pin]) -> Iterator[tuple[str, Licence]]:
    """Of wheels that are downloaded for it and thrown away."""
    if not pins:
        return
    with TemporaryDirectory(prefix="aoi-licences-") as folder:
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--only-binary", ":all:", "--index-url", INDEX, "--dest", folder,
            *(f"{pin.name}=={pin.version}" for pin in pins),
        ]  # fmt: skip
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, env=plain_environment(), timeout=600
        )
        if ended.returncode != 0:
            raise LockError(f"pip download: {ended.stderr.strip()}")
        for wheel in Path(folder).glob("*.whl"):
            for distribution in metadata.distributions(path=[str(wheel)]):
                yield canonicalize_name(distribution.metadata["Name"]), licence_of(distribution.metadata)
