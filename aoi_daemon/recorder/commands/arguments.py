"""The command line of `aoi-daemon export` and `aoi-daemon replay`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.records.times import parse_from, parse_to

_CONFIG: Final = Path("/etc/aoi-daemon/line.toml")
_EXPORT: Final = """formats:
  csv, jsonl   every chosen part, one a line
  coco, yolo   reviewed parts with their pictures, as a data set
  boards       the same as NAME_test.png, NAME_temp.png, NAME.txt: what `qualify` and `bundle make` read
A false call becomes a picture without boxes, a confirmed defect has the boxes that the model found.

examples:
  aoi-daemon export --format csv --from 2026-11-22T06:00 --to 2026-11-22T14:00 --out shift.csv
  aoi-daemon export --format jsonl --only rejects --out - | jq .worst_class
  aoi-daemon export --format coco --only reviewed --out retrain/
  aoi-daemon export --format boards --records /var/lib/aoi-daemon/records --out field/
      then: aoi-daemon qualify --bundle bundles/demo --boards field/
"""
_REPLAY: Final = """Parts without a picture are skipped and counted; so are those that nobody looked at on the line
(LATE, OVERRUN ...): what they would have got is shown, and is no difference.

examples:
  aoi-daemon replay --config config/line.toml --from 2026-11-22
      would today's recipes and bundles have judged as they did?
  aoi-daemon replay --config new/line.toml --records /var/lib/aoi-daemon/records --only reviewed
      a new bundle, checked against what people have said
  aoi-daemon replay --backend openvino --precision bf16 --limit 500
      would another back end, or another precision of the bundle, have judged as the line did?
  aoi-daemon replay --part 1234 --json | jq '.parts[0].now'

exit code: 0 all verdicts are the same; 1 one differs, or nothing could be compared; 2 a file or option is wrong.
"""


def add_parsers(subparsers: Any) -> None:
    """Add the commands `export` and `replay` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    export = subparsers.add_parser(
        "export", help="recorded parts as CSV, JSON lines, COCO, YOLO or boards", epilog=_EXPORT, formatter_class=raw,
        description="Write recorded parts to a file, or to a data set with their pictures. It appears complete, or not "
        "at all. Works beside a running daemon, and without one.",
    )  # fmt: skip
    export.add_argument("--format", required=True, choices=("csv", "jsonl", "coco", "yolo", "boards"), help="see below")
    export.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a file (- is stdout), or a folder that is not there yet",
    )
    export.add_argument("--recipe", metavar="NAME", help="only parts of this recipe")
    export.add_argument(
        "--unreviewed", action="store_true",
        help="coco, yolo, boards: also what nobody has reviewed, with the model's own word as its label",
    )  # fmt: skip
    _add_choice(export)
    replay = subparsers.add_parser(
        "replay", help="judge recorded pictures again, and say where the verdict differs", formatter_class=raw,
        epilog=_REPLAY,
        description="Run recorded pictures through the line's own code with the recipes and bundles of --config.",
    )  # fmt: skip
    replay.add_argument("--recipe", metavar="NAME", help="judge all parts by this recipe, whatever they were judged by")
    replay.add_argument("--precision", choices=PRECISIONS, help="default: [inspection] precision")
    replay.add_argument("--backend", choices=("onnx", "openvino", "tensorrt"), help="default: [inspection] backend")
    replay.add_argument("--limit", type=_positive, metavar="N", help="the first N of the chosen parts")
    replay.add_argument("--json", action="store_true", help="one JSON object")
    _add_choice(replay)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=_CONFIG, metavar="FILE", help="line.toml (default: %(default)s)")
    parser.add_argument(
        "--records", type=Path, metavar="DIR", help="the records folder (default: that of [recorder] in --config)"
    )
    parser.add_argument(
        "--from", dest="since", type=_time(parse_from), metavar="TIME",
        help="parts from then on: 2026-11-22 or 2026-11-22T06:00, local time (with Z or +01:00: that)",
    )  # fmt: skip
    parser.add_argument(
        "--to", dest="until", type=_time(parse_to), metavar="TIME",
        help="parts until then; a date alone: until its end",
    )  # fmt: skip
    parser.add_argument(
        "--only", choices=("rejects", "faults", "reviewed"),
        help="rejects; rejects for another reason than a defect; those that a person has reviewed",
    )  # fmt: skip
    parser.add_argument("--part", metavar="ID", help="one part: its id in the records, or RUN-PART")


def _time(parse: Callable[[str], float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
