"""Read the configuration files.

One `ConfigError` holds every problem found in a file, each with key, value and
bound, so that a file is mended in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from aoi_daemon.config.cameras import GenicamCamera, ReplayCamera
from aoi_daemon.config.checks.lens import lens_problem
from aoi_daemon.config.fovs import view_problems
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.recipe_files import checked_recipe_files, recipe_files
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.view import View
from aoi_daemon.config.views import settled, views_of
from aoi_daemon.config.words import words_of
from aoi_daemon.errors import ConfigError
from aoi_daemon.files.text import TextError, decode, read_bytes
from aoi_daemon.files.toml import parse

M = TypeVar("M", bound=BaseModel)
_NOWHERE: Final = "does not exist"


@dataclass(frozen=True)
class Configuration:
    """All files of a line, validated: the line, its recipes by name, and which of them is in use.

    Attributes:
        product: the name of the recipe in use, "" for line.recipe.
        material: by recipe, a hash of the files that it names (bundle, engines, templates); empty where
            nobody has looked at them.
        judges: by recipe, a hash of what decides verdicts: its keys, bundle and templates, wherever they lie; not its
            golden parts. Empty as `material`.
        sources: the bytes that each file was read from.
    """

    file: Path
    line: LineConfig
    recipes: Mapping[str, Recipe]
    product: str = ""
    material: Mapping[str, str] = field(default_factory=dict)
    judges: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[Path, bytes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def in_use(self) -> str:
        """The name of the recipe in use: recipes/NAME.toml."""
        return self.product or self.line.line.recipe

    @property
    def recipe(self) -> Recipe:
        """The recipe in use."""
        return self.recipes[self.in_use]

    def recipe_file(self, name: str) -> Path:
        """Where the recipe `name` is written."""
        return self.file.parent / "recipes" / f"{name}.toml"

    def with_product(self, name: str) -> Configuration:
        """The same files with the recipe `name` in use.

        Raises:
            ConfigError: there is no such recipe, or the cameras do not fit it.
        """
        if name not in self.recipes:
            there = ", ".join(self.recipes)
            raise ConfigError(self.recipe_file(name), [f"there is no recipe of this name (there: {there})"])
        _check_sizes(self.line, self.recipes[name], self.file)
        return replace(self, product=name)


def load(file: Path, product: str = "") -> Configuration:
    """Read `file` (line.toml) and every recipe in recipes/ beside it; `product` is in use ("": line.recipe).

    Relative paths in a file are taken from that file's folder.

    Raises:
        ConfigError: with all problems of the first wrong file.
    """
    file = file.absolute()
    _refuse_other_names(file)
    sources: dict[Path, bytes] = {}
    line = _resolve_line(read_model(file, LineConfig, sources), file)
    recipes: dict[str, Recipe] = {}
    for path in checked_recipe_files(file.parent / "recipes"):
        recipes[path.stem] = read_recipe(path, sources)
    _check_ids(recipes, file.parent / "recipes")
    _check_views(line, recipes, file)
    recipes = {name: settled(recipe, line.cameras) for name, recipe in recipes.items()}
    if line.line.recipe not in recipes:
        there = ", ".join(recipes) or "none"
        raise ConfigError(
            file,
            [f"line.recipe = {line.line.recipe!r}: no such file recipes/{line.line.recipe}.toml (there: {there})"],
        )
    # Of both, though one is in use: the other is what a start without a memory begins with.
    _check_sizes(line, recipes[line.line.recipe], file)
    found = Configuration(file, line, recipes, sources=sources)
    if product and product not in recipes:
        raise ConfigError(
            found.recipe_file(product), ["is gone, and it is the product in use: change over to another one first"]
        )
    return found.with_product(product) if product else found


def altered(configuration: Configuration) -> list[Path]:
    """The files that are not as `configuration` was read from them: changed, gone or new."""
    now: dict[Path, bytes] = {}
    for path in (configuration.file, *recipe_files(configuration.file.parent / "recipes")):
        try:
            now[path] = read_bytes(path)
        except OSError:
            pass  # gone, or not to be read: not as it was
        except TextError:
            now[path] = b"\0"  # no file that was read is so
    before = configuration.sources
    return sorted(path for path in now.keys() | before.keys() if now.get(path) != before.get(path))


def read_recipe(file: Path, sources: dict[Path, bytes] | None = None) -> Recipe:
    """Read one recipe; its relative paths are taken from the file's folder. Raises ConfigError as `read_model`."""
    return _resolve_recipe(read_model(file, Recipe, sources), file)


def read_model(file: Path, model: type[M], sources: dict[Path, bytes] | None = None) -> M:
    """Read one TOML file into `model`; its bytes are kept in `sources`.

    Raises:
        ConfigError: naming file, key, value and bound.
    """
    try:
        content = read_bytes(file)
        if sources is not None:
            sources[file] = content
        text = decode(content)
        data = parse(text)
    except FileNotFoundError:
        remedy = "; name yours with --config FILE, or make one with `aoi-daemon init DIR`"
        raise ConfigError(file, ["the file does not exist" + remedy * (model is LineConfig)]) from None
    except OSError as error:
        raise ConfigError(file, [f"cannot be read: {error.strerror}"]) from error
    except TextError as error:
        raise ConfigError(file, [error.problem]) from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(file, words_of(error, text, data, model)) from None


def _resolve_line(line: LineConfig, file: Path) -> LineConfig:
    problems: list[str] = []
    cameras: list[ReplayCamera | GenicamCamera] = []
    for index, camera in enumerate(line.cameras):
        key = "source" if isinstance(camera, ReplayCamera) else "producer"
        path = file.parent / getattr(camera, key)
        if missing := _missing(path):
            problems.append(f"cameras[{index}].{key} = {str(path)!r}: {missing}")
        cameras.append(camera.model_copy(update={key: path}))
    supervisor = line.supervisor
    if supervisor.state_folder is not None:
        folder = file.parent / supervisor.state_folder
        if _missing(folder) or not folder.is_dir():
            problems.append(f"supervisor.state_folder = {str(folder)!r}: is no folder")
        supervisor = supervisor.model_copy(update={"state_folder": folder})
    if problems:
        raise ConfigError(file, problems)
    return line.model_copy(update={"cameras": tuple(cameras), "supervisor": supervisor})


def _resolve_recipe(recipe: Recipe, file: Path) -> Recipe:
    folder = file.parent
    templates = tuple(
        template.model_copy(update={"image": folder / template.image}) for template in recipe.templates
    )
    views = tuple(view.model_copy(update=_resolved(view, folder)) for view in recipe.views)
    found = recipe.model_copy(update={"bundle": folder / recipe.bundle, "templates": templates, "views": views})
    if problems := list(_missing_files(found)):
        raise ConfigError(file, problems)
    return found


def _resolved(view: View, folder: Path) -> dict[str, Path]:
    """The paths of `view`, from `folder` on."""
    named = {"bundle": view.bundle, "template": view.template}
    return {key: folder / path for key, path in named.items() if path is not None}


def _missing_files(recipe: Recipe) -> Iterator[str]:
    images = [(f"templates[{number}].image", template.image) for number, template in enumerate(recipe.templates)]
    # What no view takes from the recipe was not written there: the view's own line is the one to be mended.
    bundles = [] if recipe.views and all(view.bundle for view in recipe.views) else [("bundle", recipe.bundle)]
    for number, view in enumerate(recipe.views):
        images += [] if view.template is None else [(f"views[{number}].template", view.template)]
        bundles += [] if view.bundle is None else [(f"views[{number}].bundle", view.bundle)]
    for key, image in images:
        if missing := _missing(image):
            yield f"{key} = {str(image)!r}: {missing}"
    for key, bundle in bundles:
        if missing := _missing(bundle / "manifest.json"):
            why = "is not a bundle (it has no manifest.json)" if missing == _NOWHERE else missing
            yield f"{key} = {str(bundle)!r}: {why}"


def _missing(path: Path) -> str:
    """Why `path` is not there for us; "" where it is."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it
        return _NOWHERE
    except OSError as error:
        return f"cannot be reached: {error.strerror}"
    return ""


def _refuse_other_names(file: Path) -> None:
    """A stage is told where the files lie, in JSON, which has no place for a name that is not text."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        raise ConfigError(file, ["the name of the file or of a folder above it is not UTF-8; rename it"]) from None


def _check_ids(recipes: Mapping[str, Recipe], folder: Path) -> None:
    names: dict[int, str] = {}
    for name, recipe in recipes.items():
        if recipe.id in names:
            raise ConfigError(folder / f"{name}.toml", [f"id = {recipe.id}: already the id of {names[recipe.id]}.toml"])
        names[recipe.id] = name


def _check_views(line: LineConfig, recipes: Mapping[str, Recipe], file: Path) -> None:
    """Of all recipes: what is wrong with one that is not in use would be found out at a changeover only."""
    for name, recipe in recipes.items():
        if problems := list(view_problems(line.cameras, recipe)):
            raise ConfigError(file.parent / "recipes" / f"{name}.toml", problems)


def _check_sizes(line: LineConfig, recipe: Recipe, file: Path) -> None:
    for view in views_of(recipe, line.cameras):
        camera, key = line.cameras[view.camera], f"cameras[{view.camera}]"
        said = f"recipe {recipe.name!r}" + (f", view {view.name!r}," if recipe.views else "")
        for name, need in (("max_width_px", view.recipe.width_px), ("max_height_px", view.recipe.height_px)):
            if getattr(camera, name) < need:
                raise ConfigError(file, [f"{key}.{name} = {getattr(camera, name)}: {said} needs at least {need}"])
        if camera.channels != view.recipe.channels:
            raise ConfigError(file, [f"{key}.channels = {camera.channels}: {said} has {view.recipe.channels}"])
        if problem := lens_problem(camera, view.recipe):
            raise ConfigError(file, [f"{key}.calibration: {problem}"])
