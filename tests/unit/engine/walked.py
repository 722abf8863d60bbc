"""The way from an exported file to a product that a line takes, by the commands that the documents name."""

from __future__ import annotations

from pathlib import Path

import cv2
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.kit.line.setup import line_config
from tests.unit.engine.export_families import CLASSES, FAMILIES, SIDE, parts
from tests.unit.engine.labels.written import Parts, write


def made(folder: Path, family: str, *more: object) -> tuple[int, Path]:
    """`bundle make` of a family's model with labels in its layout; the exit code, and the bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model, task, layout, said = FAMILIES[family]
    model = write_model(folder / "export.onnx")
    sets = {what: write(folder / what, layout, parts(count, seed), CLASSES) for what, count, seed in (("golden", 48, 1), ("test", 40, 2))}
    out = folder / "bundle"
    words = ["bundle", "make", "--model", model, "--task", task, "--name", family, "--calibration", sets["golden"],
             "--qualification", sets["test"], "--golden", sets["golden"], "--out", out, "--threads", 1, "--no-cache",
             "--calibration-frames", 7, "--int8-sensitivity", "never", *said, *more]  # fmt: skip
    return main([str(word) for word in words]), out


def product(folder: Path, bundle: Path) -> Path:
    """line.toml and a recipe of the bundle's own limits; parts that the line will see are in `parts`, every second bad."""
    shown = replayed(folder / "parts", parts(12, 3))
    line = line_config(shown, takt_ms=100.0, deadline_ms=100.0, plc_port=1502, photo_eye_port=0)
    line["line"]["recipe"] = "caps"
    line["cameras"][0]["channels"] = 3
    del line["cameras"][0]["photo_eye"]
    (folder / "line.toml").write_text(tomli_w.dumps(line))
    recipe = f'id = 7\nname = "caps"\nbundle = "{bundle}"\nwidth_px = {SIDE}\nheight_px = {SIDE}\nchannels = 3\n'
    (folder / "recipes").mkdir()
    (folder / "recipes" / "caps.toml").write_text(recipe + (bundle / "limits.toml").read_text())
    return folder / "line.toml"


def replayed(folder: Path, shown: Parts) -> Path:
    """The pictures as a camera would bring them."""
    folder.mkdir()
    for name, part in shown.items():
        cv2.imwrite(str(folder / f"{name}.png"), part.image)
    return folder
