"""The configuration of a simulated line, and the boards that pass along it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.files import shipped
from aoi_daemon.pictures import list_pictures, picture_size

DEMO_BUNDLE = shipped("config") / "bundles" / "demo"
DEMO_GOLDEN = shipped("config") / "recipes" / "demo.golden"
DEMO_SIZE = (640, 640)
DEMO_BOARDS = 64
DEMO_SEED = 7


def demo_boards(folder: Path, progress: Callable[[int], None], count: int = DEMO_BOARDS) -> Path:
    """A folder of `count` generated boards in `folder`, made at the first call and kept."""
    options = BoardOptions(good_fraction=0.7)
    name = hashlib.sha256(f"{options}{DEMO_SEED}{count}".encode()).hexdigest()[:12]
    out = folder / f"boards-{name}"
    if not out.is_dir():
        write_boards(out, count, DEMO_SEED, options, progress=progress)
    return out


def board_size(boards: Path) -> tuple[int, int]:
    """(width, height) in px of the first image of `boards`."""
    for path in list_pictures(boards):
        return picture_size(path)
    raise FileNotFoundError(f"{boards}: there is no image in this folder")


def line_config(
    boards: Path, *, takt_ms: float, deadline_ms: float, plc_port: int, photo_eye_port: int, parts: int = 0, **more: Any
) -> dict[str, Any]:
    """`line.toml` as a dict: the replay camera on `boards`, the PLC on this machine."""
    width_px, height_px = board_size(boards)
    line: dict[str, Any] = {
        "line": {"name": "demo", "takt_ms": float(takt_ms), "deadline_ms": float(deadline_ms), "recipe": "demo"},
        "cameras": [
            {
                "kind": "replay",
                "source": str(boards.resolve()),
                "max_width_px": width_px,
                "max_height_px": height_px,
                "parts": parts,
                "photo_eye": f"127.0.0.1:{photo_eye_port}",
            }
        ],
        # An answer takes a fraction of a millisecond on loopback, and up to 2 ms once in 10,000: a part that is judged
        # later than that before its deadline is rejected as LATE, in time, where else its deadline could be missed.
        "plc": {"port": plc_port, "answer_ms": min(5.0, 0.2 * deadline_ms)},
        "log": {"format": "json"},
    }
    for name, section in more.items():
        line[name] = {**line.get(name, {}), **section}
    return line


def demo_recipe(boards: Path, bundle: Path = DEMO_BUNDLE) -> dict[str, Any]:
    """`recipes/demo.toml` as a dict, for boards of the size of `boards`. No stop rule: three in ten boards are bad.

    Proven by the demo's golden parts where it is the demo's product (see `golden_of`); else it is accepted without.
    """
    width_px, height_px = board_size(boards)
    limits = json.loads((bundle / "manifest.json").read_text()).get("golden_limits") or [{"name": "*"}]
    proof = {} if golden_of(boards, bundle) else {"accept_unproven": "the simulated line, no real part passes it"}
    return {
        **proof,
        "id": 1,
        "name": "demo",
        "bundle": str(bundle.resolve()),
        "width_px": width_px,
        "height_px": height_px,
        "limits": limits,
        "stop": {"same_place": 0, "reject_percent": 0.0},
    }


def golden_of(boards: Path, bundle: Path = DEMO_BUNDLE) -> dict[str, Path]:
    """The folder of golden parts of `demo_recipe`, by its name; empty where they are of another product."""
    is_its = bundle.resolve() == DEMO_BUNDLE and board_size(boards) == DEMO_SIZE
    return {"demo": DEMO_GOLDEN} if is_its else {}
