"""Which field of view each camera's frames show, and whether a recipe's sections fit. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aoi_daemon.config.cameras import Camera, GenicamCamera
from aoi_daemon.config.recipe import Recipe


def camera_problems(cameras: Sequence[Camera], recipe: Recipe) -> Iterator[str]:
    """What the cameras of line.toml do not say, and `recipe` needs, each by its key."""
    kinds = _kinds(recipe)
    if len(cameras) < 2 or not kinds:
        return
    needs = f"recipe {recipe.name!r} has {', '.join(kinds)}, and there are {len(cameras)} cameras"
    taken: dict[int, str] = {}
    for camera in cameras:
        if camera.fov is not None:
            taken.setdefault(camera.fov, camera.name)
    for index, camera in enumerate(cameras):
        if camera.fov is None:
            if _by_chunk(camera):
                continue
            free = next(fov for fov in range(len(cameras) + len(taken)) if fov not in taken)
            taken[free] = camera.name
            yield f"cameras[{index}].fov: missing; {needs}: write `fov = {free}` under camera {camera.name!r}"
        elif taken[camera.fov] != camera.name:
            yield (
                f"cameras[{index}].fov = {camera.fov}: camera {taken[camera.fov]!r} has it too; {needs}: both would be "
                "judged by the same sections. Give each its own number, and the recipe sections for each"
            )


def section_problems(cameras: Sequence[Camera], recipe: Recipe) -> Iterator[str]:
    """The sections of `recipe` that no camera's frames would be judged by, and the frames that no section is for."""
    by_fov = _given(cameras)
    unknown = any(_by_chunk(camera) for camera in cameras)
    told = ", ".join(f"{name!r} gives {fov}" for fov, name in by_fov.items()) or "none gives one"
    several = len(cameras) > 1
    for key, fov in _sections(recipe):
        if fov is None and several:
            yield f"{key}.fov: missing; it would hold for all {len(cameras)} cameras ({told}): write the one it is for"
        elif fov is not None and fov not in by_fov and not unknown:
            yield f"{key}.fov = {fov}: no camera gives it, so it would never be used (cameras.fov: {told})"
    for kind, fovs in (
        ("templates", {template.fov for template in recipe.templates}),
        ("regions", {region.fov for region in recipe.regions}),
    ):
        for fov, name in by_fov.items():
            if fovs and None not in fovs and fov not in fovs:
                yield (
                    f"{kind}: none is for fov {fov}, camera {name!r}, and each of its frames would be rejected: "
                    f"add `[[{kind}]]` with `fov = {fov}`"
                )


def template_problems(cameras: Sequence[Camera], recipe: Recipe) -> Iterator[str]:
    """Of a `recipe` whose model compares each frame with a template: that it has none. Replayed pairs have theirs."""
    camera = next((camera for camera in cameras if isinstance(camera, GenicamCamera)), None)
    if camera is not None and not recipe.templates:
        yield (
            f"templates: none; the model compares each frame with a template, and camera {camera.name!r} brings none: "
            "each of its frames would be rejected: add `[[templates]]` with the `image` of a good part"
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


def _by_chunk(camera: Camera) -> bool:
    """Its frames tell their field of view themselves: which there are is not known before."""
    return isinstance(camera, GenicamCamera) and camera.fov_chunk is not None


def _given(cameras: Sequence[Camera]) -> dict[int, str]:
    """The fields of view that are known to come, and the name of the (first) camera that gives each."""
    found: dict[int, str] = {}
    for camera in cameras:
        if camera.fov is not None:
            found.setdefault(camera.fov, camera.name)
        elif len(cameras) == 1 and not _by_chunk(camera):
            found[0] = camera.name
    return found
