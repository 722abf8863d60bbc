"""The demo of several views: a large frame in tiles, one resized, one as it is, each with a bundle of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.setup import DEMO_BUNDLE, DEMO_SEED

TAKT_MS: Final = 200.0
"""Of a part with three views, on two cores: the large one alone is looked at six times."""
BOARDS: Final = 16
"""Of each view."""
_OWN_SHARE: Final = 0.25
"""Of the takt: so far apart may the pictures of a part be, for each replayed camera has a clock of its own."""


class _View(NamedTuple):
    name: str
    size_px: tuple[int, int]
    fit: str


_VIEWS: Final = (
    _View("top", (1600, 1216), "tiles"), _View("turned", (960, 960), "resize"), _View("side", (640, 640), "exact"),
)  # fmt: skip
MOST: Final = len(_VIEWS)


def view_boards(folder: Path, count: int, progress: Callable[[int], None]) -> list[Path]:
    """A folder of boards for each of `count` views in `folder`, made at the first call and kept.

    The first view has all the bad boards: what a part is, its label says.
    """
    found = []
    for number, view in enumerate(_VIEWS[:count]):
        width_px, height_px = view.size_px
        options = BoardOptions(width_px=width_px, height_px=height_px, good_fraction=0.7 if number == 0 else 1.0)
        name = hashlib.sha256(f"{options}{DEMO_SEED}{BOARDS}".encode()).hexdigest()[:12]
        out = folder / f"boards-{name}"
        if not out.is_dir():
            write_boards(out, BOARDS, DEMO_SEED, options)
        progress((number + 1) * BOARDS)
        found.append(out)
    return found


def with_views(boards: list[Path], bundles: Path, config: dict[str, Any], recipe: dict[str, Any]) -> None:
    """Give the line a camera, and the recipe a view with a bundle of its own in `bundles`, for each of `boards`."""
    first = config["cameras"][0]
    config["cameras"] = []
    config["views_ms"] = _OWN_SHARE * config["line"]["takt_ms"]
    recipe["views"] = []
    recipe["accept_unproven"] = "the simulated line, no real part passes it"
    for number, (view, folder) in enumerate(zip(_VIEWS, boards, strict=False)):
        width_px, height_px = view.size_px
        camera = {
            "name": view.name, "kind": "replay", "source": str(folder.resolve()), "max_width_px": width_px,
            "max_height_px": height_px,
        }  # fmt: skip
        config["cameras"].append({**first, **camera} if number == 0 else camera)
        recipe["views"].append(
            {
                "name": view.name, "camera": view.name, "width_px": width_px, "height_px": height_px,
                "bundle": str(_bundle(bundles, view.name)), "fit": _fit(view),
            }
        )  # fmt: skip


def _fit(view: _View) -> Any:
    return view.fit if view.fit == "exact" else {"kind": view.fit, "width_px": 640, "height_px": 640}


def _bundle(folder: Path, name: str) -> Path:
    """The demo's bundle under another name: another bundle, for all that the line knows."""
    out = folder / f"bundle-{name}"
    shutil.copytree(DEMO_BUNDLE, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "name": name}, indent=1))
    return out
