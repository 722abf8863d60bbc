"""What the parts are judged by: names for the numbers in an outcome. Reads the recipes and the bundles' manifests.

Process: recorder, its disk thread. Blocks: on the disk. What cannot be read is named by its number: a part is
recorded whatever became of the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.config.view import View
from aoi_daemon.config.views import recipe_of
from aoi_daemon.infer.bundle import MANIFEST
from aoi_daemon.messages import Outcome
from aoi_daemon.records.parts import Product

_UNKNOWN_PX_PER_MM: Final = 1.0


class _BundleRead(NamedTuple):
    prefix: str
    classes: tuple[str, ...]


class Products:
    """Products by the numbers of an outcome."""

    def __init__(self, recipes: Iterable[Recipe], cameras: Sequence[str] = ()) -> None:
        """Of these recipes, on a line of `cameras`, by their number."""
        self._cameras = cameras
        self._recipes = {recipe.id: recipe for recipe in recipes}
        self._bundles: dict[str, tuple[str, ...]] = {}  # classes by the hash's first 16 digits
        self._known: dict[tuple[int, int, int, int], Product] = {}
        self._read: set[Path] = set()

    def take(self, recipe: Recipe) -> None:
        """A recipe is new, or has changed; its bundle may have too."""
        self._recipes[recipe.id] = recipe
        self._known.clear()
        self._read.clear()

    def of(self, outcome: Outcome) -> Product:
        """What `outcome` was judged by."""
        key = (outcome.recipe, outcome.bundle, outcome.camera, outcome.fov)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(outcome)
        return found

    def view(self, outcome: Outcome) -> str | None:
        """The name of the view that decided; None: its recipe names no views, or not this one."""
        view = self._view(outcome.recipe, outcome.camera, outcome.fov)
        return None if view is None else view.name

    def recipe(self, recipe_id: int, camera: int, fov: int) -> Recipe | None:
        """What a picture is judged by: that recipe, or its view of the picture's camera and field of view."""
        recipe, view = self._recipes.get(recipe_id), self._view(recipe_id, camera, fov)
        return recipe if recipe is None or view is None else recipe_of(recipe, view)

    def _view(self, recipe_id: int, camera: int, fov: int) -> View | None:
        recipe = self._recipes.get(recipe_id)
        if recipe is None or camera >= len(self._cameras):
            return None
        picture = self._cameras[camera], fov
        return next((view for view in recipe.views if (view.camera, view.fov or 0) == picture), None)

    def _make(self, outcome: Outcome) -> Product:
        recipe_id, bundle = outcome.recipe, outcome.bundle
        recipe = self.recipe(recipe_id, outcome.camera, outcome.fov)
        # A part that no model has looked at carries no bundle: that of its recipe would say something else.
        prefix = f"{bundle:016x}" if bundle else ""
        if recipe is None:
            return Product(recipe_id, f"recipe {recipe_id}", prefix, self._classes(prefix, ()), _UNKNOWN_PX_PER_MM)
        classes = self._classes(prefix, [recipe])
        return Product(recipe_id, recipe.name, prefix, classes, recipe.px_per_mm)

    def _classes(self, prefix: str, first: Iterable[Recipe]) -> tuple[str, ...]:
        """The class names of the bundle whose hash begins with `prefix`; none where it is not found."""
        if not prefix:
            return ()
        recipes = (*first, *self._recipes.values())
        folders = [recipe.bundle for recipe in recipes]
        folders += [view.bundle for recipe in recipes for view in recipe.views if view.bundle is not None]
        for folder in folders:
            if prefix in self._bundles:
                break
            if folder not in self._read:
                read = _read_bundle(folder)
                self._read.add(folder)
                self._bundles[read.prefix] = read.classes
        return self._bundles.get(prefix, ())


def _read_bundle(folder: Path) -> _BundleRead:
    try:
        raw = (folder / MANIFEST).read_bytes()
        classes = Manifest.model_validate_json(raw).classes
    except (OSError, ValidationError):
        return _BundleRead("", ())
    return _BundleRead(hashlib.sha256(raw).hexdigest()[:16], tuple(classes))
