"""What a candidate is tried with: one view as it is judged, and which golden parts show it."""

from __future__ import annotations

from typing import NamedTuple

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import Viewed


class Subject(NamedTuple):
    """Of the views that share an engine, the first.

    Attributes:
        recipe: that of the view, made ready.
        view: its name; "": the recipe names no views, and all golden parts are of it.
        fov: its field of view.
        alone: it is the only one.
        share: the engines that have to be picked at this start: each has as much of the time.
    """

    recipe: Recipe
    view: str = ""
    fov: int = 0
    alone: bool = True
    share: int = 1


def subject_of(view: Viewed, recipe: Recipe, share: int = 1) -> Subject:
    """Of `view` of `recipe`."""
    if not recipe.views:
        return Subject(view.recipe, share=share)
    return Subject(view.recipe, view.name, max(view.fov, 0), alone=len(recipe.views) == 1, share=share)
