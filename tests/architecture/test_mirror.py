"""The tests of a module are found by its name: aoi_daemon/plc/gate.py is held by tests/unit/plc/test_gate.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.mutation.plan import mirror

ROOT = Path(__file__).parents[2]
HOT = ("plc", "supervisor", "inspection", "decide")
"""The packages between camera and coil, and the one that keeps them alive: no module of theirs is without its tests."""

MODULES = [
    path
    for package in HOT
    for path in sorted((ROOT / "aoi_daemon" / package).rglob("*.py"))
    if path.stem != "__init__" and re.search(r"^ *def ", path.read_text(), re.MULTILINE)
]
"""But those that hold data alone, as supervisor/order.py: they do nothing that a test could see."""


def count_of(path: Path) -> int:
    """How many test functions a file has."""
    return path.read_text().count("\ndef test_") if path.exists() else 0


@pytest.mark.parametrize("module", [path.relative_to(ROOT).as_posix() for path in MODULES])
def test_each_module_has_a_test_module_of_its_name_that_names_it(module):
    path = ROOT / mirror(module)
    assert count_of(path), f"{module} has no tests of its name: write {path.relative_to(ROOT)}, or move them there"
    name = module.removesuffix(".py").replace("/", ".")
    package, _, leaf = name.rpartition(".")
    conftest = path.with_name("conftest.py")
    text = path.read_text() + (conftest.read_text() if conftest.exists() else "")
    names = (name, f"from {package} import {leaf}", module.removeprefix("aoi_daemon/"))
    assert any(each in text for each in names), f"{path.name} neither imports {name} nor says that it holds it"


def test_a_package_of_tests_is_of_a_package_that_there_is():
    """A folder that was moved in the one tree and not in the other holds tests that nobody finds."""
    of_tests = {path.parent.relative_to(ROOT / "tests" / "unit") for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    of_code = {path.parent.relative_to(ROOT / "aoi_daemon") for path in (ROOT / "aoi_daemon").rglob("*.py")}
    of_modules = {path.relative_to(ROOT / "aoi_daemon").with_suffix("") for path in (ROOT / "aoi_daemon").rglob("*.py")}
    elsewhere = {path for path in of_tests if path.parts[:1] in (("tools",), ("systemd",))}
    assert of_tests - elsewhere - of_code - of_modules == set()
