"""A simulation that finds nothing says something only if it finds what is there: faults put back, one at a time."""

from __future__ import annotations

import sys

import pytest

from tests.simulation.faults import FAULTS
from tools.simulation.plan import plan_of
from tools.simulation.run import Run

SEEDS = 200
PARTS = 120


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_is_put_back_is_found(fault, monkeypatch, record_property):
    fault(monkeypatch)
    for seed in range(1, SEEDS + 1):
        broken = Run(plan_of(seed, PARTS)).go().broken
        if broken:
            record_property("seed", seed)
            sys.stdout.write(f"seed {seed}: {broken[0].invariant}: {broken[0].says}\n")
            return
    raise AssertionError(f"not found within {SEEDS} seeds")
