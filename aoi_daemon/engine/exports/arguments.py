"""The options of `aoi-daemon bundle make` that say what another program's model is, and those of labels.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, Final

TASKS: Final = ("detect", "classify", "segment", "anomaly")
LAYOUTS: Final = ("deeppcb", "yolo", "coco", "voc", "folders")
PIXELS: Final = ("0..1", "-1..1", "0..255", "imagenet")
"""What a model wants in place of 0 to 255."""


def add_exported(parser: argparse.ArgumentParser) -> None:
    """Add the options to `bundle make`."""
    group = parser.add_argument_group("another program's model", "what its file does not say; `model inspect` tells")
    option = group.add_argument
    option("--task", choices=TASKS, help="what the model is for (without: it is a detector of this program)")
    option(
        "--good-classes", type=_names, default=(), metavar="LIST",
        help="those of its classes that are no defect (default: good, ok, normal, background)",
    )  # fmt: skip
    option(
        "--channels", type=int, choices=(1, 3),
        help="of the camera: 1 for gray frames to a colour model (default: the model's)",
    )  # fmt: skip
    option(
        "--pixels", choices=PIXELS,
        help="what it was trained with, in place of 0 to 255 (--pixels=-1..1 is written with the =)",
    )  # fmt: skip
    option("--mean", type=_numbers, metavar="LIST", help="taken off 0..1 by channel: 0.485,0.456,0.406")
    option("--std", type=_numbers, metavar="LIST", help="then divided by: 0.229,0.224,0.225")
    order = group.add_mutually_exclusive_group()
    order.add_argument("--rgb", dest="is_rgb", action="store_true", default=None, help="it wants red first")
    order.add_argument("--bgr", dest="is_rgb", action="store_false", help="it wants blue first, as the camera has it")
    option("--activation", choices=("none", "softmax", "sigmoid"), help="what its scores or maps still need")
    option("--threshold", type=_positive, metavar="N", help="of an anomaly model: a part is bad from this value on")
    option("--first-label", type=int, choices=(0, 1), help="of torchvision's detectors: the label of the first class")


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add `--labels`, for a command that reads labelled boards."""
    parser.add_argument(
        "--labels", choices=LAYOUTS,
        help="layout of the labels (default: by what lies in the folder; refused where it may be two)",
    )  # fmt: skip


def refused(arguments: argparse.Namespace) -> str | None:
    """What of these options does not go together; None: all of it does."""
    given = {
        "--good-classes": arguments.good_classes, "--channels": arguments.channels, "--pixels": arguments.pixels,
        "--mean": arguments.mean, "--std": arguments.std, "--rgb, --bgr": arguments.is_rgb is not None,
        "--activation": arguments.activation, "--threshold": arguments.threshold,
        "--first-label": arguments.first_label is not None,
    }  # fmt: skip
    named = [name for name, value in given.items() if value]
    if arguments.task is None and named:
        return f"{named[0]} is of another program's model: say with --task what it is for"
    if arguments.task is None and not arguments.classes:
        return "--classes LIST is needed: the file of a detector of this program does not name them"
    if arguments.std and not arguments.mean:
        return "--std goes with --mean: say 0,0,0 where none is taken off"
    if arguments.mean and arguments.pixels not in (None, "0..1"):
        return f"--mean is taken off 0..1, and --pixels says {arguments.pixels}: leave one of them out"
    if arguments.is_rgb is not None and not (arguments.pixels or arguments.mean):
        return "--rgb and --bgr go with --pixels or --mean: say all of what it was trained with"
    return None


def pixels_of(arguments: argparse.Namespace) -> Any:
    """What the model wants in place of 0 to 255, as `wrap.Pixels`; None: nobody has said it."""
    from aoi_daemon.engine.precision.wrap import IMAGENET, Pixels  # noqa: PLC0415

    if not (arguments.pixels or arguments.mean):
        return None
    is_rgb = arguments.is_rgb is not False
    if arguments.mean:
        return Pixels(mean=arguments.mean, deviation=arguments.std or (), is_rgb=is_rgb)
    made = {
        "0..1": Pixels(), "-1..1": Pixels(scale=1 / 127.5, mean=(1.0, 1.0, 1.0)), "0..255": Pixels(scale=1.0),
        "imagenet": IMAGENET,
    }  # fmt: skip
    return made[arguments.pixels]._replace(is_rgb=is_rgb)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of different names")
    return names


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(each) for each in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise argparse.ArgumentTypeError(f"'{text}' is not one number, or three with commas between")
    return values


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return value
