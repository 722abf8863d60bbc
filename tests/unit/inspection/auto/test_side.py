"""Lanes tried side by side: what a part takes, by real processes once, and what is said of a lane that fails."""

import json
import os
import socket
from contextlib import ExitStack
from functools import partial

import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.inspection.auto import side
from aoi_daemon.inspection.auto.measure import Trials
from aoi_daemon.inspection.auto.side import SideError, Sides, serve
from aoi_daemon.inspection.auto.trial import Order, measured, tail_ms

MS = 1_000_000


def test_lanes_are_measured_in_processes_of_which_none_is_left(tmp_path, held):
    """Two lanes; and one with two views, of which one has no bundle. Long limits: a loaded machine imports for seconds."""
    _, children = held()
    make_reference_bundle(tmp_path / "bundle")
    recipe = Recipe(id=1, name="r", bundle=tmp_path / "bundle", width_px=64, height_px=64)
    view = Order(section=InspectionSection(threads=1), recipe=recipe, config_file=tmp_path / "line.toml", measure_s=0.05)
    gone = view.model_copy(update={"recipe": recipe.model_copy(update={"bundle": tmp_path / "none"})})
    orders = {
        lanes: Order(do="lanes", sides=sides, measure_s=0.05)
        for lanes, sides in ((1, ((view, gone),)), (2, ((view,), (view,))))
    }
    begun = []
    broken, two = Trials(one_s=50.0, total_s=150.0).lanes(orders, lambda _: None, begun.append)
    assert (two.lanes, two.why) == (2, "")
    assert 0 < two.p95_ms < 5000
    assert broken.p95_ms is None and broken.why.startswith("lane 0:") and "none" in broken.why
    assert begun == [1, 2]
    assert held()[1] == children


def test_numbers_for_which_there_is_no_time_are_said_to_be_missed():
    now = [0]
    trials = Trials(("/nowhere",), total_s=10.0, clock=lambda: now[0])
    now[0] = 9_500 * MS
    (row,) = trials.lanes({2: Order()}, lambda _: None, lambda _: None)
    assert row.missed and row.why == "not measured: the 10 s for all were over"


def test_a_part_takes_as_long_as_its_lanes_whatever_comes_between():
    """Nine parts at least, the gap before each left out."""
    now = [0]

    def sleep(seconds):
        now[0] += int(seconds * 1e9)

    took = iter([30, 10, 11, 12, 10, 50, 10, 10, 10, 10])

    def judge():
        now[0] += next(took) * MS

    assert tail_ms(measured(judge, 0.0, lambda: now[0], sleep)) == 11.0


class Child:
    """What `Sides` starts, as a stand-in that says `words` and ends."""

    def __init__(self, words, fd):
        self._end = socket.socket(fileno=os.dup(fd))
        self._end.sendall(words)
        self._end.close()

    def kill(self):
        pass

    def wait(self):
        pass


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (b"", "lane 0 ended while starting"),
        (b'{"step": "opening"}\n', "lane 0 ended while opening"),
        (b'{"step": "opening"}\n{"why": "no device"}\n', "lane 0: no device"),
    ],
)
def test_a_lane_that_does_not_get_ready_is_named_with_what_it_said(words, says, monkeypatch):
    monkeypatch.setattr(side.subprocess, "Popen", lambda *_, pass_fds, **__: Child(words, *pass_fds))
    with pytest.raises(SideError, match=says):
        Sides([Order()])


def test_a_lane_that_ends_while_it_is_measured_is_named(monkeypatch):
    monkeypatch.setattr(side.subprocess, "Popen", lambda *_, pass_fds, **__: Child(b'{"step": "ready"}\n', *pass_fds))
    with Sides([Order()]) as sides, pytest.raises((SideError, BrokenPipeError)):
        sides.judge()


def test_a_lane_judges_its_views_in_turn_once_for_each_word(monkeypatch):
    done = []

    monkeypatch.setattr(side, "view_of", lambda order, owned: partial(done.append, order.view) if isinstance(owned, ExitStack) else None)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"gg")
        ours.shutdown(socket.SHUT_WR)
        said = []
        serve(Order(views=(Order(view="a"), Order(view="b"))), theirs.fileno(), lambda **words: said.append(json.dumps(words)))
        assert ours.recv(9) == b"dd"
    assert done == ["a", "b", "a", "b"] and said == ['{"step": "ready"}']
