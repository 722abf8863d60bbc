"""The generated parts of the architecture document: rooms, layers, arrows, libraries, the line's states; the decisions.

Rooms are the packages and modules directly in `aoi_daemon`. What they are for is the first sentence of their docstring,
what they may import is pyproject.toml's contract of layers, what they do import is the import graph itself.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import grimp

from aoi_daemon.stage.lifecycle import TRANSITIONS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "aoi_daemon"
DOCUMENT: Final = ROOT / PACKAGE / "README.md"
DECISIONS: Final = ROOT / PACKAGE / "decisions"
_ROW: Final = 72
"""Characters of a row of the drawing."""
_MANY: Final = 3
"""Files of one room that are named one by one."""

Arrows = Mapping[str, frozenset[str]]
"""For each room those that it imports."""


def _contract(kind: str) -> dict[str, Any]:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    [found] = [each for each in tools["importlinter"]["contracts"] if each["type"] == kind]
    return dict(found)


def _rows() -> list[str]:
    return [str(row) for row in _contract("layers")["layers"]]


def layers() -> list[tuple[str, ...]]:
    """The rooms of each layer, highest first, as the contract has them."""
    return [tuple(re.split(r"\s*[|:]\s*", row)) for row in _rows()]


def import_graph() -> grimp.ImportGraph:
    """The imports of the package, those of libraries and of types alone too, as import-linter sees them."""
    return grimp.build_graph(PACKAGE, include_external_packages=True, cache_dir=None)


def room_of(module: str) -> str:
    """The room in which `module` lies, such as `plc` for `aoi_daemon.plc.main`."""
    return module.split(".")[1] if "." in module else module


def arrows(graph: grimp.ImportGraph) -> Arrows:
    """Which room imports which. Without `__main__`, which calls cli, and without the package itself."""
    found: dict[str, set[str]] = {room: set() for row in layers() for room in row}
    for module in graph.modules:
        room = room_of(module)
        if room in found:
            imported = {room_of(other) for other in graph.find_modules_directly_imported_by(module)}
            found[room] |= (imported & found.keys()) - {room}
    return {room: frozenset(others) for room, others in found.items()}


def needed(every: Arrows) -> Arrows:
    """The arrows that do not follow from others: where a imports b and b imports c, `a to c` says nothing new."""
    left = {room: set(others) for room, others in every.items()}
    for room in sorted(left):
        for other in sorted(left[room]):
            # One by one: of two rooms that import each other each is reached by the other, and one must stay.
            left[room].remove(other)
            if other not in _reached(room, left):
                left[room].add(other)
    return {room: frozenset(others) for room, others in left.items()}


def _reached(room: str, found: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    more = [room]
    while more:
        others = found[more.pop()] - seen
        seen |= others
        more += others
    return seen


def first_sentence(file: Path) -> str:
    """What the docstring of `file` says first, in one line."""
    paragraph = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    sentence = re.match(r".*?\.(?=\s|$)", " ".join(paragraph.split()))
    if sentence is None:
        raise ValueError(f"{file}: no docstring, or its first sentence has no end")
    return sentence[0]


def rooms() -> str:
    """A table of all packages, and of the modules at the top, in the order of the layers."""
    lines = ["| room | what |", "|---|---|"]
    for row in layers():
        for room in row:
            for file, name in _of_room(room):
                lines.append(f"| `{name}` | {first_sentence(file)} |")
    return "\n".join(lines)


def _of_room(room: str) -> Iterator[tuple[Path, str]]:
    folder = DOCUMENT.parent / room
    if not folder.is_dir():
        yield folder.with_suffix(".py"), f"{room}.py"
        return
    for file in sorted(folder.rglob("__init__.py"), key=lambda file: file.parent):
        yield file, f"{file.parent.relative_to(DOCUMENT.parent).as_posix()}/"


def drawing() -> str:
    """The layers as rows. `a : b`, import-linter's sign for rooms that may import each other, becomes an arrow."""
    line = "+" + "-" * _ROW + "+"
    lines = ["```", line]
    for row in _rows():
        rooms_of_it = re.sub(r"\s*\|\s*", "   ", re.sub(r"\s*:\s*", " <-> ", row))
        lines += [f"| {rooms_of_it:<{_ROW - 2}} |", line]
    return "\n".join([*lines, "```"])


def graph_and_table() -> str:
    """The arrows that there are: a graph of those that are needed, a table of all."""
    found = arrows(import_graph())
    fewest = needed(found)
    picture = [f"  {room} --> {' & '.join(sorted(fewest[room]))}" for row in layers() for room in row if fewest[room]]
    table = [
        f"| `{room}` | {', '.join(f'`{other}`' for other in _by_layer(found[room])) or 'nothing of ours'} |"
        for row in layers()
        for room in row
    ]
    count = sum(map(len, found.values()))
    title = ["", f"All {count} arrows:", "", "| room | imports |", "|---|---|"]
    return "\n".join(["```mermaid", "graph TD", *picture, "```", *title, *table])


def _by_layer(some: frozenset[str]) -> list[str]:
    return [room for row in layers() for room in row if room in some]


def libraries() -> str:
    """Which modules import the libraries that have an adapter: pyproject.toml's second contract lists them."""
    graph = import_graph()
    lines = ["| library | imported by |", "|---|---|"]
    for library in _contract("forbidden")["forbidden_modules"]:
        importers = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
        said = _folders({module.removeprefix(f"{PACKAGE}.").replace(".", "/") + ".py" for module in importers})
        said += [f"`{name}`, by name" for name in _loaders(library)]
        lines.append(f"| {library} | {'; '.join(said) or 'none'} |")
    return "\n".join(lines)


def _folders(files: set[str]) -> list[str]:
    """The files; of a room that has many of them the room alone."""
    rooms_of_them = {file: file.split("/")[0] for file in files}
    many = {room for room in rooms_of_them.values() if list(rooms_of_them.values()).count(room) > _MANY}
    return sorted({f"`{room}/`" if room in many else f"`{file}`" for file, room in rooms_of_them.items()})


def _loaders(library: str) -> list[str]:
    """Files that load it with importlib: a machine may have none of it, or another version."""
    name = re.compile(rf"{library}(?:[._]\w+)*")
    return [
        file.relative_to(DOCUMENT.parent).as_posix()
        for file in sorted(DOCUMENT.parent.rglob("*.py"))
        if "importlib.import_module(" in (text := file.read_text(encoding="utf-8")) and _has_text(text, name)
    ]


def _has_text(source: str, pattern: re.Pattern[str]) -> bool:
    texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return any(isinstance(text, str) and pattern.fullmatch(text) for text in texts)


def line_states() -> str:
    """What moves the line from one state to another, from the table that the supervisor moves it by."""
    lines = ["```mermaid", "stateDiagram-v2", "  [*] --> STARTING"]
    for state, moves in TRANSITIONS.items():
        lines += [f"  {state.name} --> {then.name}: {event.value}" for event, then in moves.items()]
    return "\n".join([*lines, "```"])


def decisions() -> str:
    """A line for each decision record: its number, and its title as a link."""
    lines = ["| | decision |", "|---|---|"]
    for file in sorted(DECISIONS.glob("[0-9]*.md")):
        heading = re.match(r"# (\d+)\. (.+)", file.read_text(encoding="utf-8"))
        if heading is None or int(heading[1]) != int(file.name[:4]):
            raise ValueError(f"{file.name} must begin with `# {int(file.name[:4])}. Title`")
        lines.append(f"| {heading[1]} | [{heading[2]}]({file.name}) |")
    return "\n".join(lines)


PARTS: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "aoi_daemon/README.md": {
        "line states": line_states,
        "rooms": rooms,
        "layers": drawing,
        "arrows": graph_and_table,
        "libraries": libraries,
    },
    "aoi_daemon/decisions/README.md": {"decisions": decisions},
}
"""By document, from the root of the checkout."""
