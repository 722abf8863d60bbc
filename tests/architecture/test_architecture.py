"""The architecture document, the decisions, and the files that they name: as the code has them.

That what is drawn is what layers and imports are, `test_documents.py` holds, as for every generated part.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools.reference.architecture import (
    DECISIONS,
    DOCUMENT,
    PACKAGE,
    ROOT,
    arrows,
    import_graph,
    layers,
    needed,
    room_of,
)

RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
DOCUMENTS = [DOCUMENT, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", DECISIONS / "README.md", *RECORDS]
NAMED = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|toml|md))`")
"""In a document a name with a slash, or of a Python file, between back ticks is a file or folder of this repository; a
module goes by its name with `.py` or without."""
NOT_OURS = ("recipes/", "line.toml", "users.toml", "tokens.toml", "kit/shipped/")
"""...unless it is one of a line's own folder, or made by the build of a wheel."""


@pytest.fixture(scope="module")
def graph():
    return import_graph()


def reached(room, found):
    """All rooms that `room` needs, directly or not."""
    seen, more = set(), {room}
    while more:
        more = set().union(*(found[each] for each in more)) - seen
        seen |= more
    return seen


def test_every_arrow_goes_down(graph):
    """The drawing says what may be, the table what is: one must allow the other."""
    floor = {room: number for number, row in enumerate(layers()) for room in row}
    up = [(room, other) for room, others in arrows(graph).items() for other in others if floor[other] < floor[room]]
    assert up == []


def test_the_graph_hides_no_need(graph):
    """What is left out of it follows from what is left in."""
    found = arrows(graph)
    fewest = needed(found)
    assert all(reached(room, fewest) == reached(room, found) for room in found)
    assert sum(map(len, fewest.values())) < sum(map(len, found.values()))


def test_an_arrow_that_follows_from_others_is_left_out():
    every = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert needed(every) == {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset()}


def test_nothing_of_a_line_imports_the_kit(graph):
    """A line needs no simulated PLC; what newcomers are shown must not come into what inspects."""
    kit = f"{PACKAGE}.kit"
    assert graph.find_descendants(kit), "it is another folder now"
    importers = {
        module
        for inside in (kit, *graph.find_descendants(kit))
        for module in graph.find_modules_that_directly_import(inside)
        if room_of(module) not in ("kit", "cli")
    }
    assert importers == set()


def test_nothing_of_a_line_loads_the_kit_by_name():
    """What `importlib`, or `python -m` in another process, is given is in no import graph."""
    named = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / PACKAGE).rglob("*.py")
        if file not in (ROOT / PACKAGE / "cli.py", ROOT / PACKAGE / "command_line.py") and ROOT / PACKAGE / "kit" not in file.parents
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{PACKAGE}.kit")
    ]
    assert named == []


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_file_that_a_document_names_is_there(file):
    """By its way from the top of the repository, from the package, or from the document's own folder."""
    named = [name for name in NAMED.findall(file.read_text()) if not name.startswith(NOT_OURS)]
    places = (ROOT, ROOT / PACKAGE, file.parent)
    ways = {name: [f"{place}/{name.rstrip('/')}{end}" for place in places for end in ("", ".py")] for name in named}
    missing = [name for name, each in ways.items() if not any(Path(way).exists() for way in each)]
    assert missing == []


def rows_of(heading):
    """The rows, as cells, of the tables under `heading` of the architecture document."""
    section = re.split(r"^## ", DOCUMENT.read_text().split(f"\n## {heading}\n")[1], flags=re.M)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]


def test_each_word_is_used_where_the_glossary_says():
    """A word that has gone from the code must go from the glossary, or change in both."""
    words = [row for row in rows_of("Words") if len(row) == 4 and row[0] not in ("word", "---")]
    assert len(words) > 40
    strangers = []
    for word, _, _, where in words:
        text = "".join((ROOT / PACKAGE / name).read_text() for name in re.findall(r"`([^`]+)`", where)).casefold()
        # A name of the code may be what people write in two words.
        plain = re.sub(r"[\W_]+", "", text)
        if not any(re.sub(r"[\W_]+", "", each.casefold()) in plain for each in word.split(", ")):
            strangers.append(word)
    assert strangers == []


def test_a_decision_has_a_number_of_its_own_and_says_why():
    assert len({file.name[:4] for file in RECORDS}) == len(RECORDS) >= 7
    for file in RECORDS:
        text = file.read_text()
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"], file.name
        assert len(text.splitlines()) <= 60, f"{file.name} is more than a page"
