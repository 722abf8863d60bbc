"""What the PLC, records and other programs know an alarm by stays what it was, whatever is added."""

import itertools

import pytest

from aoi_daemon.decide.alarm_list import KINDS, Alarm, AlarmKind, Priority, alarms_in, mask_of

PUBLISHED = [
    ("CAMERA_LOST", "HIGH"), ("ENGINE_FAULT", "HIGH"), ("GOLDEN_FAILED", "HIGH"), ("PLC_LINK", "HIGH"), ("STOP_RULE", "HIGH"),
    ("RECORDER_DISK", "MEDIUM"), ("RESTART_BUDGET", "HIGH"), ("OVERRUN", "MEDIUM"), ("OPTICS", "HIGH"), ("CONFIG_REFUSED", "LOW"),
    ("REALTIME_REFUSED", "LOW"), ("DEADLINE_MISSED", "MEDIUM"), ("STAGE_LOST", "HIGH"), ("PLC_BEHIND", "MEDIUM"),
    ("PRODUCT_DIFFERS", "HIGH"), ("PLC_REFUSED", "HIGH"), ("PLC_FROZEN", "HIGH"), ("REJECT_UNCONFIRMED", "HIGH"), ("PLC_BYPASS", "LOW"),
    ("NOT_PROVEN", "HIGH"), ("FRAME_SIZE", "HIGH"), ("CAMERA_CLOCK", "LOW"), ("CLOCK_DOUBT", "MEDIUM"),
    ("VIEW_FAULT", "HIGH"), ("TARGET_MOVED", "MEDIUM"),
]  # fmt: skip
"""By number, from 0. A new alarm is added behind them."""


def test_an_alarm_keeps_its_number_and_how_soon_it_is_for():
    assert [(alarm.name, KINDS[alarm].priority.name) for alarm in Alarm] == PUBLISHED
    assert [alarm.value for alarm in Alarm] == list(range(len(Alarm))), "a bit each"
    assert set(KINDS) == set(Alarm)


def test_a_person_resets_those_that_ask_for_a_look_at_the_line_and_no_others():
    assert [alarm.name for alarm in Alarm if KINDS[alarm].latched] == ["STOP_RULE", "RESTART_BUDGET", "REJECT_UNCONFIRMED"]
    assert not AlarmKind(Priority.LOW, "what it says", "what to do").latched


def test_what_is_sooner_is_more():
    """Lists are sorted by it."""
    assert [priority.name for priority in sorted(Priority)] == ["LOW", "MEDIUM", "HIGH"]
    assert [int(priority) for priority in Priority] == [1, 2, 3]


@pytest.mark.parametrize("several", [(), *itertools.combinations(Alarm, 1), (Alarm.OPTICS, Alarm.CAMERA_LOST), tuple(Alarm)])
def test_a_mask_holds_exactly_the_alarms_that_it_was_made_of(several):
    """Once each, however often they are named; in the order of their numbers."""
    assert mask_of(*several, *several) == sum(2**alarm for alarm in several)
    assert alarms_in(mask_of(*several)) == sorted(several)
