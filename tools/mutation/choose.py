"""Which tests a mutant is given, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.mutation.imports import imported_by
from tools.mutation.loader import module_name
from tools.mutation.mutants import Mutant
from tools.mutation.reach import Measured

_WHOLE: Final = "tests/architecture/"
"""Tests that look at every module, and import few by name."""
_QUICK_S: Final = 0.2


class Chooser:
    """The tests of one module's mutants; learns which test kills what."""

    def __init__(self, root: Path, path: str, measured: Sequence[Measured]) -> None:
        self._measured = measured
        name = module_name(path)
        self._direct = {
            known.file for known in measured if known.file.startswith(_WHOLE) or name in imported_by(root, known.file)
        }
        self._kills: Counter[tuple[str, str]] = Counter()

    def tests(self, mutant: Mutant) -> dict[str, float]:
        """Node ids with their seconds: what executes the mutant's statement, likely killers first.

        What is executed on import is given the tests of each file that imports the module by its name, and those that
        execute a function of it; where there is none, every test of each file for which it was imported.
        """
        first, last = mutant.lines
        found: dict[str, float] = {}
        for known in self._measured:
            tests = known.reaching(mutant.path, range(first, last + 1))
            if mutant.at_import and known.file not in self._direct:
                tests = [test for test in tests if mutant.path in known.lines.get(test, ())]
            found.update((test, known.seconds[test]) for test in tests)
        if not found:
            found = {
                test: known.seconds[test]
                for known in self._measured
                for test in known.reaching(mutant.path, range(first, last + 1))
            }

        def order(test: str) -> tuple[int, bool, bool, float]:
            seconds = found[test]
            return (
                -self._kills[mutant.function, test],
                seconds > _QUICK_S,
                test.partition("::")[0] not in self._direct,
                seconds,
            )

        return {test: found[test] for test in sorted(found, key=order)}

    def killed(self, mutant: Mutant, by: str) -> None:
        """Such a test is tried first for the next mutant of the function."""
        self._kills[mutant.function, by] += 1
