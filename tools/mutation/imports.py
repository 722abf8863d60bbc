"""Which module of the checkout imports which, read from the text: the modules that need no mutant's new import."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from tools.mutation.loader import module_name


def imported_by(root: Path, path: str) -> set[str]:
    """Names that the file imports, wherever in it; `from a import b` gives both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((root / path).read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


class Graph:
    """The modules of the packages `tops` below `root`."""

    def __init__(self, root: Path, tops: Iterable[str]) -> None:
        files = [file.relative_to(root).as_posix() for top in tops for file in sorted((root / top).rglob("*.py"))]
        self.imports = {module_name(file): imported_by(root, file) for file in files}

    def dependants(self, name: str) -> set[str]:
        """`name` and all that import it, directly or not."""
        found = {name}
        waiting = [name]
        while waiting:
            wanted = waiting.pop()
            for module, names in self.imports.items():
                # A package is executed before each module in it.
                if module not in found and (wanted in names or any(each.startswith(f"{wanted}.") for each in names)):
                    found.add(module)
                    waiting.append(module)
        return found
