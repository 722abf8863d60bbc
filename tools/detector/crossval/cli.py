"""The command line of `python -m tools.detector.crossval`. Exit codes: 0 done, 1 some runs missing, 2 wrong input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.kit.boards.labels import BoardsError, read_pairs
from tools.detector.crossval.pack import pack
from tools.detector.crossval.series import Job, carry_out
from tools.detector.crossval.speed import speed
from tools.detector.crossval.variants import parse
from tools.detector.plan import Plan
from tools.detector.ranks import ranks

EXAMPLES: Final = """examples:
  python -m tools.detector.crossval pack --boards DEEPPCB --out boards.npz
      one-bit boards into one small file, for a machine that holds nothing else
  python -m tools.detector.crossval run --data boards.npz --variant base --variant sure:fit=0 --minutes 8 --out cv
      five seeds of each, side by side, on as many steps as eight minutes allow
  python -m tools.detector.crossval run --data boards.npz --weights config/bundles/demo/fp32.onnx \\
      --variant base --variant tuned:start,rate=0.001 --minutes 8 --out cv
      from nothing, and from the demo bundle's detector

  torchrun --nproc-per-node 2 -m tools.detector.crossval speed --data boards.npz --batch 128
      how fast a training is on two GPUs

Boards whose names begin alike (--group-letters) are one group. The groups are dealt to five folds, and seed S is
judged on fold S, or on --fold. results.jsonl receives each run as it ends; the same command again goes on.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as asked; print one line on what is wrong with the question otherwise."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "pack":
            generated = [pair for folder in asked.generated for pair in read_pairs(folder)]
            size = pack(read_pairs(asked.boards), generated, asked.out, os.cpu_count() or 1)
            print(f"{asked.out}: {size / 2**20:.1f} MiB")
            return 0
        if asked.command == "speed":
            plan = Plan(minutes=0.0, steps=1, batch=asked.batch, crop_px=_crop(asked.crop))
            with ranks(asked.device) as mine:
                said = speed(asked.data, plan, mine, asked.seconds)
                if mine.is_first:
                    print(said)
            return 0
        return carry_out(_job(asked))
    except BoardsError as e:
        print(f"crossval: {e}", file=sys.stderr)
        return 2


def _job(asked: argparse.Namespace) -> Job:
    variants = tuple(parse(text) for text in asked.variant)
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise BoardsError(f"variant: {', '.join(names)}: a name is used twice")
    if any(variant.start for variant in variants) and asked.weights is None:
        raise BoardsError("weights: a variant says start; name what with: --weights FILE")
    for name, value, least in (
        ("seeds", asked.seeds, 1), ("workers", asked.workers, 1), ("batch", asked.batch, 1), ("folds", asked.folds, 2),
        ("group-letters", asked.group_letters, 1), ("steps", asked.steps, 0), ("minutes", asked.minutes, 0.01),
    ):  # fmt: skip
        if value < least:
            raise BoardsError(f"{name}: {value}, at least {least} is needed")
    plan = Plan(minutes=0.0, steps=asked.steps, batch=asked.batch, crop_px=_crop(asked.crop), validations=1)
    return Job(
        asked.data, asked.out, variants, asked.seeds, asked.minutes, plan, asked.weights, asked.device,
        asked.workers, asked.folds, asked.fold, asked.group_letters,
    )  # fmt: skip


def _crop(px: int) -> int:
    if px % 32 or not 128 <= px <= 640:
        raise BoardsError(f"crop: {px} px, allowed are multiples of 32 from 128 to 640")
    return px


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossval", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("pack", help="boards into one file").add_argument
    add("--boards", type=Path, required=True, metavar="DIR")
    add("--generated", type=Path, action="append", default=[], metavar="DIR", help="generated boards, never a test")
    add("--out", type=Path, required=True, metavar="NPZ")
    add = commands.add_parser(
        "run", help="train and judge", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    ).add_argument
    add("--data", type=Path, required=True, metavar="NPZ", help="what pack wrote")
    add("--variant", action="append", required=True, metavar="NAME[:WORDS]", help="may be repeated")
    add("--seeds", type=int, default=5, metavar="N", help="runs of each variant (5)")
    add("--minutes", type=float, default=8.0, help="for everything, reading and judging too (8)")
    add("--steps", type=int, default=0, metavar="N", help="of each run, in place of what the minutes allow")
    add("--weights", type=Path, metavar="FILE", help="what variants with `start` begin with: .pt or .onnx")
    add("--device", choices=["cuda", "cpu"], default="cuda")
    add("--workers", type=int, default=5, metavar="N", help="runs at a time (5)")
    add("--batch", type=int, default=64, metavar="N", help="boards in a step (64)")
    add("--crop", type=int, default=608, metavar="PX", help="side of the squares trained on (608)")
    add("--folds", type=int, default=5, metavar="N", help="parts that the groups are dealt to (5)")
    add("--fold", type=int, metavar="K", help="judge every seed on this fold, from 1, in place of one after the other")
    add("--group-letters", type=int, default=5, metavar="N", help="of a name, that say its board group (5)")
    add("--out", type=Path, required=True, metavar="DIR")
    add = commands.add_parser("speed", help="steps a second, under torchrun of several GPUs").add_argument
    add("--data", type=Path, required=True, metavar="NPZ", help="what pack wrote")
    add("--seconds", type=float, default=20.0)
    add("--batch", type=int, default=64, metavar="N", help="boards in a step, of all processes together (64)")
    add("--crop", type=int, default=608, metavar="PX", help="side of the squares trained on (608)")
    add("--device", choices=["cuda", "cpu"], default="cuda")
    return parser
