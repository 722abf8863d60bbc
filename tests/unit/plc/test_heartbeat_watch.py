"""plc/heartbeat_watch.py: what a polled heartbeat must do to count."""

from aoi_daemon.plc.heartbeat_watch import HeartbeatWatch


def test_a_heartbeat_that_moves_is_given_its_time_again():
    watch = HeartbeatWatch(100, now_ns=0)
    watch.polled(False, 0, 10)
    assert watch.moves_by_ns == 110
    watch.polled(False, 0, 60)
    assert watch.moves_by_ns == 110
    watch.polled(True, 0, 90)
    assert watch.moves_by_ns == 190


def test_what_stands_stays_frozen_until_it_moves():
    watch = HeartbeatWatch(100, now_ns=0)
    for now in range(0, 500, 20):
        watch.polled(True, 0, now)
    assert watch.moves_by_ns == 100
    watch.polled(False, 0, 500)
    assert watch.moves_by_ns == 600


def test_the_time_without_a_connection_does_not_count():
    watch = HeartbeatWatch(100, now_ns=0)
    watch.polled(True, 0, 0)
    watch.polled(True, 0, 40)
    watch.polled(True, 1, 5000)
    assert watch.moves_by_ns == 5060


def test_new_connections_give_a_plc_that_stands_no_new_time():
    """Its network card connects again and again, and its program has stopped."""
    watch = HeartbeatWatch(100, now_ns=0)
    for connection in range(20):
        watch.polled(True, connection, connection * 1000)
        watch.polled(True, connection, connection * 1000 + 20)
    assert watch.moves_by_ns <= 19_020


def test_a_plc_that_is_never_read_is_frozen_after_its_time_too():
    assert HeartbeatWatch(100, now_ns=5_000).moves_by_ns == 5_100


def test_a_plc_that_was_frozen_is_frozen_on_its_new_connection_from_the_first_read_on():
    watch = HeartbeatWatch(100, now_ns=0)
    for connection, now in enumerate((50, 1_000, 2_000, 3_000, 4_000)):
        watch.polled(True, connection, now)
        watch.polled(True, connection, now + 200)
    for connection, now in enumerate((10_000, 10_000, 10_007), 5):
        watch.polled(True, connection, now)
        assert watch.moves_by_ns == now
