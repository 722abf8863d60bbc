"""The floor under the line's latency: the bare model, and the bare FC15 round trip by raw socket.

Each in a fresh process with the scheduling that the line's stages have, once
paced as the line is (caches and clocks go cold between parts) and once flat
out. `python -m tools.line.floor model|plc ...` prints the samples as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE, warm_up
from aoi_daemon.infer.onnx import OnnxExecutor

_FC15 = struct.Struct(">HHHBBHHBH")


def measure(kind: str, arguments: list[str], runs: int, takt_ms: float) -> list[float]:
    """Samples in ms of `kind` in a process of its own; `takt_ms` 0 is flat out."""
    command = [sys.executable, "-m", "tools.line.floor", kind, str(runs), str(takt_ms), *arguments]
    found: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def sample(once: Callable[[int], None], runs: int, takt_ms: float) -> list[float]:
    """`once(i)` timed `runs` times, ms, started each `takt_ms`."""
    found = []
    due = time.monotonic()
    for index in range(runs):
        due += takt_ms / 1e3
        if takt_ms:
            time.sleep(max(0.0, due - time.monotonic()))
        begun = time.monotonic_ns()
        once(index)
        found.append((time.monotonic_ns() - begun) / 1e6)
    return found


def bare_model(boards: Path, bundle_folder: Path, precision: str, threads: int) -> Callable[[int], None]:
    """The model on boards that lie in memory, and nothing else."""
    bundle = load_bundle(bundle_folder)
    names = sorted(boards.glob("*_test.*"))[:16]
    pairs = []
    for path in names:
        both = (path, path.with_name(path.name.replace("_test.", "_temp.")))
        images = [cv2.imread(str(each), cv2.IMREAD_GRAYSCALE) for each in both]
        pairs.append([np.ascontiguousarray(image[..., None], np.uint8) for image in images if image is not None])
    executor = OnnxExecutor(bundle.model_path(precision), bundle.manifest, threads=threads)
    height_px, width_px, channels = pairs[0][0].shape
    warm_up(executor, (height_px, width_px, channels), runs=20)

    def once(index: int) -> None:
        image, template = pairs[index % len(pairs)]
        executor.infer(image, template if executor.has_template else None, NO_DEADLINE)

    return once


def bare_fc15(host: str, port: int) -> Callable[[int], None]:
    """One FC15 write of 16 coils and its answer, on a raw socket."""
    plc = socket.create_connection((host, port), 5)
    plc.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def once(index: int) -> None:
        plc.sendall(_FC15.pack(index & 0xFFFF, 0, 9, 1, 15, 0, 16, 2, 0))
        answer = b""
        while len(answer) < 12:
            piece = plc.recv(64)
            if not piece:
                raise ConnectionError("the PLC closed the connection")
            answer += piece

    return once


def main() -> None:
    """Measure what the command line names, and print the samples."""
    kind, runs, takt_ms, *rest = sys.argv[1:]
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(40 if kind == "model" else 50))
    except PermissionError:
        pass  # as the daemon's stages: where it is refused they run without, too
    once = (
        bare_model(Path(rest[0]), Path(rest[1]), rest[2], int(rest[3]))
        if kind == "model"
        else bare_fc15(rest[0], int(rest[1]))
    )
    print(json.dumps(sample(once, int(runs), float(takt_ms))))


if __name__ == "__main__":
    main()
