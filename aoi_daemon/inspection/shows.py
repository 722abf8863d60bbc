"""What an engine is tried and opened for: a view's recipe, and which golden parts show it."""

from __future__ import annotations

from typing import NamedTuple

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.golden.manifest import Golden


class Shows(NamedTuple):
    """A view, or the one picture of a product.

    Attributes:
        recipe: what it is judged by.
        view: its name; "": the recipe names no views.
        fov: its field of view.
        alone: it is the only view, and golden parts need not name it.
    """

    recipe: Recipe
    view: str = ""
    fov: int = 0
    alone: bool = True

    def golden(self, parts: Golden) -> Golden:
        """Those of the golden parts that show it."""
        return parts.of_view(self.view, self.fov, alone=self.alone) if self.view else parts
