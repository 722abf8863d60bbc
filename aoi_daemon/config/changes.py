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
    """Every key of line.toml and of the recipes that differs, as `section.key`; the product in use first."""
    found = [] if old.in_use == new.in_use else [Change("product", old.in_use, new.in_use)]
    found += _differences("", old.line.model_dump(mode="json"), new.line.model_dump(mode="json"))
    for name in (*old.recipes, *(name for name in new.recipes if name not in old.recipes)):
        key, was, now = f"recipes/{name}", old.recipes.get(name), new.recipes.get(name)
        if was is None or now is None:
            # Its number says enough: all of its keys would push what else has changed out of the record.
            found.append(Change(key, was and f"id {was.id}", now and f"id {now.id}"))
            continue
        found += _differences(key, was.model_dump(mode="json"), now.model_dump(mode="json"))
        if old.material.get(name) != new.material.get(name):
            found.append(Change(f"{key} files", _short(old.material.get(name)), _short(new.material.get(name))))
    return found


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:16]


def _differences(key: str, was: Any, now: Any) -> list[Change]:
    if was == now:
        return []
    if isinstance(was, dict) and isinstance(now, dict):
        names = [*was, *(name for name in now if name not in was)]
        return [c for n in names for c in _differences(f"{key}.{n}".lstrip("."), was.get(n), now.get(n))]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [c for i, pair in enumerate(zip(was, now, strict=True)) for c in _differences(f"{key}[{i}]", *pair)]
    return [Change(key, was, now)]
