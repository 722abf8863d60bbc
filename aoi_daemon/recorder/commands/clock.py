"""The command `aoi-daemon clock`: whether the PC's clock is believed, and a person's word that it is right.

Exit codes: 0 it is believed, or has been confirmed; 1 it is in doubt, that is not known yet, or it was not confirmed;
2 wrong command line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

_CONFIG: Final = Path("/etc/aoi-daemon/line.toml")
_MORE: Final = """A clock that has jumped by more than a day is in doubt, over restarts too (alarm CLOCK_DOUBT). Until
it is confirmed here, or the kernel has said for an hour that it is synchronised, nothing is deleted for its age, and
parts are dated by the time that passes.

examples:
  aoi-daemon clock
  date; aoi-daemon clock --confirm "Anna Berg, set by hand after the battery was changed"
"""
_UNKNOWN: Final = (
    "not known yet: the recorder has not compared the clock with the records (it does when it opens them; without "
    "[recorder] in line.toml none depend on it)"
)


def add_parser(subparsers: Any) -> None:
    """Add the command `clock` to a parser's `add_subparsers()`."""
    clock = subparsers.add_parser(
        "clock", help="is the PC's clock believed? confirm it after a jump; exit 1 unless it is", epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    clock.add_argument(
        "--config", type=Path, metavar="FILE", help="line.toml of the line that is meant, where several run here"
    )
    clock.add_argument("--socket", type=Path, metavar="PATH", help="the same by its control socket")
    clock.add_argument(
        "--confirm", type=somebody_for_a_reason, metavar="'NAME, reason'",
        help="the clock, as it is now, is right: who says so, and why",
    )  # fmt: skip


def somebody_for_a_reason(text: str) -> tuple[str, str]:
    """(name, reason). Raises ArgumentTypeError: it says only one of them, or is no line of text."""
    name, _, reason = (word.strip() for word in text.partition(","))
    if not (name and reason and text.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is not 'NAME, reason' in one line: who says so, and why")
    if len(name) > 80 or len(reason) > 200:
        raise argparse.ArgumentTypeError("at most 80 characters are taken of a name, and 200 of a reason")
    return name, reason


def run(arguments: argparse.Namespace) -> int:
    """Do it; the exit code. Raises NotRunningError."""
    from aoi_daemon.stage.control import request  # noqa: PLC0415
    from aoi_daemon.stage.control_path import find_socket  # noqa: PLC0415

    path = find_socket(arguments.socket, arguments.config, _CONFIG)
    if arguments.confirm is None:
        clock = request(path, {"do": "status"})[0]["status"]["clock"]
        believed = clock.get("believed") == "yes"
        said = clock["doubt"] or ("the clock is believed" if believed else _UNKNOWN)
        sys.stdout.write(f"synchronised: {clock['synchronised']}\n{said}\n")
        return 0 if believed else 1
    name, reason = arguments.confirm
    answer, _ = request(path, {"do": "clock", "by": name, "reason": reason})
    sys.stdout.write(f"{answer['message']}\n") if answer["ok"] else sys.stderr.write(f"{answer['error']}\n")
    return 0 if answer["ok"] else 1
