"""How long each step of ./tools/test took, and in it each layer of tests: noted by each run, told as a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

VARIABLE = "AOI_TEST_TIMES"
"""Names the file that steps and runs write to; without it nothing is noted."""


def note(environment: Mapping[str, str], ran: Iterable[tuple[str, float]]) -> None:
    """Keep what each layer took of `ran`, (test, seconds); one test may be there several times."""
    file = environment.get(VARIABLE)
    if not file:
        return
    layers: dict[str, float] = {}
    for test, seconds in ran:
        layer = "/".join(Path(test.partition("::")[0]).parts[:2])
        layers[layer] = layers.get(layer, 0.0) + seconds
    with Path(file).open("a") as notes:
        notes.writelines(f"{json.dumps({'layer': layer, 's': seconds})}\n" for layer, seconds in layers.items())


def told(lines: Iterable[str]) -> list[str]:
    """The table, as tests/README.md has it: a row for each step, then for each layer that ran in it.

    A step is told in seconds by the clock, a layer in seconds of its tests: more of them where several run at a time.
    """
    rows = ["| step | s | of which tests of | s of tests |", "|---|---|---|---|"]
    layers: dict[str, float] = {}
    total_s = 0.0
    for line in lines:
        found = json.loads(line)
        if "layer" in found:
            layers[found["layer"]] = layers.get(found["layer"], 0.0) + found["s"]
            continue
        total_s += found["s"]
        ran = [f"{layer} | {seconds:.0f}" for layer, seconds in sorted(layers.items())] or [" | "]
        rows.append(f"| `{found['step']}` | {found['s']:.0f} | {ran[0]} |")
        rows += [f"| | | {one} |" for one in ran[1:]]
        layers = {}
    return [*rows, f"| all | {total_s:.0f} | | |"]


if __name__ == "__main__":
    sys.stdout.write("\n".join(told(Path(sys.argv[1]).read_text().splitlines())) + "\n")
