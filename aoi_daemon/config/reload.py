"""What a changed configuration does to a running line. Pure.

A reload lands whole or not at all: `plan` either says what to do, or refuses
with every reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.section import Reload, Section
from aoi_daemon.errors import ConfigError


@dataclass(frozen=True)
class ReloadPlan:
    """`changed` sections, the stages to restart, and whether the recipe is swapped between parts."""

    changed: tuple[str, ...] = ()
    restart_acquire: frozenset[int] = field(default_factory=frozenset)
    restart_inspection: bool = False
    restart_plc: bool = False
    swap_recipe: bool = False
    restart_beside: frozenset[str] = field(default_factory=frozenset)


def plan(old: Configuration, new: Configuration) -> ReloadPlan:
    """What leads from `old` to `new`.

    Raises:
        ConfigError: a section changed that only a restart of the service changes.
    """
    changed: list[str] = []
    refused: list[str] = []
    restart_inspection = False
    restart_plc = False
    restart_beside: set[str] = set()
    for name in type(old.line).model_fields:
        if name == "cameras" or getattr(old.line, name) == getattr(new.line, name):
            continue
        changed.append(name)
        # A table that may be absent has its rule in whichever configuration it is there.
        section = getattr(new.line, name) or getattr(old.line, name)
        reload = section.reload if isinstance(section, Section) else Reload.NEVER
        restart_inspection |= reload is Reload.INSPECTION
        restart_plc |= reload is Reload.PLC
        if reload is Reload.BESIDE:
            restart_beside.add(name)
        if reload is Reload.NEVER:
            refused.append(f"{name}: changed, and {Reload.NEVER.value}; nothing has been changed")
    restart_acquire = _changed_cameras(old, new, refused)
    changed.extend(f"cameras[{index}]" for index in sorted(restart_acquire))
    if refused:
        raise ConfigError(new.file, refused)
    swap_recipe = False
    if old.recipe != new.recipe:
        changed.append(f"recipes/{new.line.line.recipe}")
        fixed = ("id", "bundle", "width_px", "height_px", "channels", "templates", "registration")
        if any(getattr(old.recipe, key) != getattr(new.recipe, key) for key in fixed):
            restart_inspection = True
        swap_recipe = True
    return ReloadPlan(
        tuple(changed), restart_acquire, restart_inspection, restart_plc, swap_recipe, frozenset(restart_beside)
    )


def _changed_cameras(old: Configuration, new: Configuration, refused: list[str]) -> frozenset[int]:
    if len(old.line.cameras) != len(new.line.cameras):
        refused.append("cameras: their number changed, and that needs a restart of the service")
        return frozenset()
    restart = set()
    for index, (before, after) in enumerate(zip(old.line.cameras, new.line.cameras, strict=True)):
        if before == after:
            continue
        for key in ("max_width_px", "max_height_px", "channels"):
            if getattr(before, key) != getattr(after, key):
                refused.append(f"cameras[{index}].{key}: sizes the frame ring, and needs a restart of the service")
        restart.add(index)
    return frozenset(restart)
