"""One side of a case in a process of its own: `python -m tools.backends.child '{"role": ...}'`, see `turns.serve`.

Roles:
    executor  what a part costs on the line: its frame found in the ring, `infer` with a deadline, and the ring's check
              that the slot was still the part's.
    floor     the vendor's own call on the same frames, `bare`.

A case is `role`, `bundle` (a folder), `inspection` (the section of line.toml) and `size` [width_px, height_px]. What is
said first: `name`, `notes`, `open_s`, `first_ms` (the first inference), `rss_mib` (resident memory since before the
opening, after `warm_up_runs`). Each order `{"runs": n, "from": number}` is answered by `ns`, a list of n.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.open import open_executor
from tools.backends.bare import Once, bare
from tools.backends.turns import say, serve
from tools.gpu.frames import FilledRing
from tools.gpu.realtime import measure, settle

_DEADLINE_NS: Final = 10_000_000_000
_MIB: Final = 1 << 20


def main() -> int:
    """Open what the case says, and serve."""
    case: dict[str, Any] = json.loads(sys.argv[1])
    opened = {"executor": _executor, "floor": _floor}[case["role"]]
    try:
        width_px, height_px = case["size"]
        filled = FilledRing(width_px, height_px, load_bundle(Path(case["bundle"])).manifest.channels)
        before = _rss_mib()
        began = time.monotonic()
        with opened(case, filled) as (name, notes, once):
            open_s = time.monotonic() - began
            [first_ns] = measure(once, 1)
            measure(once, case["warm_up_runs"])
            settle()
            serve(
                {
                    "name": name, "notes": notes, "open_s": round(open_s, 3), "first_ms": round(first_ns / 1e6, 3),
                    "rss_mib": round(_rss_mib() - before, 1),
                },
                lambda order: {"ns": measure(lambda number: once(order["from"] + number), order["runs"])},
            )  # fmt: skip
    except (AoiError, ImportError, ValueError) as error:
        say({"refused": str(error)})
    return 0


@contextmanager
def _executor(case: dict[str, Any], filled: FilledRing) -> Iterator[tuple[str, list[str], Once]]:
    bundle = load_bundle(Path(case["bundle"]))
    width_px, height_px = case["size"]
    section = InspectionSection(**case["inspection"])
    shape = (height_px, width_px, bundle.manifest.channels)
    with open_executor(bundle, section, shape, pinned=filled.planes) as executor:
        ring, takes_template = filled.ring, executor.has_template

        def part(number: int) -> None:
            sequence = filled.sequence(number)
            image, template = ring.frame(sequence)
            executor.infer(image, template if takes_template else None, time.monotonic_ns() + _DEADLINE_NS)
            ring.check(sequence)

        yield executor.name, executor.notes, part


@contextmanager
def _floor(case: dict[str, Any], filled: FilledRing) -> Iterator[tuple[str, list[str], Once]]:
    bundle = load_bundle(Path(case["bundle"]))
    slots = range(filled.ring.layout.slots)
    pairs: Any = [filled.ring.frame(filled.sequence(number)) for number in slots]
    with bare(bundle, case["inspection"], pairs) as floor:
        yield floor.name, floor.notes, floor.once


def _rss_mib() -> float:
    """Resident memory of this process, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / _MIB


if __name__ == "__main__":
    sys.exit(main())
