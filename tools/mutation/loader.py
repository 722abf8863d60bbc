"""Gives the interpreter a mutated source in place of the file, for one module."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles what it was given, and never looks for a compiled file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the one module, before all others do."""

    def __init__(self, name: str, path: str, text: str) -> None:
        self._name = name
        self._path = path
        self._text = text

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The mutated module's, or None."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=_Loader(fullname, self._path, self._text)
        )

    def install(self) -> None:
        """From now on; the module must not have been imported."""
        if self._name in sys.modules:
            raise RuntimeError(f"{self._name} is imported already")
        sys.meta_path.insert(0, self)


def module_name(path: str) -> str:
    """`aoi_daemon/ring/frames.py` is aoi_daemon.ring.frames."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
