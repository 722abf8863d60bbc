"""Lock files by uv: for every Python and machine at once, from PyPI alone, whatever the machine's own settings are."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from packaging.requirements import Requirement

from aoi_daemon.errors import AoiError
from aoi_daemon.files import replace_file
from tools.locks.pins import PYTHONS, SETS, entries, lock_file

INDEX: Final = "https://pypi.org/simple"
_HEAD: Final = """\
# {what}
# Made by ./tools/lock from pyproject.toml; not to be changed by hand.
# pip install --require-hashes --no-build-isolation -r tools/locks/{name}.txt
{included}"""
_WHAT: Final = {
    "build": "What builds the project and the packages that come as source; to be installed first.",
    "line": "What a line runs with: the project's dependencies and every extra but gpu, rtx, train and dev.",
    "dev": "What CI runs with: the extra dev.",
}
# Of a machine's settings only how it reaches the network: another index or folder would put its own hashes in.
_KEPT: Final = ("PIP_CERT", "PIP_PROXY", "PIP_DEFAULT_TIMEOUT")


class LockError(AoiError):
    """The lock could not be made; nothing was changed."""


def plain_environment() -> dict[str, str]:
    """The environment without what leads pip or uv to another place than PyPI."""
    ours = {key: value for key, value in os.environ.items() if key in _KEPT or not key.startswith(("PIP_", "UV_"))}
    return {**ours, "PIP_CONFIG_FILE": os.devnull}


def resolve(asked: Mapping[str, Sequence[Requirement]], uv: Path, *, upgrade: bool) -> dict[str, str]:
    """The text of each lock file. The largest set is resolved first, the others keep its versions.

    Args:
        asked: what each set must hold.
        uv: its program.
        upgrade: take the newest versions; else those that the files have, where they still do.

    Raises:
        LockError: uv says why.
    """
    found: dict[str, list[str]] = {}
    with TemporaryDirectory(prefix="aoi-lock-") as folder:
        largest = Path(folder) / f"{SETS[-1]}.txt"
        if not upgrade:
            # uv keeps the versions that it finds in the file it is to write.
            there = [lock_file(name).read_text(encoding="utf-8") for name in SETS if lock_file(name).exists()]
            largest.write_text("".join(re.sub(r"(?m)^-r .*$", "", text) for text in there), encoding="utf-8")
        for name in reversed(SETS):
            out = Path(folder) / f"{name}.txt"
            constraints = [] if out == largest else ["--constraints", str(largest)]
            command = [
                str(uv), "pip", "compile", "-", "--universal", "--generate-hashes", "--python-version", PYTHONS[0],
                "--no-config", "--default-index", INDEX, "--no-header", "--no-annotate", "--quiet",
                "--output-file", str(out), *constraints,
            ]  # fmt: skip
            words = "\n".join(sorted({str(each) for each in asked[name]}))
            _run(command, words)
            found[name] = entries(out.read_text(encoding="utf-8"))
    return {name: _file(name, found) for name in SETS}


def _file(name: str, found: Mapping[str, Sequence[str]]) -> str:
    """The text of one file: what the one before it does not hold."""
    before = SETS[SETS.index(name) - 1] if name != SETS[0] else None
    included, held = ("", set[str]()) if before is None else (f"-r {before}.txt\n", set(found[before]))
    lines = [entry.replace(" --hash=", " \\\n    --hash=") for entry in found[name] if entry not in held]
    return _HEAD.format(what=_WHAT[name], name=name, included=included) + "\n".join(lines) + "\n"


def write(made: Mapping[str, str]) -> None:
    """Put the files in place."""
    for name, text in made.items():
        replace_file(lock_file(name), text.encode())


def _run(command: Sequence[str], words: str) -> None:
    try:
        ended = subprocess.run(
            command, input=words, text=True, capture_output=True, check=False, env=plain_environment(), timeout=600
        )
    except OSError as error:
        raise LockError(f"{command[0]}: {error.strerror}; it comes with the extra dev: pip install uv") from error
    except subprocess.TimeoutExpired as error:
        raise LockError(f"{command[0]}: no answer in 10 minutes; is {INDEX} reached?") from error
    if ended.returncode != 0:
        raise LockError(f"{' '.join(command[:3])}: {ended.stderr.strip()}")
