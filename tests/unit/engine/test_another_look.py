"""The demo bundle on parts of another look: it is refused, whatever its golden parts say.

The pictures are textures made here: brushed gray with streaks, pits and scratches, nothing like a board.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.engine.conftest import run_words

ROOT = Path(__file__).parents[3]
SIDE = 224


def brushed(rng):
    """A brushed surface, lit unevenly, (SIDE, SIDE) float32."""
    streaks = cv2.GaussianBlur(rng.normal(0, 60, (SIDE, SIDE)).astype(np.float32), (0, 0), sigmaX=12, sigmaY=0.8)
    light = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), 50)
    return 105 + streaks + 900 * light


def scratched(surface, rng):
    """A faint pit and a scratch on it; the box around both."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    x, y = (int(value) for value in rng.integers(60, SIDE - 60, 2))
    cv2.circle(mask, (x, y), int(rng.integers(3, 9)), 1.0, -1)
    cv2.line(mask, (x, y), (x + int(rng.integers(-40, 40)), y + int(rng.integers(10, 40))), 1.0, 2)
    box = cv2.boundingRect((mask > 0).astype(np.uint8))
    return surface - 25 * cv2.GaussianBlur(mask, (0, 0), 1), box


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory):
    """60 good and 25 bad ones, one good one beside all of them as the template."""
    folder = tmp_path_factory.mktemp("surfaces")
    rng = np.random.default_rng(11)
    template = brushed(rng)
    for number in range(85):
        surface, label = brushed(rng), ""
        if number >= 60:
            surface, (x, y, width, height) = scratched(surface, rng)
            label = f"{x} {y} {x + width} {y + height} 1\n"
        for name, image in (("test", surface), ("temp", template)):
            cv2.imwrite(str(folder / f"s{number:02d}_{name}.png"), np.clip(image, 0, 255).astype(np.uint8))
        (folder / f"s{number:02d}.txt").write_text(label)
    return folder


@pytest.mark.long
def test_the_demo_bundle_is_refused_on_what_it_has_never_seen(surfaces, tmp_path, capsys):
    """It said "qualified" of every set, for fp32 is never worse than itself."""
    words = ["qualify", "--bundle", ROOT / "config" / "bundles" / "demo", "--boards", surfaces, "--json", tmp_path / "r.json",
             "--threads", "1"]  # fmt: skip
    assert run_words(words) == 1
    out = capsys.readouterr().out
    assert "fp32: refused (escapes are at least" in out
    assert "qualified" not in out
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["outcome"] == "refused"
    assert {of["standing"] for of in found["precisions"].values()} == {"refused"}
    assert found["precisions"]["fp32"]["golden_wrong"] == []
