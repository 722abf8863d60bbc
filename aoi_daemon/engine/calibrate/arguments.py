"""The command line of `aoi-daemon calibrate`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

_EXAMPLES: Final = """examples:
  aoi-daemon calibrate target --out target.pdf                 a page of A4 to print at 100 %, glued onto something flat
  aoi-daemon calibrate target --out small.pdf --square-mm 3 --paper a5
  aoi-daemon calibrate measure frame.png                       px per mm and distortion, as lines for line.toml
  aoi-daemon calibrate measure frame.png --line-mm 99.4        the printed line is that long, not 100.0 mm
  aoi-daemon calibrate measure flat.png turned.png corner.png  the first lies where parts lie, the others help
  aoi-daemon calibrate measure --camera top                    by the next frame of the running line
  aoi-daemon calibrate check frame.png --camera top            has the target moved since? exit 1 where it has
  aoi-daemon calibrate check --camera top                      the same by the next frame, and the line looks anew
  aoi-daemon calibrate watch frame.png --squares 5x4           a small target stays in view: the alarm TARGET_MOVED
"""
_DESCRIPTION: Final = """Scale, lens distortion and white balance of a camera, from a printed target. Sizes in mm are
told by what was measured; no pixel is changed, and no verdict."""
_EXIT_CODES: Final = """
exit codes: 0 done; 1 `check`: the target has moved; 2 the command line, a file or a picture is wrong, or no frame came
from the line, with what to do.
"""


def add_parsers(subparsers: Any) -> None:
    """Add the command `calibrate` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    calibrate = subparsers.add_parser(
        "calibrate", help="px per mm, distortion and white balance of a camera, by a printed target",
        description=_DESCRIPTION, epilog=_EXAMPLES + _EXIT_CODES, formatter_class=raw,
    )  # fmt: skip
    actions = calibrate.add_subparsers(dest="action", required=True, metavar="ACTION")
    target = actions.add_parser(
        "target", help="write the target as a PDF", formatter_class=raw, epilog=_EXAMPLES,
        description="Write the page to print: a ChArUco board, and a line of 100 mm to check the print by.",
    )  # fmt: skip
    target.add_argument("--out", type=Path, required=True, metavar="FILE", help="the PDF; overwritten")
    target.add_argument("--paper", choices=("a3", "a4", "a5", "letter"), default="a4", help="(default: %(default)s)")
    measure = actions.add_parser(
        "measure", help="measure a camera by pictures of the target", formatter_class=raw,
        epilog=_EXAMPLES + _EXIT_CODES,
        description="Measure a camera. The target of the first picture lies flat where parts lie, and fills the view.",
    )  # fmt: skip
    check = actions.add_parser(
        "check", help="has the target moved since?", formatter_class=raw, epilog=_EXAMPLES + _EXIT_CODES,
        description="Compare where the target lies with where it lay when the camera was measured.",
    )  # fmt: skip
    watch = actions.add_parser(
        "watch", help="a target that stays in view, and the alarm when it has moved", formatter_class=raw,
        epilog=_EXAMPLES + _EXIT_CODES,
        description="Print the lines by which the line looks for a target that stays in its view, such as a small one "
        "beside the parts: at its start, each minute, and when `check` asks for it.",
    )  # fmt: skip
    _add_options(target, measure, check, watch)


def _add_options(
    target: argparse.ArgumentParser, measure: argparse.ArgumentParser, check: argparse.ArgumentParser,
    watch: argparse.ArgumentParser,
) -> None:  # fmt: skip
    measure.add_argument(
        "pictures", nargs="*", type=Path, metavar="PICTURE",
        help="of the target, from this camera (default: the next frame of the running line)",
    )  # fmt: skip
    measure.add_argument(
        "--line-mm", type=float, default=100.0, metavar="MM",
        help="how long the printed line of 100 mm is, by a ruler (default: %(default)s)",
    )  # fmt: skip
    measure.add_argument("--json", action="store_true", help="one JSON object instead")
    for action in (check, watch):
        action.add_argument(
            "picture", nargs="?", type=Path, metavar="PICTURE",
            help="of the target where it lies (default: the next frame of the running line)",
        )  # fmt: skip
    for action, most in ((check, "that of the watch, or 2"), (watch, "2")):
        action.add_argument(
            "--most-px", type=float, metavar="PX", help=f"so far it may have moved (default: {most})"
        )
    for action in (measure, check, watch):
        action.add_argument(
            "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
            help="line.toml (default: %(default)s)",
        )  # fmt: skip
        action.add_argument("--camera", metavar="NAME", help="which camera of line.toml (default: the only one)")
        action.add_argument("--fov", type=int, metavar="N", help="a frame of this field of view (default: of any)")
        action.add_argument(
            "--wait-s", type=float, default=30.0, metavar="S",
            help="how long to wait for a frame (default: %(default)s)",
        )  # fmt: skip
    for action in (target, measure, check, watch):
        action.add_argument("--square-mm", type=float, default=10.0, metavar="MM", help="(default: %(default)s)")
        action.add_argument(
            "--squares", metavar="COLUMNSxROWS",
            help="as the page says (default: `check`: those that are watched; else what fills a page of A4)",
        )  # fmt: skip
