"""A simulation that finds nothing says something only if it finds what is there: faults put back, one at a time."""

from __future__ import annotations

import sys

import pytest

from tests.simulation.faults import FAULTS, LANES, ORDERS
from tools.simulation.faults import Kind
from tools.simulation.plan import plan_of
from tools.simulation.run import Run

SEEDS = 200
PARTS = 120


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_is_put_back_is_found(fault, monkeypatch, record_property):
    is_found(fault, PARTS, None, monkeypatch, record_property)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", ORDERS, ids=lambda fault: fault.__name__)
def test_an_order_of_reading_that_loses_judgements_is_found(fault, monkeypatch, record_property):
    """Where plc is kept from running between its wait and its reads. With all kinds of fault: seeds 65 and 122."""
    is_found(fault, PARTS // 2, Kind.STARVED, monkeypatch, record_property)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("fault", "kind"), LANES, ids=lambda each: getattr(each, "__name__", ""))
def test_a_fault_of_lanes_is_found(fault, kind, monkeypatch, record_property):
    is_found(fault, PARTS // 2, kind, monkeypatch, record_property)


def is_found(fault, parts, only, monkeypatch, record_property):
    fault(monkeypatch)
    for seed in range(1, SEEDS + 1):
        plan = plan_of(seed, parts, only)
        if only is not None and not plan.faults:
            continue  # a line that cannot have it
        broken = Run(plan).go().broken
        if broken:
            record_property("seed", seed)
            sys.stdout.write(f"seed {seed}: {broken[0].invariant}: {broken[0].says}\n")
            return
    raise AssertionError(f"not found within {SEEDS} seeds")
