"""`auto` for those who run no line: what will be measured, what is remembered, and a measurement by a command.

Process: offline. Blocks: in the processes that ask the drivers or measure.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection, LineConfig
from aoi_daemon.config.views import Viewed, engine_key, views_of
from aoi_daemon.errors import ConfigError
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.inspection.auto.auto import measured_by
from aoi_daemon.inspection.auto.candidates import allowed, candidates, named, reference
from aoi_daemon.inspection.auto.choice import Row, Table, choose
from aoi_daemon.inspection.auto.lane_choice import NO_CPU, counts, on_cpu, only
from aoi_daemon.inspection.auto.machine import key, this_machine
from aoi_daemon.inspection.auto.measure import Trials
from aoi_daemon.inspection.auto.memory import Memory
from aoi_daemon.inspection.auto.subject import subject_of
from aoi_daemon.stage.control_path import ENGINES, socket_path, state_path

_SERVICE: Final = Path("/var/lib/aoi-daemon")


def tried(configuration: Configuration) -> list[str]:
    """A line for each bundle with what `auto` measures at the start and what it does not; none without `auto`.

    Raises:
        ConfigError: nothing that is here runs a bundle with the precision that is named.
    """
    section = configuration.line.inspection
    if section.backend != "auto":
        return []
    said: list[Mapping[str, Any] | str] = []

    def ask() -> Mapping[str, Any] | str:
        if not said:
            said.append(Trials().devices())
        return said[0]

    lines = {}
    cameras = configuration.line.cameras
    views = [view.recipe for recipe in configuration.recipes.values() for view in views_of(recipe, cameras)]
    for recipe in {engine_key(recipe): recipe for recipe in views}.values():
        bundle = load_bundle(recipe.bundle)
        found = candidates(bundle.manifest, section, this_machine(bundle, section, recipe.shape, ask, recipe.fit))
        names = ", ".join(candidate.name for candidate in found.candidates)
        others = "".join(f"; not {row.text()}" for row in found.refused)
        if not found.candidates:
            problem = f"inspection.backend = 'auto': nothing runs bundle {bundle.manifest.name} here{others}"
            raise ConfigError(configuration.file, [problem])
        lines[bundle.folder] = f"bundle {bundle.manifest.name}: auto measures {names}{others}"
    return list(lines.values())


def lanes_tried(line: LineConfig) -> str:
    """A line with the numbers of lanes that `auto` measures at the start, or why there is one; "" where it is named."""
    section, cameras = line.inspection, len(line.cameras)
    if section.lanes != "auto":
        return ""
    if section.backend != "auto" and not on_cpu(section):
        return f"inspection.lanes = 'auto': 1 lane, {NO_CPU}"
    numbers = counts(cameras, section.threads, len(os.sched_getaffinity(0)))
    if len(numbers) == 1:
        return f"inspection.lanes = 'auto': 1 lane, {only(cameras)}"
    return f"inspection.lanes = 'auto': measures {', '.join(map(str, numbers))} lanes on a CPU; {NO_CPU}"


def definite(
    line: LineConfig, section: InspectionSection, bundle: Bundle, recipe: Recipe, product: str
) -> tuple[InspectionSection, str]:
    """`section` by its names, for a command that measures nothing; and what to say of it, "" where it was named.

    What the line on this PC has measured, where that is known, else the reference.
    """
    if section.backend != "auto":
        if section.precision != "auto":
            return section, ""
        chosen = section.model_copy(update={"precision": "fp32"})
        return chosen, f"inspection.precision = 'auto': {chosen.backend} fp32"
    wrong = _Wrong()
    found = None
    for file in _files(line):
        table = Memory(file, wrong).find(key(bundle, section, recipe.shape, recipe.fit), product, "")
        if table is not None and found is None:
            found = choose(allowed(bundle.manifest, section, table).rows)
    if found is None or found.candidate is None:
        candidate = reference(section)
        why = "the reference, for nothing that was measured here is known of this bundle" + wrong.text
    else:
        candidate, why = found.candidate, "which the line on this PC measured as the fastest"
    return named(section, candidate), f"inspection.backend = 'auto': {candidate.name}, {why}"


def measured(
    configuration: Configuration, product: str, view: Viewed, begin: Callable[[str], None], total_s: float
) -> tuple[Table, Row | None]:
    """Measure now, for `view` of the recipe `product`; the table, and the row that would be chosen.

    Raises:
        ModelError: the bundle cannot be read.
    """
    subject = subject_of(view, configuration.recipes[product])
    recipe = subject.recipe
    section = configuration.line.inspection
    if section.backend != "auto":
        # What would be, were it `auto`: a look before line.toml is changed.
        section = section.model_copy(update={"backend": "auto", "precision": "auto"})
    bundle = load_bundle(recipe.bundle)
    trials = Trials(total_s=total_s)
    begin("this machine")
    here = this_machine(bundle, section, recipe.shape, trials.devices, recipe.fit)
    found = candidates(bundle.manifest, section, here)
    table = measured_by(
        trials, found, section, but=set(), tell=lambda _: None, begin=begin,
        recipe=recipe, view=subject.view, fov=subject.fov, alone=subject.alone, config_file=configuration.file,
        product=product,
    )  # fmt: skip
    return table, choose(table.rows)


def _files(line: LineConfig) -> list[Path]:
    name, folder = line.line.name, line.supervisor.state_folder
    places = [state_path(folder, socket_path(line.supervisor.socket, name), name, ENGINES)]
    if folder is None:
        places.append(state_path(_SERVICE, Path(), name, ENGINES))
    return places


class _Wrong:
    """Stands in for a log: keeps what is wrong with a file, for the line that says what is taken instead."""

    def __init__(self) -> None:
        self.text = ""

    def warning(self, _event: str, **said: Any) -> None:
        self.text += f" ({said['file']}: {said['error']})"
