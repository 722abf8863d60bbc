"""What the supervisor knows of the executor, and which of them it leaves out."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.supervisor.engines import IN_A_ROW, STEADY_NS, Engines

S = 1_000_000_000
FAST = {"name": "openvino int8", "why": "p95 5.4 ms, golden parts hold", "others": ["onnx fp32 20.3 ms"], "auto": True}
NAMED = {"name": "onnx fp32", "why": "named in [inspection]", "others": [], "auto": False}


class Desk:
    def __init__(self):
        self.events, self.now = [], 0
        chronicle = SimpleNamespace(event=lambda kind, **body: self.events.append((kind, body)))
        self.engines = Engines(chronicle, SimpleNamespace(now_ns=lambda: self.now), Path("f"))

    def live(self, engine=FAST):
        self.engines.heard({"tell": "live", "proof": 1, "engine": engine})

    def lost(self, which="inspection", what="lost"):
        self.engines.event("stage", which=which, what=what, how="signal SIGSEGV")


@pytest.fixture
def desk():
    return Desk()


def test_status_says_which_and_why_and_each_start_is_an_event(desk):
    desk.live()
    shown = {"name": "openvino int8", "why": "p95 5.4 ms, golden parts hold"}
    assert desk.engines.status() == {"engine": shown, "engines": ["onnx fp32 20.3 ms"]}
    desk.live()
    assert desk.events == [("engine", FAST)] * 2, "the last one before a part says what judged it"
    desk.live({**FAST, "lanes": "2 lanes p95 12.0 ms; 1 lane p95 20.0 ms"})
    assert desk.engines.status()["engine"] == {**shown, "lanes": "2 lanes p95 12.0 ms; 1 lane p95 20.0 ms"}


def test_status_says_what_is_being_measured_or_opened(desk):
    assert desk.engines.status() == {"engine": {}, "engines": []}
    desk.engines.heard({"tell": "engine", "step": "measuring onnx fp32", "standby": False})
    assert desk.engines.status()["engine"] == {"step": "measuring onnx fp32"}
    desk.live()
    assert "step" not in desk.engines.status()["engine"]
    desk.engines.heard({"tell": "engine", "step": "measuring onnx fp32", "standby": True})
    assert "step" not in desk.engines.status()["engine"], "another judges parts meanwhile"


def test_one_that_was_lost_again_and_again_is_left_out_until_a_person_resets(desk):
    for _ in range(IN_A_ROW):
        assert desk.engines.left_out() == {}
        desk.live()
        desk.now += S
        desk.lost()
    ((name, why),) = desk.engines.left_out().items()
    assert (name, "3 times in a row" in why, "reset" in why) == ("openvino int8", True, True)
    desk.engines.reset()
    assert desk.engines.left_out() == {}


def test_one_that_is_lost_while_it_is_opened_counts_too(desk):
    """It passed its trial, and takes inspection with it."""
    for _ in range(IN_A_ROW):
        desk.engines.heard({"tell": "engine", "step": "opening openvino bf16", "opening": "openvino bf16", "standby": False})
        desk.lost()
    assert list(desk.engines.left_out()) == ["openvino bf16"]


def test_a_standby_that_is_lost_costs_the_one_on_the_line_nothing(desk):
    desk.live()
    for _ in range(IN_A_ROW):
        desk.engines.heard({"tell": "engine", "step": "opening x y", "opening": "x y", "standby": True})
        desk.lost()
    assert list(desk.engines.left_out()) == ["openvino int8"]


def test_one_that_is_lost_while_it_measures_is_lost_with_none_of_them(desk):
    desk.live()
    for _ in range(IN_A_ROW + 1):
        desk.engines.heard({"tell": "engine", "step": "measuring openvino int8", "standby": False})
        desk.lost()
    assert desk.engines.left_out() == {}


@pytest.mark.parametrize("lost", [lambda desk: desk.lost("acquire-0"), lambda desk: desk.lost("plc"), lambda desk: desk.engines.event("line", was="A", now="B")])
def test_the_loss_of_another_stage_is_none_of_the_executor(desk, lost):
    desk.live()
    for _ in range(IN_A_ROW + 1):
        lost(desk)
    assert desk.engines.left_out() == {}
    assert len(desk.events) == IN_A_ROW + 2, "each event goes on its way"


def test_a_back_end_that_is_named_is_never_left_out(desk):
    for _ in range(IN_A_ROW + 1):
        desk.live(NAMED)
        desk.lost()
    assert desk.engines.left_out() == {}


@given(st.lists(st.integers(0, 2 * STEADY_NS), max_size=12))
def test_only_losses_that_lie_close_together_count(gaps):
    desk = Desk()
    times = []
    for gap in gaps:
        desk.now += gap
        desk.live()
        desk.lost()
        times.append(desk.now)
        if desk.engines.left_out():
            break
    if desk.engines.left_out():
        assert times[-1] - times[-IN_A_ROW] <= 2 * STEADY_NS
    else:
        assert all(c - a > STEADY_NS for a, c in zip(times, times[2:], strict=False))
