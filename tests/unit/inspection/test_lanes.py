"""The lanes beside lane 0: which cameras each has, what they are told, and that none is lost unseen."""

import select
import socket
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.inspection import lanes as module
from aoi_daemon.inspection.lanes import LaneLostError, Lanes, cameras_of
from aoi_daemon.ring.parcel import receive, send
from aoi_daemon.stage.board import lane_cell


@given(st.integers(1, 8), st.integers(1, 8))
def test_each_camera_is_judged_by_one_lane_and_no_lane_has_many_more_than_another(lanes, cameras):
    dealt = [cameras_of(lane, lanes, cameras) for lane in range(lanes)]
    assert sorted(camera for each in dealt for camera in each) == list(range(cameras))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


class Process:
    """Stands in for a lane's process: `theirs` is its end of the control socket, `end` lets it end."""

    def __init__(self, name, index, _log) -> None:
        self.index, self.started = index, []
        self.control, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        alive, self.lives = socket.socketpair()
        self._alive = alive
        self.pidfd = alive.fileno()

    def start(self, setup) -> None:
        self.started.append(setup.index)

    def end(self) -> None:
        self.lives.close()

    @property
    def has_ended(self) -> bool:
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def reap(self) -> str:
        return "signal SIGKILL"

    def heard(self):
        found = []
        while select.select([self.control], [], [], 0)[0]:
            if (message := receive(self.control)) is None:
                break
            found.append(message[0])
        return found

    def tell(self, **command) -> bool:
        try:
            send(self.control, command)
        except OSError:
            return False
        return True

    hand = tell

    def close(self) -> None:
        for each in (self.control, self.theirs, self._alive, self.lives):
            each.close()


@pytest.fixture
def three(monkeypatch):
    """Lane 0 of three, its board and the supervisor's messages."""
    monkeypatch.setattr(module, "StageProcess", Process)
    monkeypatch.setattr(module, "replace", lambda setup, index: SimpleNamespace(index=index))
    board, said = {lane_cell(1): 100, lane_cell(2): 100}, []
    stage = SimpleNamespace(
        config=SimpleNamespace(inspection=SimpleNamespace(lanes=3)), setup=SimpleNamespace(index=0), board=board,
        tell=lambda **message: said.append(message),
    )  # fmt: skip
    found = Lanes(stage)
    yield found, found._processes, board, said
    for process in found._processes:
        process.close()


def test_lane_0_alone_starts_the_others(three, monkeypatch):
    lanes, processes, _, _ = three
    lanes.start()
    assert [process.started for process in processes] == [[1], [2]]
    other = Lanes(SimpleNamespace(config=SimpleNamespace(inspection=SimpleNamespace(lanes=3)), setup=SimpleNamespace(index=2), board={}))
    assert other.fds == [] and other.hear("lane", 0) == [] and other.slowest_ns(7) == 7


def test_the_line_moves_as_its_slowest_lane_does(three):
    lanes, _, board, _ = three
    board[lane_cell(2)] = 40
    assert lanes.slowest_ns(1000) == 40
    board[lane_cell(1)], board[lane_cell(2)] = 2000, 3000
    assert lanes.slowest_ns(1000) == 1000, "lane 0 itself is the slowest"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_the_lanes_say_is_told_in_their_order_whoever_was_first(three, order):
    lanes, processes, _, said = three
    for which in order:
        send(processes[which].theirs, {"tell": "realtime_refused"})
        send(processes[which].theirs, {"tell": "engine", "step": "opening"})
        send(processes[which].theirs, {"tell": "lane", "wrong": [f"g{which}"]})
    assert [message["wrong"] for message in lanes.hear("lane", 5)] == [["g0"], ["g1"]]
    assert said == [{"tell": "realtime_refused"}] * 2, "of the engine lane 0 speaks alone"


def test_a_lane_that_says_nothing_ends_the_wait(three):
    lanes, processes, _, _ = three
    send(processes[0].theirs, {"tell": "lane_live"})
    with pytest.raises(LaneLostError, match=r"lane 2 has not said 'lane_live' within 0.05 s"):
        lanes.hear("lane_live", 0.05)


def test_what_all_have_said_counts_though_the_time_was_over_as_it_was_read(three, monkeypatch):
    lanes, processes, _, _ = three
    now = [0]
    monkeypatch.setattr(lanes, "_now_ns", lambda: now[0])
    awaited = lanes.awaits("lane_live", 2.0)
    send(processes[1].theirs, {"tell": "lane_live"})
    assert lanes.answers(awaited) is None, "one is missing, and there is time"
    send(processes[0].theirs, {"tell": "lane_live"})
    now[0] = 2_000_000_001
    assert [message["tell"] for message in lanes.answers(awaited)] == ["lane_live", "lane_live"]


@pytest.mark.parametrize("which", [0, 1])
def test_a_lane_that_has_ended_ends_the_stage_whatever_it_does(three, which):
    lanes, processes, _, _ = three
    lanes.check()
    processes[which].end()
    for wait in (lanes.check, lambda: lanes.hear("lane", 5)):
        with pytest.raises(LaneLostError, match=f"lane {which + 1} ended: signal SIGKILL"):
            wait()


def test_each_lane_hears_what_it_is_told_and_one_that_cannot_ends_the_stage(three):
    lanes, processes, _, _ = three
    lanes.tell(do="recipe", recipe="{}")
    assert [receive(process.theirs)[0]["do"] for process in processes] == ["recipe", "recipe"]
    processes[1].theirs.close()
    with pytest.raises(LaneLostError, match="lane 2 does not take 'retire'"):
        lanes.tell(do="retire")
    lanes.close()
