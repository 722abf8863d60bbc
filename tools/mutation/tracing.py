"""Which lines of the package each test executes; a plugin of pytest in the child that measures a test file."""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

SHARED: Final = "*"
"""Stands for each test of the file: what was executed on import, or by a fixture that several tests share."""


class Timer:
    """Seconds of each test, set-up and tear-down with it, and the text of the first that failed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed = ""
        self.skipped: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Called for each of the three phases of a test."""
        self.seconds[report.nodeid] += report.duration
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid}\n{report.longreprtext}"
        if report.skipped:
            self.skipped.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported."""
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid}\n{report.longreprtext}"

    def tell(self, told: Path) -> None:
        """Write it down for the parent."""
        seconds = {name: s for name, s in self.seconds.items() if name not in self.skipped}
        told.write_text(json.dumps({"seconds": seconds, "failed": self.failed}))


class Tracer:
    """Lines below `root` by test."""

    def __init__(self, root: Path) -> None:
        self._root = f"{root}/"
        self._lines: dict[str, set[tuple[str, int]]] = defaultdict(set)
        self._now = self._lines[SHARED]
        self._in_test = False

    def start(self) -> None:
        """From now on, in threads too."""
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._root):
            return None
        self._now.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self._now.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """What is executed from here to the end of the test is the test's."""
        self._now = self._lines[item.nodeid]
        try:
            return (yield)
        finally:
            self._now = self._lines[SHARED]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """A fixture of a wider scope than one test is executed once and serves others."""
        if fixturedef.scope == "function":
            return (yield)
        before, self._now = self._now, self._lines[SHARED]
        try:
            return (yield)
        finally:
            self._now = before

    def tell(self, told: Path) -> None:
        """Write it down for the parent."""
        sys.settrace(None)
        threading.settrace(None)
        found: dict[str, dict[str, list[int]]] = {}
        for test, lines in self._lines.items():
            by_file: dict[str, list[int]] = defaultdict(list)
            for file, line in sorted(lines):
                by_file[file.removeprefix(self._root)].append(line)
            found[test] = by_file
        told.write_text(json.dumps(found))
