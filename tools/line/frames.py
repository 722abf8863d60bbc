"""`tools/bench_frames`: large frames through ring, recorder and page, with no model in between.

A model of its own would hide what frames cost. The one here answers that there is no defect, whatever it sees; each
stage, the records and the page are those of a line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from aoi_daemon.infer.executor import MAX_DETECTIONS
from aoi_daemon.kit.line import page
from aoi_daemon.kit.line.ending import exit_code
from aoi_daemon.kit.line.run import simulated_line
from aoi_daemon.kit.report_file import check_report
from tools.lib.numbers import bounded
from tools.line import beside
from tools.line.memory import Memory

_EXAMPLES: Final = """examples:
  ./tools/bench_frames --size 4096x3072 --parts 2000               12 MP mono at 20 frames/s
  ./tools/bench_frames --size 2448x2048 --colour --parts 2000      5 MP colour
  ./tools/bench_frames --size 4096x3072 --ring-mib 100 --browser --report frames.json

exit codes: 0 every part had its verdict in time and none was rejected; 1 else; 2 the command line is wrong; 130 Ctrl-C.
"""
_PICTURES: Final = 8
_SEED: Final = 5


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/bench_frames", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--size", type=_size, default=(4096, 3072), metavar="WxH", help="of a frame (4096x3072)")
    parser.add_argument("--colour", action="store_true", help="BGR, three bytes a pixel (default: mono)")
    parser.add_argument("--parts", type=bounded(1, 10**7), default=2000, metavar="N", help="parts to pass (2000)")
    parser.add_argument("--takt-ms", type=bounded(2, 60_000), default=50, metavar="MS", help="from part to part (50)")
    parser.add_argument("--ring-mib", type=bounded(1, 1 << 20), metavar="N", help="ring.max_mib (default: 8 slots)")
    parser.add_argument("--recorded-percent", type=bounded(0, 100), default=1, metavar="P", help="parts recorded (1)")
    parser.add_argument("--browser", action="store_true", help="with the page open in a headless Chromium")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the figures as JSON")
    found = parser.parse_args(argv)
    check_report(parser, "--report", found.report)
    return found


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if found is None or not all(16 <= int(side) <= 16_384 for side in found.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, 16 to 16384 px each")
    return int(found[1]), int(found[2])


def write_pictures(folder: Path, size: tuple[int, int], *, colour: bool) -> None:
    """Eight good boards as replayed pairs without a template: structures and a camera's noise, so that PNG has work."""
    random = np.random.default_rng(_SEED)
    width_px, height_px = size
    shape = (height_px, width_px, 3) if colour else (height_px, width_px)
    for number in range(_PICTURES):
        small = random.integers(40, 200, (height_px // 32 + 1, width_px // 32 + 1, *shape[2:]), np.uint8)
        picture = cv2.resize(small, size, interpolation=cv2.INTER_NEAREST)
        noise = random.integers(0, 5, (height_px, width_px), np.uint8)
        picture = picture + (noise[:, :, None] if colour else noise)
        cv2.imwrite(str(folder / f"board-{number}.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def write_bundle(folder: Path, size: tuple[int, int], channels: int) -> None:
    """A bundle whose model finds nothing, at once, on frames of `size`."""
    outputs = {
        "boxes": np.zeros((1, MAX_DETECTIONS, 4), np.float32),
        "scores": np.zeros((1, MAX_DETECTIONS), np.float32),
        "classes": np.zeros((1, MAX_DETECTIONS), np.int32),
    }
    nodes = [helper.make_node("Identity", [f"no {name}"], [name]) for name in outputs]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, size[1], size[0], channels])
    said = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values.dtype), values.shape)
        for name, values in outputs.items()
    ]
    weights = [numpy_helper.from_array(values, f"no {name}") for name, values in outputs.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "nothing", [image], said, weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    raw = model.SerializeToString()
    folder.mkdir()
    (folder / "fp32.onnx").write_bytes(raw)
    fp32 = {"file": "fp32.onnx", "sha256": hashlib.sha256(raw).hexdigest()}
    manifest = {"name": "nothing", "classes": ["none"], "channels": channels, "has_template": False}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "models": {"fp32": fp32}}))


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Pictures, bundle, line; the report. Raises DaemonError: the line did not run."""
    channels = 3 if options.colour else 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ExitStack() as owned:
        progress = owned.enter_context(Progress(*columns, console=console))
        folder = Path(owned.enter_context(TemporaryDirectory(prefix="aoi-frames-")))
        boards, bundle = folder / "boards", folder / "bundle"
        boards.mkdir()
        task = progress.add_task("drawing frames", total=1)
        write_pictures(boards, options.size, colour=options.colour)
        progress.advance(task)
        write_bundle(bundle, options.size, channels)
        task = progress.add_task("the line", total=options.parts)
        port = page.free_port()
        sections = page.sections(port)
        sections["recorder"]["passes_sampled_percent"] = float(options.recorded_percent)
        if options.ring_mib:
            sections["ring"] = {"max_mib": options.ring_mib}
        colour = {"channels": channels, "pixel_format": "BGR8" if options.colour else "Mono8"}

        def change(config: dict[str, Any], recipe: dict[str, Any]) -> None:
            config["cameras"][0].update(colour)
            recipe["channels"] = channels

        line = owned.enter_context(
            simulated_line(
                boards, parts=options.parts, takt_ms=options.takt_ms, deadline_ms=options.takt_ms, bundle=bundle,
                change=change, folder=folder / "line", inspection={"threads": 1}, **sections,
            )
        )  # fmt: skip
        if options.browser:
            owned.enter_context(beside.browser_at(f"http://127.0.0.1:{port}"))
        status = line.daemon.status()
        pids = {**status["stages"], **{name: facts["pid"] for name, facts in status["beside"].items() if facts["pid"]}}
        memory = Memory(pids)

        def show(_tally: object, plc: dict[str, Any]) -> None:
            progress.update(task, completed=plc["parts"])
            memory.look(plc["parts"])

        line.run(options.parts, show)
        report = line.report()
        report["memory_kib"] = memory.figures()
        report["recorder"] = line.daemon.status()["beside"]["recorder"]
        report["frame_mib"] = options.size[0] * options.size[1] * channels / (1 << 20)
    report["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    return report | {"size_px": list(options.size), "channels": channels, "takt_ms": options.takt_ms}


def summary(report: dict[str, Any]) -> Table:
    """The figures as a table."""
    width_px, height_px = report["size_px"]
    title = (
        f"{report['parts']} frames of {width_px} x {height_px} x {report['channels']} ({report['frame_mib']:.1f} MiB) "
        f"at {report['takt_ms']:g} ms, {report['machine']['cores']} cores, ms"
    )
    table = Table("", "p50", "p99", "max", title=title, title_justify="left")
    for name, values in {"ready to verified answer": report["latency_ms"], **report["stages_ms"]}.items():
        table.add_row(name, *(f"{values[key]:.3f}" for key in ("p50", "p99", "max")))
    recorder = report["recorder"]
    lines = [
        f"deadlines missed {report['deadline_misses']}; rejected for {report['rejected_for'] or 'nothing'}; recorder: "
        f"{recorder['pictures']} pictures of {recorder['parts']} parts, {recorder['pictures_lost']} lost, "
        f"{recorder['frames_missed']} frames not copied in time",
        *(f"memory of {name}: {kib['most'] / 1024:.0f} MiB at most" for name, kib in report["memory_kib"].items()),
    ]
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def main() -> int:
    """Run the benchmark; 1 when a part was missed."""
    options = arguments(sys.argv[1:])
    return exit_code(lambda console: run(options, console), summary, options.report)


if __name__ == "__main__":
    sys.exit(main())
