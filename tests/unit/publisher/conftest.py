"""Records as the recorder writes them."""

from __future__ import annotations

from contextlib import closing

import pytest

from aoi_daemon.records.database import open_reader
from aoi_daemon.records.queries import parts_after
from aoi_daemon.records.rows import Part
from tests.unit.publisher.recording import outcome, record_outcome


@pytest.fixture
def part_of(tmp_path):
    """`part_of(number, passed=..., reason=..., STAMP_ns=...)`: that part, written and read again."""

    def make(number: int, *, passed: bool, **more) -> Part:
        stamps = {key: more.pop(key) for key in list(more) if key.endswith("_ns")}
        folder = tmp_path / "records"
        record_outcome(folder, outcome(number, passed=passed, **more)._replace(**stamps))
        with closing(open_reader(folder)) as connection:
            return parts_after(connection, 0, 100)[-1]

    return make
