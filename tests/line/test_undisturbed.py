"""The line when nothing is wrong and nothing is done with it.

A module of its own: its line runs for as long as its tests do, and no other line may run beside it.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from aoi_daemon.plcmap.registers import MAP_VERSION
from tests.line.conftest import starter


@pytest.fixture(scope="module")
def healthy(tmp_path_factory, boards, bundle):
    """A line with which nothing is done but to look at it, its registers on."""
    with ExitStack() as owned:
        yield starter(owned, tmp_path_factory.mktemp("healthy"), boards, bundle)(plc={"registers": {"base": 0}})


def test_each_part_gets_its_verdict_within_its_window(healthy):
    running = healthy
    running.wait_parts(60)
    counters = running.plc.status()["counters"]
    assert counters["missed"] == counters["refused"] == counters["late"] == counters["sequence_gaps"] == 0
    running.no_unproven_pass()
    outcomes = running.outcomes()
    status = running.daemon.status()
    assert status["deadline_misses"] == status["undelivered"] == 0
    assert {Reason(outcome.reason) for outcome in outcomes} <= {Reason.NONE, Reason.DEFECT}


def test_the_registers_carry_the_verdict_before_the_coils(healthy):
    running = healthy
    running.wait_parts(20)

    def agree() -> bool:
        status = running.plc.status()
        report = status["report"]
        return bool(
            report["map_version"] == MAP_VERSION
            and report["recipe"] == 1
            and report["sequence"] & 0xFF == status["coils"]["SEQ"]
            and report["verdict"] == (1 if status["coils"]["PASS"] else 2)
        )

    wait_for(agree, 5, "registers that agree with the coils")
