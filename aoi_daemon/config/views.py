"""The views of a product, made ready: which pictures each part has, and the recipe that each is judged by. Pure.

A view that is made ready is a recipe as it is for one camera: whoever judges by a recipe judges a view by it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.limits import Template
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.view import View

ANY_FOV: Final = -1
"""As the field of view of a picture: whichever its camera says, for the recipe tells them apart, or none matters."""

Key = tuple[int, int]
"""Of a view: the number of its camera, and its field of view or ANY_FOV."""


EngineKey = tuple[Path, tuple[int, int, int], Fit]
"""What an engine is opened by: the bundle, the frame (height_px, width_px, channels), and its way to the model."""


class Source(Protocol):
    """What is asked of a camera's section."""

    @property
    def name(self) -> str:
        """As views name it."""

    @property
    def told_fovs(self) -> tuple[int, ...] | None:
        """The fields of view that its frames have; None: they tell it themselves, and it is not known before."""


class Viewed(NamedTuple):
    """A view made ready. `recipe` is what it is judged by, without views of its own."""

    name: str
    camera: int
    fov: int
    recipe: Recipe

    @property
    def key(self) -> Key:
        """Which picture it is."""
        return self.camera, self.fov


class Expected(NamedTuple):
    """Which pictures a part has.

    Attributes:
        keys: of its views, in the recipe's order.
        any_fov: cameras whose field of view tells no views apart.
        code: above 0, another for other views: by it two processes see whether they speak of the same.
    """

    keys: tuple[Key, ...]
    any_fov: frozenset[int]
    code: int

    def key(self, camera: int, fov: int) -> Key:
        """Which view a picture is, whether or not there is such a one."""
        return (camera, ANY_FOV) if camera in self.any_fov else (camera, fov)


def recipe_of(recipe: Recipe, view: View) -> Recipe:
    """What `view` is judged by: the recipe, with what the view has of its own in its place."""
    own = {key: value for key in View.inherited if (value := getattr(view, key)) is not None}
    fov = view.fov or 0
    templates = () if view.template is None else (Template(fov=fov, image=view.template, bits=view.template_bits),)
    return recipe.model_copy(update={**own, "templates": templates, "regions": view.regions, "views": ()})


def views_of(recipe: Recipe, cameras: Sequence[Source]) -> tuple[Viewed, ...]:
    """The views of `recipe`, each made ready; of a recipe without views one for each picture that a part has.

    Args:
        recipe: one that fits the cameras (`fovs.view_problems`).
        cameras: of the line, by their number.
    """
    if recipe.views:
        numbers = {camera.name: number for number, camera in enumerate(cameras)}
        return tuple(
            Viewed(view.name, numbers[view.camera], _fov(view, cameras[numbers[view.camera]]), recipe_of(recipe, view))
            for view in recipe.views
        )
    found: list[Viewed] = []
    for number, camera in enumerate(cameras):
        told = camera.told_fovs
        if told is None or len(told) == 1:
            found.append(Viewed(camera.name, number, ANY_FOV, recipe))
        else:
            found += [Viewed(f"{camera.name}-{fov}", number, fov, recipe) for fov in told]
    return tuple(found)


def expected_of(views: Sequence[Viewed]) -> Expected:
    """Which pictures a part of `views` has."""
    keys = tuple(view.key for view in views)
    any_fov = frozenset(camera for camera, fov in keys if fov == ANY_FOV)
    return Expected(keys, any_fov, zlib.crc32(repr(sorted(keys)).encode()) + 1)


def engine_key(recipe: Recipe) -> EngineKey:
    """Of a view's recipe: those that have the same share an engine."""
    return recipe.bundle, recipe.shape, recipe.fit


def name_of(views: Sequence[Viewed], camera: int, fov: int) -> str:
    """What the view is called that a picture of camera number `camera` and field of view `fov` is of; "": none."""
    view = _of_picture(views, camera, fov)
    return "" if view is None else view.name


def recipe_for(views: Sequence[Viewed], camera: int, fov: int) -> Recipe | None:
    """What a picture of camera number `camera` and field of view `fov` is judged by; None: no view names it."""
    view = _of_picture(views, camera, fov)
    return None if view is None else view.recipe


def _of_picture(views: Sequence[Viewed], camera: int, fov: int) -> Viewed | None:
    return next((view for view in views if view.camera == camera and view.fov in (fov, ANY_FOV)), None)


def chosen(recipe: Recipe, name: str | None) -> View | None:
    """The view that `--view NAME` names (None: the only one); None of a recipe without views.

    Raises:
        ValueError: there is no such view, or several and none is named; with what there is.
    """
    there = ", ".join(view.name for view in recipe.views)
    if name is not None:
        found = next((view for view in recipe.views if view.name == name), None)
        if found is None:
            raise ValueError(f"--view {name}: recipe {recipe.name} has {f'views {there}' if there else 'no views'}")
        return found
    if len(recipe.views) > 1:
        raise ValueError(f"recipe {recipe.name} has views {there}: say with --view NAME which one")
    return recipe.views[0] if recipe.views else None


def one_of(recipe: Recipe, cameras: Sequence[Source], name: str | None) -> Viewed:
    """The same made ready; of a recipe without views its first picture. Raises as `chosen`."""
    view = chosen(recipe, name)
    return next(each for each in views_of(recipe, cameras) if view is None or each.name == view.name)


def settled(recipe: Recipe, cameras: Sequence[Source]) -> Recipe:
    """`recipe` with the field of view of each view written out: the one of a camera that has one alone."""
    by_name = {camera.name: camera for camera in cameras}
    views = tuple(
        view if view.fov is not None else view.model_copy(update={"fov": _fov(view, by_name[view.camera])})
        for view in recipe.views
    )
    return recipe.model_copy(update={"views": views})


def without_regions(recipe: Recipe) -> Recipe:
    """For who counts by `recipe` and looks at no picture: to read 10,000 corners takes a while."""
    views = tuple(view.model_copy(update={"regions": ()}) for view in recipe.views)
    return recipe.model_copy(update={"regions": (), "views": views})


def _fov(view: View, camera: Source) -> int:
    if view.fov is not None:
        return view.fov
    told = camera.told_fovs
    assert told is not None and len(told) == 1, "fovs.view_problems has refused it"
    return told[0]
