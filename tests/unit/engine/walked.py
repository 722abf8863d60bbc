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
    (folder / "recipes").mkdir()
    (folder / "recipes" / "caps.toml").write_text(recipe_of("caps", 7, bundle))
    return folder / "line.toml"


def recipe_of(name: str, number: int, bundle: Path) -> str:
    """The recipe that the documents show, with the bundle's own limits behind it."""
    head = f'id = {number}\nname = "{name}"\nbundle = "{bundle}"\nwidth_px = {SIDE}\nheight_px = {SIDE}\nchannels = 3\n'
    return head + (bundle / "limits.toml").read_text()


def prove(folder: Path, config: Path, recipe: str, *, placed: bool) -> None:
    """Add a good and a bad golden part of the product; a classification is of the complete frame, and says no place."""
    folder.mkdir(exist_ok=True)
    for number, part in enumerate(list(parts(12, 3).values())[:2]):
        what = "--bad" if part.labels else "--good"
        cv2.imwrite(str(picture := folder / f"{what[2:]}.png"), part.image)
        boxes = [word for label in part.labels if placed for word in ("--box", ",".join(map(str, label[:4])))]
        words = ["golden", "add", "--recipe", recipe, what, picture, *boxes, "--config", config]
        assert main([str(word) for word in words]) == (0 if number else 1), "one of two"


def replayed(folder: Path, shown: Parts) -> Path:
    """The pictures as a camera would bring them; beside each what is bad on it, which the photo-eye tells the PLC simulator."""
    folder.mkdir()
    for name, part in shown.items():
        cv2.imwrite(str(folder / f"{name}.png"), part.image)
        (folder / f"{name}.txt").write_text("".join("{} {} {} {} 1\n".format(*label[:4]) for label in part.labels))
    return folder
