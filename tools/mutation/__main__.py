"""Do the tests notice a change of the code?

`tools/mutate` changes one small piece of a module at a time, in memory, and runs the tests that execute that piece. A
mutant that no test notices is printed: a test is missing, the code is needless, or the change makes no difference and
is listed with its reason in tests/equivalents.toml. Results are kept in .mutation/ and taken up again: stop it when
you like.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.mutation import equivalents, report
from tools.mutation.campaign import Campaign, drawn
from tools.mutation.errors import MutationError
from tools.mutation.operators import NAMES
from tools.mutation.plan import GROUPS, groups_for

ROOT: Final = Path(__file__).resolve().parents[2]
_GROUPS: Final = "\n".join(
    f"  {group.name:<11} {' '.join(group.paths)}" + (f" (a sample of {group.sample})" if group.sample else "")
    for group in GROUPS
)
_OPERATORS: Final = "\n".join(f"  {name:<11} {words}" for name, words in NAMES.items())
_EXAMPLES: Final = f"""groups (tools/mutation/plan.py):
{_GROUPS}

operators:
{_OPERATORS}

examples:
  ./tools/mutate                                 all groups: some 5,000 mutants the first time, then what has changed
  ./tools/mutate plc decide                      two of them
  ./tools/mutate aoi_daemon/plc/link.py          one file, with the tests of its folder
  ./tools/mutate ring --sample 60 --seed 2       other mutants than those of seed 1
  ./tools/mutate plc --survivors                 those that live, as far as it is known; runs nothing
  ./tools/mutate --show aoi_daemon/plc/link.py:42:16:compare:0
  ./tools/mutate --table                         the markdown table by file, as far as it is known

exit codes: 0 all mutants are killed or listed as equivalent; 1 some live; 2 the command line, the list of equivalents,
or tests that are red without any mutant; 130 stopped with Ctrl-C, what is done is kept.
"""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/mutate", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a file, folder or pattern in aoi_daemon/, or a group (default: all groups)",
    )
    parser.add_argument(
        "--sample", type=_count, metavar="N", help="draw N mutants of each PATH in place of what the group says"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the sample (default %(default)s)")
    parser.add_argument("--all", action="store_true", help="every mutant, also of a group that is sampled")
    parser.add_argument(
        "--jobs",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="side by side (default: one for each core)",
    )
    parser.add_argument("--again", action="store_true", help="try those that are known, too")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", metavar="ID", help="print the diff of a mutant, and what came of it")
    what.add_argument("--survivors", action="store_true", help="print those that live, as far as it is known")
    what.add_argument("--table", action="store_true", help="print the table by file, as far as it is known")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of 1 or more")
    return int(text)


def main(argv: Sequence[str] | None = None, *, root: Path = ROOT, top: str = "aoi_daemon") -> int:
    """Run it; the exit code. `root` and `top` are for tests: another checkout and package."""
    options = arguments(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        return _run(options, root, top)
    except KeyboardInterrupt:
        _say("stopped; what is done is kept")
        return 130
    except MutationError as error:
        _say(f"mutate: {error}")
        return 2


def _run(options: argparse.Namespace, root: Path, top: str) -> int:
    asked = [options.show.partition(":")[0]] if options.show else options.paths
    groups = [
        drawn(root, group._replace(sample=None) if options.all or options.show else group, options.seed)
        for group in groups_for(root, asked, options.sample)
    ]
    campaign = Campaign(root, options.jobs, _say, top)
    told = report.Report(campaign.results, equivalents.read(root / equivalents.FILE))
    if options.show:
        print(report.show(root, report.find(groups, options.show), campaign.results))
        return 0
    if not options.survivors and not options.table:
        campaign.run(groups, again=options.again)
    survivors = list(told.survivors(groups))
    if options.survivors or not options.table:
        for mutant, status in survivors:
            print(report.line(mutant, status))
    if not options.survivors:
        print(told.table(groups))
    wrong = told.wrong_entries(groups)
    for words in wrong:
        _say(f"mutate: {equivalents.FILE}: an entry {words}")
    return 2 if wrong else 1 if survivors else 0


def _stop(_number: int, _frame: object) -> None:
    # Once: a second one, from an impatient hand or the parent, must not break off the killing of what runs.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
