"""The command line of `python -m tools.models`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.models.rows import ROWS, Row

_ABOUT: Final = """Do models of other programs give here what they give at home? A table, a row for each family
and export.

`train` needs the programs themselves (tools/models/requirements.txt; ./tools/test --models makes an environment of
them) and draws coloured boards, trains each model on them for --minutes, exports it to ONNX, and keeps what the program
itself makes of pictures that it has not seen. `compare` needs this checkout's environment: it adapts each export,
runs it in the product's executor and judgement, and compares. Nothing is fetched; no weights are kept but in --out.
"""
_EXAMPLES: Final = """examples:
  ./tools/test --models                                                both, on the CPU, with an environment of its own
  python -m tools.models train --out /tmp/models --rows yolo11n,yolov8n --minutes 2
  python -m tools.models train --out /tmp/models --device cuda --minutes 1.5 --size 320 --count 4000
  python -m tools.models compare --out /tmp/models --json table.json --markdown table.md
  python -m tools.models rows                                          their names

exit codes: 0 each row that was run agrees; 1 one does not (compare), or has no answer (train); 2 the command line.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line says; the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command == "rows":
        print("\n".join(f"{row.name:20} {row.title}" for row in ROWS))
        return 0
    rows = _chosen(parser, options.rows)
    # Programs tell a picture by its full path, however the folder was named.
    out: Path = options.out.resolve()
    if options.command == "compare":
        from aoi_daemon.kit.report_file import check_report  # noqa: PLC0415  # needs this checkout's environment
        from tools.models.table import compare_all  # noqa: PLC0415

        if not out.is_dir():
            parser.error(f"--out {out}: no such folder; `train` makes it")
        check_report(parser, "--json", options.json)
        check_report(parser, "--markdown", options.markdown)
        return compare_all(rows, out, json_file=options.json, markdown_file=options.markdown)
    # Needs none of it, but is not there for `compare` either: OpenCV apart.
    from tools.models.theirs.frames import Asked  # noqa: PLC0415
    from tools.models.train import train_all, train_one  # noqa: PLC0415

    asked = Asked(
        out / "boards", out / "runs", options.size, options.device, options.minutes, options.batch, options.workers
    )
    if options.one:
        return train_one(options.one, out, asked)
    asked.runs.mkdir(parents=True, exist_ok=True)
    words = list(sys.argv[2:] if argv is None else argv[1:])
    try:
        missing = train_all(rows, out, words, size_px=options.size, count=options.count, again=options.again)
    except (OSError, ValueError) as error:
        print(f"tools.models: {error}", file=sys.stderr)
        return 2
    return 1 if missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.models", description=_ABOUT, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("rows", help="tell the rows' names")
    for name, about in (("train", "draw, train, export, ask the programs"), ("compare", "compare and tell the table")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of everything")
        command.add_argument("--rows", metavar="NAMES", help="names, with commas between (all)")
        if name == "compare":
            command.add_argument("--json", type=Path, metavar="FILE", help="the table, for programs")
            command.add_argument("--markdown", type=Path, metavar="FILE", help="the table, for a document")
            continue
        command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="to train on (cpu)")
        command.add_argument("--minutes", type=_positive, default=2.0, metavar="N", help="of each training (2)")
        command.add_argument("--size", type=_size, default=160, metavar="PX", help="of pictures and models (160)")
        command.add_argument("--count", type=int, default=600, metavar="N", help="boards to train with (600)")
        command.add_argument("--batch", type=int, default=16, metavar="N", help="boards of a step (16)")
        command.add_argument("--workers", type=int, default=0, metavar="N", help="processes that read boards (0)")
        command.add_argument("--again", action="store_true", help="rows that have an answer, too")
        command.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def _chosen(parser: argparse.ArgumentParser, names: str | None) -> tuple[Row, ...]:
    if names is None:
        return ROWS
    asked = names.split(",")
    unknown = sorted(set(asked) - {row.name for row in ROWS})
    if unknown:
        parser.error(f"--rows: there is no {', '.join(unknown)}; `python -m tools.models rows` tells their names")
    return tuple(row for row in ROWS if row.name in asked)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{text!r}: above 0, at most 600")
    return value


def _size(text: str) -> int:
    if not text.isdigit() or int(text) % 32 or not 64 <= int(text) <= 1280:
        raise argparse.ArgumentTypeError(f"{text!r}: a multiple of 32 from 64 to 1280, as the models' strides are")
    return int(text)
