"""What came of each mutant, kept so that an interrupted run goes on and an unchanged function is not tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tools.mutation.mutants import Mutant
from tools.mutation.trial import Status


class Result(NamedTuple):
    """`tests`: digest of the tests that it was given."""

    status: Status
    by: str
    tests: str


class Results:
    """One JSON line for each mutant tried, the last of a key counts; a line that was cut short is passed over."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found: dict[str, Result] = {}
        self.reload()

    def reload(self) -> None:
        """What other processes have added."""
        text = self._file.read_text() if self._file.exists() else ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._found[entry["key"]] = Result(Status(entry["status"]), entry["by"], entry["tests"])
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, mutant: Mutant) -> Result | None:
        """The last result, however old."""
        return self._found.get(mutant.key)

    def holds(self, mutant: Mutant, tests: str) -> bool:
        """True where it need not be tried again.

        The key is made of the function's text: one that was killed stays so while that is unchanged. One that lived is
        tried again once its tests are others.
        """
        known = self._found.get(mutant.key)
        return known is not None and known.status is not Status.ERROR and (known.status.dead or known.tests == tests)

    def add(self, mutant: Mutant, result: Result) -> None:
        """Written at once."""
        self._found[mutant.key] = result
        self._file.parent.mkdir(parents=True, exist_ok=True)
        entry = {
            "key": mutant.key,
            "id": mutant.id,
            "status": result.status.value,
            "by": result.by,
            "tests": result.tests,
        }
        with self._file.open("a") as file:
            file.write(json.dumps(entry) + "\n")
