"""The command line of `tools/bench_ultralytics`."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.kit.report_file import check_report
from tools.lib.numbers import bounded

_ABOUT: Final = """A part's time here beside Ultralytics' predict: the same model, pictures, threshold and overlap.

Ultralytics and torch are not in this checkout's environment: --python names an interpreter that has them (and
onnxruntime and openvino, of the same versions as here). Each side is a process of its own; in each run every side has
one turn, in an order drawn anew, so that what disturbs the machine disturbs all. Ours is the product's executor with
its judgement; theirs is predict from picture to boxes. Nothing is sent anywhere: Ultralytics is run offline.
"""
_EXAMPLES: Final = """examples:
  python3 -m venv /tmp/yolo && /tmp/yolo/bin/pip install ultralytics onnx onnxslim onnxruntime openvino
  ./tools/bench_ultralytics --python /tmp/yolo/bin/python --runs 100            a look
  ./tools/bench_ultralytics --python /tmp/yolo/bin/python --json against.json --markdown against.md
  ./tools/bench_ultralytics --python /tmp/yolo/bin/python --weights best.pt --conf 0.25 --sizes 640

exit codes: 0 every demand that could be judged holds; 1 one does not, or a side failed; 2 the command line, or a model
that cannot be exported; 130 stopped with Ctrl-C, which keeps what was measured.
"""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(
        prog="tools/bench_ultralytics", description=_ABOUT, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--python", required=True, metavar="FILE", help="an interpreter that has ultralytics")
    parser.add_argument(
        "--sizes", nargs="+", type=bounded(160, 8192), default=[320, 640], metavar="PX", help="default: 320 640"
    )
    parser.add_argument("--runs", type=bounded(1, 1_000_000), default=2000, metavar="N", help="of each side (2000)")
    parser.add_argument("--pictures", type=bounded(1, 256), default=16, metavar="N", help="boards, in turn (16)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a .pt detector (default: YOLOv8n, random)")
    parser.add_argument("--conf", type=_share, help="threshold of both (default: so that about 8 boxes survive)")
    parser.add_argument("--iou", type=_share, default=0.5, help="overlap of both (0.5)")
    parser.add_argument(
        "--threads", type=bounded(1, 64), default=min(2, os.cpu_count() or 1), metavar="N", help="ours (%(default)s)"
    )
    parser.add_argument(
        "--pause-ms", type=bounded(0, 1000), default=5, metavar="MS",
        help="between two turns: a runtime's threads may spin on for a while (5)",
    )  # fmt: skip
    parser.add_argument("--seed", type=bounded(0, 2**31), default=0, metavar="N", help="of order and weights (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the report; schema: tools/against/__main__.py")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the tables for a document")
    found = parser.parse_args(argv)
    if shutil.which(found.python) is None:
        parser.error(f"--python {found.python}: no such program; make a venv with ultralytics and name its python")
    for px in found.sizes:
        if px % 32:
            parser.error(f"--sizes {px}: a multiple of 32, as the model's stride is")
    if found.weights is not None and not found.weights.is_file():
        parser.error(f"--weights {found.weights}: no such file")
    for option in ("json", "markdown"):
        check_report(parser, f"--{option}", getattr(found, option))
    return found


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: above 0 and below 1")
    return value
