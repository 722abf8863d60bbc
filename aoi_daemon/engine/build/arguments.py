"""The command line of `aoi-daemon build-engine`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final, NamedTuple

TARGETS: Final = ("sm75", "sm80", "sm86", "sm89", "sm90", "sm120")
"""Compute capabilities, as 7.5: T4 75, A100 80, A10 and RTX 30 86, L4 and RTX 40 89, H100 90, RTX 50 120."""
WORKSPACE_MB: Final = (512, 2048)
"""Least and most scratch memory that a kernel may ask for."""
SizePx = tuple[int, int]
"""(width_px, height_px)"""


class Shape(NamedTuple):
    """One `--shape`: an input, and the sizes of its profile."""

    name: str
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


_EXAMPLES: Final = """examples:
  build-engine --onnx-model yolov8.onnx --output-engine yolov8.engine --fp16
      on the GPU of this machine
  build-engine --onnx-model fp16.onnx --output-engine t4.plan --fp16 --size 640x640 1024x640 --target sm75
      TensorRT-RTX, with no GPU: one exact profile for each product's frame
  build-engine --bundle bundles/demo --fp16 --recipe recipes/*.toml
      on the line PC: one plan for all products, and for the golden parts, into the bundle
  build-engine --bundle bundles/demo --fp16 --sparse-weights --optimization-level 5
      a bundle that was made with --prune 2:4: sparse kernels where they are faster, after a longer search
  build-engine --bundle bundles/demo --fp16 --version-compatible
      a plan that a later TensorRT runs without a new build, and the lean runtime
"""


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add the command to `subparsers` of an argparse parser."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "build-engine", help="build a TensorRT engine for this machine's GPU, or for another", **_described()
    )
    _add_arguments(parser)
    return parser


def parser_of_its_own() -> argparse.ArgumentParser:
    """For tools/build_engine.py."""
    parser = argparse.ArgumentParser(prog="build_engine.py", **_described())
    _add_arguments(parser)
    return parser


def check(arguments: argparse.Namespace) -> None:
    """What argparse cannot say by itself. Ends the program with code 2."""
    refuse = arguments.refuse
    if (arguments.onnx_model is None) is not (arguments.output_engine is None):
        refuse("--onnx-model and --output-engine go together")
    if (arguments.onnx_model is None) is (arguments.bundle is None):
        refuse("give either --onnx-model and --output-engine, or --bundle")
    if arguments.bundle is not None and (arguments.shape or arguments.calib_dir):
        refuse("a bundle's models are ready: --shape and --calib-dir do not apply")
    if arguments.sparse_weights and arguments.precision == "fp32":
        refuse("--sparse-weights goes with --fp16 or --int8: TensorRT has sparse kernels for those")
    if arguments.version_compatible and arguments.target is not None:
        refuse("--target is TensorRT-RTX's, which has no --version-compatible: its plans belong to one release")
    if arguments.calib_dir is not None and arguments.precision != "int8":
        refuse("--calib-dir goes with --int8")


def parse_size(text: str) -> SizePx:
    """`640x480` as (width_px, height_px). Raises ArgumentTypeError."""
    sizes = _sizes(text, text)
    if len(sizes) != 2:
        raise argparse.ArgumentTypeError(f"{text!r}: expected WIDTHxHEIGHT, as 640x480")
    return (sizes[0], sizes[1])


def parse_shape(text: str) -> Shape:
    """`image=1x320x320x1:1x640x640x1:1x960x960x1`, or one size for an exact profile. Raises ArgumentTypeError."""
    name, equals, rest = text.partition("=")
    ranges = [_sizes(part, text) for part in rest.split(":")]
    if not (name and equals) or len(ranges) not in (1, 3):
        example = "image=1x64x64x1:1x640x640x1:1x960x960x1"
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=MIN:OPT:MAX, as {example}")
    low, opt, high = ranges * (3 if len(ranges) == 1 else 1)
    if not len(low) == len(opt) == len(high) or any(not a <= b <= c for a, b, c in zip(low, opt, high, strict=True)):
        raise argparse.ArgumentTypeError(f"{text!r}: MIN <= OPT <= MAX must hold in each dimension")
    return Shape(name, low, opt, high)


def _described() -> dict[str, Any]:
    return {
        "description": "Build a TensorRT engine (a plan) and its sidecar, NAME.json, which says what it fits.",
        "epilog": _EXAMPLES,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(refuse=parser.error)
    what = parser.add_argument_group("what")
    what.add_argument("--onnx-model", type=Path, metavar="FILE", help="the model")
    what.add_argument("--output-engine", type=Path, metavar="FILE", help="where the plan goes")
    what.add_argument("--bundle", type=Path, metavar="FOLDER", help="a bundle: its model, the plan into its engines/")
    precision = parser.add_mutually_exclusive_group(required=True)
    for name, text in (
        ("fp32", "as exported"),
        ("fp16", "half precision; an FP32 file is converted where the file alone decides"),
        ("int8", "a file with Q/DQ, or an FP32 file with --calib-dir"),
    ):
        precision.add_argument(f"--{name}", dest="precision", action="store_const", const=name, help=text)
    sizes = parser.add_argument_group("frame sizes, for a model whose sizes vary")
    sizes.add_argument(
        "--size", type=parse_size, nargs="+", default=[], metavar="WxH", help="an exact profile for each frame, in px"
    )
    sizes.add_argument(
        "--recipe", type=Path, nargs="+", default=[], metavar="FILE", help="the same, for the frames of these recipes"
    )
    sizes.add_argument(
        "--shape", type=parse_shape, action="append", default=[], metavar="NAME=MIN:OPT:MAX",
        help="a profile in full, as image=1x320x320x1:1x640x640x1:1x960x960x1; again for a second profile",
    )  # fmt: skip
    how = parser.add_argument_group("how")
    how.add_argument("--calib-dir", type=Path, metavar="FOLDER", help="frames that set the ranges of INT8")
    how.add_argument(
        "--workspace-mb", type=_workspace, default=1024, metavar="MB",
        help=f"scratch memory of a kernel, {WORKSPACE_MB[0]} to {WORKSPACE_MB[1]} (default: %(default)s)",
    )  # fmt: skip
    how.add_argument("--target", choices=TARGETS, help="TensorRT-RTX: the GPU to build for (default: this machine's)")
    how.add_argument("--device", type=int, default=0, metavar="N", help="GPU of this machine (default: %(default)s)")
    how.add_argument(
        "--timing-cache", type=Path, metavar="FILE", help="kernel times, kept: quicker builds; RTX has none"
    )
    how.add_argument(
        "--sparse-weights", action="store_true",
        help="take sparse kernels where they are faster, for 2:4 weights (bundle make --prune 2:4); sm80 and later",
    )  # fmt: skip
    how.add_argument(
        "--optimization-level", type=_level, metavar="0..5",
        help="how long TensorRT looks for faster kernels: 0 the quickest build, 5 the longest (its own default: 3)",
    )  # fmt: skip
    how.add_argument(
        "--version-compatible", action="store_true",
        help="a plan that later TensorRT runs too, and tensorrt_lean (44 MB); may be slower; not TensorRT-RTX",
    )  # fmt: skip
    how.add_argument("--report", type=Path, metavar="FILE", help="what was built, as JSON")


def _workspace(text: str) -> int:
    least, most = WORKSPACE_MB
    if not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: must be {least} to {most}")
    return int(text)


def _level(text: str) -> int:
    if text not in tuple("012345"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be 0 to 5")
    return int(text)


def _sizes(part: str, text: str) -> tuple[int, ...]:
    """The numbers of `part` of an option; `text` is what was typed."""
    try:
        sizes = tuple(int(number) for number in part.split("x"))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers above 0 joined by x")
    return sizes
