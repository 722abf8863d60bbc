"""Cameras whose frames are not of the product's size raise an alarm that names both."""

from pathlib import Path

import pytest

from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Reason
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, camera_cell, pack_size, pack_view_fault
from aoi_daemon.supervisor.alarm_watch import frames_misfit, views_missed

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


VIEWS = [{"name": "top", "camera": "camera-1"}, {"name": "side", "camera": "camera-2", "fov": 0, "width_px": 64}]


@pytest.fixture
def viewed():
    """A board, and a recipe with a view of each of two cameras."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        board = Board(memory)
        board[Cell.RECIPE] = 1
        yield board, Recipe.model_validate({"id": 1, "name": "demo", "bundle": "b", "width_px": 320, "height_px": 320, "views": VIEWS})
        board._cells.release()


def test_part_after_part_without_a_view_is_an_alarm_that_names_it(viewed):
    board, recipe = viewed
    board[Cell.VIEW_FAULT] = pack_view_fault(Reason.NO_IMAGE, 1, 0)
    said = []
    for count in range(5):
        board[Cell.VIEW_FAULTS] = count
        said.append(views_missed(board, CAMERAS[:2], recipe).get(Alarm.VIEW_FAULT, ""))
    assert said[:3] == [""] * 3
    assert said[3] == "view side (camera camera-2, fov 0): NO_IMAGE, 3 parts in a row were rejected for a view"
    board[Cell.RECIPE] = 2
    assert not views_missed(board, CAMERAS[:2], recipe), "of the product before"


def test_a_picture_that_no_view_names_is_told_by_camera_and_field_of_view(viewed):
    board, recipe = viewed
    board[Cell.VIEW_FAULTS], board[Cell.VIEW_FAULT] = 9, pack_view_fault(Reason.NO_RECIPE, 0, 7)
    assert views_missed(board, CAMERAS[:2], recipe)[Alarm.VIEW_FAULT].startswith("camera camera-1, fov 7: NO_RECIPE")


def test_a_frame_of_another_size_than_its_view_is_said_by_the_view(viewed):
    board, recipe = viewed
    board[camera_cell(1, CameraCell.MISFIT)] = pack_size(320, 320, 1)
    assert frames_misfit(board, CAMERAS[:2], recipe) == {
        Alarm.FRAME_SIZE: "camera-2 gives 320 x 320; view side of recipe demo is 64 x 320"
    }
