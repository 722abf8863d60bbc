"""The commands `aoi-daemon golden add | list | remove`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 the product is proven (`list` without --check, `remove`: done); 1 it is not; 2 the command line, a file
or a folder is wrong, and nothing was written; 130 interrupted.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sqlite3
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.golden_parts.arguments import add_parsers
from aoi_daemon.errors import AoiError, InferenceError, ModelError
from aoi_daemon.files.offline import run_offline
from aoi_daemon.messages import Proof

if TYPE_CHECKING:
    from aoi_daemon.config.load import Configuration
    from aoi_daemon.config.recipe import Recipe
    from aoi_daemon.config.views import Viewed
    from aoi_daemon.engine.golden_parts.read import Wanted
    from aoi_daemon.golden.manifest import Golden
    from aoi_daemon.golden.store import NewPart
    from aoi_daemon.inspection.gauge import Gauge
    from aoi_daemon.inspection.prove import Held, Product

__all__ = ["add_parsers", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from aoi_daemon.config.load import load  # noqa: PLC0415

    name = arguments.recipe or "NAME"
    try:
        configuration = load(arguments.config)
        name = arguments.recipe or configuration.line.line.recipe
        if name not in configuration.recipes:
            there = ", ".join(configuration.recipes)
            raise InputError(f"--recipe {name}: there is no such recipe beside {arguments.config} (there: {there})")
        return {"add": _add, "list": _list, "remove": _remove}[arguments.action](arguments, configuration, name)
    except (AoiError, ValueError) as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 1 if isinstance(error, InferenceError) and not isinstance(error, ModelError) else 2
    except BrokenPipeError:
        raise  # whoever read the output has seen enough
    except OSError as error:  # a full disk, a folder of somebody else's
        file = error.filename or f"recipes/{name}.golden"
        sys.stderr.write(f"aoi-daemon: {file}: {error.strerror}; the golden parts are as they were\n")
        return 2
    except sqlite3.Error as error:
        sys.stderr.write(f"aoi-daemon: the records cannot be read: {error}\n")
        return 2


def _add(arguments: argparse.Namespace, configuration: Configuration, name: str) -> int:
    from aoi_daemon.config.views import one_of  # noqa: PLC0415
    from aoi_daemon.engine.golden_parts.read import Wanted, parse_box  # noqa: PLC0415
    from aoi_daemon.golden.manifest import folder_of, read_golden  # noqa: PLC0415
    from aoi_daemon.golden.store import add  # noqa: PLC0415
    from aoi_daemon.infer.bundle import load_bundle  # noqa: PLC0415

    recipe = configuration.recipes[name]
    boxes = tuple(parse_box(text) for text in arguments.box)
    view = one_of(recipe, configuration.line.cameras, arguments.view)
    if recipe.views and arguments.fov is not None:
        raise InputError(f"--fov {arguments.fov}: view {view.name} is of fov {view.fov}; leave --fov out")
    fov = view.fov if recipe.views else arguments.fov
    wanted = Wanted(
        name, view.recipe, load_bundle(view.recipe.bundle).manifest, arguments.bad is None, boxes, arguments.template,
        fov, arguments.bits, view.name if recipe.views else None, _camera(configuration, view),
    )  # fmt: skip
    new = _read(arguments, configuration, wanted)
    folder = folder_of(configuration.file, name)
    read_golden(folder).check()  # damaged ones first: nothing is added to what cannot be trusted
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    added = {part.name for part in add(folder, new, by=arguments.by or _user(), when=when)}
    held, product = _judged(configuration, name, read_golden(folder))
    for each in held:
        if each.part.name in added:
            sys.stdout.write(
                f"{each.part.name}: {each.verdict}, {'does not hold: ' if each.why else 'holds'}{each.why}\n"
            )
    return _said(name, recipe, product)


def _camera(configuration: Configuration, view: Viewed) -> str:
    return configuration.line.cameras[view.camera].name


def _read(arguments: argparse.Namespace, configuration: Configuration, wanted: Wanted) -> list[NewPart]:
    from aoi_daemon.engine.golden_parts.read import from_pictures, from_record  # noqa: PLC0415

    pictures: list[Path] = arguments.good if arguments.bad is None else arguments.bad
    if arguments.record is None:
        if not pictures:
            raise InputError("--good and --bad need a picture, or --record ID")
        return from_pictures(wanted, pictures)
    if pictures:
        raise InputError("--record stands in place of a picture: name one of them")
    records = arguments.records
    if records is None:
        section = configuration.line.recorder
        if section is None:
            raise InputError(f"{configuration.file}: has no [recorder]; name the folder with --records")
        records = section.folder_in(configuration.file.parent)
    return [from_record(wanted, records, arguments.record)]


def _list(arguments: argparse.Namespace, configuration: Configuration, name: str) -> int:
    from aoi_daemon.golden.manifest import folder_of, read_golden  # noqa: PLC0415

    recipe = configuration.recipes[name]
    golden = read_golden(folder_of(configuration.file, name))
    golden.check()
    held, product = _judged(configuration, name, golden) if arguments.check else ([], None)
    if arguments.json:
        sys.stdout.write(json.dumps(_as_object(name, recipe, golden, held, product)) + "\n")
    else:
        sys.stdout.write(_table(golden, held))
    if product is None:
        return 0
    return _exit(_proof(recipe, product)) if arguments.json else _said(name, recipe, product)


def _remove(arguments: argparse.Namespace, configuration: Configuration, name: str) -> int:
    from aoi_daemon.golden.manifest import Golden, folder_of  # noqa: PLC0415
    from aoi_daemon.golden.store import remove  # noqa: PLC0415
    from aoi_daemon.inspection.prove import counted  # noqa: PLC0415

    folder = folder_of(configuration.file, name)
    left = remove(folder, arguments.names)
    product = counted(Golden(folder, tuple(left)), configuration.recipes[name])
    sys.stdout.write(f"removed: {', '.join(arguments.names)}; left: {product.good} good and {product.bad} bad\n")
    if product.wrong or not product.complete:
        sys.stdout.write(f"NOT PROVEN: {product.text(name)}\n")
    return 0


def _gauge(configuration: Configuration, recipe: Recipe, name: str) -> Gauge:
    from aoi_daemon.infer.bundle import load_bundle  # noqa: PLC0415
    from aoi_daemon.inspection.auto.told import definite  # noqa: PLC0415
    from aoi_daemon.inspection.gauge import Gauge  # noqa: PLC0415

    bundle = load_bundle(recipe.bundle)
    section, said = definite(configuration.line, configuration.line.inspection, bundle, recipe, name)
    if said:
        sys.stderr.write(f"aoi-daemon: {said}\n")
    return Gauge(recipe, section, bundle)


def _judged(configuration: Configuration, name: str, golden: Golden) -> tuple[list[Held], Product]:
    """Every part, judged by the view that it shows; what they say of the product."""
    from aoi_daemon.config.views import views_of  # noqa: PLC0415
    from aoi_daemon.inspection.prove import product_of, prove, together  # noqa: PLC0415

    recipe = configuration.recipes[name]
    views = views_of(recipe, configuration.line.cameras)
    held: list[Held] = []
    products = []
    for view in views if recipe.views else views[:1]:
        parts = golden.of_view(view.name, view.fov, alone=len(views) == 1) if recipe.views else golden
        with _gauge(configuration, view.recipe, name) as gauge:
            found = prove(gauge, parts, lambda: None)
        held += found
        products.append(product_of(found, view.name if recipe.views else ""))
    return held, together(products, golden.strays([view.name for view in recipe.views]))


def _proof(recipe: Recipe, product: Product) -> Proof:
    return product.proof(accepted=recipe.accept_unproven is not None, upgraded=False)


def _exit(proof: Proof) -> int:
    return 0 if proof is Proof.PROVEN else 1


def _said(name: str, recipe: Recipe, product: Product) -> int:
    """Say whether the product is proven; the exit code."""
    proof = _proof(recipe, product)
    if proof is Proof.PROVEN:
        sys.stdout.write(
            f"recipe {name}: PROVEN by {product.good} good and {product.bad} bad golden parts; "
            "aoi-daemon reload takes them into the running line\n"
        )
    else:
        accepted = f" (accepted: {recipe.accept_unproven})" if proof is Proof.ACCEPTED else ""
        sys.stdout.write(f"NOT PROVEN{accepted}: {product.text(name)}\n")
    return _exit(proof)


def _as_object(
    name: str, recipe: Recipe, golden: Golden, held: list[Held], product: Product | None
) -> dict[str, Any]:
    from aoi_daemon.inspection.prove import Product  # noqa: PLC0415

    judged = {each.part.name: each for each in held}
    parts = []
    for part in golden.parts:
        row = {"name": part.name, **part.model_dump(mode="json")}
        if part.name in judged:
            each = judged[part.name]
            row |= {"verdict": each.verdict, "holds": not each.why, "why": each.why}
        parts.append(row)
    proof = {"proof": _proof(recipe, product or Product()).name} if product or not golden.parts else {}
    return {"recipe": name, "good": golden.good, "bad": golden.bad, **proof, "parts": parts}


def _table(golden: Golden, held: list[Held]) -> str:
    judged = {each.part.name: each for each in held}
    width = max([len(part.name) for part in golden.parts], default=0)
    lines = []
    for part in golden.parts:
        boxes = " ".join(map(str, part.boxes)) or "-"
        each = judged.get(part.name)
        holds = "" if each is None else f"  {each.verdict}, {each.why or 'holds'}"
        added = f"{part.when} {part.by}".strip()
        shows = f"fov {part.fov}" if part.view is None else f"view {part.view}"
        lines.append(
            f"{part.name:<{width}}  {'good' if part.passed else 'bad':<4}  {shows}  {boxes}  {added}{holds}"
        )
    return "".join(f"{line}\n" for line in lines) or "no golden parts\n"


def _user() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"
