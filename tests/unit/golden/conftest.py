"""A product that is judged by a model which says what it is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.boxes import read_box
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.golden.store import NewPart
from aoi_daemon.infer.executor import Detections

SIZE = 64
CLASSES = ("open", "short")


def new(name: str, *, passed: bool, boxes=(), level: int = 0, **keys) -> NewPart:
    """A part whose picture is told from others by its gray `level`."""
    image = np.full((SIZE, SIZE, 1), level, np.uint8)
    return NewPart(name, image, keys.get("template"), passed, keys.get("fov", 0), tuple(map(read_box, boxes)), f"{name}.png")


class Model:
    """Finds `rows` ((x1, y1, x2, y2), class) in pictures of `level`, nothing in others."""

    def __init__(self) -> None:
        self.found: dict[int, list] = {}

    def infer(self, image, template, deadline_ns):
        rows = self.found.get(int(image.flat[0]), [])
        boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
        return Detections(boxes, np.full(len(rows), 0.9, np.float32), np.array([kind for _, kind in rows], np.int32))


@pytest.fixture
def looker():
    """`looker(task=..., **keys of the recipe)`."""

    def make(task: str = "top100", **keys):
        recipe = Recipe.model_validate(
            {"id": 1, "name": "r", "bundle": Path("b"), "width_px": SIZE, "height_px": SIZE, "overlap": 1.0, **keys}
        )
        manifest = SimpleNamespace(classes=CLASSES, task=task, has_template=False)
        return SimpleNamespace(
            recipe=recipe, bundle=SimpleNamespace(manifest=manifest), criteria=Criteria.compile(recipe, CLASSES),
            templates={}, registrar=None, executor=Model(),
        )  # fmt: skip

    return make
