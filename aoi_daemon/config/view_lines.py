"""The lines that name the views of a recipe which told its sections apart by field of view alone. Pure.

Paths are written as the recipe has them now: as they were read, or complete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from aoi_daemon.config.cameras import Camera
from aoi_daemon.config.limits import Region, Template
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.registration import Registration


def view_lines(recipe: Recipe, cameras: Sequence[Camera]) -> str:
    """TOML: a view for each picture that the cameras give, with the recipe's sections of its field of view."""
    return "\n\n".join("\n".join(_view(recipe, cameras, camera, fov)) for camera, fov in _pictures(recipe, cameras))


def _pictures(recipe: Recipe, cameras: Sequence[Camera]) -> Iterator[tuple[Camera, int]]:
    marks = () if recipe.registration is None else recipe.registration.fiducials
    named = {part.fov for parts in (recipe.templates, recipe.regions, marks) for part in parts} - {None}
    known = {fov for camera in cameras for fov in camera.told_fovs or ()}
    by_chunk = sorted(fov for fov in named - known if fov is not None) or [0]
    for camera in cameras:
        for fov in camera.told_fovs or by_chunk:
            yield camera, fov


def _view(recipe: Recipe, cameras: Sequence[Camera], camera: Camera, fov: int) -> Iterator[str]:
    several = camera.told_fovs is None or len(camera.told_fovs) > 1
    alike = [other.name for other in cameras if other is not camera and fov in (other.told_fovs or ())]
    yield "[[views]]"
    yield f"name = {_text(f'{camera.name}-{fov}' if several else camera.name)}"
    yield f"camera = {_text(camera.name)}"
    if several:
        yield f"fov = {fov}" + "  # one [[views]] for each that its chunk tells" * (camera.told_fovs is None)
    if alike:
        yield f"# camera {', '.join(alike)} has fov {fov} as well: leave here what is of this picture alone"
    for template in recipe.templates:
        if template.fov == fov:
            yield from _template(template)
    for region in recipe.regions:
        if region.fov in (None, fov):
            yield from _region(region)
    if recipe.registration is not None:
        yield from _registration(recipe.registration, fov)


def _template(template: Template) -> Iterator[str]:
    yield f"template = {_text(str(template.image))}"
    if template.bits is not None:
        yield f"template_bits = {template.bits}"


def _region(region: Region) -> Iterator[str]:
    yield "[[views.regions]]"
    yield f"kind = {_text(region.kind)}"
    yield f"corners = {_corners(region.corners)}"


def _registration(registration: Registration, fov: int) -> Iterator[str]:
    yield "[views.registration]"
    yield f"method = {_text(registration.method)}"
    yield f"max_offset = {registration.max_offset!r}"
    yield f"min_match = {registration.min_match!r}"
    for mark in registration.of_fov(fov):
        yield "[[views.registration.fiducials]]"
        yield f"corners = {_corners(mark.corners)}"


def _corners(corners: Sequence[tuple[float, float]]) -> str:
    return json.dumps([list(map(float, corner)) for corner in corners])


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
