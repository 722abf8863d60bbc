"""Which golden parts an engine is tried with, for a view and for a product without views."""

from pathlib import Path

import pytest

from aoi_daemon.golden.manifest import Golden, Part
from aoi_daemon.inspection.shows import Shows


def part(name, view=None):
    return Part(image=f"{name}.png", sha256="0" * 64, passed=True, view=view)


PARTS = Golden(Path("/golden"), (part("a", "top"), part("b", "side"), part("c")))


@pytest.mark.parametrize(
    ("view", "alone", "shown"), [("", True, "abc"), ("top", False, "a"), ("side", False, "b"), ("top", True, "ac"), ("below", False, "")]
)
def test_a_view_is_tried_with_its_own_golden_parts(view, alone, shown):
    """One that names no view is the only view's; a product without views has all of them."""
    assert "".join(each.name for each in Shows(None, view, 3, alone).golden(PARTS).parts) == shown
