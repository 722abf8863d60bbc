"""The page for commissioning says what judges parts, and why."""

from types import SimpleNamespace

import pytest

from aoi_daemon.hmi.live import Live
from aoi_daemon.hmi.pages.commissioning import engine
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.texts.words import Words


def shown(body):
    return engine(SimpleNamespace(live=SimpleNamespace(engine=body)), Words("en"))


def test_its_name_and_all_that_was_measured_are_shown():
    text = shown({"name": "openvino int8", "why": "p95 5.4 ms, golden parts hold", "others": ["onnx fp32 20.3 ms", "a <b>"]})
    assert "<b>openvino int8</b>: p95 5.4 ms, golden parts hold" in text
    assert "onnx fp32 20.3 ms" in text and "a &lt;b&gt;" in text


def test_how_many_lanes_were_chosen_is_shown_where_they_were():
    body = {"name": "onnx fp32", "why": "named in [inspection]", "lanes": "2 lanes p95 12.0 ms; 1 lane p95 20.0 ms"}
    assert "<p>Lanes: 2 lanes p95 12.0 ms; 1 lane p95 20.0 ms</p>" in shown(body)
    assert "Lanes" not in shown({**body, "lanes": ""})


def test_before_it_is_known_nothing_is_claimed():
    assert shown({}).strip() == "<p><b>–</b></p>"


@pytest.mark.parametrize("more", [0, 300])
def test_the_last_one_that_was_heard_is_remembered_whatever_comes_after(more):
    """The page keeps 200 events; a line has thousands between two changeovers."""
    with SharedMemory.create("events", events.SIZE_BYTES) as ring, SharedMemory.create("v", verdicts.SIZE_BYTES) as parts:
        writer = EventWriter(ring)
        for name in ("onnx fp32", "openvino int8"):
            writer.append("engine", {"name": name}, 1)
        for _ in range(more):
            writer.append("line", {"was": "A"}, 2)
        memory = {"events": ring, "verdicts": parts}
        config = SimpleNamespace(line=SimpleNamespace(deadline_ms=50.0))
        live = Live(SimpleNamespace(board=None, config=config, memory=lambda name, _: memory[name]))
        assert live.engine == {"name": "openvino int8"}
