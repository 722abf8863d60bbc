"""What the runs of ./tools/test skipped, for want of what, and how to get it: noted by each run, told in three lines at the end."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

VARIABLE = "AOI_TEST_SKIPS"
"""Names the file that the runs write to; without it nothing is noted."""

_PACKAGE = re.compile(r"could not import '(\w+)|pip install ([\w -]+)$")


def note(environment: Mapping[str, str], skipped: Iterable[tuple[str, str]]) -> None:
    """Keep (test, reason) of each that was skipped."""
    if file := environment.get(VARIABLE):
        with Path(file).open("a") as notes:
            notes.writelines(json.dumps(one) + "\n" for one in skipped)


def told(skipped: Iterable[tuple[str, str]]) -> list[str]:
    """At most three lines: what a GPU would run, what packages would, and what another machine, user or option would."""
    gpu, packages, machine = 0, Counter[str](), Counter[str]()
    for test, reason in dict(skipped).items():
        if test.startswith("tests/gpu"):
            gpu += 1
        elif found := _PACKAGE.search(reason):
            packages[found[1] or found[2]] += 1
        else:
            machine[reason] += 1
    lines = []
    if gpu:
        lines.append(f"{gpu} skipped: no NVIDIA GPU (tests/gpu): run ./tools/test tests/gpu on a machine with one")
    if packages:
        names = " ".join(packages)
        lines.append(f"{packages.total()} skipped: packages that are not installed: .venv/bin/python -m pip install {names}")
    if machine:
        most_first = sorted(machine.items(), key=lambda one: (-one[1], one[0]))
        reasons = "; ".join(f"{reason} ({count})" for reason, count in most_first)
        lines.append(f"{machine.total()} skipped for want of what this machine, user or call has not: {reasons}")
    return lines or ["nothing was skipped"]


def main(file: str) -> None:
    """Print what the runs that wrote `file` skipped."""
    lines = told(json.loads(line) for line in Path(file).read_text().splitlines())
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
