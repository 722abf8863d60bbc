"""One mutant before its tests: what the forked child does, and what its end means."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from enum import Enum
from pathlib import Path
from typing import Final

import pytest

from tools.mutation import fork
from tools.mutation.loader import Finder, module_name
from tools.mutation.mutants import Mutant

TIMES: Final = 3.0
EXTRA_S: Final = 5.0
_MOST_BUSY: Final = 6.0


class Status(str, Enum):
    """What came of a mutant."""

    KILLED = "killed"
    IMPORT = "import"
    TIMEOUT = "timeout"
    SURVIVED = "survived"
    UNREACHED = "unreached"
    ERROR = "error"

    @property
    def dead(self) -> bool:
        """True where the tests notice the change."""
        return self in {Status.KILLED, Status.IMPORT, Status.TIMEOUT}


def limit_s(seconds: float) -> float:
    """How long a mutant may take whose tests take `seconds` without it."""
    # What others run on this machine must not kill a mutant; the seconds were measured among them.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    return TIMES * seconds + EXTRA_S * min(busy, _MOST_BUSY)


class Chosen:
    """A plugin of pytest: these tests alone, in this order; it writes down the first that fails."""

    def __init__(self, tests: Sequence[str], told: Path, *, last: bool) -> None:
        self._order = {test: at for at, test in enumerate(tests)}
        self._told = told
        self._last = last

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Called once all is collected."""
        missing = set(self._order) - {item.nodeid for item in items}
        # A mutant may change the values that a test is parametrised with, and so its id.
        renamed = {test.partition("[")[0] for test in missing}
        last = len(self._order)
        kept = [item for item in items if item.nodeid in self._order or item.nodeid.partition("[")[0] in renamed]
        items[:] = sorted(kept, key=lambda item: self._order.get(item.nodeid, last))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each phase of a test."""
        if report.failed:
            self._told.write_text(report.nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> Generator[None]:
        """All is torn down: the end. What pytest would do now, two runs of the garbage collector, costs 0.2 s."""
        yield
        if exitstatus or self._last:
            sys.stdout.flush()
            os._exit(int(exitstatus))


def body(root: Path, mutant: Mutant, text: str, tests: Sequence[str], folder: Path) -> Callable[[Path], int]:
    """What the child does with the mutated `text` of the module; gives an exit code of pytest, or IMPORT_FAILED."""

    def run(told: Path) -> int:
        sys.path.insert(0, str(root))
        Finder(module_name(mutant.path), str(root / mutant.path), text).install()
        try:
            importlib.import_module(module_name(mutant.path))
        except BaseException as error:  # noqa: BLE001  # whatever a mutant raises; a SystemExit too
            traceback.print_exc()
            told.write_text(f"{type(error).__name__} on import")
            return fork.IMPORT_FAILED
        # A file costs more to collect than most tests to run: the likeliest by itself first.
        first = [test for test in tests if _file(test) == _file(tests[0])]
        rest = [test for test in tests if _file(test) != _file(tests[0])]
        code = 0
        for stage in filter(None, (first, rest)):
            gc.freeze()
            plugin = Chosen(stage, told, last=stage is rest or not rest)
            # That a test fails is all that is asked: rewritten asserts and a traceback's source cost more than a test.
            more = (f"--rootdir={root}", "-x", "--assert=plain", "--tb=native")
            code = fork.run_pytest(dict.fromkeys(map(_file, stage)), folder, [plugin], *more)
        return code

    return run


def _file(test: str) -> str:
    return test.partition("::")[0]


def meaning(code: int | None, told: str) -> tuple[Status, str]:
    """Of a child's exit code: what came of the mutant, and by what."""
    if code is None:
        return Status.TIMEOUT, "out of time"
    if code < 0:
        return Status.KILLED, f"signal {-code}"
    if code == pytest.ExitCode.OK:
        return Status.SURVIVED, ""
    if code == pytest.ExitCode.TESTS_FAILED:
        return Status.KILLED, told
    if code in {fork.IMPORT_FAILED, pytest.ExitCode.INTERRUPTED}:
        return Status.IMPORT, told or "a test file cannot be imported"
    return Status.ERROR, f"pytest ended with {code}"
