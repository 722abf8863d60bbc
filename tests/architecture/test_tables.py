"""What documents list and show: dependencies and extras of pyproject.toml, files of systemd/, tools, pieces of line.toml."""

from __future__ import annotations

import os
import re
import sys

import pytest

from aoi_daemon.config.schema import LineConfig, LineSection, PlcSection
from aoi_daemon.plcmap.program import as_structured_text
from tests.architecture.documents import ROOT, documents

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def first_cells(document, heading):
    """The first cell of each row of the tables under `heading`, but for their heads."""
    section = re.split(r"^## ", (ROOT / document).read_text(encoding="utf-8").split(f"\n## {heading}\n")[1], flags=re.M)[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return [cell for cell in rows if not cell.startswith("---")]


def names(requirements):
    return {re.match(r"[\w.-]+", each)[0].lower() for each in requirements} - {"aoi-daemon"}


def test_each_dependency_has_a_reason_and_each_reason_a_dependency():
    needed = names([*PROJECT["dependencies"], *(each for extra, those in EXTRAS.items() if extra != "dev" for each in those)])
    table = " ".join(re.sub(r"\(.*?\)", "", cell) for cell in first_cells("tools/README.md", "Dependencies")[1:])
    assert set(re.findall(r"[\w-]+", table.replace(" or ", " "))) == needed


def test_the_extras_of_a_line_are_listed():
    listed = {name for cell in first_cells("systemd/README.md", "Install") for name in re.findall(r"`([\w-]+)`", cell)}
    assert listed == EXTRAS.keys() - {"dev", "demo", "train"}


def test_units_and_drop_ins_are_those_of_the_folder():
    listed = {re.sub(r"\[(.*?)\].*", r"\1", cell) for cell in first_cells("systemd/README.md", "As a service")} - {"file here", "drop-in"}
    there = {path.name for path in (ROOT / "systemd").iterdir() if path.is_file() and path.suffix != ".md"}
    assert listed == there | {path.stem for path in (ROOT / "systemd" / "drop-ins").iterdir()}


def test_each_tool_is_listed():
    text = (ROOT / "tools" / "README.md").read_text(encoding="utf-8").split("\n## ")[0]
    scripts = {path.name for path in (ROOT / "tools").iterdir() if path.is_file() and os.access(path, os.X_OK)}
    assert {name for name in scripts if f"tools/{name}`" not in text} == set()


PIECES = [
    pytest.param(piece, id=f"{document.relative_to(ROOT)}-{number}")
    for document in documents()
    for number, piece in enumerate(re.findall(r"^```toml\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_of_line_toml_that_a_document_shows_is_taken(piece):
    """In the place of what config/line.toml has of that name."""
    line = tomllib.loads((ROOT / "config" / "line.toml").read_text(encoding="utf-8"))
    LineConfig.model_validate({**line, **tomllib.loads(piece)})


def test_there_are_such_pieces():
    assert len(PIECES) >= 3


@pytest.mark.parametrize("file", ["aoi_daemon/plc/README.md", "systemd/aoi-daemon.service", "aoi_daemon/decisions/0039-the-service-is-ready-when-the-plc-is.md"])
def test_the_patience_of_the_plc_program_is_told_as_it_is_by_default(file):
    patience = re.search(r"PATIENCE := T#(\d+)ms\)", as_structured_text(PlcSection(), LineSection()))
    assert f"{patience[1]} ms" in (ROOT / file).read_text(encoding="utf-8")
