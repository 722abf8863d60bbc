"""The floor under the line's latency: the bare model, and the bare FC15 round trip by raw socket.

Each in a fresh process, first flat out, then paced as the line is (caches and
clocks go cold between parts), then with the scheduling that the line's stages
have. `python -m tools.line.floor '{"kind": "model" or "plc", ...}'` prints one
JSON object; exit code 2 and one line on standard error where it cannot measure.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.acquire.images import list_stills
from aoi_daemon.errors import AoiError, ModelError
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.kit.line.daemon import DaemonError
from aoi_daemon.pictures import Channels, read_picture
from tools.backends.bare import bare
from tools.gpu.realtime import PRIORITY, go_fifo, measure, settle

_FC15: Final = struct.Struct(">HHHBBHHBH")
_PLC_PRIORITY: Final = 50
_BOARDS: Final = 16
_WARM_UP_RUNS: Final = 20
_WARM_UP_RUNS_GPU: Final = 200

Image = NDArray[np.uint8]
Once = Callable[[int], object]


def floor(kind: str, runs: int, takt_ms: float, **settings: Any) -> dict[str, Any]:
    """Measure `kind` in a process of its own: `name`, `flat_out` and `paced`, in ms, and the `scheduling` when paced.

    Args:
        kind: "model", with the settings `boards`, `bundle` and those of the section [inspection]; or "plc", with
            `host` and `port`.
        runs: samples, so many flat out and so many paced.
        takt_ms: the pace.
        settings: JSON.

    Raises:
        ModelError: what it is told to run cannot be run on this machine; with the reason.
        DaemonError: it ended otherwise; with the end of what it said.
    """
    case = json.dumps({"kind": kind, "runs": runs, "takt_ms": takt_ms, **settings})
    done = subprocess.run(
        [sys.executable, "-m", "tools.line.floor", case], capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode == 2:
        raise ModelError(done.stderr.strip())
    if done.returncode:
        raise DaemonError(f"the floor's {kind} ended with code {done.returncode}:\n{done.stderr[-2000:].strip()}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def board_pairs(boards: Path, channels: Channels) -> Iterator[tuple[Image, Image]]:
    """Some boards of a folder, and their templates (themselves where they have none), (H, W, channels) uint8."""
    for still in list_stills(boards)[:_BOARDS]:
        image = read_picture(still.image, channels)
        yield image, image if still.template is None else read_picture(still.template, channels)


@contextmanager
def bare_model(boards: Path, bundle: Bundle, inspection: dict[str, Any]) -> Iterator[tuple[str, Once]]:
    """The vendor's own call on boards that lie in memory, warm, and nothing else: what it is, and one run."""
    with bare(bundle, inspection, list(board_pairs(boards, bundle.manifest.channels))) as found:
        measure(found.once, _WARM_UP_RUNS_GPU if inspection["backend"] == "tensorrt" else _WARM_UP_RUNS)
        yield found.name, found.once


@contextmanager
def bare_fc15(host: str, port: int) -> Iterator[tuple[str, Once]]:
    """One FC15 write of 16 coils and its answer, on a raw socket."""
    with socket.create_connection((host, port), 5) as plc:
        plc.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def once(index: int) -> None:
            plc.sendall(_FC15.pack(index & 0xFFFF, 0, 9, 1, 15, 0, 16, 2, 0))
            answer = b""
            while len(answer) < 12:
                piece = plc.recv(64)
                if not piece:
                    raise ConnectionError("the PLC closed the connection")
                answer += piece

        yield f"FC15 to {host}:{port}", once


def _opened(case: dict[str, Any]) -> AbstractContextManager[tuple[str, Once]]:
    if case["kind"] == "plc":
        return bare_fc15(case["host"], case["port"])
    return bare_model(Path(case["boards"]), load_bundle(Path(case["bundle"])), case)


def main() -> int:
    """Measure what the command line says, and print the samples; the exit code."""
    case = json.loads(sys.argv[1])
    try:
        with _opened(case) as (name, once):
            settle()
            flat_out_ns = measure(once, case["runs"])
            scheduling = go_fifo(PRIORITY if case["kind"] == "model" else _PLC_PRIORITY)
            paced_ns = measure(once, case["runs"], case["takt_ms"])
    except AoiError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    samples = {"flat_out": [ns / 1e6 for ns in flat_out_ns], "paced": [ns / 1e6 for ns in paced_ns]}
    print(json.dumps({"name": name, "scheduling": scheduling, **samples}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
