"""How soon a lost broker is tried again, and how fast it is sent to."""

from aoi_daemon.publisher.pace import Allowance, Backoff


def test_waits_double_up_to_the_longest():
    backoff = Backoff(5.0)
    assert [backoff.wait_s(0, 0) for _ in range(6)] == [0.5, 1, 2, 4, 5, 5]


def test_a_connection_that_held_makes_the_next_loss_a_new_one():
    backoff = Backoff(30.0)
    for _ in range(4):
        backoff.wait_s(0, 0)
    assert backoff.wait_s(3.0, 0) == 8.0, "one that broke at once is no good connection"
    assert backoff.wait_s(60.0, 0) == 0.5
    assert backoff.wait_s(0, 0) == 1.0


def test_lines_that_lost_the_same_broker_do_not_come_back_together():
    assert Backoff(30.0).wait_s(0, 0.0) == 0.5
    assert Backoff(30.0).wait_s(0, 1.0) == 0.4


def test_the_rate_is_kept_over_any_second():
    allowance = Allowance(100.0, 0.0)
    sent, now = 0, 0.0
    while now < 2.0:
        while allowance.left(now) > 0:
            allowance.spend()
            sent += 1
        now += 0.003
    assert 195 <= sent <= 211


def test_what_was_not_used_is_not_saved_up():
    allowance = Allowance(100.0, 0.0)
    assert allowance.left(1000.0) == 10


def test_the_wait_is_until_one_may_be_sent():
    allowance = Allowance(20.0, 0.0)
    for _ in range(allowance.left(0.0)):
        allowance.spend()
    assert allowance.wait_s(0.0, 1.0) == 0.05
    assert allowance.wait_s(0.0, 0.02) == 0.02
    assert allowance.wait_s(0.06, 1.0) == 0.0
