"""Make the lock files and the list of licences anew: `./tools/lock`."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from aoi_daemon.files import replace_file
from tools.locks.licences import LIST, licences, table
from tools.locks.pins import ROOT, SETS, all_disagreements, lock_file, read_pins, wanted
from tools.locks.resolve import LockError, resolve, write

EXAMPLES = """examples:
  ./tools/lock               after a change of pyproject.toml: versions stay, where they still fit
  ./tools/lock --upgrade     the newest versions that pyproject.toml allows; run ./tools/test --long then
  ./tools/lock --check       do the files agree with pyproject.toml? Needs no network; exit code 1: no
"""


def main(words: list[str] | None = None) -> int:
    """Exit code 0; 1: the files do not agree; 2: uv or the network fails, and says why."""
    parser = argparse.ArgumentParser(
        prog="lock", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say where the files disagree")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    beside = Path(sys.executable).with_name("uv")
    parser.add_argument("--uv", metavar="FILE", default=beside, help="another uv than the environment's")
    arguments = parser.parse_args(words)
    if not arguments.check:
        try:
            asked = wanted((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
            made = resolve(asked, arguments.uv, upgrade=arguments.upgrade)
            pins = {name: read_pins(re.sub("(?m)^-r .*$", "", made[name])) for name in SETS}
            listed = table(pins, licences([pin for name in SETS for pin in pins[name]]))
        except LockError as error:
            sys.stderr.write(f"lock: {error}\n")
            return 2
        write(made)
        replace_file(LIST, listed.encode())
        files = ", ".join(lock_file(name).name for name in SETS)
        print(f"{files}, {LIST.name}: {sum(map(len, pins.values()))} packages")
    lines = all_disagreements()
    for line in lines:
        sys.stderr.write(f"{line}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
