"""Alarm states after ISA-18.2."""

import json

import pytest

from aoi_daemon.decide.alarms import (
    KINDS,
    LATCHED_TRANSITIONS,
    TRANSITIONS,
    Alarm,
    Alarms,
    AlarmState,
    Event,
    alarms_in,
    mask_of,
)

PLAIN, LATCHED = Alarm.CAMERA_LOST, Alarm.STOP_RULE


def test_an_alarm_needs_clear_and_acknowledge_to_be_normal_again():
    """In either order."""
    alarms = Alarms()
    alarms.raise_(PLAIN, 1)
    alarms.clear(PLAIN, 2)
    assert alarms.state(PLAIN) is AlarmState.RETURNED
    alarms.acknowledge(3)
    assert alarms.state(PLAIN) is AlarmState.NORMAL
    alarms.raise_(PLAIN, 4)
    alarms.acknowledge(5)
    assert alarms.state(PLAIN) is AlarmState.ACKNOWLEDGED
    alarms.clear(PLAIN, 6)
    assert alarms.state(PLAIN) is AlarmState.NORMAL


def test_each_call_tells_what_it_moved():
    """Before, after, when, and what the raiser said."""
    alarms = Alarms()
    (came,) = alarms.raise_(PLAIN, 7, "camera-1: no frame for 1000 ms")
    assert came == (
        PLAIN,
        Event.RAISE,
        AlarmState.NORMAL,
        AlarmState.UNACKNOWLEDGED,
        7,
        "camera-1: no frame for 1000 ms",
    )
    assert alarms.raise_(PLAIN, 8, "camera-1: no frame for 1000 ms") == []
    assert alarms.clear(LATCHED, 9) == []


def test_a_latched_alarm_stays_active_until_a_person_resets_it():
    """Clear and acknowledge do not let go of it."""
    alarms = Alarms()
    alarms.raise_(LATCHED, 1)
    alarms.clear(LATCHED, 2)
    alarms.acknowledge(3)
    assert alarms.active_mask == mask_of(LATCHED)
    alarms.reset(4)
    assert alarms.state(LATCHED) is AlarmState.NORMAL


def test_a_latched_alarm_that_is_reset_before_it_is_acknowledged_waits_for_that():
    """It is not active any more, and still to be seen."""
    alarms = Alarms()
    alarms.raise_(LATCHED, 1)
    alarms.clear(LATCHED, 2)
    alarms.reset(3)
    assert alarms.state(LATCHED) is AlarmState.RETURNED
    assert alarms.active_mask == 0


def test_one_reset_is_enough_where_it_is_what_ends_the_condition():
    """The stop rule's condition goes some moments after the person has acknowledged and reset."""
    alarms = Alarms()
    alarms.raise_(LATCHED, 1)
    alarms.acknowledge(2)
    alarms.reset(3)
    assert alarms.active_mask == mask_of(LATCHED)
    alarms.clear(LATCHED, 4)
    assert alarms.state(LATCHED) is AlarmState.NORMAL


def test_a_reset_does_nothing_to_what_nobody_has_seen_nor_to_a_plain_alarm():
    """While their conditions are there."""
    alarms = Alarms()
    alarms.raise_(PLAIN, 1)
    alarms.raise_(LATCHED, 1)
    assert alarms.reset(2) == []
    alarms.acknowledge(3, PLAIN)
    assert alarms.reset(4, PLAIN) == []


def test_an_acknowledged_alarm_that_comes_back_is_unacknowledged():
    """Also before it was reset."""
    alarms = Alarms()
    alarms.raise_(LATCHED, 1)
    alarms.acknowledge(2)
    alarms.clear(LATCHED, 3)
    alarms.raise_(LATCHED, 4)
    assert alarms.state(LATCHED) is AlarmState.UNACKNOWLEDGED


def test_one_alarm_can_be_acknowledged_alone():
    """The others stay to be seen."""
    alarms = Alarms()
    alarms.raise_(PLAIN, 1)
    alarms.raise_(LATCHED, 1)
    alarms.acknowledge(2, PLAIN)
    assert alarms.state(PLAIN).acknowledged
    assert not alarms.state(LATCHED).acknowledged


def test_a_condition_that_is_looked_at_again_and_again_moves_the_alarm_twice():
    """`set` raises and clears."""
    alarms = Alarms()
    moved = [alarms.set(PLAIN, there, now) for now, there in enumerate([False, True, True, False, False])]
    assert [len(transitions) for transitions in moved] == [0, 1, 0, 1, 0]


def test_the_snapshot_is_json_with_what_the_operator_does_next():
    """The highest priority first, then the newest; NORMAL alarms are not in it."""
    alarms = Alarms()
    alarms.raise_(Alarm.CONFIG_REFUSED, 5, "line.toml")
    alarms.raise_(Alarm.CAMERA_LOST, 6)
    alarms.raise_(Alarm.PLC_LINK, 7)
    rows = json.loads(json.dumps(alarms.snapshot()))
    assert [row["name"] for row in rows] == ["PLC_LINK", "CAMERA_LOST", "CONFIG_REFUSED"]
    assert rows[2] == {
        "name": "CONFIG_REFUSED",
        "state": "unacknowledged",
        "active": True,
        "acknowledged": False,
        "priority": "LOW",
        "text": KINDS[Alarm.CONFIG_REFUSED].text,
        "remedy": KINDS[Alarm.CONFIG_REFUSED].remedy,
        "detail": "line.toml",
        "since_ns": 5,
        "raised": 1,
    }


def test_a_detail_is_renewed_while_the_alarm_is_active():
    """A second camera is lost as well."""
    alarms = Alarms()
    alarms.raise_(PLAIN, 1, "camera-1")
    alarms.raise_(PLAIN, 2, "camera-1, camera-2")
    assert (alarms.snapshot()[0]["detail"], alarms.snapshot()[0]["since_ns"]) == ("camera-1, camera-2", 1)


@pytest.mark.parametrize("alarm", Alarm)
def test_every_alarm_says_what_it_is_and_what_to_do(alarm):
    """A text for the operator, one sentence at least of remedy, and a bit of its own in 63."""
    kind = KINDS[alarm]
    assert kind.text
    assert kind.remedy.endswith(".")
    assert 0 <= alarm < 63


def test_a_mask_tells_its_alarms():
    """The board's cell, back and forth."""
    assert alarms_in(mask_of(PLAIN, LATCHED)) == [PLAIN, LATCHED]


def test_the_table_leads_to_every_state_and_out_of_it():
    """No state is a dead end."""
    assert set(TRANSITIONS) == set(AlarmState)
    moves = [*TRANSITIONS.values(), *LATCHED_TRANSITIONS.values()]
    reached = {after for each in moves for after in each.values()}
    assert reached == set(AlarmState)
    assert all(TRANSITIONS.values())


def test_of_one_priority_and_moment_the_lower_number_is_first():
    alarms = Alarms()
    for alarm in (Alarm.PLC_LINK, Alarm.CAMERA_LOST, Alarm.OPTICS):
        alarms.raise_(alarm, 5, f"detail {alarm}")
    assert [row["name"] for row in alarms.snapshot()] == ["CAMERA_LOST", "PLC_LINK", "OPTICS"]
