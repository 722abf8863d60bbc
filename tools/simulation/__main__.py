"""`python -m tools.simulation`: what `tools/simulate` starts."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from aoi_daemon.kit.simulator.structured_text import Text
from tools.simulation.faults import Kind
from tools.simulation.plan import plan_of
from tools.simulation.report import Total
from tools.simulation.run import Run
from tools.simulation.shrink import shrunk, told

_PARTS: Final = 200
_CHUNK: Final = 50
_SHOWN: Final = 5
_KINDS: Final = ", ".join(kind.value for kind in Kind)

_DESCRIPTION = """\
The line in virtual time: the daemon's own plc stage, supervisor and alarms, the
shipped PLC program, and a world that does its worst. A seed is a run. What holds
in every run, and what is simulated: tools/simulation/README.md.
"""
_EXAMPLES = """\
examples:
  tools/simulate --seeds 1:200
  tools/simulate --seeds 1:1000 --only "plc mute"
  tools/simulate --trace 4711                the run of one seed, made smaller where it breaks

exit status: 0 every invariant held, 1 one did not, 2 what was asked is not understood
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="simulate", description=_DESCRIPTION, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--seeds", type=_range, metavar="A:B", help="seeds from A up to and with B")
    parser.add_argument("--parts", type=int, default=_PARTS, help=f"parts of a run, at least (default {_PARTS})")
    parser.add_argument("--only", type=_kind, metavar="KIND", help=f"nothing else goes wrong: {_KINDS}")
    parser.add_argument("--trace", type=int, metavar="SEED", help="run one seed and tell what happened")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (default 1)")
    chosen = parser.parse_args(arguments)
    if chosen.parts < 1 or chosen.jobs < 1:
        parser.error("--parts and --jobs are at least 1")
    if chosen.trace is not None:
        return _trace(chosen.trace, chosen.parts, chosen.only)
    if chosen.seeds is None:
        parser.error("give --seeds A:B, or --trace SEED")
    total, broken, cpu_s = campaign(chosen.seeds, chosen.parts, chosen.only, chosen.jobs)
    for seed in broken[:_SHOWN]:
        _trace(seed, chosen.parts, chosen.only)
    print("\n".join(total.lines()))
    if len(broken) > _SHOWN:
        print(f"{len(broken)} seeds break, shown are {_SHOWN}: {' '.join(map(str, broken[:40]))}")
    print(f"{total.parts / cpu_s:.0f} parts a second of processor time")
    return 1 if broken else 0


def _trace(seed: int, parts: int, only: Kind | None) -> int:
    outcome = Run(plan_of(seed, parts, only), trace=True).go()
    if not outcome.broken:
        print(f"seed {seed}: every invariant held, {outcome.let_go} of {outcome.good} good parts were let go")
        for fault in outcome.plan.faults:
            print(f"  fault: {fault}")
        return 0
    print("\n".join(told(shrunk(outcome))))
    return 1


def campaign(seeds: range, parts: int, only: Kind | None, jobs: int) -> tuple[Total, list[int], float]:
    """All of `seeds`: the sums, the seeds that break, and the processor time in s."""
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    total, broken, cpu_s = Total(), [], 0.0
    if jobs == 1:
        found = [_chunk(chunk, parts, only) for chunk in chunks]
    else:
        with ProcessPoolExecutor(jobs) as pool:
            found = list(pool.map(_chunk, chunks, [parts] * len(chunks), [only] * len(chunks)))
    for one, broke, spent_s in found:
        total.merge(one)
        broken += broke
        cpu_s += spent_s
    return total, broken, cpu_s


def _chunk(seeds: range, parts: int, only: Kind | None) -> tuple[Total, list[int], float]:
    began = time.process_time()
    total, broken, texts = Total(), [], set()
    for seed in seeds:
        outcome = Run(plan_of(seed, parts, only)).go()
        total.add(outcome)
        if isinstance(outcome.branches, Text):
            texts.add(outcome.branches)
        if outcome.broken:
            broken.append(seed)
    for text in texts:
        total.branches(text)
    return total, broken, time.process_time() - began


def _range(text: str) -> range:
    first, colon, last = text.partition(":")
    try:
        found = range(int(first), int(last if colon else first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no A:B, as in 1:200") from None
    if not found or found[0] < 0:
        raise argparse.ArgumentTypeError(f"{text!r}: A is 0 or more, and B no less than A")
    return found


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"there is no {text!r}; there are: {_KINDS}") from None


if __name__ == "__main__":
    sys.exit(main())
