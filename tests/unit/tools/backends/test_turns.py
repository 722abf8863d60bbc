"""tools/backends/turns.py: children that answer, refuse, are silent, die, or talk of other things."""

import sys
import time

import pytest

from tools.backends.turns import CaseError, Contestant, RefusedError

SERVES = "from tools.backends.turns import serve\nserve({'name': 'a'}, lambda order: {'twice': 2 * order['n']})"
READS = "import sys, time; print('{}', flush=True); sys.stdin.readline(); "


def child(code, limit_s=20.0):
    return Contestant([sys.executable, "-c", code], limit_s=limit_s)


def test_it_says_what_it_is_then_answers_each_order():
    with child(SERVES) as one:
        assert one.opened == {"name": "a"}
        assert [one.ask({"n": n}, limit_s=20)["twice"] for n in (1, 2)] == [2, 4]
    assert one._child.returncode == 0


def test_two_work_at_a_time_where_the_answer_is_not_waited_for():
    with child(SERVES) as one, child(SERVES) as other:
        one.order({"n": 3})
        other.order({"n": 4})
        assert (other.answer(limit_s=20), one.answer(limit_s=20)) == ({"twice": 8}, {"twice": 6})


def test_what_cannot_be_run_is_refused_with_its_reason():
    with pytest.raises(RefusedError, match="no such precision"):
        child("print('{\"refused\": \"no such precision\"}')")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('it is broken')", "(?s)ended with code 1: .*it is broken"),
        ("import os; os.kill(os.getpid(), 9)", "ended with code -9"),
        ("print('good morning', flush=True); input()", "'good morning', which is no answer"),
        ("print('[1]', flush=True); input()", "which is no answer"),
    ],
)
def test_one_that_ends_or_says_no_answer_is_an_error_that_tells_what_it_said(code, said):
    with pytest.raises(CaseError, match=said):
        child(code)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (READS + "sys.exit('memory is out')", "(?s)ended with code 1: .*memory is out"),
        (READS + "time.sleep(60)", "no answer after 0.3 s"),
        (READS + "print('{', end='', flush=True); time.sleep(60)", "no answer after 0.3 s"),
    ],
)
def test_one_that_fails_in_its_turn_does_not_hold_up_the_others(code, said):
    """Silent, with half an answer, or gone: the wait has an end, and so has the child."""
    began = time.monotonic()
    with child(code) as one:
        with pytest.raises(CaseError, match=said):
            one.ask({}, limit_s=0.3 if "no answer" in said else 20)
        assert one._child.wait(10) is not None
    assert time.monotonic() - began < 30


def test_after_an_error_of_the_parent_a_child_in_the_middle_of_its_work_is_not_waited_for():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), child(READS + "time.sleep(60)") as one:
        one.order({})
        raise KeyboardInterrupt
    assert time.monotonic() - began < 5
    assert one._child.returncode == -9
