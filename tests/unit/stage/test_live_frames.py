"""Frames of a running line are copied complete, of the field of view that is asked for, or not at all."""

from __future__ import annotations

import threading

import pytest

from aoi_daemon.errors import AoiError
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage import live_frames
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, camera_cell
from aoi_daemon.stage.live_frames import LiveFrames, frames_of_line

SIDE = 16
CAMERA = 2
LAYOUT = RingLayout(4, SIDE, SIDE, 1)


class Acquire:
    """The writer's side of a board and a ring."""

    def __init__(self, memories):
        self.board, self.ring = Board(memories[0]), FrameRing(memories[1], LAYOUT)
        self.frames = LiveFrames(self.board, self.ring, CAMERA)

    def come(self, *fovs):
        for fov in fovs:
            number = self.frames.newest + 1
            self.ring.begin(number)
            self.ring.planes(number)[0][:] = number
            self.ring.publish(number, (SIDE, SIDE, 1), fov=fov, trigger_ns=0, ready_ns=number, has_template=False)
            self.board[camera_cell(CAMERA, CameraCell.FRAME)] = number


@pytest.fixture
def acquire():
    with SharedMemory.create("board", SIZE_BYTES) as board, SharedMemory.create("ring", LAYOUT.size_bytes) as ring:
        made = Acquire((board, ring))
        yield made
        made.board._cells.release()


def test_the_newest_frame_is_copied_and_stays_as_it_was(acquire):
    assert acquire.frames.copy() is None
    acquire.come(0, 1)
    found = acquire.frames.copy()
    acquire.come(0, 0, 0, 0, 0)
    assert (found.number, found.fov, found.image.shape) == (2, 1, (SIDE, SIDE, 1))
    assert (found.image == 2).all()


@pytest.mark.parametrize(
    ("came", "after", "fov", "number"),
    [
        ((0, 1, 0), 0, None, 3), ((0, 1, 0), 0, 1, 2), ((0, 1, 0), 2, 1, None), ((0, 1, 0), 3, None, None), ((0, 1, 0), 0, 5, None),
        ((1, 0, 0, 0), 0, 1, None),
    ],
    ids=["newest", "of a fov", "seen before", "none since", "no such fov", "about to be written over"],
)  # fmt: skip
def test_what_is_asked_for_is_copied_or_nothing(acquire, came, after, fov, number):
    acquire.come(*came)
    found = acquire.frames.copy(after=after, fov=fov)
    assert (found and found.number) == number


def test_a_frame_that_is_written_over_while_it_is_copied_is_none(acquire, monkeypatch):
    acquire.come(0, 0)
    whole = acquire.ring.frame

    def lapped(number):
        found = whole(number)
        acquire.ring.begin(number + LAYOUT.slots)
        return found

    monkeypatch.setattr(acquire.ring, "frame", lapped)
    assert acquire.frames.copy() is None


def test_the_next_frame_is_one_that_comes_after_the_question(acquire):
    """What lay there before may be of before the target was laid down."""
    acquire.come(0, 0)
    assert acquire.frames.next_frame(0.02) is None
    later = threading.Timer(0.05, acquire.come, (1, 0))
    later.start()
    try:
        assert acquire.frames.next_frame(10.0, fov=1).number == 3
    finally:
        later.join()


def test_a_line_that_has_no_such_camera_says_which_it_has(monkeypatch, tmp_path):
    refused = {"ok": False, "error": "no camera is called 'x' (there: top)"}
    monkeypatch.setattr(live_frames, "request", lambda *_: (refused, []))
    with pytest.raises(AoiError, match=r"no camera is called 'x' \(there: top\)"), frames_of_line(tmp_path / "s", "x"):
        pass
