"""Whatever servers and power do: each notice is delivered once, or it is said that it was not, or that it is not known."""

import random
from collections import Counter

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.notifier.outcome import Outcome
from tests.unit.notifier.conftest import Line

TO = ["a@plant.example", "b@plant.example"]
SMTP = [(at, do) for at in ("greet", "ehlo", "mail", "rcpt", "data", "body") for do in (421, 451, 550, "close", "garbage", "weird")] + [
    ("taken", "close"), ("content", "close"), ("greet", "mute"), ("body", "mute"), ("taken", "mute"), ("ehlo", "drip"),
]  # fmt: skip
HTTP = [("accept", "close"), ("answer", "mute"), ("answer", "garbage")] + [("answer", do) for do in (301, 400, 401, 429, 500, 503, "close")]


class Killed(BaseException):
    """Power is gone."""


@pytest.mark.parametrize("seed", range(6))
def test_each_notice_is_delivered_once_or_told_of(server, tmp_path, line, seed):
    rng = random.Random(seed)
    smtp, web = server("smtp"), server("http")
    mail_before, web_before = len(smtp.taken), len(web.taken)
    smtp_faults = [fault(rng, SMTP) for _ in range(rng.randint(4, 10))]
    web_faults = [{**fault(rng, HTTP), "taken": rng.random() < 0.5} for _ in range(rng.randint(2, 6))]
    smtp.faults(*smtp_faults)
    web.faults(*web_faults)
    mails = [{"name": "people", "host": "127.0.0.1", "port": smtp.port, "tls": "none", "sender": "aoi@plant.example", "to": TO}]
    rules = [{"priority": "low", "to": ["people", "hook"], "after_s": 0}]
    hooks = [{"name": "hook", "url": f"http://127.0.0.1:{web.port}/"}]
    found = line(mail=mails, webhook=hooks, rules=rules, timeout_s=0.5, at_most_per_hour=100)
    for alarm in rng.sample(list(Alarm), 4):
        found.raised(alarm)
        found.step(rng.uniform(1, 20))
        if rng.random() < 0.5:
            found.start()  # killed between two steps, and started again
    for _ in range(60):
        found.step(700)
        if not found.facts["waiting"]:
            break
    check(found, smtp.taken[mail_before:], web.taken[web_before:])


def fault(rng, faults):
    at, do = rng.choice(faults)
    return {"at": at, "do": do, **({"to": rng.choice(TO)} if at == "rcpt" and rng.random() < 0.5 else {})}


def check(found: Line, mails, posts):
    facts = found.facts
    queued = {notice.id: notice for notice, *_ in found.outcomes}
    assert len(queued) == 8 and facts["waiting"] == 0
    assert facts["delivered"] + facts["refused"] + facts["given_up"] == len(queued)
    taken = Counter()
    for mail in mails:
        identity = mail["mail"].partition("Message-ID: <")[2].partition("@")[0]
        taken.update((identity, address) for address in mail["taken"])
    for post in posts:
        taken[post["headers"]["idempotency-key"], ""] += 1
    for identity, notice in queued.items():
        mine = [outcome for one, _, outcome, _ in found.outcomes if one.id == identity]
        unsure = sum(outcome.unsure for outcome in mine)
        for address in TO if notice.receiver == "people" else [""]:
            done = sum(address in outcome.done for outcome in mine)
            refused = any(address in outcome.refused for outcome in mine)
            unheard = found.unheard[identity]
            assert 1 <= done + refused <= 1 + unheard, (notice, mine)
            assert done <= taken[identity, address] <= done + unsure, (notice, mine)
    assert all(took_s < 3.5 for *_, took_s in found.outcomes)


@pytest.mark.parametrize("seed", range(25))
def test_a_power_cut_at_any_moment_loses_no_notice_and_repeats_none_that_was_heard_of(line, tmp_path, seed):
    """The disk keeps what was written before the cut; the server has what it had taken."""
    rng = random.Random(seed)
    taken, cut = Counter(), Counter()

    def deliver(receiver, notice, addresses, wording):
        kind = rng.random()
        if kind < 0.3:
            return Outcome(what="greylisted", remedy="-", of_server=kind < 0.15)
        taken[notice.alarm, notice.kind] += 1
        if kind < 0.4:
            return Outcome(what="no answer", remedy="-", of_server=True, unsure=True)
        return Outcome(done=addresses, said="250")

    found = line(deliver=deliver, at_most_per_hour=1000, settle_s=30.0)
    alarms = rng.sample(list(Alarm), 5)
    for alarm in alarms:
        found.raised(alarm)
        for _ in range(rng.randint(0, 3)):
            found.step(rng.uniform(0.2, 5))
        if rng.random() < 0.6:
            killed_while_saving(found, rng, cut)
    for _ in range(100):
        found.step(60)
        if not found.facts["waiting"]:
            break
    for alarm in alarms:
        times = sum(count for (name, _), count in taken.items() if name == alarm.name)
        assert times >= 1, alarm
    assert found.facts["delivered"] == len(alarms)
    repeated = [key for key, count in taken.items() if count > 1]
    assert len(repeated) <= found.facts["twice"], (taken, found.facts)


def killed_while_saving(found: Line, rng, cut: Counter) -> None:
    """A cut before or after one of the next writes; what was under way then is heard of by nobody."""
    store, left = found.notifier._store, rng.randint(0, 3)
    after = rng.random() < 0.5
    real = type(store).write

    def write(kept, now_s):
        nonlocal left
        left -= 1
        if left < 0 and not after:
            raise Killed
        real(store, kept, now_s)
        if left < 0:
            raise Killed

    store.write = write
    try:
        for _ in range(6):
            found.step(1.0)
    except Killed:
        cut["cuts"] += 1
    found.start()


def test_a_server_that_is_away_for_a_day_is_given_up_by_running_time_and_it_is_said(line):
    found = line(deliver=lambda *_: Outcome(what="nobody listens there", remedy="start it", of_server=True), give_up_h=2.0)
    found.raised(Alarm.PLC_LINK)
    found.steps(3600, 60)
    assert found.facts["state"] == "hook: nobody listens there" and found.facts["remedy"] == "start it"
    assert len(found.outcomes) < 20, "it is tried less and less often"
    found.wall_s += 30 * 86_400  # a clock that was wrong gives nothing up
    found.start()
    found.step()
    assert (found.facts["waiting"], found.facts["given_up"]) == (1, 0)
    found.steps(3700, 60)
    assert (found.facts["waiting"], found.facts["given_up"]) == (0, 1)
    assert "given up after 2" in found.facts["state"]
    found.deliver = lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok")
    found.start()
    found.raised(Alarm.OPTICS)
    found.step()
    assert found.facts["state"] == "ok" and found.facts["given_up"] == 1


def test_one_that_was_under_way_when_all_ended_is_said_to_have_perhaps_arrived(line):
    found = line(deliver=lambda *_: Outcome(what="away", remedy="-", of_server=True), give_up_h=0.5)
    found.raised(Alarm.PLC_LINK)
    found.notifier.step(found.now_s, found.wall_s)  # begun, and never heard of
    found.start()
    found.step()
    (entry,) = found.notifier._outbox.entries
    assert entry.unsure and found.facts["twice"] == 1


def test_one_notice_that_a_server_will_not_have_does_not_hold_up_the_next(line):
    def deliver(receiver, notice, addresses, wording):
        if notice.alarm == "PLC_LINK":
            return Outcome(what="451 greylisted", remedy="-")
        return Outcome(done=addresses, said="ok")

    found = line(deliver=deliver)
    found.raised(Alarm.PLC_LINK)
    found.raised(Alarm.OPTICS)
    found.steps(3)
    assert [notice.alarm for notice in found.sent] == ["OPTICS"]
    assert found.facts["waiting"] == 1


def test_a_disk_that_is_full_stops_no_notice_and_is_said(line):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"))
    (found.folder / "notices").write_text("a file where the folder should be")
    found.raised(Alarm.PLC_LINK)
    found.step()
    assert [notice.alarm for notice in found.sent] == ["PLC_LINK"]
    assert "notices.folder" in found.facts["state"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":2}', b'{"version":1,"entries":[{}]}', b'{"version":1,"episodes":[{"alarm":"PLC_LINK","since":"x"}]}', b"\xff\x00", b'{"version":1,"counts":{"held":"x"}}'])  # fmt: skip
def test_a_damaged_file_is_moved_aside_and_the_rest_goes_on(line, content):
    found = line(deliver=lambda receiver, notice, addresses, wording: Outcome(done=addresses, said="ok"))
    folder = found.folder / "notices"
    folder.mkdir()
    (folder / "notices.json").write_bytes(content)
    found.raised(Alarm.PLC_LINK)
    found.step()
    assert [notice.alarm for notice in found.sent] == ["PLC_LINK"]
    assert [path.read_bytes() for path in folder.glob("notices.json.damaged-*")] == [content]


def test_a_receiver_that_was_taken_out_ends_what_waited_for_it(line):
    found = line(deliver=lambda *_: Outcome(what="away", remedy="-", of_server=True))
    found.raised(Alarm.PLC_LINK)
    found.step()
    found.section = {**found.section, "webhook": [{"name": "other", "url": "http://127.0.0.1:9/"}], "rules": [{"priority": "low", "to": ["other"]}]}
    found.start()
    found.step()
    assert (found.facts["waiting"], found.facts["given_up"]) == (0, 1)
