"""What a client asks of the simulated PLC: never again what it has been told."""

import itertools

import pytest

from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.kit.simulator.records import Event, Log, PartRecord
from tests.line.conftest import TestLine as LineOfTest  # under its own name pytest would take it for tests


def part(number):
    return PartRecord(number, 1, number, "pass", number, number & 0xFF, False)


class Told(SimulatorProcess):
    """A client whose simulator is a log in this process; counts the records that it was given."""

    def __init__(self):
        super().__init__()
        self.logs = {"parts": Log(100, part), "events": Log(100, lambda number: Event(number, "coils", 0, ""))}
        self.given = 0

    def command(self, cmd, **parameters):
        if cmd == "quit":
            return {}
        log = self.logs[cmd]
        items, after = log.since(parameters["from"], 16)
        self.given += len(items)
        return {"items": [list(item) for item in items], "next": after, "total": log.total, "first": log.first}


@pytest.fixture
def plc():
    made = Told()
    yield made
    made.stop()


def test_who_looks_at_the_log_again_and_again_is_given_each_record_once(plc):
    """A test that waits for a part asks every 10 ms; given all of a long log each time, the PLC had no time for coils."""
    for number in range(50):
        plc.logs["parts"].append(part(number))
        assert plc.parts() == [part(known) for known in range(number + 1)]
    assert plc.given == 50
    assert plc.parts(45) == [part(known) for known in range(45, 50)]
    assert plc.events() == []
    assert plc.given == 50


def test_what_the_log_forgot_is_forgotten(plc):
    for number in range(130):
        plc.logs["parts"].append(part(number))
        if number in (20, 60):
            plc.parts()
    assert [record.number for record in plc.parts()] == list(range(30, 130))
    assert [record.number for record in plc.parts(0)] == list(range(30, 130))


def test_who_asks_from_the_middle_is_given_nothing_before_it(plc):
    for number in range(90):
        plc.logs["events"].append(Event(number, "coils", 0, ""))
    assert [event.at_ns for event in plc.events(80)] == list(range(80, 90))
    assert plc.given == 10
    assert len(plc.events()) == 90, "the rest was not taken for known"


def test_a_test_that_waits_for_parts_reads_no_log():
    """Counters alone, however many parts there were."""
    decided = itertools.count(10_000)

    class Counted:
        def decided(self):
            return next(decided)

    LineOfTest(None, Counted()).wait_parts(5)
    assert next(decided) == 10_006
