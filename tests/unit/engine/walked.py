"""The way from an exported file to a product that a line takes, by the commands that the documents name."""

from __future__ import annotations

import io
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import cv2
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.kit.line.setup import line_config
from tests.unit.engine.export_families import CLASSES, FAMILIES, SIDE, parts
from tests.unit.engine.labels.written import Parts, write

_COUNTS = {"golden": (48, 1), "test": (40, 2)}
"""Parts, and their seed."""


def made(folder: Path, family: str, *more: object) -> tuple[int, Path]:
    """The command that `model inspect` prints, with folders of labels in the family's layout; its exit code, and the bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model, _, layout, said = FAMILIES[family]
    model = write_model(folder / "export.onnx")
    for what, (count, seed) in _COUNTS.items():
        write(folder / what, layout, parts(count, seed), CLASSES)
    places = {"--calibration": "golden", "--golden": "golden", "--qualification": "test", "--out": "bundle"}
    known = {**dict(zip(said[::2], said[1::2], strict=True)), **{option: str(folder / name) for option, name in places.items()}}
    words = printed(model)
    for place, word in enumerate(words[:-1]):
        words[place + 1] = known.get(word, words[place + 1])
    assert {option for option in said[::2] if option not in words} == set(), "inspect asks for all that is missing"
    words += ["--threads", "1", "--no-cache", "--calibration-frames", "7", "--int8-sensitivity", "never"]
    return main([*words, *(str(word) for word in more)]), folder / "bundle"


def printed(model: Path) -> list[str]:
    """The words of the command that `model inspect` prints, without the program's name."""
    text = io.StringIO()
    with redirect_stdout(text):
        assert main(["model", "inspect", str(model)]) == 0
    return shlex.split(text.getvalue().partition("next:\n")[2])[1:]


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
