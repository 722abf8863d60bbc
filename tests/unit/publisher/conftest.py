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
    """`part_of(number, passed=..., reason=..., FIELD=...)`: that part, written and read again; any field of an Outcome."""

    def make(number: int, *, passed: bool, **more) -> Part:
        fields = {key: more.pop(key) for key in list(more) if key not in {"reason", "defects"}}
        folder = tmp_path / "records"
        record_outcome(folder, outcome(number, passed=passed, **more)._replace(**fields))
        with closing(open_reader(folder)) as connection:
            return parts_after(connection, 0, 100)[-1]

    return make
