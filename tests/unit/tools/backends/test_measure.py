"""tools/backends/measure.py: floor and executor have the same runs, in turns; a round has an end."""

import pytest

from tools.backends.measure import Found, measure_round
from tools.backends.turns import CaseError

MS = 1_000_000


class Child:
    """Takes `run_ms` a run; keeps what it was asked for in `log`, which all share."""

    def __init__(self, role, log, run_ms, fails_at=None):
        self.role, self.log, self.run_ms, self.fails_at = role, log, run_ms, fails_at
        self.opened = {"name": role, "notes": [f"of {role}"], "open_s": 1.0, "first_ms": 9.0, "rss_mib": 50.0}

    def ask(self, order, *, limit_s):
        self.log.append((self.role, order["runs"], order["from"]))
        if self.fails_at is not None and len(self.log) >= self.fails_at:
            raise CaseError("gone")
        return {"ns": [round(self.run_ms * MS)] * order["runs"]}

    def __enter__(self):
        self.log.append((self.role, "opened"))
        return self

    def __exit__(self, *_):
        self.log.append((self.role, "closed"))


def asks(log):
    return [each for each in log if len(each) == 3]


@pytest.mark.parametrize(("run_ms", "runs", "seconds"), [(1, 100, 60), (40, 2000, 2), (900, 2000, 1), (0.001, 7, 1)])
def test_both_sides_have_the_same_runs_and_who_was_first_is_second_next(run_ms, runs, seconds):
    found, log = Found(), []
    measure_round(found, lambda role: Child(role, log, run_ms), runs=runs, seconds=seconds, is_first=False)
    asked = asks(log)
    for first, second in zip(asked[::2], asked[1::2], strict=True):
        assert first[1:] == second[1:] and {first[0], second[0]} == {"floor", "executor"}
    assert [first[0] for first in asked[::2]] == (["floor", "executor"] * len(asked))[: len(asked) // 2]
    done = len(found.took_ns["floor"])
    assert done == len(found.took_ns["executor"]) == sum(order[1] for order in asked[::2]) <= runs
    # To the last block, of a quarter of a second or one run: not far beyond the time, and all of the runs where it allows.
    assert done == runs or 2 * done * run_ms / 1000 >= seconds
    assert 2 * (done - asked[-1][1]) * run_ms / 1000 <= seconds


def test_the_first_round_opens_the_executor_once_more_before_and_alone():
    found, log = Found(), []
    measure_round(found, lambda role: Child(role, log, 1), runs=3, seconds=1, is_first=True)
    assert log[:2] == [("executor", "opened"), ("executor", "closed")]
    assert len(found.openings) == 2
    told = found.as_json()
    assert told["open_s"] == {"cold": 1.0, "warm": 1.0}
    assert told["notes"] == ["of executor", "of floor"]
    assert (told["floor_ms"]["n"], told["executor_ms"]["n"]) == (3, 3)


def test_a_block_that_one_side_alone_has_done_counts_for_neither():
    found, log = Found(), []
    with pytest.raises(CaseError):
        measure_round(found, lambda role: Child(role, log, 1, fails_at=6), runs=1000, seconds=60, is_first=False)
    assert asks(log)[-1][0] != asks(log)[-2][0], "it failed in the second half of a pair"
    assert len(found.took_ns["floor"]) == len(found.took_ns["executor"]) == 3


def test_what_was_refused_or_not_reached_has_a_reason_and_no_figure():
    assert Found(refused="no GPU").as_json() == {"refused": "no GPU"}
    assert Found().as_json() == {"refused": "stopped before it was measured"}
