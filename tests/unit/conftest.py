"""What unit tests of several rooms share."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def held():
    """Tells the descriptors that this process has, and its children.

    What other tests have left for the collector is gone before, and not in the midst of a count.
    """
    gc.collect()

    def now() -> tuple[list[str], list[str]]:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return sorted(os.listdir("/proc/self/fd")), children

    return now


@pytest.fixture
def zone(monkeypatch):
    """Sets this process's time zone, for the test."""

    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def berlin(zone):
    """By rule: not every machine has the names."""
    zone("CET-1CEST,M3.5.0,M10.5.0/3")
