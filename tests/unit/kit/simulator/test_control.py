"""The simulator's control channel shares a loop with its Modbus server: what it does there is bounded."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from aoi_daemon.kit.simulator import control as control_module
from aoi_daemon.kit.simulator.control import PAGE, Control
from aoi_daemon.kit.simulator.faults import Fault
from aoi_daemon.kit.simulator.records import Log, PartRecord

MOST_BYTES = 8192
CLIENTS, QUERIES = 5, 4


class Loop:
    """Stands for `asyncio` in the module: writes down when the channel leaves the loop to others."""

    def __init__(self, did):
        self.did = did

    def __getattr__(self, name):
        return getattr(asyncio, name)

    async def sleep(self, seconds):
        assert seconds > 0
        self.did.append("leaves")
        await asyncio.sleep(0)
        self.did.append("back")


@pytest.fixture
def did(monkeypatch):
    noted = []
    monkeypatch.setattr(control_module, "asyncio", Loop(noted))
    return noted


def channel(did, decided):
    """A channel of a PLC that has decided so many parts."""
    parts = Log(max(decided, 1), blank=lambda number: number)
    for number in range(decided):
        parts.append(PartRecord(number, 2, 1 << 50, "reject", 1 << 50, 255, True))

    def since(start, limit):
        did.append("works")
        return Log.since(parts, start, limit)

    def status():
        did.append("works")
        return {}

    log = SimpleNamespace(since=since, total=parts.total, first=parts.first)
    plc = SimpleNamespace(tracker=SimpleNamespace(parts=log, events=log), status=status)
    return Control(plc, SimpleNamespace(fault=Fault(), connections=()), stop=lambda: None)


@pytest.mark.parametrize("query", ["parts", "events"])
def test_an_answer_is_a_small_page_however_long_the_log_is(did, query):
    """Each record is turned into JSON while no coil is served."""
    answer = asyncio.run(channel(did, 5000)._answer(json.dumps({"cmd": query, "from": 0}).encode()))
    assert 0 < len(answer["items"]) <= PAGE <= 64
    assert len(json.dumps(answer)) <= MOST_BYTES
    assert (answer["next"], answer["total"], answer["first"]) == (PAGE, 5000, 0)


@pytest.mark.parametrize("query", ["status", "parts", "events"])
def test_whoever_asks_the_loop_is_left_to_modbus_between_two_answers(did, query):
    """Five clients that ask without a pause get one answer a gap, not five."""

    async def clients():
        served = channel(did, 5000)
        line = json.dumps({"cmd": query}).encode()

        async def client():
            for _ in range(QUERIES):
                assert (await served._answer(line))["ok"]

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    asyncio.run(clients())
    assert did == ["leaves", "back", "works"] * CLIENTS * QUERIES
