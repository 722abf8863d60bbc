"""What a set of boards shows: one of three, never more than it does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.qualify.conclusion import LEAST_BAD, LEAST_GOOD, Bounds, State, conclude, worst
from aoi_daemon.engine.qualify.rates import Agreement, rate


def of(escapes, bad, false_calls, good):
    return Agreement(rate(escapes, bad), rate(false_calls, good), None)


def state(*counts, bounds):
    return conclude(of(*counts), bounds).state


@pytest.mark.parametrize(
    ("counts", "bounds", "expected", "more"),
    [
        ((0, 20, 0, 50), Bounds(), State.QUALIFIED, (0, 0)),
        ((0, 19, 0, 50), Bounds(), State.NOT_SHOWN, (0, 1)),
        ((0, 20, 0, 49), Bounds(), State.NOT_SHOWN, (1, 0)),
        ((0, 0, 0, 50), Bounds(), State.NOT_SHOWN, (0, 20)),
        ((0, 20, 0, 0), Bounds(), State.NOT_SHOWN, (50, 0)),
        ((0, 0, 0, 0), Bounds(), State.NOT_SHOWN, (50, 20)),
        # With none allowed one escape is enough, of however many.
        ((1, 20, 0, 50), Bounds(), State.REFUSED, (0, 0)),
        ((1, 100_000, 0, 50), Bounds(), State.REFUSED, (0, 0)),
        # One of 50 is above 1 %, but one of 100 is the same line: it may be chance.
        ((0, 20, 1, 50), Bounds(), State.NOT_SHOWN, (50, 0)),
        ((0, 20, 1, 100), Bounds(), State.QUALIFIED, (0, 0)),
        ((0, 20, 1, 99), Bounds(), State.NOT_SHOWN, (1, 0)),
        ((0, 20, 5, 160), Bounds(), State.REFUSED, (0, 0)),
        # 0.1 and 0.3 are not in binary what they are in decimal.
        ((3, 30, 0, 50), Bounds(0.1, 0.01), State.QUALIFIED, (0, 0)),
        ((0, 20, 15, 50), Bounds(0.0, 0.3), State.QUALIFIED, (0, 0)),
        ((3, 27, 0, 50), Bounds(0.1, 0.01), State.NOT_SHOWN, (0, 3)),
        # 53.3 boards: 54, not 53.
        ((0, 20, 16, 50), Bounds(0.0, 0.3), State.NOT_SHOWN, (4, 0)),
        # The demo bundle on parts of another look.
        ((108, 115, 5, 160), Bounds(), State.REFUSED, (0, 0)),
    ],
)
def test_what_is_shown(counts, bounds, expected, more):
    found = conclude(of(*counts), bounds)
    assert (found.state, (found.more_good, found.more_bad)) == (expected, more)


def test_the_gate_refuses_whatever_the_boards_show():
    found = conclude(of(0, 20, 0, 50), Bounds(), "golden verdicts that do not hold: 1 (b007)")
    assert found.state is State.REFUSED
    assert str(found).startswith("refused (golden verdicts that do not hold: 1 (b007)). Escapes: 0 of 20 ")


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 60, 1, 200), "qualified (allowed: 0.00 % escapes, 1.00 % false calls). Escapes: 0 of 60 (0.00 %, at most 4.87 % at 95 %); false calls: 1 of 200 (0.50 %, at most 2.35 % at 95 %)"),
        ((0, 12, 0, 20), "not shown, 30 more good (8 bad) boards, all judged right, are needed. Escapes: 0 of 12 (0.00 %, at most 22.09 % at 95 %); false calls: 0 of 20 (0.00 %, at most 13.91 % at 95 %)"),
        ((1, 20, 0, 0), "refused (escapes are at least 0.26 % at 95 %, allowed 0.00 %). Escapes: 1 of 20 (5.00 %, at most 21.61 % at 95 %); false calls: not measured (none there)"),
    ],
)  # fmt: skip
def test_it_says_so_with_both_upper_limits_in_one_line(counts, words):
    assert str(conclude(of(*counts), Bounds())) == words


def test_the_worst_of_several_counts():
    states = [conclude(of(*counts), Bounds()) for counts in ((0, 20, 0, 50), (0, 1, 0, 1), (1, 20, 0, 50))]
    assert (worst(states[:1]), worst(states[:2]), worst(states)) == (State.QUALIFIED, State.NOT_SHOWN, State.REFUSED)


def counts_of(largest):
    return st.integers(0, largest).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


rates_below_1 = st.one_of(st.just(0.0), st.sampled_from([0.01, 0.1, 0.3, 1 / 3]), st.floats(0, 0.99))
cases = st.tuples(counts_of(120), counts_of(400), st.builds(Bounds, rates_below_1, rates_below_1))


@given(cases)
def test_qualified_is_within_both_bounds_of_enough_boards_and_refused_is_proven(case):
    (escapes, bad), (false_calls, good), bounds = case
    found = conclude(of(escapes, bad, false_calls, good), bounds)
    enough = good >= LEAST_GOOD and bad >= LEAST_BAD
    within = enough and escapes / bad <= bounds.max_escapes and false_calls / good <= bounds.max_false_calls
    beyond = found.escapes.low > bounds.max_escapes or found.false_calls.low > bounds.max_false_calls
    assert not (within and beyond)
    assert found.state is (State.REFUSED if beyond else State.QUALIFIED if within else State.NOT_SHOWN)
    assert bool(found.more_good or found.more_bad) == (found.state is State.NOT_SHOWN)


@given(cases)
def test_a_further_mistake_never_makes_it_better(case):
    (escapes, bad), (false_calls, good), bounds = case
    before = state(escapes, bad, false_calls, good, bounds=bounds)
    if escapes < bad:
        assert state(escapes + 1, bad, false_calls, good, bounds=bounds) >= before
    if false_calls < good:
        assert state(escapes, bad, false_calls + 1, good, bounds=bounds) >= before


@given(cases)
def test_as_many_boards_as_are_missing_are_enough_and_one_fewer_is_not(case):
    (escapes, bad), (false_calls, good), bounds = case
    found = conclude(of(escapes, bad, false_calls, good), bounds)
    if found.state is not State.NOT_SHOWN:
        return
    more_good, more_bad = found.more_good, found.more_bad
    assert state(escapes, bad + more_bad, false_calls, good + more_good, bounds=bounds) is State.QUALIFIED
    if more_good:
        assert state(escapes, bad + more_bad, false_calls, good + more_good - 1, bounds=bounds) is State.NOT_SHOWN
    if more_bad:
        assert state(escapes, bad + more_bad - 1, false_calls, good + more_good, bounds=bounds) is State.NOT_SHOWN
