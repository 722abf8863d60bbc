"""Run pytest under moved clocks: `python -m tests.clock quick`, `long`, or one clock by name with pytest's arguments."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import skips
from tests.clock.clocks import CLOCKS
from tests.clock.moved import NoMovedClockError, build, environment

LONG = ("tests/unit", "tests/properties", "tests/processes")
QUICK = (
    "tests/unit/recorder", "tests/unit/records", "tests/unit/publisher", "tests/unit/hmi/pages", "tests/unit/hmi/metrics",
    "tests/unit/hmi/access/test_sessions.py", "tests/unit/hmi/access/test_limits.py", "tests/unit/hmi/access/test_users_file.py",
    "tests/unit/engine/report/test_report.py", "tests/unit/stage/test_logs.py",
)  # fmt: skip
"""What tells the time of day, or asks how old something is."""
UNDER_ALL = ("ahead",)
"""The clocks of `long` that all of LONG runs under; the others have QUICK, or CI would take an hour."""


def main(words: list[str]) -> int:
    """0: all passed, or the clock cannot be moved here, which is said; 1: a test failed; 2: wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.clock", description="pytest with the wall clock and the times of files moved",
        epilog="clocks: " + "; ".join(f"{name}: {clock.what}" for name, clock in CLOCKS.items()),
    )  # fmt: skip
    parser.add_argument("which", choices=("quick", "long", *CLOCKS), help="the tests that ask for the time, 400 days ahead; those under every clock, and all tests under that one; or one")
    parser.add_argument("pytest", nargs=argparse.REMAINDER, help=f"pytest's arguments (tests, where none is named: {' '.join(LONG)})")
    given = parser.parse_args(words)
    names = {"quick": ["ahead"], "long": list(CLOCKS)}.get(given.which, [given.which])
    named = any(Path(word.partition("::")[0]).exists() for word in given.pytest)

    def arguments(name: str) -> list[str]:
        few = given.which == "quick" or (given.which == "long" and name not in UNDER_ALL)
        return given.pytest if named else [*given.pytest, *(QUICK if few else LONG)]

    with tempfile.TemporaryDirectory(prefix="aoi-moved-clock-") as folder:
        try:
            library = build(Path(folder))
        except NoMovedClockError as error:
            _cannot(given.which, error)
            return 0
        results = {name: _run(name, library, arguments(name)) for name in names}
    for name, (status, took_s) in results.items():
        _say(f"{CLOCKS[name].what}: {'passed' if status == 0 else f'FAILED, pytest says {status}'}, {took_s:.0f} s")
    failed = [name for name, (status, _) in results.items() if status]
    if failed:
        _say(f"once more, one clock: .venv/bin/python -m tests.clock {failed[0]} TEST")
    return 1 if failed else 0


def _run(name: str, library: Path, arguments: list[str]) -> tuple[int, float]:
    """pytest's exit status, and what it took."""
    clock, begun_s = CLOCKS[name], time.monotonic()
    try:
        offset_s = clock.offset_s(time.time())
    except NoMovedClockError as error:
        _cannot(name, error)
        return 0, 0.0
    _say(f"== {clock.what} ({offset_s:+d} s): pytest {' '.join(arguments)}")
    moved = environment(library, offset_s, clock.zone)
    moved.pop(skips.VARIABLE, None)  # what is skipped was counted under the true clock
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-r", "fE", "-p", "no:cacheprovider", *arguments], env=moved, check=False
    )
    return done.returncode, time.monotonic() - begun_s


def _cannot(name: str, error: NoMovedClockError) -> None:
    _say(f"tests.clock {name}: skipped: {error}")
    skips.note(os.environ, [(f"tests/clock {name}", str(error))])


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
