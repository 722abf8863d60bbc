"""The command line of `tools/bench_backends`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.kit.line.setup import DEMO_BUNDLE
from aoi_daemon.kit.report_file import check_report
from tools.backends.cases import BACKENDS, SIZES_PX
from tools.lib.numbers import bounded

ABOUT: Final = """What each back end costs on this machine, beside the vendor's own bare run.

Without --line or --onnx-threads: back ends, precisions, frame sizes and bundles; of each case the floor, the executor
with frames from the ring's memory, memory, openings and the first inference. Floor and executor are a process each and
take turns in blocks; the cases come in another random order in each round.
"""
_EXAMPLES: Final = """examples:
  ./tools/bench_backends --quick                               a look: 4 s a case, about 2 minutes
  ./tools/bench_backends --json backends.json --svg backends.svg --markdown backends.md
  ./tools/bench_backends --cases openvino:bf16 openvino:int8 --sizes 640 --runs 20000 --seconds 400
  ./tools/bench_backends --bundle bundles/yolo bundles/segment --sizes 640
  ./tools/bench_backends --backends tensorrt --precisions fp32 fp16 --build-engines
  ./tools/bench_backends --line --parts 2000 --takt-ms 50      the complete line for each; about 160 s a case
  ./tools/bench_backends --line --parts 5000 --takt-ms 20 --cases openvino:bf16 openvino:int8
  ./tools/bench_backends --onnx-threads --seconds 12           ONNX Runtime's threads and spinning; about 3 minutes

Ctrl-C ends it and keeps what was measured. --json is written after each case.

exit codes: 0 measured; 1 a case failed, or with --line a part was missed; 2 the command line or a bundle is wrong, or
nothing could be measured; 130 stopped with Ctrl-C.
"""
QUICK: Final = {"seconds": 4.0, "rounds": 1, "runs": 200}


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked; `pairs` are the back ends and precisions asked for."""
    parser = argparse.ArgumentParser(
        prog="tools/bench_backends", description=ABOUT, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--line", action="store_true", help="the complete line for each case: tools/bench_line, in turn")
    mode.add_argument("--onnx-threads", action="store_true", help="ONNX Runtime's threads and spinning")
    parser.add_argument(
        "--bundle", type=Path, nargs="+", default=[DEMO_BUNDLE], metavar="DIR", help="bundles of any task (the demo's)"
    )
    _add_what(parser)
    _add_how_much(parser)
    found = parser.parse_args(argv)
    _check(parser, found)
    return found


def _add_what(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="default: all")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="default: all")
    parser.add_argument(
        "--cases", nargs="+", type=_pair, default=None, metavar="B:P", help="in place of both: openvino:bf16 onnx:fp32"
    )
    parser.add_argument(
        "--sizes", nargs="+", type=bounded(160, 8192), default=list(SIZES_PX), metavar="PX",
        help="side of the square frames (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=bounded(1, 64), default=min(2, os.cpu_count() or 1), metavar="N",
        help="of the CPU back ends (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--device", metavar="NAME", help="OpenVINO's: cpu, gpu, npu, gpu.1 (default: cpu)")
    parser.add_argument("--wait", choices=("block", "spin"), default="block", help="TensorRT's (default: block)")
    parser.add_argument(
        "--build-engines", action="store_true", help="build TensorRT's engines first, in the copy that is measured"
    )


def _add_how_much(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=bounded(1, 1_000_000), default=2000, metavar="N", help="of a side, at most")
    parser.add_argument(
        "--seconds", type=_seconds, default=20.0, metavar="S", help="of a case, floor and executor together (20)"
    )
    parser.add_argument("--rounds", type=bounded(1, 100), default=3, metavar="N", help="each case so many times (3)")
    parser.add_argument("--quick", action="store_true", help="4 s and 200 runs a case, one round")
    parser.add_argument("--parts", type=bounded(1, 1_000_000), default=2000, metavar="N", help="of a line (2000)")
    parser.add_argument(
        "--floor-runs", type=bounded(1, 100_000), default=200, metavar="N", help="of a line's floors, four times (200)"
    )
    parser.add_argument("--takt-ms", type=_seconds, default=50.0, metavar="MS", help="of line and --onnx-threads (50)")
    parser.add_argument("--seed", type=bounded(0, 2**31), default=0, metavar="N", help="of the order (0)")
    parser.add_argument("--no-witness", action="store_true", help="do not watch whether the machine stands still")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the report; schema: tools/backends/report.py")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="the table as a picture")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the table for a document")


def _check(parser: argparse.ArgumentParser, found: argparse.Namespace) -> None:
    for folder in found.bundle:
        if not folder.is_dir():
            parser.error(f"--bundle {folder}: no such folder")
    names = [folder.resolve().name for folder in found.bundle]
    if len(set(names)) < len(names):
        parser.error(f"--bundle: two are called {max(names, key=names.count)}; the table could not tell them apart")
    for option in ("json", "svg", "markdown"):
        check_report(parser, f"--{option}", getattr(found, option))
    if found.svg is not None and (found.line or found.onnx_threads):
        parser.error("--svg: there is a picture of the back ends alone, not of --line or --onnx-threads")
    if not 2 <= found.takt_ms <= 60_000:
        parser.error(f"--takt-ms {found.takt_ms:g}: 2 to 60000")
    if found.quick:
        for name, value in QUICK.items():
            setattr(found, name, value)
    pairs = found.cases or [(backend, precision) for backend in found.backends for precision in found.precisions]
    found.pairs = list(dict.fromkeys(pairs))
    found.sizes = list(dict.fromkeys(found.sizes))


def _pair(text: str) -> tuple[str, str]:
    backend, _, precision = text.partition(":")
    if backend not in BACKENDS or precision not in PRECISIONS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a back end of {', '.join(BACKENDS)}, a colon, a precision of {', '.join(PRECISIONS)}"
        )
    return backend, precision


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}: 0.1 to 86400")
    return value
