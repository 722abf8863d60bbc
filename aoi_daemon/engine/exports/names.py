"""What the classes of an exported model are called, and which are no defect. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aoi_daemon.errors import ModelError

_GOOD: Final = frozenset(("good", "ok", "background", "__background__", "normal"))
"""Names of classes that are no defect, whoever gave them."""


def classes_of(told: tuple[str, ...], said: tuple[str, ...], count: int | None, source: Path) -> tuple[str, ...]:
    """The names of a model's classes: those that a person `told`, else those that the file `said`.

    Args:
        told: in the model's order; () for none.
        said: the same.
        count: how many the model's outputs have; None: they do not show it.
        source: named in errors.

    Raises:
        ModelError: nobody named them, or as many as the model does not have; says what to give.
    """
    names = told or said
    many = "as many as it has" if count is None else f"{count}"
    if not names:
        raise ModelError(f"{source}: names no classes; name {many} with --classes, in the order of its training")
    if count is not None and len(names) != count:
        whose = "--classes" if told else "the file itself"
        raise ModelError(
            f"{source}: has {count} classes, {whose} names {len(names)} ({', '.join(names[:5])}): name all of them, "
            "background and good ones too, in the order of its training"
        )
    return names


def good_of(classes: tuple[str, ...], told: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `classes` that are no defect: the ones a person `told`, else those whose name says so."""
    return told or tuple(name for name in classes if name.lower() in _GOOD)
