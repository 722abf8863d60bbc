"""Cameras whose frames are not of the product's size raise an alarm that names both."""

from pathlib import Path

import pytest

from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, camera_cell, pack_size
from aoi_daemon.supervisor.alarm_watch import frames_misfit

CAMERAS = [ReplayCamera(kind="replay", source=".", name=f"camera-{number}") for number in (1, 2, 3)]


@pytest.fixture
def alarm():
    """What is said when the last frames of cameras are of `sizes`, by number, None where they fit."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        board = Board(memory)

        def ask(*sizes, in_use=1):
            board[Cell.RECIPE] = in_use
            for index, size in enumerate(sizes):
                board[camera_cell(index, CameraCell.MISFIT)] = 0 if size is None else pack_size(*size)
            recipe = Recipe(id=1, name="demo", bundle=Path("b"), width_px=320, height_px=320)
            return frames_misfit(board, CAMERAS, recipe).get(Alarm.FRAME_SIZE, "")

        yield ask
        board._cells.release()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((None, (640, 480, 1), None), "camera-2 gives 640 x 480; recipe demo is 320 x 320"),
        (((640, 480, 1), None, (320, 240, 1)), "camera-1 gives 640 x 480, camera-3 gives 320 x 240; recipe demo is 320 x 320"),
        ((None, (320, 320, 3)), "camera-2 gives 320 x 320 x 3 channels; recipe demo is 320 x 320 x 1 channel"),
        ((None, None, None), ""),
    ],
)
def test_both_sizes_and_the_camera_are_named(alarm, sizes, said):
    assert alarm(*sizes) == said


def test_it_goes_when_the_frames_fit(alarm):
    assert alarm((640, 480, 1))
    assert not alarm(None)


def test_frames_of_the_product_before_are_no_alarm_of_this_one(alarm):
    """While a changeover is under way the board still has the old one."""
    assert not alarm((640, 480, 1), in_use=2)
