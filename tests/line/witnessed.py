"""What a witness of highest priority saw during each line test: a stall of the machine is told from a fault of the line.

The hooks are for tests/line/conftest.py. A test that fails says it with its failure, the summary for each test.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tools.line.witness import Stall, Witness, in_words

WORST = 5
PROPERTY = "machine"


class Watch:
    """The witness of one test; what it saw is there after each `look`."""

    def __init__(self) -> None:
        self.since_ns = time.monotonic_ns()
        self.stalls: list[Stall] = []
        self.scheduling = ""
        self._witness: Witness | None = Witness().__enter__()

    def look(self, *, again: bool) -> None:
        """Take in what it saw; `again`: and let another one watch on."""
        if self._witness is None:
            return
        self._witness.__exit__(None, None, None)
        self.stalls += self._witness.stalls
        self.scheduling = self._witness.scheduling
        self._witness = Witness().__enter__() if again else None


WATCH = pytest.StashKey[Watch]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    watch = item.stash[WATCH] = Watch()
    yield
    watch.look(again=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    found: Any = yield
    report, watch = found.get_result(), item.stash[WATCH]
    last = report.when == "teardown"
    if not (report.failed or last):
        return
    # The witness tells what it saw at its end alone: telling meanwhile would disturb what it watches.
    watch.look(again=not last)
    if report.failed:
        words = in_words(watch.stalls, watch.scheduling, watch.since_ns, WORST)
        report.sections.append(("the machine during this test", words))
    if last:
        report.user_properties.append((PROPERTY, in_words(watch.stalls, watch.scheduling, watch.since_ns)))


def seen(reports: Iterable[Any]) -> list[tuple[str, str]]:
    """Each test of these reports, and what its witness saw; in order of their names."""
    return sorted(
        (report.nodeid, words)
        for report in reports
        for name, words in getattr(report, "user_properties", ())
        if name == PROPERTY
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = seen(report for reports in terminalreporter.stats.values() for report in reports)
    if told:
        terminalreporter.section("the machine during each line test, as a witness of highest priority saw it")
        for test, words in told:
            terminalreporter.write_line(f"{test.rpartition('/')[2]}: {words}")
