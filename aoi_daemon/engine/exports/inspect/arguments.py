"""The command line of `aoi-daemon model`.

Process: offline. Loaded by every command, so it loads nothing but argparse.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from aoi_daemon.engine.build.arguments import parse_size

_TASKS: Final = ("detect", "classify", "segment", "anomaly")
_EXAMPLES: Final = """examples:
  aoi-daemon model inspect best.onnx                  what it is, and the command that makes a bundle of it
  aoi-daemon model inspect resnet18.onnx --classes good,scratch,stain
      a file that names no classes: as many as it has, in the order of its training
  aoi-daemon model inspect mask.onnx --task segment   one map may be a mask or what is strange: say which
  aoi-daemon model inspect best.onnx --frame 1280x1024    do the camera's frames fit?
  aoi-daemon model inspect best.onnx --json           one JSON object
"""
_DESCRIPTION: Final = """Say what an exported ONNX file is, by what it says of itself and by its graph: task, layout,
sizes, preprocessing, classes. Then what it takes to make a bundle of it. Nothing is written, the model is not run."""
_EXIT_CODES: Final = """
exit codes: 0 it can be taken: the command is shown; 2 it cannot: the reason is, and the export that would do.
"""


def add_parsers(subparsers: Any) -> None:
    """Add the command `model` to a parser's `add_subparsers()`."""
    raw = argparse.RawDescriptionHelpFormatter
    model = subparsers.add_parser(
        "model", help="what an exported model is, and what to do with it", epilog=_EXAMPLES, formatter_class=raw,
        description="Look at models of other programs before a bundle is made of them.",
    )  # fmt: skip
    actions = model.add_subparsers(dest="action", required=True, metavar="ACTION")
    inspect = actions.add_parser(
        "inspect", help="say what an ONNX file is", description=_DESCRIPTION, epilog=_EXAMPLES + _EXIT_CODES,
        formatter_class=raw,
    )  # fmt: skip
    inspect.add_argument(
        "file", type=Path, metavar="FILE", help="the exported .onnx file; weights beside it stay there"
    )
    inspect.add_argument("--task", choices=_TASKS, help="what it is for, where the file could be of two")
    inspect.add_argument("--classes", type=_names, default=(), metavar="LIST", help="a,b,c in the model's order")
    inspect.add_argument(
        "--frame", type=parse_size, metavar="WxH", help="the camera's frames in px: do they fit the model?"
    )
    inspect.add_argument("--json", action="store_true", help="one JSON object")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of names: a,b,c")
    return names
