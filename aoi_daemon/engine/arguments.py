"""The command line of `aoi-daemon bundle` and `aoi-daemon qualify`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
import math
import re
from functools import partial
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.engine.build.arguments import TARGETS, parse_size
from aoi_daemon.engine.exports.arguments import add_exported, add_labels

_BUNDLE_EXAMPLES: Final = """examples:
  aoi-daemon bundle make --model best.onnx --name demo --classes open,short,mousebite,spur,copper,pin-hole \\
      --calibration boards/calibration --qualification boards/test --golden boards/golden --out bundles/demo
      every precision that keeps up with fp32, with report.html and golden parts; whether it is good enough for a
      product, `aoi-daemon qualify` says
  aoi-daemon bundle make ... --precisions fp32,fp16    these and no others; refused where one does not keep up
  aoi-daemon bundle make ... --prune 2:4               fp16 and int8 for the sparse Tensor Cores of sm80 and later
  aoi-daemon bundle make ... --int8-sensitivity always
      what each layer loses in int8, in the report; the worst stay in float where int8 loses more than --int8-loss
  aoi-daemon bundle make ... --target sm75,sm86 --size 640x640 1024x768
      and TensorRT-RTX engines for T4 and A10 in its engines/, an exact profile for each product's frame; a
      machine with TensorRT builds its own there: aoi-daemon build-engine --bundle bundles/demo --fp16 --size 640x640
  aoi-daemon bundle make --model best.onnx --task detect --name caps --calibration caps/images/train \\
      --qualification caps/images/test --golden caps/images/val --out bundles/caps
      another program's model (detect, classify, segment, anomaly) with labels in YOLO, COCO, Pascal VOC or folders;
      `aoi-daemon model inspect best.onnx` says what its file leaves open: --classes, --pixels, --good-classes
  aoi-daemon bundle renew bundles/demo --qualification boards/test --out bundles/demo-2
      the same models and golden parts judged anew: bf16 for a bundle that was made without it
  aoi-daemon bundle verify bundles/demo                every hash, and every golden verdict on this machine
  aoi-daemon bundle show bundles/demo                  what it is and what it reached
"""
_QUALIFY_EXAMPLES: Final = """examples:
  aoi-daemon qualify --bundle bundles/demo --boards boards/test --report report.html
      every precision over labelled boards, by the bundle's own limits
  aoi-daemon qualify --recipe config/recipes/demo.toml --boards boards/test --max-escapes 0 --max-false-calls 0.02
      by a recipe, exactly as the line runs it: bundle, templates, optics, registration, maps, regions, limits
  aoi-daemon qualify --bundle bundles/demo --boards boards/test --precision int8 --limit 100
      a quick look: int8 against fp32 on 100 boards, evenly spread

what is concluded, of each precision that is asked for, and the exit code (the worst of them):
  0  qualified: both rates are within their bounds, of at least 50 good and 20 bad boards
  1  refused: a rate is above its bound (its lower 95 % limit is), a golden part does not hold, or mAP is below fp32's
  2  the command line, a file or a folder is wrong
  3  not shown: too few boards, or a rate above its bound that may be chance; it says how many more boards are needed
"""


def add_parsers(subparsers: Any) -> None:
    """Add the commands `bundle` and `qualify` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    bundle = subparsers.add_parser(
        "bundle", help="make, renew, verify or show a model bundle", epilog=_BUNDLE_EXAMPLES, formatter_class=raw,
        description="A bundle is a folder: a model in every precision that keeps up with fp32, and golden parts.",
    )  # fmt: skip
    actions = bundle.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_make(
        actions.add_parser(
            "make", help="from one exported ONNX file", epilog=_BUNDLE_EXAMPLES, formatter_class=raw,
            description="Make a bundle from one FP32 ONNX file. It appears complete, or not at all.",
        )
    )  # fmt: skip
    _add_renew(
        actions.add_parser(
            "renew", help="judge a bundle's models anew, bf16 too", epilog=_BUNDLE_EXAMPLES, formatter_class=raw,
            description="Make a bundle of the same models and golden parts, with bf16 where it keeps up, and a new "
            "report. Engines are not copied: build-engine makes them.",
        )
    )  # fmt: skip
    for action, text in (
        ("verify", "check every hash, and every golden verdict on this machine"),
        ("show", "what a bundle is, and what it reached"),
    ):
        parser = actions.add_parser(
            action, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=_BUNDLE_EXAMPLES, formatter_class=raw
        )
        parser.add_argument("bundle", type=Path, metavar="DIR", help="the bundle's folder")
        if action == "verify":
            _add_threads(parser)
    _add_qualify(
        subparsers.add_parser(
            "qualify", help="run a bundle over labelled boards and say how good it is", formatter_class=raw,
            epilog=_QUALIFY_EXAMPLES,
            description="Run every precision of a bundle over labelled boards: in DeepPCB's layout (NAME_test.png, "
            "NAME_temp.png, NAME.txt), YOLO's, COCO's, Pascal VOC's, or in folders (good, bad, NAME_mask.png).",
        )
    )  # fmt: skip


def _add_make(parser: argparse.ArgumentParser) -> None:
    folder = partial(parser.add_argument, type=Path, metavar="DIR")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="exported ONNX, FP32")
    parser.add_argument("--name", type=_name, required=True, help="name of the bundle: letters, digits, . _ -")
    parser.add_argument(
        "--classes", type=_names, default=(), metavar="LIST",
        help="a,b,c in the model's order (with --task: where the file does not name them)",
    )  # fmt: skip
    folder("--calibration", help="real frames (pairs), labels not needed; int8 needs it")
    folder("--qualification", required=True, help="labelled boards that all figures are of")
    folder("--golden", required=True, help="labelled boards to choose golden parts among")
    folder("--validation", help="labelled boards to choose thresholds on (default: --golden)")
    folder("--out", required=True, help="the bundle: a new folder")
    parser.add_argument(
        "--least-score", type=_score, default=0.1, metavar="S",
        help="no threshold is chosen below; defects that score less count as missed (0.1)",
    )  # fmt: skip
    parser.add_argument(
        "--precisions", type=_precisions, metavar="LIST",
        help="these and no fewer, of fp32,bf16,fp16,int8 (default: all that keep up with fp32); bf16 is "
        "the file of fp32, run by OpenVINO on a CPU that has it",
    )  # fmt: skip
    parser.add_argument(
        "--prune", choices=("2:4",),
        help="make fp16 and int8 of weights of which two in four are zero, where they keep up with fp32; else dense. "
        "What is left is repaired on --calibration. For build-engine --sparse-weights",
    )  # fmt: skip
    parser.add_argument("--golden-count", type=_at_least(24), default=24, metavar="N", help="golden parts (24)")
    parser.add_argument(
        "--calibration-frames", type=_at_least(1), default=200, metavar="N", help="at most so many, evenly spread (200)"
    )
    parser.add_argument(
        "--stride-px", type=_at_least(1), metavar="N", help="frame sizes must be multiples (default: as the model says)"
    )
    parser.add_argument(
        "--target", type=_targets, default=(), metavar="LIST",
        help=f"then build engines for these GPUs, of {','.join(TARGETS)} (TensorRT-RTX, needs none of them here)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=parse_size, nargs="+", default=(), metavar="WxH",
        help="with --target: frames that the engines serve, in px (default: those of --qualification)",
    )  # fmt: skip
    _add_int8(parser)
    add_exported(parser)
    add_labels(parser)
    folder("--cache", help="where calibration ranges are kept (~/.cache/aoi-daemon/calibration)")
    parser.add_argument("--no-cache", action="store_true", help="calibrate anew, keep nothing")
    add_bits(parser)
    _add_threads(parser)


def _add_int8(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--int8-sensitivity", choices=("auto", "always", "never"), default="auto",
        help="measure what each layer loses in int8, the worst stay in float: where it loses more than --int8-loss "
        "(auto), always, never",
    )  # fmt: skip
    parser.add_argument(
        "--int8-loss", type=_rate, default=0.004, metavar="RATE",
        help="so many boxes lost and extra, over those of fp32, are good enough for int8 (0.004)",
    )  # fmt: skip
    parser.add_argument(
        "--int8-minutes", type=_at_least(1), default=10, metavar="N",
        help="no layer is tried after so many minutes (10)",
    )  # fmt: skip


def _add_renew(parser: argparse.ArgumentParser) -> None:
    folder = partial(parser.add_argument, type=Path, metavar="DIR")
    folder("bundle", help="the bundle's folder; it is not changed")
    folder("--qualification", required=True, help="labelled boards that all figures are of")
    folder("--out", required=True, help="the bundle: a new folder")
    parser.add_argument(
        "--precisions", type=_precisions, metavar="LIST",
        help="these and no fewer (default: all of the bundle's, and bf16, that keep up with fp32)",
    )  # fmt: skip
    add_labels(parser)
    add_bits(parser)
    _add_threads(parser)


def _add_qualify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="the bundle's folder (default: the recipe's)")
    parser.add_argument("--boards", type=Path, required=True, metavar="DIR", help="labelled boards")
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="judge by it, as the line does (default: by the golden limits)"
    )
    parser.add_argument(
        "--fov", type=_at_least(0), metavar="N", help="the recipe's field of view that the boards are of (0)"
    )
    parser.add_argument("--view", metavar="NAME", help="the recipe's view that the boards are of (its only one)")
    parser.add_argument(
        "--max-escapes", type=_rate, default=0.0, metavar="RATE",
        help="so many of the bad boards may pass, 0 to below 1: 0.01 is 1 %% (0)",
    )  # fmt: skip
    parser.add_argument(
        "--max-false-calls", type=_rate, default=0.01, metavar="RATE",
        help="so many of the good boards may be rejected, 0 to below 1 (0.01)",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a page with curves and pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures and verdicts")
    parser.add_argument("--limit", type=_at_least(1), metavar="N", help="at most so many boards, evenly spread")
    parser.add_argument(
        "--precision",
        action="append",
        choices=PRECISIONS,
        help="conclude of this one alone, fp32 is run to compare with; again: more (default: all); bf16 needs no "
        "file of its own: a bundle that was made without it can be asked too",
    )
    parser.add_argument(
        "--registration", type=_at_least(1), metavar="N",
        help="also move N of the boards by known amounts: what registration gains, and what it costs",
    )  # fmt: skip
    add_labels(parser)
    add_bits(parser)
    _add_threads(parser)


def add_bits(parser: argparse.ArgumentParser) -> None:
    """`--bits N`, for a command that reads pictures."""
    parser.add_argument(
        "--bits", type=int, choices=range(9, 17), metavar="N",
        help="the images are gray with 16 bits a sample, of which N count: 9 to 16 (default: they have 8)",
    )  # fmt: skip


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_at_least(1), default=2, metavar="N", help="of ONNX Runtime (2)")


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is not 1 to 64 letters, digits, . _ -")
    return text


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names) or "*" in names:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of different names")
    return names


def _precisions(text: str) -> tuple[str, ...]:
    wanted = set(_names(text))
    unknown = wanted - set(PRECISIONS)
    if unknown:
        raise argparse.ArgumentTypeError(f"'{', '.join(sorted(unknown))}' is none of {', '.join(PRECISIONS)}")
    # FP32 is what the others are compared with, and is always there.
    return tuple(p for p in PRECISIONS if p in wanted or p == "fp32")


def _targets(text: str) -> tuple[str, ...]:
    wanted = _names(text)
    unknown = [name for name in wanted if name not in TARGETS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{', '.join(unknown)}' is none of {', '.join(TARGETS)}")
    return wanted


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no rate, 0 to below 1; 1 % is 0.01")
    return value


def _score(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


def _at_least(least: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return number
