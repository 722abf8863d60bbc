"""The core on each Python that this machine has: `python -m tests.wheel.pythons`; needs the network.

For each: a fresh virtual environment, the wheel without any extra, and in an empty folder `aoi-daemon init`,
`check-config`, and a short simulated line without a page. Which were not run is said at the end.
Exit codes: 0 all that are there did it; 1 one did not; 2 the command line is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.wheel.made import build, cannot_build, environment

MINORS: Final = (10, 11, 12, 13, 14)
_EXAMPLES: Final = """examples:
  python -m tests.wheel.pythons                  each of 3.10 to 3.14 that is there
  python -m tests.wheel.pythons --only 3.10      this one alone
"""


def interpreters() -> dict[str, str]:
    """A path by version, `3.10`: on the PATH, of this environment, or of pyenv."""
    found: dict[str, str] = {}
    for minor in MINORS:
        for path in _candidates(minor):
            if _version_of(path) == f"3.{minor}":
                found[f"3.{minor}"] = path
                break
    return found


def _candidates(minor: int) -> Iterator[str]:
    if sys.version_info[:2] == (3, minor):
        yield str(Path(sys.base_prefix) / "bin" / f"python3.{minor}")
    on_path = shutil.which(f"python3.{minor}")
    if on_path:
        yield on_path
    yield from sorted(map(str, Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python3.{minor}")), reverse=True)


def _version_of(path: str) -> str:
    """What `path` is, asked of itself: a name of pyenv's stands there for versions that are not chosen too."""
    try:
        return subprocess.run(
            [path, "-c", "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])"],
            check=True, capture_output=True, text=True, timeout=30, env=environment(),
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""


def try_core(python: str, wheel: Path, folder: Path, parts: int) -> None:
    """Install the core into `folder` and run it. Raises CalledProcessError, with what it said, where it fails."""
    home, empty, bin_ = folder / "home", folder / "empty", folder / "venv" / "bin"
    for made in (home, empty):
        made.mkdir(parents=True)
    for words in (
        [python, "-m", "venv", str(folder / "venv")],
        [str(bin_ / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)],
        [str(bin_ / "aoi-daemon"), "init", "line"],
        [str(bin_ / "aoi-daemon"), "check-config", "--config", "line/line.toml"],
        [str(bin_ / "aoi-daemon"), "demo", "--page", "0", "--parts", str(parts)],
    ):
        subprocess.run(words, check=True, capture_output=True, text=True, cwd=empty, env=environment(home=home))


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Try each; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.wheel.pythons", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--only", choices=[f"3.{minor}" for minor in MINORS], help="this version alone")
    parser.add_argument("--parts", type=int, default=20, metavar="N", help="parts of the simulated line (default 20)")
    options = parser.parse_args(argv)
    if why := cannot_build():
        parser.error(why)
    there = interpreters()
    wanted = [options.only] if options.only else [f"3.{minor}" for minor in MINORS]
    failed = []
    with tempfile.TemporaryDirectory(prefix="aoi-pythons-") as made:
        wheel = build(Path(made) / "wheel")
        for version in wanted:
            if version not in there:
                continue
            begun = time.monotonic()
            try:
                try_core(there[version], wheel, Path(made) / version, options.parts)
            except subprocess.CalledProcessError as error:
                failed.append(version)
                say(f"Python {version}: {' '.join(error.cmd)}: exit {error.returncode}\n{error.stderr}")
            else:
                say(f"Python {version}: the core runs ({time.monotonic() - begun:.0f} s, {there[version]})")
            shutil.rmtree(Path(made) / version)
    for version in wanted:
        if version not in there:
            say(f"Python {version}: NOT RUN, there is none on this machine")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
