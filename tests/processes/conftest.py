"""What tests of the publisher share: a broker, and a publisher that the test turns."""

from __future__ import annotations

import contextlib

import pytest

from tests.unit.publisher.mosquitto import broker, subscriber
from tests.unit.publisher.stepped import SteppedPublisher

__all__ = ["broker", "subscriber"]  # fixtures that are defined elsewhere


@pytest.fixture
def publisher(tmp_path):
    """`publisher(port, **section)`: one that goes on while the test waits."""
    with contextlib.ExitStack() as owned:

        def start(port: int, **section) -> SteppedPublisher:
            return owned.enter_context(SteppedPublisher(tmp_path, port=port, **section))

        yield start
