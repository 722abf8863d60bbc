"""What the page and the metrics call a class of defects. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def class_name(names: Sequence[str], label: int) -> str:
    """The bundle's name of class `label`; its number where the bundle has none."""
    return names[label] if 0 <= label < len(names) else f"#{label}"
