"""What pyproject.toml asks for, what the lock files hold, and whether the two agree. Pure but for reading the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aoi_daemon.files.toml import parse

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = Path(__file__).resolve().parent
SETS: Final = ("build", "line", "dev")
UNLOCKED: Final = frozenset({"gpu", "rtx", "train"})
PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13")
MACHINES: Final = ("x86_64", "aarch64")
_CONTINUED: Final = re.compile(r" \\\n\s+")
_INCLUDED: Final = re.compile(r"-r (\w+)\.txt")


@dataclass(frozen=True)
class Pin:
    """One package of a lock file: `requirement` has `==` and perhaps a marker."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """As the index spells it."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The one version; empty where it is not pinned."""
        found = [part.version for part in self.requirement.specifier if part.operator == "=="]
        return found[0] if len(found) == len(self.requirement.specifier) == 1 else ""

    def holds(self, environment: Mapping[str, str]) -> bool:
        """Whether it is installed there."""
        return self.requirement.marker is None or self.requirement.marker.evaluate(dict(environment))


def lock_file(name: str) -> Path:
    """The file of a set."""
    return FOLDER / f"{name}.txt"


def entries(text: str) -> list[str]:
    """The entries of a lock file's text, one for each package and each file that is included, without comments."""
    lines = (line.partition("#")[0].strip() for line in _CONTINUED.sub(" ", text).splitlines())
    return [line for line in lines if line]


def read_pins(text: str) -> list[Pin]:
    """The packages of a lock file's text, those of the file that it includes first.

    Raises:
        ValueError: a line is none of a package or a lock file: an option, an address.
    """
    pins = []
    for entry in entries(text):
        if included := _INCLUDED.fullmatch(entry):
            pins += read_pins(lock_file(included[1]).read_text(encoding="utf-8"))
            continue
        head, *hashes = entry.split(" --hash=")
        pins.append(Pin(Requirement(head.strip()), tuple(each.strip() for each in hashes)))
    return pins


def wanted(pyproject: str) -> dict[str, list[Requirement]]:
    """What each set must hold, from the text of pyproject.toml."""
    project = parse(pyproject)
    build = [Requirement(each) for each in project["build-system"]["requires"]]
    line = [*build, *map(Requirement, project["project"]["dependencies"])]
    for name in sorted(project["project"]["optional-dependencies"].keys() - UNLOCKED - {"dev"}):
        line += wanted_extra(pyproject, name)
    return {"build": build, "line": line, "dev": [*line, *wanted_extra(pyproject, "dev")]}


def wanted_extra(pyproject: str, name: str) -> list[Requirement]:
    """What an extra asks for; one that names extras has theirs."""
    project = parse(pyproject)["project"]
    asked: list[Requirement] = []
    for each in map(Requirement, project["optional-dependencies"][name]):
        if canonicalize_name(each.name) == canonicalize_name(project["name"]):
            asked += (inner for extra in sorted(each.extras) for inner in wanted_extra(pyproject, extra))
        else:
            asked.append(each)
    return asked


def environments() -> Iterator[dict[str, str]]:
    """Where the project runs: every Python on every kind of machine, Linux."""
    for python in PYTHONS:
        for machine in MACHINES:
            yield {
                "python_version": python, "python_full_version": f"{python}.1", "platform_machine": machine,
                "sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "extra": "",
                "implementation_name": "cpython", "platform_python_implementation": "CPython",
            }  # fmt: skip


def disagreements(asked: Sequence[Requirement], pins: Sequence[Pin]) -> list[str]:
    """A line for each requirement that the lock does not meet, by Python and machine; for each pin without a hash."""
    lines = [f"{pin.requirement}: no version or no hash" for pin in pins if not (pin.version and pin.hashes)]
    for environment in environments():
        there = {pin.name: pin.version for pin in pins if pin.holds(environment)}
        where = f"Python {environment['python_version']}, {environment['platform_machine']}"
        for each in asked:
            if each.marker is not None and not each.marker.evaluate(environment):
                continue
            version = there.get(canonicalize_name(each.name))
            if version is None:
                lines.append(f"{each}: not in the lock ({where})")
            elif version not in each.specifier:
                lines.append(f"{each}: the lock has {version} ({where})")
    return lines


def all_disagreements() -> list[str]:
    """Of the lock files with pyproject.toml."""
    asked = wanted((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    held = {name: read_pins(lock_file(name).read_text(encoding="utf-8")) for name in SETS}
    return [f"{name}.txt: {line}" for name in SETS for line in disagreements(asked[name], held[name])]
