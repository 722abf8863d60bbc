"""The thread that ends a run."""

import threading
import time

import pytest

from aoi_daemon.infer.watchdog import Watchdog

MS = 1_000_000


@pytest.fixture
def struck():
    return threading.Event()


@pytest.fixture
def watchdog(struck):
    watchdog = Watchdog(struck.set)
    yield watchdog
    watchdog.close()


def test_it_strikes_when_the_deadline_has_passed(watchdog, struck):
    """Not before."""
    deadline_ns = time.monotonic_ns() + 20 * MS
    watchdog.arm(deadline_ns)
    assert struck.wait(5)
    assert time.monotonic_ns() >= deadline_ns


def test_it_strikes_at_once_for_a_deadline_in_the_past(watchdog, struck):
    """A part may come to the executor with next to no time."""
    watchdog.arm(time.monotonic_ns() - 1)
    assert struck.wait(5)


def test_it_does_not_strike_after_disarm(watchdog, struck):
    """The part was in time."""
    watchdog.arm(time.monotonic_ns() + 20 * MS)
    watchdog.disarm()
    assert not struck.wait(0.06)


def test_it_strikes_again_for_a_later_part(watchdog, struck):
    """One strike a deadline."""
    for _ in range(3):
        watchdog.arm(time.monotonic_ns() + MS)
        assert struck.wait(5)
        struck.clear()
    assert not struck.wait(0.02)


def test_an_earlier_deadline_replaces_a_later_one(watchdog, struck):
    """The thread does not sleep through it."""
    watchdog.arm(time.monotonic_ns() + 3600_000 * MS)
    watchdog.arm(time.monotonic_ns() + MS)
    assert struck.wait(5)


def test_a_strike_never_hits_the_next_part():
    """Thousands of parts that end as their time does: whatever strikes, strikes between arm and disarm."""
    inside = threading.Event()
    wrong = []
    watchdog = Watchdog(lambda: None if inside.is_set() else wrong.append(1))
    for part in range(3000):
        deadline_ns = time.monotonic_ns() + 20_000 + part % 7 * 5_000
        inside.set()
        watchdog.arm(deadline_ns)
        while time.monotonic_ns() < deadline_ns:
            pass
        watchdog.disarm()
        inside.clear()
    watchdog.close()
    assert not wrong


def test_it_sleeps_while_parts_are_in_time(watchdog, struck):
    """No thread is woken for them, neither by arming nor when the time that they had is over."""
    thread = watchdog._thread.native_id
    for _ in range(50):
        watchdog.arm(time.monotonic_ns() + MS)
        watchdog.disarm()
        struck.wait(0.002)
    with open(f"/proc/self/task/{thread}/status") as status:
        switches = [line for line in status if line.startswith("voluntary_ctxt_switches")]
    assert int(switches[0].split()[1]) < 20


def test_close_ends_the_thread():
    """Armed or not, and twice."""
    for armed in (False, True):
        watchdog = Watchdog(lambda: None)
        if armed:
            watchdog.arm(time.monotonic_ns() + 3600_000 * MS)
        watchdog.close()
        watchdog.close()
        assert not watchdog._thread.is_alive()


def test_it_strikes_again_until_disarmed_where_that_is_asked_for():
    """For a run that forgets a strike which comes before it has begun; the next part is not struck by it."""
    strikes = threading.Semaphore(0)
    watchdog = Watchdog(strikes.release, again_ms=1.0)
    try:
        watchdog.arm(time.monotonic_ns() + MS)
        assert all(strikes.acquire(timeout=5) for _ in range(5))
        watchdog.disarm()
        while strikes.acquire(blocking=False):
            pass
        assert not strikes.acquire(timeout=0.05)
        watchdog.arm(time.monotonic_ns() + 3600_000 * MS)
        assert not strikes.acquire(timeout=0.05)
        watchdog.arm(time.monotonic_ns() + MS)
        assert strikes.acquire(timeout=5)
    finally:
        watchdog.close()
    assert not watchdog._thread.is_alive()
