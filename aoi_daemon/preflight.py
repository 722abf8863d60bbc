"""All that can be known to be wrong before a process starts, or a reload lands."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from aoi_daemon.config.cameras import CameraSection, GenicamCamera
from aoi_daemon.config.checks.hmi import hmi_problems
from aoi_daemon.config.checks.notices import notices_problems
from aoi_daemon.config.fovs import template_problems
from aoi_daemon.config.frame_memory import memory_problems
from aoi_daemon.config.load import Configuration, load
from aoi_daemon.config.publisher import missing_files
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.views import EngineKey, Viewed, engine_key, views_of
from aoi_daemon.decide.alarm_list import Alarm
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.errors import ConfigError, ModelError
from aoi_daemon.golden.manifest import MANIFEST, Golden, GoldenError, folder_of, read_golden
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.fit.takes import check_looked_at
from aoi_daemon.infer.open import fitting
from aoi_daemon.infer.openvino.ahead import not_here, package_problem
from aoi_daemon.infer.trt.machine import this_machine
from aoi_daemon.infer.trt.plan import ENGINES, SIDECAR, Machine, check_plans, choose_plan, golden_shapes
from aoi_daemon.inspection.look import read_templates
from aoi_daemon.inspection.prove import counted
from aoi_daemon.ring.parcel import MAX_PARCEL_BYTES, MessageError, encoded
from aoi_daemon.stage.control import PathTooLongError, check_length

MAX_RECIPES: Final = 1000
_OF_GENICAM: Final = ("harvesters", "genicam")
"""What a GenICam camera needs beside the core."""
_ROOM_BYTES: Final = 64 * 1024
"""Of a setup, for what is not configuration."""


def check(file: Path, product: str = "") -> Configuration:
    """Load `file` with all its recipes, and hold each recipe against its bundle.

    Args:
        file: line.toml.
        product: the recipe in use, "" for line.recipe.

    Raises:
        ConfigError: naming file, key, value and bound, or the bundle's fault.
    """
    configuration = load(file, product)
    material: dict[str, str] = {}
    judges: dict[str, str] = {}
    found: list[_Checked] = []
    read: dict[Path, Bundle] = {}
    for name, recipe in configuration.recipes.items():
        views = views_of(recipe, configuration.line.cameras)
        # Without views of its own the recipe is one object for all pictures.
        fits = {id(view.recipe): view for view in views}
        bundle_of = {key: _check_view(configuration, name, view, read) for key, view in fits.items()}
        found += [_Checked(name, view, bundle_of[id(view.recipe)]) for view in views]
        may_take = configuration.line.inspection.backend in ("tensorrt", "auto")
        bundles = list({bundle.folder: bundle for bundle in bundle_of.values()}.values())
        material[name] = _material(recipe, bundles, _golden(configuration, name), engines=may_take)
        judges[name] = _judges(recipe, bundles)
    if configuration.line.inspection.backend == "tensorrt":
        _check_engines(configuration, found)
    _check_beside(configuration)
    _check_templates(configuration, found)
    _check_messages(configuration)
    return replace(configuration, material=material, judges=judges)


class _Checked(NamedTuple):
    """A view of the recipe `product`, and the bundle that it fits."""

    product: str
    view: Viewed
    bundle: Bundle


def _check_view(configuration: Configuration, name: str, view: Viewed, read: dict[Path, Bundle]) -> Bundle:
    """Hold one view of the recipe `name` against its bundle. Raises ConfigError.

    `read`: bundles by their folder, each read once: all of its files are compared with their hashes.
    """
    recipe = view.recipe
    path = configuration.recipe_file(name)
    where = f"view {view.name!r}: " if configuration.recipes[name].views else ""
    named = f"{where}bundle = {str(recipe.bundle)!r}"
    try:
        bundle = read[recipe.bundle] = read.get(recipe.bundle) or load_bundle(recipe.bundle)
        manifest = bundle.manifest
        Criteria.compile(recipe, manifest.classes)
        decoder_for(manifest, recipe)
    except (ModelError, ValueError) as error:
        raise ConfigError(path, [f"{named}: {error}"]) from error
    try:
        read_templates(recipe)
    except ModelError as error:
        raise ConfigError(path, [f"{where}{error}"]) from error
    problems: list[str] = []
    for key in ("width_px", "height_px") if recipe.fit.kind == "exact" else ():
        if getattr(recipe, key) % manifest.stride_px:
            said = f"{key} = {getattr(recipe, key)}: no multiple of the model's {manifest.stride_px} px"
            problems.append(f"{where}{said}; fit = 'pad' would fill it up")
    if recipe.channels != manifest.channels:
        problems.append(f"{where}channels = {recipe.channels}: the model has {manifest.channels}")
    precision = configuration.line.inspection.reference.precision
    if precision not in manifest.models:
        there = ", ".join(manifest.models)
        remedy = f"; aoi-daemon bundle make --precisions {','.join([*manifest.models, precision])} qualifies it"
        problems.append(f"{named}: has no {precision} (inspection.precision; there: {there}){remedy}")
    if problems:
        raise ConfigError(path, problems)
    shape = _shape(path, configuration, recipe, bundle, where)
    if configuration.line.inspection.backend != "tensorrt":
        try:
            check_file(bundle.model_path(precision), manifest, shape)
        except ModelError as error:
            raise ConfigError(path, [f"{named}: {error}"]) from error
    return bundle


def _shape(
    path: Path, configuration: Configuration, recipe: Recipe, bundle: Bundle, where: str = ""
) -> FrameShape:
    """What the model of a recipe gets to see. Raises ConfigError where the recipe's fit does not come out."""
    try:
        plan = fitting(bundle, configuration.line.inspection.reference, recipe.shape, recipe.fit)
        if plan is not None:
            check_looked_at(recipe, plan)
    except (ModelError, ValueError) as error:
        raise ConfigError(path, [f"{where}{error}"]) from error
    return recipe.shape if plan is None else plan.model


def _golden(configuration: Configuration, name: str) -> Golden:
    """The golden parts of a recipe, every file as it was added. Raises ConfigError naming the one that is not."""
    golden = read_golden_of(configuration, name)
    try:
        golden.check()
    except GoldenError as error:
        raise ConfigError(golden.folder / MANIFEST, [str(error)]) from error
    return golden


def read_golden_of(configuration: Configuration, name: str) -> Golden:
    """The golden parts of the recipe `name`. Raises ConfigError where their manifest is damaged."""
    folder = folder_of(configuration.file, name)
    try:
        return read_golden(folder)
    except GoldenError as error:
        raise ConfigError(folder / MANIFEST, [str(error)]) from error


def proofs(configuration: Configuration) -> list[str]:
    """A line for each recipe: its golden parts, or who answers for it that there are none, or what to do."""
    lines = []
    for name, recipe in configuration.recipes.items():
        golden = read_golden_of(configuration, name)
        product = counted(golden, recipe)
        if product.wrong:
            lines.append(f"NOT PROVEN, will not become READY: {product.text(name)}")
        elif product.complete:
            parts = f"{golden.good} good and {golden.bad} bad golden parts"
            unseen = {camera.fov or 0 for camera in configuration.line.cameras} - {part.fov for part in golden.parts}
            parts += f", none of fov {', '.join(map(str, sorted(unseen)))}" if unseen and not recipe.views else ""
            lines.append(f"recipe {name}: {parts} (aoi-daemon golden list --check: do they hold here?)")
        elif recipe.accept_unproven is not None:
            lines.append(f"recipe {name}: NOT PROVEN, accepted: {recipe.accept_unproven}")
        else:
            lines.append(f"NOT PROVEN, will not become READY: {product.text(name)}")
    return lines


def _material(recipe: Recipe, bundles: Sequence[Bundle], golden: Golden, *, engines: bool) -> str:
    """A hash of all that `recipe` names: files that were replaced under their old name are another product."""
    folders = [bundle.folder / ENGINES for bundle in bundles] if engines else []
    sidecars = [file for folder in folders for file in sorted(folder.glob(f"*{SIDECAR}"))]
    return _hash("".join(bundle.hash for bundle in bundles) + golden.hash, [*sidecars, *_templates(recipe)])


def _templates(recipe: Recipe) -> list[Path]:
    own = [view.template for view in recipe.views if view.template is not None]
    return [*(template.image for template in recipe.templates), *own]


def _judges(recipe: Recipe, bundles: Sequence[Bundle]) -> str:
    """A hash of what decides the verdicts of `recipe`: the same for the same files in another folder."""
    keys = recipe.model_dump(mode="json", exclude={*Recipe.swapped, "bundle"}, exclude_defaults=True)
    for template in keys.get("templates", ()):
        del template["image"]
    order = {bundle.folder: number for number, bundle in enumerate(bundles)}
    for view, own in zip(recipe.views, keys.get("views", ()), strict=True):
        # Which of the bundles, and whether there is a template; where they lie changes no verdict.
        own["bundle"] = order[view.bundle or recipe.bundle]
        own["template"] = view.template is not None
    # Sorted and without defaults: a later version that has more keys, or another order, judges no otherwise by it.
    said = json.dumps(keys, sort_keys=True)
    return _hash("".join(bundle.hash for bundle in bundles) + said, _templates(recipe))


def _hash(text: str, files: Sequence[Path]) -> str:
    """SHA-256 of `text` and of the bytes of `files`, in their order."""
    found = hashlib.sha256(text.encode())
    for path in files:
        try:
            found.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            found.update(b"gone")  # whoever opens it says so, by its name
    return found.hexdigest()


def _check_templates(configuration: Configuration, found: Sequence[_Checked]) -> None:
    """Each view whose model compares with a template has one, from its recipe or with each picture."""
    for each in found:
        has_template = each.bundle.manifest.has_template
        problems = list(template_problems(configuration.line.cameras, each.view)) if has_template else []
        if problems:
            raise ConfigError(configuration.recipe_file(each.product), problems)


def _check_messages(configuration: Configuration) -> None:
    """What the stages are told at their start, and at a changeover, fits; so does what `status` says of the recipes."""
    folder, most_bytes = configuration.file.parent / "recipes", MAX_PARCEL_BYTES - _ROOM_BYTES
    if len(configuration.recipes) > MAX_RECIPES:
        count = len(configuration.recipes)
        raise ConfigError(folder, [f"has {count} recipes, at most {MAX_RECIPES}; move those out that are not made now"])
    line = configuration.line.model_dump_json()
    for name, recipe in configuration.recipes.items():
        try:
            encoded({"config": line, "recipe": recipe.model_dump_json()}, most_bytes)
        except MessageError:
            what = f"comes to more than {most_bytes} bytes with {configuration.file.name}"
            said = f"{what}; shorten its lists or its paths"
            raise ConfigError(folder / f"{name}.toml", [said]) from None


def _check_beside(configuration: Configuration) -> None:
    """The packages and files that cameras and the processes off the critical path need."""
    line, folder = configuration.line, configuration.file.parent
    problems = [*_camera_problems(line.cameras), *_socket_problems(line), *memory_problems(line)]
    if line.inspection.backend == "openvino" and (missing := package_problem()):
        problems.append(missing)
    problems += [] if line.hmi is None else hmi_problems(line.hmi, folder)
    if line.publisher is not None:
        problems += missing_files(line.publisher, folder)
        if importlib.util.find_spec("paho") is None:
            problems.append("[publisher]: needs paho-mqtt: pip install 'aoi-daemon[mqtt]', or take the section out")
    if line.notices is not None:
        problems += notices_problems(line.notices, folder, Alarm.__members__)
    if problems:
        raise ConfigError(configuration.file, problems)


def _camera_problems(cameras: Sequence[CameraSection]) -> list[str]:
    """Of cameras whose packages are not installed."""
    missing = [package for package in _OF_GENICAM if importlib.util.find_spec(package) is None]
    return [
        f"cameras[{index}].kind = 'genicam': needs {', '.join(missing)}: pip install 'aoi-daemon[cameras]'"
        for index, camera in enumerate(cameras)
        if missing and isinstance(camera, GenicamCamera)
    ]


def _socket_problems(line: LineConfig) -> list[str]:
    """A path that no socket can have. Where none is configured it depends on who starts the line."""
    if line.supervisor.socket is None:
        return []
    try:
        check_length(line.supervisor.socket.absolute())
    except PathTooLongError as error:
        return [f"supervisor.socket = {str(line.supervisor.socket)!r}: {error}"]
    return []


def open_models(configuration: Configuration) -> None:
    """Open each model that parts are judged with on the CPU, without running it.

    `check` has read what the files say of themselves; whether the back end takes them is known only now. Not part
    of it: a damaged model may take the process with it, which must not be the supervisor. A new inspection opens its
    model before it takes the line.

    Raises:
        ConfigError: naming the recipe and the model's file.
    """
    section = configuration.line.inspection.reference
    if section.backend == "onnx":
        from aoi_daemon.infer.onnx.executor import open_only  # noqa: PLC0415
    elif section.backend == "openvino":
        from aoi_daemon.infer.openvino.ahead import open_only  # noqa: PLC0415
    else:
        return
    opened: set[EngineKey] = set()
    views = [
        (name, view.recipe)
        for name, recipe in configuration.recipes.items()
        for view in views_of(recipe, configuration.line.cameras)
    ]
    for name, recipe in views:
        if engine_key(recipe) in opened:
            continue
        opened.add(engine_key(recipe))
        path = configuration.recipe_file(name)
        try:
            bundle = load_bundle(recipe.bundle)
            shape = _shape(path, configuration, recipe, bundle)
            open_only(bundle.model_path(section.precision), bundle.manifest, shape)
        except ModelError as error:
            raise ConfigError(path, [f"bundle = {str(recipe.bundle)!r}: {error}"]) from error


def not_checked(configuration: Configuration) -> list[str]:
    """What `check` could not know on this machine; a line each."""
    section = configuration.line.inspection
    if section.backend == "openvino":
        precision: Any = section.precision  # of those that it has: the section has checked it
        unknown = not_here(str(section.device or "cpu"), precision)
        said = f"whether the line's PC runs {precision} was not checked, this one does not: {unknown}"
        return [said] if unknown else []
    if section.backend != "tensorrt":
        return []
    machine = this_machine(section.gpu)
    if isinstance(machine, Machine):
        return []
    return [f"whether an engine fits the line's GPU was not checked, this machine cannot tell: {machine}"]


def _check_engines(configuration: Configuration, found: Sequence[_Checked]) -> None:
    """Every bundle has one plan for all its products, this machine's where that is known.

    One, because each build replaces the one before: two products that ask for it in turn would never both have it.
    """
    section, file = configuration.line.inspection, configuration.file
    precision: Any = section.precision  # of those that an engine has: the section has checked it
    try:
        machine = this_machine(section.gpu)
    except ModelError as error:
        raise ConfigError(file, [f"inspection.device = {section.gpu}: {error}"]) from error
    by_bundle: dict[str, list[_Checked]] = {}
    for each in found:
        by_bundle.setdefault(str(each.bundle.folder.resolve()), []).append(each)
    problems = []
    for of_one in by_bundle.values():
        bundle = of_one[0].bundle
        names = dict.fromkeys(each.product for each in of_one)
        where = f"inspection.backend = 'tensorrt', recipe {', '.join(names)}"
        try:
            shapes = [
                _shape(configuration.recipe_file(each.product), configuration, each.view.recipe, bundle)
                for each in of_one
            ]
            shapes = list(dict.fromkeys([*shapes, *golden_shapes(bundle)]))
            if isinstance(machine, Machine):
                choose_plan(bundle, precision, shapes, machine)
            else:
                check_plans(bundle, precision, shapes)
        except ModelError as error:
            problems.append(f"{where}: {error}")
    if problems:
        raise ConfigError(file, problems)
