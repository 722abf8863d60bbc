"""A lost stage comes back at once, a stage that keeps being lost does not."""

from aoi_daemon.supervisor.restarts import RestartBudget

S = 1_000_000_000


def test_the_first_restart_is_at_once():
    assert RestartBudget(3, 60 * S).lost(0) == (0, False, 1)


def test_restarts_in_a_row_wait_longer_and_longer_up_to_a_bound():
    budget = RestartBudget(100, 60 * S)
    delays = [budget.lost(index * S // 10).delay_ns for index in range(9)]
    assert delays[0] == 0
    assert delays[1:] == sorted(delays[1:]) and len(set(delays)) > 5
    assert max(delays) == 5 * S


def test_a_restart_long_after_another_is_at_once():
    budget = RestartBudget(3, 60 * S)
    budget.lost(0)
    assert budget.lost(20 * S).delay_ns == 0


def test_the_budget_is_spent_by_more_restarts_than_it_has_within_its_window():
    budget = RestartBudget(2, 60 * S)
    assert [budget.lost(at * S).spent for at in (0, 20, 40)] == [False, False, True]


def test_restarts_outside_the_window_do_not_count():
    budget = RestartBudget(2, 60 * S)
    assert not any(budget.lost(at * S).spent for at in range(0, 1000, 31))


def test_no_budget_is_spent_by_the_first():
    assert RestartBudget(0, 60 * S).lost(0).spent


def test_a_person_gives_a_new_budget():
    budget = RestartBudget(1, 60 * S)
    budget.lost(0)
    budget.reset()
    assert budget.lost(1) == (0, False, 1)
