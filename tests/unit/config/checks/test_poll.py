"""config/checks/poll.py: times of [plc.poll] that cannot do what is asked of them are refused with what to change."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.schema import LineConfig


def line(takt_ms=50.0, answer_ms=5.0, heartbeat_ms=100.0, **poll):
    return LineConfig.model_validate(
        {
            "line": {"takt_ms": takt_ms, "deadline_ms": takt_ms},
            "cameras": [{"kind": "replay", "source": "."}],
            "plc": {
                "answer_ms": answer_ms, "timeout_ms": max(20.0, answer_ms), "heartbeat_ms": heartbeat_ms, "poll": {"base": 0, **poll},
            },
        }
    )


def test_by_default_nothing_is_watched():
    poll = line(period_ms=1000.0).plc.poll
    assert poll is not None
    assert (poll.watch_ms, poll.confirm_parts) == (None, None)


def test_the_smallest_times_that_work_are_taken():
    assert line(watch_ms=160.0).plc.poll.watch_ms == 160
    assert line(period_ms=90.0, watch_ms=230.0).plc.poll.period_ms == 90
    assert line(takt_ms=30.0, confirm_parts=1).plc.poll.confirm_parts == 1


def test_a_heartbeat_cannot_be_watched_faster_than_it_beats_and_is_read():
    """100 ms, three scans of a fifth of the takt, and a poll of 20 with two answers of 5."""
    with pytest.raises(ValidationError, match=r"watch_ms \(159\) must be at least 160: .*Raise watch_ms"):
        line(watch_ms=159.0)


def test_a_heartbeat_that_is_read_more_slowly_than_it_beats_cannot_be_watched():
    """Read each 200 ms, a bit that toggles each 100 ms stands: PLC_FROZEN, and the line is never READY."""
    with pytest.raises(ValidationError, match=r"period_ms \(91\) \+ 2 x plc.answer_ms \(5\) = 101 .*at most 90; or leave watch_ms out"):
        line(period_ms=91.0, watch_ms=5000.0)
    with pytest.raises(ValidationError, match=r"have the PLC answer faster, and lower plc.answer_ms; or leave watch_ms out"):
        line(takt_ms=500.0, answer_ms=50.0, watch_ms=5000.0)


@pytest.mark.parametrize(("takt_ms", "heartbeat_ms", "least_ms"), [(1000.0, 100.0, 280), (1000.0, 60.0, 220), (50.0, 100.0, 160), (100.0, 30.0, 175)])
def test_the_longest_scan_is_a_fifth_of_the_takt_and_half_of_the_daemon_s_heartbeat(takt_ms, heartbeat_ms, least_ms):
    """The least watch_ms is 130 ms, and three of them."""
    assert line(takt_ms, watch_ms=float(least_ms), heartbeat_ms=heartbeat_ms)
    with pytest.raises(ValidationError, match=f"must be at least {least_ms}: "):
        line(takt_ms, watch_ms=least_ms - 0.5, heartbeat_ms=heartbeat_ms)


@pytest.mark.parametrize(("times", "watch"), [({"takt_ms": 5.0, "answer_ms": 2.0}, {"confirm_parts": 3}), ({"takt_ms": 500.0, "answer_ms": 49.5}, {"watch_ms": 5000.0})])
def test_the_shortest_period_that_there_is_is_named_where_it_works(times, watch):
    with pytest.raises(ValidationError, match="lower period_ms to at most 1; or leave"):
        line(**times, **watch)
    assert line(**times, **watch, period_ms=1.0)


def test_each_part_must_be_seen_at_the_gate():
    with pytest.raises(ValidationError, match=r"20\) \+ 2 x plc.answer_ms \(5\) = 30 .*at most 19"):
        line(takt_ms=29.0, confirm_parts=3)


def test_where_no_period_is_short_enough_the_takt_is_named():
    with pytest.raises(ValidationError, match=r"raise line.takt_ms.*or leave confirm_parts out"):
        line(takt_ms=5.0, answer_ms=2.1, confirm_parts=3)


@pytest.mark.parametrize("parts", [0, 101])
def test_confirm_parts_has_bounds(parts):
    with pytest.raises(ValidationError, match="confirm_parts"):
        line(confirm_parts=parts)
