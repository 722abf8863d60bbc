"""The simulated PLC's bounded logs and running figures."""

from hypothesis import given
from hypothesis import strategies as st

from tools.simulator.records import Log, Periods


@given(st.integers(1, 20), st.integers(0, 60), st.integers(-5, 70), st.integers(1, 30))
def test_a_log_gives_what_it_keeps_by_number(keep, total, start, limit):
    log = Log(keep, blank=lambda number: number)
    for number in range(total):
        log.append(number)
    kept = range(max(0, total - keep), total)
    found, after = log.since(start, limit)
    assert found == [number for number in kept if number >= start][:limit]
    assert log.since(after, limit)[0] == [number for number in kept if number >= after][:limit]


def test_without_a_period_all_figures_are_0():
    assert Periods().figures() == {"count": 0, "mean_ms": 0.0, "max_deviation_ms": 0.0}


def test_the_largest_deviation_is_measured_from_the_mean_to_both_sides():
    periods = Periods()
    for period_ms in (100, 100, 100, 60):
        periods.add(period_ms * 1_000_000)
    assert periods.figures() == {"count": 4, "mean_ms": 90.0, "max_deviation_ms": 30.0}
