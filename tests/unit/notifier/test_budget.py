"""At most so many an hour, whatever comes; and of each notice that was not sent it is told that it was not."""

import random

import pytest

from aoi_daemon.decide.alarms import KINDS, Alarm, Priority
from aoi_daemon.notifier.notice import Kind
from aoi_daemon.notifier.outcome import Outcome


def storm(found, rng, hours, alarms):
    """Alarms come and go at random for `hours`; when each notice went out, in s."""
    there = set()
    while hours > 0:
        alarm = rng.choice(alarms)
        (found.cleared if alarm in there else found.raised)(alarm)
        there ^= {alarm}
        by_s = rng.uniform(5, 120)
        found.step(by_s)
        hours -= by_s / 3600
    for alarm in there:
        found.cleared(alarm)


@pytest.mark.parametrize("seed", range(4))
def test_never_more_than_so_many_in_any_hour_and_what_was_not_sent_is_counted(line, seed):
    rng = random.Random(seed)
    times = []
    away = [True]

    def deliver(receiver, notice, addresses, wording):
        if away[0] and rng.random() < 0.5:
            return Outcome(what="away", remedy="-", of_server=True)
        times.append(found.now_s)
        return Outcome(done=addresses, said="ok")

    found = line(deliver=deliver, at_most_per_hour=10, settle_s=10.0)
    storm(found, rng, 6, list(Alarm))
    away[0] = False
    found.steps(5 * 3600, 60)
    times.sort()
    assert max(sum(at <= other < at + 3600 for other in times) for at in times) <= 10
    facts = found.facts
    assert facts["waiting"] == facts["holding"] == 0
    closing = [notice for notice in found.sent if notice.kind is Kind.HELD]
    assert facts["held"] == sum(sum(notice.held.values()) for notice in closing) > 0
    assert facts["delivered"] == len(found.sent)


def test_a_storm_of_lesser_alarms_does_not_hide_one_of_high_priority(line):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"), at_most_per_hour=8, settle_s=1.0)
    for _ in range(12):
        found.raised(Alarm.RECORDER_DISK)
        found.steps(5)
        found.cleared(Alarm.RECORDER_DISK)
        found.steps(5)
    assert KINDS[Alarm.RECORDER_DISK].priority < Priority.HIGH and len(found.sent) == 5
    found.raised(Alarm.PLC_LINK)
    found.step()
    assert found.sent[-1].alarm == "PLC_LINK"


def test_one_line_closes_a_storm_and_names_what_is_still_there(line):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"), at_most_per_hour=4, settle_s=5.0)
    for alarm in list(Alarm)[:10]:
        found.raised(alarm)
    found.steps(5)
    assert len(found.sent) == 3
    found.steps(1200, 10)
    closing = found.sent[3]
    assert closing.kind is Kind.HELD and sum(closing.held.values()) == 7 and len(closing.standing) == 7
    assert found.facts["holding"] == 0
    found.steps(3600, 60)
    found.cleared(Alarm[closing.standing[0]])
    found.steps(60, 10)
    assert (found.sent[-1].kind, found.sent[-1].first) == (Kind.ENDED, closing.id), "whoever was told of it is told of its end"


def test_of_one_that_was_held_back_and_has_gone_the_end_is_not_told(line):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"), at_most_per_hour=8, settle_s=5.0)
    for alarm in list(Alarm)[:9]:
        found.raised(alarm)
    found.steps(2)
    held = {alarm.name for alarm in list(Alarm)[:9]} - {notice.alarm for notice in found.sent}
    assert held
    for name in held:
        found.cleared(Alarm[name])
    found.steps(7200, 60)
    assert not any(notice.kind is Kind.ENDED for notice in found.sent)
    assert sum(sum(notice.held.values()) for notice in found.sent) == len(held)


def test_the_limit_outlasts_a_restart(line):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"), at_most_per_hour=4)
    for alarm in (Alarm.CAMERA_LOST, Alarm.OPTICS, Alarm.PLC_LINK):
        found.raised(alarm)
    found.steps(3)
    found.start()
    found.raised(Alarm.ENGINE_FAULT)
    found.steps(3)
    assert len(found.sent) == 3 and found.facts["holding"] == 1
