"""Which field of view each camera's frames show, and whether a recipe's views and sections fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aoi_daemon.config.cameras import Camera, GenicamCamera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.view_lines import view_lines
from aoi_daemon.config.views import Viewed


def view_problems(cameras: Sequence[Camera], recipe: Recipe) -> Iterator[str]:
    """What does not fit between the cameras and the views of `recipe`, or its sections where it has none."""
    if recipe.views:
        yield from _named(cameras, recipe)
    elif len(cameras) > 1 and (kinds := _kinds(recipe)):
        yield (
            f"views: none; the recipe has {', '.join(kinds)} and {len(cameras)} cameras are there: which is for which? "
            f"Write these lines in their place:\n{view_lines(recipe, cameras)}"
        )
    elif len(cameras) == 1:
        yield from _sections_fit(cameras[0], recipe)


def _named(cameras: Sequence[Camera], recipe: Recipe) -> Iterator[str]:
    by_name = {camera.name: camera for camera in cameras}
    taken: dict[tuple[str, int], str] = {}
    for number, view in enumerate(recipe.views):
        key, camera = f"views[{number}]", by_name.get(view.camera)
        if camera is None:
            yield f"{key}.camera = {view.camera!r}: there is no such camera (there: {', '.join(by_name)})"
            continue
        told, fov = camera.told_fovs, view.fov
        if fov is None and (told is None or len(told) > 1):
            these = "by its chunk" if told is None else ", ".join(map(str, told))
            several = f"camera {view.camera!r} takes several ({these})"
            yield f"{key}.fov: missing; {several}: write the one that {view.name!r} is"
            continue
        if told is not None and fov is not None and fov not in told:
            gives = ", ".join(map(str, told))
            yield f"{key}.fov = {fov}: camera {view.camera!r} gives {gives}, so each part would be rejected without it"
            continue
        picture = view.camera, (told or (0,))[0] if fov is None else fov
        if picture in taken:
            this = f"camera {view.camera!r}, fov {picture[1]},"
            yield f"{key}: {this} is view {taken[picture]!r} already; a view is one picture"
        taken[picture] = view.name
    yield from _not_viewed(cameras, taken)


def _not_viewed(cameras: Sequence[Camera], taken: dict[tuple[str, int], str]) -> Iterator[str]:
    """Cameras, and fields of view, whose pictures would reject each part because no view names them."""
    for camera in cameras:
        seen = [fov for name, fov in taken if name == camera.name]
        told = camera.told_fovs
        without = [fov for fov in told or () if fov not in seen] if seen else []
        if without or not seen:
            what = f"camera {camera.name!r}" + f", fov {', '.join(map(str, without))}" * bool(without)
            lines = f'`camera = "{camera.name}"`' + (f" and `fov = {without[0]}`" if without else "")
            yield f"views: none is of {what}, and its pictures would reject each part: add [[views]] with {lines}"


def _sections_fit(camera: Camera, recipe: Recipe) -> Iterator[str]:
    """The sections of `recipe` that no frame would be judged by, and the frames that no section is for."""
    told = camera.told_fovs
    if told is None:
        return
    gives = ", ".join(map(str, told))
    for key, fov in _sections(recipe):
        if fov is not None and fov not in told:
            given = f"(camera {camera.name!r} gives {gives})"
            yield f"{key}.fov = {fov}: no camera gives it, so it would never be used {given}"
    for kind, fovs in (
        ("templates", {template.fov for template in recipe.templates}),
        ("regions", {region.fov for region in recipe.regions}),
    ):
        for fov in told:
            if fovs and None not in fovs and fov not in fovs:
                yield (
                    f"{kind}: none is for fov {fov}, camera {camera.name!r}, and each of its frames would be rejected: "
                    f"add `[[{kind}]]` with `fov = {fov}`"
                )


def template_problems(cameras: Sequence[Camera], view: Viewed) -> Iterator[str]:
    """Of a `view` whose model compares each frame with a template: that it has none. Replayed pairs have theirs."""
    camera = cameras[view.camera]
    if isinstance(camera, GenicamCamera) and not view.recipe.templates:
        yield (
            f"templates: none; the model compares each frame with a template, and camera {camera.name!r} brings none: "
            "each of its frames would be rejected: add `[[templates]]` with the `image` of a good part, or `template` "
            "to its view"
        )


def _kinds(recipe: Recipe) -> list[str]:
    kinds = {"templates": recipe.templates, "regions": recipe.regions, "a registration": recipe.registration}
    return [kind for kind, there in kinds.items() if there]


def _sections(recipe: Recipe) -> Iterator[tuple[str, int | None]]:
    for index, template in enumerate(recipe.templates):
        yield f"templates[{index}]", template.fov
    for index, region in enumerate(recipe.regions):
        yield f"regions[{index}]", region.fov
    for index, mark in enumerate(recipe.registration.fiducials if recipe.registration else ()):
        yield f"registration.fiducials[{index}]", mark.fov
