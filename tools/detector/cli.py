"""The command line of `tools/train_detector`. Exit codes: 0 done, 2 wrong input, 130 interrupted."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from aoi_daemon.engine.arguments import add_bits
from aoi_daemon.engine.labels import FORMATS, Asked
from aoi_daemon.kit.boards.labels import CLASS_NAMES, BoardsError
from aoi_daemon.kit.boards.options import BoardOptions, Style
from tools.detector.plan import Plan
from tools.detector.ranks import ranks
from tools.detector.run import Job, run

MOST_CLASSES: Final = 80

EXAMPLES: Final = """examples:
  train_detector --boards scans --holdout 0.2 --out runs/scans --minutes 6
      train on four fifths of a folder of boards, test on every fifth
  train_detector --generate 20000 --generated-tests 2000 --test scans --out runs/demo --minutes 6 --jobs 14
      train on generated boards alone, fresh ones all the time; test on new ones and on a folder
  train_detector --boards scans --holdout 0.2 --generate 8000 --style binary --out runs/both --minutes 6
      half of each batch labelled scans, half generated boards; test on every fifth scan
  train_detector --boards scans --holdout 0.2 --start runs/demo/best.pt --rate 0.001 --out runs/tuned --minutes 3
      tune a detector of generated boards to a line's own
  train_detector --boards own --holdout 0.2 --start demo/fp32.onnx --rate 0.001 --out runs/own --minutes 2
      begin with the demo bundle's detector (config/bundles/demo)
  train_detector --boards lids --no-template --classes scratch,dent --holdout 0.2 --out runs/lids --minutes 10
      parts without templates, with classes of their own; labels are boxes or masks
  torchrun --nproc-per-node 2 -m tools.detector --boards scans --holdout 0.2 --out runs/two --minutes 3
      the same on two GPUs of this machine; --batch is for both together
  train_detector --weights runs/demo/best.pt --test wide --out runs/wide
      test and export a trained detector

A folder holds labels of DeepPCB (see make_boards --help), YOLO, COCO or VOC, or good/ and bad/ with masks, as for
`aoi-daemon bundle make`; a mask's pieces become boxes. Parts may have any size. A time in which fewer than 100 steps
fit (50 with --start) is refused as soon as the first ones are measured.

The run folder receives model.onnx, metrics.json, best.pt, last.pt, pr_curves.png and examples.png. Every 25th
board to train on, and 200 generated ones, choose the best weights and the score threshold; the tests are looked at
once, at the end.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as asked; print one line on what is wrong with the question otherwise."""
    asked = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        job = _job(asked)
        with ranks(job.device) as mine:
            console.quiet = not mine.is_first
            run(job, console, mine)
    except BoardsError as e:
        # Of several processes each found the same.
        if os.environ.get("RANK", "0") == "0":
            print(f"train_detector: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train_detector: interrupted; --resume goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _job(asked: argparse.Namespace) -> Job:
    if asked.weights is None and not asked.boards and not asked.generate:
        raise BoardsError("nothing to train on: name --boards, --generate or both (or --weights to test)")
    if asked.holdout and not asked.boards:
        raise BoardsError("holdout: a part of --boards, but none are named")
    if not 0.0 <= asked.holdout <= 0.5:
        raise BoardsError(f"holdout: {asked.holdout}, allowed are 0 to 0.5")
    if asked.weights is not None and not (asked.test or asked.holdout or asked.generated_tests):
        raise BoardsError("weights: name what to test with: --test, --generated-tests or --holdout")
    if asked.start is not None and (asked.resume or asked.weights is not None):
        raise BoardsError("start: a run that is resumed or only tested has its weights already")
    for name, value, least in (
        ("generate", asked.generate, 0),
        ("generated-tests", asked.generated_tests, 0),
        ("batch", asked.batch, 1),
        ("jobs", asked.jobs, 1),
        ("epochs", asked.epochs, 0),
        ("minutes", asked.minutes, 0),
    ):
        if value < least:
            raise BoardsError(f"{name}: {value}, at least {least} is needed")
    if asked.weights is None and not asked.minutes and not asked.epochs:
        raise BoardsError("minutes: 0 and no --epochs; name one of them")
    if not 0.0 <= asked.generated_share <= 1.0:
        raise BoardsError(f"generated-share: {asked.generated_share}, allowed are 0 to 1")
    crops = _crops(asked.crop)
    classes = _classes(asked.classes)
    if classes != CLASS_NAMES and (asked.generate or asked.generated_tests):
        raise BoardsError(f"classes: generated boards have {', '.join(CLASS_NAMES)}; they go with no others")
    if asked.no_template and (asked.generate or asked.generated_tests):
        raise BoardsError("no-template: generated boards have templates, and few of their defects show without")
    plan = Plan(
        minutes=0.0 if asked.epochs else asked.minutes,
        epochs=asked.epochs,
        batch=asked.batch,
        rate=asked.rate,
        crop_px=crops[0],
        crops_px=crops if len(crops) > 1 else (),
        # Of other parts nobody knows what a class becomes when bright and dark change places.
        invert=Plan.invert if classes == CLASS_NAMES else 0.0,
        seed=asked.seed,
        compiled=asked.compile,
        generated_share=asked.generated_share,
    )
    options = BoardOptions(style=Style(asked.style), good_fraction=asked.good_fraction)
    return Job(
        asked.out, plan, tuple(asked.boards), tuple(asked.test), asked.holdout, asked.generate,
        asked.generated_tests, options, asked.device, asked.jobs, asked.resume, asked.start, asked.weights,
        Asked(
            classes, layout=asked.labels, bits=asked.bits, need_templates=not asked.no_template,
            named=asked.classes is not None,
        ),
    )  # fmt: skip


def _classes(text: str | None) -> tuple[str, ...]:
    if text is None:
        return CLASS_NAMES
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names) or len(names) > MOST_CLASSES:
        raise BoardsError(f"classes: {text!r}: 1 to {MOST_CLASSES} different names, a comma between two")
    return names


def _crops(text: str) -> tuple[int, ...]:
    try:
        crops = tuple(int(word) for word in text.split(","))
    except ValueError:
        crops = (0,)
    if any(crop % 32 or not 128 <= crop <= 640 for crop in crops):
        raise BoardsError(f"crop: {text} px, allowed are multiples of 32 from 128 to 640, a comma between two")
    return crops


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train_detector",
        description="Train the (image, template) defect detector, test it, export it to ONNX.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--boards", type=Path, action="append", default=[], metavar="DIR", help="train on it; may be repeated")
    add("--classes", metavar="A,B", help=f"of the labels, in the order of their ids ({','.join(CLASS_NAMES)})")
    add("--no-template", action="store_true", help="parts without templates: a detector that takes the image alone")
    add("--labels", choices=FORMATS, help="layout of the labels, where a folder may be of two")
    add("--generate", type=int, default=0, metavar="N", help="also train on N generated boards at a time")
    add("--generated-share", type=float, default=0.5, metavar="F", help="of each batch, beside --boards (0.5)")
    add("--holdout", type=float, default=0.0, metavar="F", help="test on this part of --boards, by name order")
    add("--test", type=Path, action="append", default=[], metavar="DIR", help="test on it; may be repeated")
    add("--generated-tests", type=int, default=0, metavar="N", help="test on N generated boards")
    add("--out", type=Path, required=True, metavar="RUN", help="run folder")
    add("--minutes", type=float, default=6.0, help="training time; reading and testing come on top (6)")
    add("--epochs", type=int, default=0, metavar="N", help="train for N passes instead of --minutes")
    add("--device", choices=["cuda", "cpu"], default="cuda")
    add("--resume", action="store_true", help="go on with the run in --out")
    add("--start", type=Path, metavar="FILE", help="begin with this checkpoint, model.onnx or a bundle's fp32.onnx")
    add("--weights", type=Path, metavar="PT", help="test and export this checkpoint, train nothing")
    add("--seed", type=int, default=1, metavar="S")
    add("--style", choices=[s.value for s in Style], default=Style.MIXED.value, help="of generated boards")
    add("--good-fraction", type=float, default=0.3, metavar="F", help="of boards generated for tests (0.3)")
    add("--batch", type=int, default=64, metavar="N", help="boards in a step (64)")
    add("--rate", type=float, default=2e-3, metavar="LR", help="highest learning rate (0.002)")
    add("--crop", default="608", metavar="PX[,PX]", help="side of the squares trained on, or several in turns (608)")
    add("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 2), metavar="N", help="processes and threads")
    add_bits(parser)
    add("--compile", action="store_true", help="torch.compile: a minute to start, then faster steps")
    return parser
