"""Which alarms are told to whom, and when."""

import pytest

from aoi_daemon.decide.alarms import Alarm, AlarmState, Event
from aoi_daemon.notifier.notice import Kind
from aoi_daemon.notifier.outcome import Outcome


def good(receiver, notice, addresses, wording):
    return Outcome(done=addresses, said="ok")


@pytest.fixture
def told(line):
    """`told(rule, **section)`: a line with that one rule, and a server that takes all."""

    def make(rule, **section):
        return line(deliver=good, **{"rules": [{"priority": "low", "to": ["hook"], **rule}], **section})

    return make


def kinds(found):
    return [(notice.kind, notice.alarm) for notice in found.sent]


def test_an_alarm_is_told_when_it_has_been_there_for_after_s_and_its_end_when_it_has_settled(told):
    found = told({"after_s": 10.0}, settle_s=60.0)
    found.raised(Alarm.PLC_LINK, "host 10.0.0.5")
    found.steps(9.5, 0.5)
    assert kinds(found) == []
    found.steps(1.0, 0.5)
    assert kinds(found) == [(Kind.RAISED, "PLC_LINK")]
    raised = found.sent[0]
    assert raised.detail == "host 10.0.0.5" and raised.since == pytest.approx(1_790_000_000.0)
    found.cleared(Alarm.PLC_LINK)
    found.steps(59.0)
    assert len(found.sent) == 1
    found.steps(3.0)
    assert kinds(found)[1:] == [(Kind.ENDED, "PLC_LINK")]
    ended = found.sent[1]
    assert ended.first == raised.id and ended.until - ended.since == pytest.approx(10.5)


def test_one_that_comes_and_goes_at_once_is_not_told(told):
    found = told({"after_s": 10.0}, settle_s=60.0)
    found.raised(Alarm.PLC_LINK)
    found.steps(5)
    found.cleared(Alarm.PLC_LINK)
    found.steps(200)
    assert kinds(found) == []


def test_one_that_came_and_went_while_nobody_looked_is_told_with_its_end(told):
    found = told({"after_s": 10.0}, settle_s=60.0)
    found.raised(Alarm.PLC_LINK)
    found.now_s += 20
    found.cleared(Alarm.PLC_LINK)
    found.now_s += 200
    found.step()
    found.step()
    assert [kind for kind, _ in kinds(found)] == [Kind.RAISED, Kind.ENDED]


def test_a_flapping_alarm_is_told_once_with_its_count(told):
    found = told({"after_s": 10.0}, settle_s=60.0)
    for _ in range(40):
        found.raised(Alarm.PLC_LINK)
        found.steps(3)
        found.cleared(Alarm.PLC_LINK)
        found.steps(3)
    assert kinds(found) == [(Kind.RAISED, "PLC_LINK")] and found.sent[0].count >= 2
    found.steps(61)
    assert kinds(found)[1:] == [(Kind.ENDED, "PLC_LINK")] and found.sent[1].count == 40


def test_rules_choose_by_name_and_by_priority(line):
    rules = [
        {"alarms": ["OPTICS"], "to": ["chat"], "after_s": 0},
        {"priority": "high", "to": ["people"], "after_s": 0, "ended": False},
        {"priority": "medium", "to": ["chat"], "after_s": 0, "ended": False},
    ]
    hooks = [{"name": name, "url": "http://127.0.0.1:9/"} for name in ("people", "chat")]
    found = line(deliver=good, rules=rules, webhook=hooks, settle_s=5.0)
    for alarm in (Alarm.OPTICS, Alarm.RECORDER_DISK, Alarm.PLC_BYPASS):  # high, medium, low
        found.raised(alarm)
    found.step()
    assert sorted((notice.receiver, notice.alarm) for notice in found.sent) == [("chat", "OPTICS"), ("chat", "RECORDER_DISK"), ("people", "OPTICS")]
    for alarm in (Alarm.OPTICS, Alarm.RECORDER_DISK, Alarm.PLC_BYPASS):
        found.cleared(alarm)
    found.steps(10)
    assert [(notice.receiver, notice.alarm) for notice in found.sent[3:]] == [("chat", "OPTICS")]


def test_it_is_told_again_until_a_person_acknowledges_it(told):
    found = told({"after_s": 0, "repeat_minutes": 5.0})
    found.raised(Alarm.PLC_LINK)
    found.steps(16 * 60, 10)
    assert [kind for kind, _ in kinds(found)] == [Kind.RAISED, Kind.STILL, Kind.STILL, Kind.STILL]
    found.move(Alarm.PLC_LINK, AlarmState.ACKNOWLEDGED, Event.ACKNOWLEDGE)
    found.steps(20 * 60, 10)
    assert len(found.sent) == 4


def test_a_latched_alarm_is_over_when_a_person_has_reset_it(told):
    found = told({"after_s": 0}, settle_s=5.0)
    found.raised(Alarm.STOP_RULE)
    found.step()
    found.move(Alarm.STOP_RULE, AlarmState.LATCHED, Event.CLEAR)
    found.steps(30)
    assert len(found.sent) == 1
    found.move(Alarm.STOP_RULE, AlarmState.NORMAL, Event.RESET)
    found.steps(10)
    assert [kind for kind, _ in kinds(found)] == [Kind.RAISED, Kind.ENDED]


def test_in_quiet_hours_nothing_is_told_and_afterwards_what_is_still_there(told, zone):
    zone("UTC")
    found = told({"after_s": 0, "quiet": "22:00-06:00"}, settle_s=5.0)
    found.wall_s = 1_790_028_000.0 - 1_790_028_000.0 % 86_400 + 23 * 3600
    found.raised(Alarm.PLC_LINK)
    found.raised(Alarm.OPTICS)
    found.steps(3600, 60)
    found.cleared(Alarm.OPTICS)
    found.steps(5.9 * 3600, 60)
    assert kinds(found) == []
    found.steps(600, 60)
    assert kinds(found) == [(Kind.RAISED, "PLC_LINK")]
    found.wall_s += 16.5 * 3600  # the next evening
    found.cleared(Alarm.PLC_LINK)
    found.steps(600, 60)
    assert len(found.sent) == 1
    found.wall_s += 8 * 3600
    found.step()
    assert kinds(found)[1:] == [(Kind.ENDED, "PLC_LINK")], "its end waits, and is not lost"


def test_after_a_restart_of_the_daemon_an_alarm_that_is_there_again_is_the_same_one(told):
    found = told({"after_s": 0}, settle_s=60.0)
    found.raised(Alarm.PLC_LINK)
    found.raised(Alarm.OPTICS)
    found.steps(5)
    found.restarted("b" * 32)
    found.steps(10)
    found.raised(Alarm.PLC_LINK)
    found.raised(Alarm.ENGINE_FAULT, "of the new start")
    found.steps(100)
    assert kinds(found) == [
        (Kind.RAISED, "PLC_LINK"), (Kind.RAISED, "OPTICS"), (Kind.RAISED, "ENGINE_FAULT"), (Kind.ENDED, "OPTICS"),
    ]  # fmt: skip
    assert found.sent[2].detail == "of the new start"


def test_a_notifier_that_is_killed_tells_nothing_twice_and_misses_nothing(told):
    found = told({"after_s": 10.0}, settle_s=60.0)
    found.raised(Alarm.PLC_LINK)
    found.steps(5)
    found.start()
    found.raised(Alarm.OPTICS)
    found.steps(12)
    found.start()
    found.steps(30)
    assert kinds(found) == [(Kind.RAISED, "PLC_LINK"), (Kind.RAISED, "OPTICS")]
    found.start()
    found.cleared(Alarm.PLC_LINK)
    found.steps(70)
    assert (found.sent[-1].kind, found.sent[-1].count) == (Kind.ENDED, 1), "each event counts once"


def test_where_events_were_lost_the_board_is_believed(told):
    found = told({"after_s": 0}, settle_s=5.0)
    found.step()
    found.raised(Alarm.PLC_LINK)
    for _ in range(1100):  # more than the ring holds
        found.writer.append("audit", {"what": "x"}, int(found.now_s * 1e9))
    found.steps(5)
    assert kinds(found) == [(Kind.RAISED, "PLC_LINK")]
    found.cleared(Alarm.PLC_LINK)
    for _ in range(1100):
        found.writer.append("audit", {"what": "x"}, int(found.now_s * 1e9))
    found.steps(20)
    assert kinds(found)[1:] == [(Kind.ENDED, "PLC_LINK")]


def test_what_this_program_does_not_know_in_an_event_is_left_alone(told):
    found = told({"after_s": 0})
    for body in ({"name": "NEW_ALARM", "state": "unacknowledged", "event": "x"}, {"name": "OPTICS", "state": "new"}, {}):
        found.writer.append("alarm", body, int(found.now_s * 1e9))
    found.steps(3)
    assert kinds(found) == []
