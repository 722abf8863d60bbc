"""What a changed configuration, or another product, does to a running line. Pure.

It lands completely or not at all: `plan` either says what to do, or refuses with
every reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.section import Reload, Section
from aoi_daemon.errors import ConfigError


@dataclass(frozen=True)
class ReloadPlan:
    """What leads from one configuration to the next.

    Attributes:
        changed: the sections and recipes that differ, by name.
        standby: another inspection process has to prove itself beside the one in use, and take its place.
        swap_recipe: the recipe in use differs: plc takes it; where nothing is proven anew, inspection too, between
            two parts.
        restart_acquire: the cameras, by number, whose process is started anew.
        restart_plc: whether plc is.
        restart_off_path: the sections whose processes off the critical path are.
        notes: what a person might expect and does not happen, a sentence each.
    """

    changed: tuple[str, ...] = ()
    standby: bool = False
    swap_recipe: bool = False
    restart_acquire: frozenset[int] = field(default_factory=frozenset)
    restart_plc: bool = False
    restart_off_path: frozenset[str] = field(default_factory=frozenset)
    notes: tuple[str, ...] = ()


def plan(old: Configuration, new: Configuration) -> ReloadPlan:
    """What leads from `old` to `new`.

    Raises:
        ConfigError: a section changed that only a restart of the service changes.
    """
    changed: list[str] = []
    refused: list[str] = []
    by_rule: dict[Reload, set[str]] = {rule: set() for rule in Reload}
    for name in type(old.line).model_fields:
        if name in ("cameras", "line") or getattr(old.line, name) == getattr(new.line, name):
            continue
        changed.append(name)
        # A table that may be absent has its rule in whichever configuration it is there.
        section = getattr(new.line, name) or getattr(old.line, name)
        by_rule[section.reload if isinstance(section, Section) else Reload.NEVER].add(name)
    notes = _line_section(old, new, changed, by_rule[Reload.NEVER])
    never = sorted(by_rule[Reload.NEVER])
    refused += [f"{name}: changed, and {Reload.NEVER.value}; nothing has been changed" for name in never]
    restart_acquire = _changed_cameras(old, new, refused)
    changed += [f"cameras[{index}]" for index in sorted(restart_acquire)]
    measured = _measured_anew(old, new)
    changed += [f"cameras[{index}].calibration" for index in measured]
    if measured and new.line.publisher is not None:
        by_rule[Reload.OFF_PATH].add("publisher")  # which tells sizes by it
    if any(old.line.cameras[index].is_watched or new.line.cameras[index].is_watched for index in measured):
        by_rule[Reload.OFF_PATH].add("recorder")  # which looks for its target
    if refused:
        raise ConfigError(new.file, refused)
    changed += [f"recipes/{name}" for name in _changed_recipes(old, new)]
    return ReloadPlan(
        changed=tuple(changed),
        standby=bool(by_rule[Reload.INSPECTION]) or judges_otherwise(old, new),
        swap_recipe=old.recipe != new.recipe,
        restart_acquire=restart_acquire,
        restart_plc=bool(by_rule[Reload.PLC]),
        restart_off_path=frozenset(by_rule[Reload.OFF_PATH]),
        notes=tuple(notes),
    )


def _line_section(old: Configuration, new: Configuration, changed: list[str], never: set[str]) -> list[str]:
    """Of [line], the product to start with may change: it says nothing of the product in use."""
    was, now = old.line.line, new.line.line
    if was.model_copy(update={"recipe": now.recipe}) != now:
        never.add("line")
    if was.recipe == now.recipe:
        return []
    changed.append("line.recipe")
    return [
        f"line.recipe = {now.recipe!r} holds from the next start of the service; "
        f"the product in use is still {new.in_use!r} (aoi-daemon recipe changes it)"
    ]


def _changed_recipes(old: Configuration, new: Configuration) -> list[str]:
    names = [*old.recipes, *(name for name in new.recipes if name not in old.recipes)]
    return [
        name
        for name in names
        if old.recipes.get(name) != new.recipes.get(name) or old.material.get(name) != new.material.get(name)
    ]


def judges_otherwise(old: Configuration, new: Configuration) -> bool:
    """Whether the proof of `old` says nothing of `new`: another product, recipe or file, or nobody answers."""
    was = old.recipe.model_dump(exclude=set(Recipe.swapped))
    return (
        old.in_use != new.in_use
        or (old.recipe.accept_unproven is not None and new.recipe.accept_unproven is None)
        or was != new.recipe.model_dump(exclude=set(Recipe.swapped))
        or old.material.get(old.in_use) != new.material.get(new.in_use)
    )


def _measured_anew(old: Configuration, new: Configuration) -> list[int]:
    pairs = zip(old.line.cameras, new.line.cameras, strict=False)
    return [index for index, (before, after) in enumerate(pairs) if before.calibration != after.calibration]


def _changed_cameras(old: Configuration, new: Configuration, refused: list[str]) -> frozenset[int]:
    if len(old.line.cameras) != len(new.line.cameras):
        refused.append("cameras: their number changed, and that needs a restart of the service")
        return frozenset()
    restart = set()
    for index, (before, after) in enumerate(zip(old.line.cameras, new.line.cameras, strict=True)):
        if before == after or before.model_copy(update={"calibration": after.calibration}) == after:
            continue
        sizes = ["max_width_px", "max_height_px", "channels"]
        if before.has_templates != after.has_templates:
            sizes.append("kind")
        for key in sizes:
            if getattr(before, key) != getattr(after, key):
                refused.append(f"cameras[{index}].{key}: sizes the frame ring, and needs a restart of the service")
        restart.add(index)
    return frozenset(restart)
