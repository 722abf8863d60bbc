"""What does not fit together in a recipe and its views, each by its key. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from aoi_daemon.config.tasks import MAX_CLASSES

if TYPE_CHECKING:
    from aoi_daemon.config.recipe import Recipe

MAX_REGIONS: Final = 2048
MAX_CORNERS: Final = 16_384
"""Of all regions together: each detection is compared with every edge, and a swap between two parts reads them all."""
MAX_TEMPLATES: Final = 1024
MAX_LIMITS: Final = MAX_CLASSES + 1


def too_many(recipe: Recipe) -> Iterator[str]:
    """Lists that are longer than what is on the critical path may be."""
    seen: list[Any] = [recipe, *recipe.views]
    corners = sum(len(region.corners) for each in seen for region in each.regions)
    limits = max(len(each.limits or ()) for each in seen)
    counts = (
        ("templates", len(recipe.templates), MAX_TEMPLATES, "make a recipe for each of several fields of view"),
        ("limits", limits, MAX_LIMITS, "no bundle has more classes; let `*` speak for all that are alike"),
        ("regions", sum(len(each.regions) for each in seen), MAX_REGIONS, "join those that touch"),
        ("regions.corners", corners, MAX_CORNERS, "draw the outlines with fewer corners"),
    )
    yield from (f"{key}: there are {count}, at most {most}; {do}" for key, count, most, do in counts if count > most)


def not_once(recipe: Recipe) -> Iterator[str]:
    """What names two things of one kind alike."""
    pictures = [(view.camera, view.fov) for view in recipe.views]
    named: list[tuple[str, Sequence[object]]] = [
        ("limits.name", [limit.name for limit in recipe.limits]),
        ("templates.fov", [template.fov for template in recipe.templates]),
        ("views.name", [view.name for view in recipe.views]),
        *(
            (f"views[{number}].limits.name", [limit.name for limit in view.limits or ()])
            for number, view in enumerate(recipe.views)
        ),
    ]
    for key, found in named:
        if len(set(found)) < len(found):
            yield f"{key}: {found} are not all different"
    for number, picture in enumerate(pictures):
        if picture in pictures[:number]:
            this = f"camera {picture[0]!r}{_fov(picture[1])}"
            first = recipe.views[pictures.index(picture)].name
            yield f"views[{number}]: {this} is view {first!r} already; a view is one picture"


def beside_views(recipe: Recipe) -> Iterator[str]:
    """What is of one picture, and does not stand with the view that it is of."""
    marks = recipe.registration is not None and recipe.registration.fiducials
    beside = {"templates": recipe.templates, "regions": recipe.regions, "registration.fiducials": marks}
    given = [key for key, there in beside.items() if there]
    if recipe.views and given:
        yield f"{', '.join(given)}: of which view? Write it under that one of [[views]]"


def do_not_fit(recipe: Recipe) -> Iterator[str]:
    """Registrations and maps that do not fit the frames that they are for."""
    if not recipe.views:
        yield from _misfits("", recipe, recipe, [template.fov for template in recipe.templates])
    for number, view in enumerate(recipe.views):
        yield from _misfits(f"views[{number}].", view, recipe, [] if view.template is None else [view.fov or 0])


def _misfits(key: str, own: Any, recipe: Recipe, fovs: Sequence[int]) -> Iterator[str]:
    """Of `own`, a view or the recipe; what it has not is as in the recipe."""

    def of(name: str) -> Any:
        return getattr(recipe, name) if (value := getattr(own, name)) is None else value

    width_px, height_px, registration, maps = of("width_px"), of("height_px"), of("registration"), of("maps")
    px_per_unit = of("px_per_mm") if recipe.unit == "mm" else 1.0
    if registration is not None:
        yield from (f"{key}{each}" for each in registration.problems(width_px, height_px, px_per_unit, fovs))
    frame_px = width_px * height_px
    if maps is not None and maps.min_area * px_per_unit**2 >= frame_px:
        yield f"{key}maps.min_area = {maps.min_area:g}: no defect in {frame_px} px would count"


def _fov(fov: int | None) -> str:
    return "" if fov is None else f", fov {fov}"
