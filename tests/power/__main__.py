"""`python -m tests.power --cuts 1000`: cut the power of a line at random points, and open what is left."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.power.cuts import FAULTS, Result, cut
from tests.power.recording import NoLogError, record

_EXAMPLES = """examples:
  python -m tests.power --cuts 1000                  the whole of it, every 50th with the daemon to READY
  python -m tests.power --cuts 200 --fault folders   must fail: no folder is synced
"""


def main(words: list[str]) -> int:
    """0: every cut left what it should; 1: one did not; 2: wrong arguments, or no C compiler."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.power", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=1000, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of recording (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the points and of what the disk has taken (default: %(default)s)")
    parser.add_argument("--ready-every", type=int, default=50, metavar="N", help="each Nth to READY; 0: none (default: %(default)s)")
    parser.add_argument("--fault", choices=FAULTS, default="", help="; ".join(f"{name}: {what}" for name, what in FAULTS.items()))
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="aoi-power-") as made:
        work = Path(made)
        try:
            recording = record(work, given.seconds)
        except NoLogError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        sys.stdout.write(f"recorded: {len(recording.log)} calls and marks, {len(recording.parts)} parts\n")
        begun_s = time.monotonic()

        def told(so_far: Result) -> None:
            if sys.stderr.isatty() or so_far.cuts % 100 == 0:
                sys.stderr.write(f"\r{so_far.cuts} cuts, {len(so_far.wrong)} wrong")
                sys.stderr.flush()

        result = cut(
            recording, work / "cut", cuts=given.cuts, seed=given.seed, fault=given.fault, ready_every=given.ready_every, told=told
        )
        sys.stderr.write("\n")
    for name, wrong in result.wrong.items():
        sys.stdout.write(f"cut {name}: {'; '.join(wrong)}\n")
    sys.stdout.write(
        f"{result.cuts} cuts in {time.monotonic() - begun_s:.0f} s: {len(result.wrong)} wrong; {result.started} of them "
        f"started to READY; {result.confirmed_parts} parts confirmed at the last one\n"
    )
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
