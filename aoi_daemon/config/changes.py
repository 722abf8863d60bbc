"""What differs between two configurations, key by key, for the audit. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from aoi_daemon.config.load import Configuration


class Change(NamedTuple):
    """One key that differs; None stands for absent."""

    key: str
    was: Any
    now: Any


def changes(old: Configuration, new: Configuration) -> list[Change]:
    """Every key of line.toml and of the recipe in use that differs, as `section.key`, in the files' order."""
    found = _differences("", old.line.model_dump(mode="json"), new.line.model_dump(mode="json"))
    recipe = f"recipes/{new.line.line.recipe}"
    return found + _differences(recipe, old.recipe.model_dump(mode="json"), new.recipe.model_dump(mode="json"))


def _differences(key: str, was: Any, now: Any) -> list[Change]:
    if was == now:
        return []
    if isinstance(was, dict) and isinstance(now, dict):
        names = [*was, *(name for name in now if name not in was)]
        return [c for n in names for c in _differences(f"{key}.{n}".lstrip("."), was.get(n), now.get(n))]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [c for i, pair in enumerate(zip(was, now, strict=True)) for c in _differences(f"{key}[{i}]", *pair)]
    return [Change(key, was, now)]
