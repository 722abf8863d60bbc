"""The command line of `aoi-daemon golden`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from aoi_daemon.engine.arguments import add_bits

_EXAMPLES: Final = """examples:
  aoi-daemon golden add --good pictures/ok_*.png
  aoi-daemon golden add --bad pictures/scratch.png --box 120,80,190,110,scratch
      a bad part, and where it is bad: x1,y1,x2,y2 in px, and the class where it must be found as that
  aoi-daemon golden add --bad boards/7_test.png
      in DeepPCB's layout: 7_temp.png beside it is its template, 7.txt its boxes (x1 y1 x2 y2 class)
  aoi-daemon golden add --view side --good side.png   of a recipe with several views: which one it shows
  aoi-daemon golden add --record 4711 --bad           a recorded reject; its boxes, where a person has confirmed it
  aoi-daemon golden list --check                      every part, judged on this machine
  aoi-daemon golden remove scratch-2
  aoi-daemon reload                                   the running line proves itself with them
"""
_DESCRIPTION: Final = """Golden parts of a product: parts of known verdict, kept in recipes/NAME.golden/ beside the
recipe. The line is READY for a product with at least one good and one bad part of each view, all of which hold: a good
one passes, a bad one is rejected for a defect, and something is found in each of its boxes."""
_EXIT_CODES: Final = """
exit codes: 0 the product is proven; 1 it is not, or not yet: a part does not hold, or is missing (what was added is
kept); 2 the command line, a file or a box is wrong, and nothing was written; 130 interrupted.
"""


def add_parsers(subparsers: Any) -> None:
    """Add the command `golden` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    golden = subparsers.add_parser(
        "golden", help="golden parts of a product: what proves it", description=_DESCRIPTION,
        epilog=_EXAMPLES + _EXIT_CODES, formatter_class=raw,
    )  # fmt: skip
    actions = golden.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser(
        "add", help="add good or bad parts, and judge them", formatter_class=raw, epilog=_EXAMPLES + _EXIT_CODES,
        description="Add parts of known verdict. Pictures are kept without loss, and are of the recipe's size.",
    )  # fmt: skip
    which = add.add_mutually_exclusive_group(required=True)
    which.add_argument("--good", nargs="*", type=Path, metavar="PICTURE", help="parts that must pass")
    which.add_argument("--bad", nargs="*", type=Path, metavar="PICTURE", help="parts that must be rejected")
    add.add_argument(
        "--box", action="append", default=[], metavar="X1,Y1,X2,Y2[,CLASS]",
        help="where the one bad part is bad, in px; again for each place",
    )  # fmt: skip
    add.add_argument("--template", type=Path, metavar="PICTURE", help="the part's own (default: the recipe's)")
    add.add_argument("--view", metavar="NAME", help="which view it shows, of a recipe with several")
    add.add_argument("--fov", type=int, metavar="N", help="field of view (default: 0, or the record's)")
    add.add_argument("--record", metavar="ID", help="a recorded part, by its number or RUN-PART, in place of a picture")
    add.add_argument("--records", type=Path, metavar="DIR", help="the records (default: those of [recorder])")
    add_bits(add)
    add.add_argument("--by", metavar="NAME", help="who adds it (default: the user's name)")
    listing = actions.add_parser(
        "list", help="what there is, and whether it holds", formatter_class=raw, epilog=_EXAMPLES + _EXIT_CODES,
        description="List the golden parts of a product; exit code 0 without --check.",
    )  # fmt: skip
    listing.add_argument("--check", action="store_true", help="judge each on this machine")
    listing.add_argument("--json", action="store_true", help="one JSON object")
    remove = actions.add_parser(
        "remove", help="take parts out", formatter_class=raw, epilog=_EXAMPLES,
        description="Take golden parts out. The running line asks for what is left at its next reload.",
    )  # fmt: skip
    remove.add_argument("names", nargs="+", metavar="NAME", help="as `list` shows it")
    for action in (add, listing, remove):
        action.add_argument(
            "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
            help="line.toml (default: %(default)s)",
        )  # fmt: skip
        action.add_argument("--recipe", metavar="NAME", help="its file in recipes/ (default: line.recipe)")
