"""What happened is in the journal and in the event ring: of the PLC a few lines of a kind a minute, of a person all."""

from __future__ import annotations

from types import SimpleNamespace

from aoi_daemon.config.changes import Change
from aoi_daemon.decide.alarms import KINDS, Alarm, Alarms
from aoi_daemon.decide.line_limit import AT_MOST
from aoi_daemon.ring import events
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import Cell, Link
from aoi_daemon.supervisor.chronicle import Chronicle
from tests.unit.supervisor.conftest import S


def test_a_persons_resets_are_never_left_out(desk):
    for _ in range(50):
        assert desk.watch._chronicle.audit("reset", "Anna", "page")
    assert sum(event.kind == "audit" for event in desk.events.read()) == 50


def bodies(desk, kind):
    return [event.body for event in desk.events.read() if event.kind == kind]


def test_of_the_plcs_acts_a_few_a_minute_are_written_and_the_rest_is_told_in_one_line(desk):
    chronicle = desk.watch._chronicle
    taken = [chronicle.audit("recipe", "PLC", "plc", ok=False, detail=str(number)) for number in range(30)]
    assert taken == [True] * AT_MOST + [False] * (30 - AT_MOST)
    chronicle.look(desk.now + 59 * S)
    desk.now += 61 * S
    chronicle.look(desk.now)
    found = bodies(desk, "audit")
    assert [body["detail"] for body in found[:-1]] == [str(number) for number in range(AT_MOST)]
    assert found[-1]["detail"].startswith(f"{30 - AT_MOST} more were left out in the last minute")
    assert chronicle.audit("recipe", "PLC", "plc", detail="again")


def test_what_is_limited_of_one_act_leaves_room_for_another(desk):
    """A number that flickers must not hide a reset."""
    chronicle = desk.watch._chronicle
    for _ in range(30):
        chronicle.audit("recipe", "PLC", "plc")
    assert chronicle.audit("reset", "PLC", "plc")


def test_an_alarm_says_what_it_was_what_it_is_and_who_acknowledged_it(desk):
    desk.board[Cell.LINK] = Link.DOWN
    desk.alarms()
    desk.watch.acknowledge("PLC_LINK", "anna", desk.now)
    raised, seen = bodies(desk, "alarm")
    assert (raised["name"], raised["was"], raised["state"], raised["by"]) == ("PLC_LINK", "normal", "unacknowledged", "")
    assert (seen["was"], seen["state"], seen["by"]) == ("unacknowledged", "acknowledged", "anna")
    assert raised["priority"] == KINDS[Alarm.PLC_LINK].priority.name


def test_the_journal_has_an_alarm_with_its_remedy_and_its_end_as_no_warning(desk):
    lines = []
    log = SimpleNamespace(
        info=lambda event, **facts: lines.append(("info", event, facts)),
        warning=lambda event, **facts: lines.append(("warning", event, facts)),
    )
    with SharedMemory.create("events", events.SIZE_BYTES) as ring:
        chronicle = Chronicle(EventWriter(ring), log, lambda: S)
        alarms = Alarms()
        chronicle.alarms(alarms.raise_(Alarm.PLC_LINK, S, "10.0.0.5"))
        alarms.acknowledge(S)
        chronicle.alarms(alarms.clear(Alarm.PLC_LINK, S))
    assert [(level, event, facts["state"]) for level, event, facts in lines] == [
        ("warning", "alarm", "unacknowledged"), ("info", "alarm", "normal")
    ]  # fmt: skip
    assert lines[0][2]["remedy"] == KINDS[Alarm.PLC_LINK].remedy
    assert lines[0][2]["detail"] == "10.0.0.5"


def test_a_change_is_written_down_field_by_field(desk):
    desk.watch._chronicle.audit("reload", "anna", "page", changed=[Change("plc.port", 502, 503)])
    (body,) = bodies(desk, "audit")
    assert body["changes"] == [Change("plc.port", 502, 503)._asdict()]
