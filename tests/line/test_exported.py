"""Another program's export, made a bundle by one command, on a line: the bad parts are ejected, the good ones pass."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from aoi_daemon.messages import Reason
from tests.line.conftest import starter
from tests.unit.engine.export_families import parts
from tests.unit.engine.walked import made, replayed


@pytest.mark.parametrize("family", ["yolo-rows", pytest.param("anomaly", marks=pytest.mark.long)])
def test_an_exports_verdicts_reach_the_coils(tmp_path, family):
    """Every second part that passes is bad."""
    code, bundle = made(tmp_path / "made", family, "--precisions", "fp32")
    assert code == 0
    shown = parts(12, 3)
    bad = {number for number, part in enumerate(shown.values()) if part.labels}
    with ExitStack() as owned:
        start = starter(owned, tmp_path, replayed(tmp_path / "parts", shown), bundle)
        running = start(recipe={"channels": 3}, camera={"channels": 3}, takt_ms=100.0)
        running.wait_parts(12)
        found = running.outcomes()
        judged = [outcome for outcome in found if outcome.reason in (Reason.NONE, Reason.DEFECT)]
        assert len(judged) >= 10
        # The replay begins again with the first picture: every second one is bad, whichever part was the first.
        first = {(outcome.part + outcome.passed) % 2 for outcome in judged}
        assert len(first) == 1 and bad == set(range(1, 12, 2))
        running.no_unproven_pass()
        ejected = [part.ejected for part in running.plc.parts()]
        assert any(ejected) and not all(ejected)
