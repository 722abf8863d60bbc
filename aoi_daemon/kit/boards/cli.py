"""The command line of `tools/make_boards`. Exit codes: 0 done, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.labels import BoardsError, read_pairs
from aoi_daemon.kit.boards.options import BoardOptions, Colour, Style
from aoi_daemon.kit.boards.sheet import write_sheet

FORMATS: Final = ("deeppcb", "coco", "yolo")
SHEET_BOARDS: Final = 12

EXAMPLES: Final = """examples:
  make_boards --out boards --count 200 --seed 1
      200 boards of 640x640, half of them one-bit scans, half gray; three in ten are good
  make_boards --out scans --count 1000 --seed 7 --style binary --good-fraction 0 --jobs 8
      boards like DeepPCB's scans, on eight cores
  make_boards --out wide --count 20 --seed 3 --size 1024x640 --labels coco,yolo --sheet wide.png
      wide boards with COCO and YOLO labels, and a picture of the first twelve

The same seed gives the same bytes, whatever --count and --jobs. Each board is NAME_test.png, its golden
template NAME_temp.png and NAME.txt with a line `x1 y1 x2 y2 class` for each defect (1 open, 2 short,
3 mousebite, 4 spur, 5 copper, 6 pin-hole); an empty NAME.txt is a good board.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make boards as asked; print one line on what is wrong with the question otherwise."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        _make(options, console)
    except BoardsError as e:
        print(f"make_boards: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("make_boards: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0


def _make(asked: argparse.Namespace, console: Console) -> None:
    width_px, height_px = asked.size
    fewest, most = asked.defects
    options = BoardOptions(
        width_px,
        height_px,
        Colour(asked.colour),
        Style(asked.style),
        asked.good_fraction,
        fewest,
        most,
        asked.margin,
    )
    if asked.sheet is not None and not asked.sheet.absolute().parent.is_dir():
        raise BoardsError(f"sheet: {asked.sheet}: its folder does not exist")
    if asked.jobs == 1:
        # One core was asked for.
        cv2.setNumThreads(1)
    columns = (TextColumn("boards"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("boards", total=asked.count)
        write_boards(
            asked.out, asked.count, asked.seed, options, lambda done: bar.update(task, completed=done),
            jobs=asked.jobs, formats=asked.labels,
        )  # fmt: skip
    pairs = read_pairs(asked.out, need_defects=False)
    good = sum(1 for pair in pairs if not len(pair.boxes))
    defects = sum(len(pair.boxes) for pair in pairs)
    print(f"{asked.out}: {len(pairs)} boards of {width_px}x{height_px}, {good} good, {defects} defects")
    if asked.sheet is not None:
        write_sheet(asked.sheet, pairs[:SHEET_BOARDS])
        print(f"{asked.sheet}: the first {min(SHEET_BOARDS, len(pairs))} boards")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make_boards",
        description="Generate bare boards with known defects, and their golden templates.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = BoardOptions()
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the boards")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="how many boards")
    parser.add_argument("--seed", type=_seed, required=True, metavar="S", help="names the series")
    parser.add_argument("--size", type=_size, default=(640, 640), metavar="WxH", help="pixels (640x640)")
    parser.add_argument("--colour", choices=[c.value for c in Colour], default=default.colour.value)
    parser.add_argument("--style", choices=[s.value for s in Style], default=default.style.value,
                        help="one-bit scans, gray camera images, or half of each (mixed)")  # fmt: skip
    parser.add_argument("--good-fraction", type=float, default=default.good_fraction, metavar="F",
                        help="part of the boards without defects (0.3)")  # fmt: skip
    parser.add_argument("--defects", type=_range, default=(default.defects_min, default.defects_max),
                        metavar="MIN-MAX", help="defects on each other board (3-11)")  # fmt: skip
    parser.add_argument("--margin", type=int, default=default.margin_px, metavar="PX",
                        help="label box beyond the damaged pixels; 0 is tight, 10 is DeepPCB's (10)")  # fmt: skip
    parser.add_argument("--labels", type=_formats, default=("deeppcb",), metavar="LIST",
                        help="label files to add to DeepPCB's, of: deeppcb,coco,yolo")  # fmt: skip
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="also draw a contact sheet")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), metavar="N",
                        help="worker processes (half of the cores)")  # fmt: skip
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT")
    return int(width), int(height)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not (low.isdigit() and (high or low).isdigit()):
        raise argparse.ArgumentTypeError(f"'{text}' is not MIN-MAX")
    return int(low), int(high or low)


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(FORMATS)}")
    return names
