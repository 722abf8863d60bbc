"""Frames larger than the model's, on a whole line: in tiles, and made smaller."""

from __future__ import annotations

import cv2
import pytest

from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.messages import Reason, unpack_defects

WIDTH, HEIGHT = 640, 480
DAMAGE = (300, 220, 340, 260)
"""Where four tiles of 320 x 320 px meet."""


@pytest.fixture
def large(tmp_path):
    """A folder of good boards of 640 x 480 px, every second one with a square of damage on the seams."""
    folder = tmp_path / "large"
    folder.mkdir()
    for index in range(4):
        template = generate(3, index, BoardOptions(width_px=WIDTH, height_px=HEIGHT)).template
        test = template.copy()
        if index % 2:
            x1, y1, x2, y2 = DAMAGE
            test[y1:y2, x1:x2] = 255 - test[y1:y2, x1:x2]
        for ending, image in (("temp", template), ("test", test)):
            assert cv2.imwrite(str(folder / f"board{index}_{ending}.png"), image)
    return folder


@pytest.mark.parametrize("kind", ["tiles", pytest.param("resize", marks=pytest.mark.long)])
def test_a_damaged_board_is_rejected_where_it_is_damaged_and_good_ones_pass(line, large, kind):
    """By a bundle whose golden parts are 320 x 320 px. The boxes are in pixels of the frame."""
    running = line(
        recipe={"width_px": WIDTH, "height_px": HEIGHT, "fit": {"kind": kind, "width_px": 320, "height_px": 320}},
        takt_ms=200.0,
        camera={"source": str(large), "max_width_px": WIDTH, "max_height_px": HEIGHT},
    )  # fmt: skip
    running.wait_parts(8)
    running.no_unproven_pass()
    judged = [outcome for outcome in running.outcomes() if outcome.judged_ns]
    rejected = [outcome for outcome in judged if outcome.reason == Reason.DEFECT]
    assert len([outcome for outcome in judged if outcome.passed]) >= 3
    assert len(rejected) >= 3
    for outcome in rejected:
        for defect in unpack_defects(outcome.defects, outcome.defect_count):
            assert defect.x1 < DAMAGE[2] + 32 and defect.x2 > DAMAGE[0] - 32
            assert defect.y1 < DAMAGE[3] + 32 and defect.y2 > DAMAGE[1] - 32


@pytest.mark.long
def test_a_takt_that_some_of_the_tiles_do_not_fit_passes_no_part(line, large):
    """Each tile takes its milliseconds; what was found until the time was over is no verdict."""
    running = line(
        recipe={"width_px": WIDTH, "height_px": HEIGHT, "fit": {"kind": "tiles", "width_px": 48, "height_px": 48, "overlap_px": 8}},
        camera={"source": str(large), "max_width_px": WIDTH, "max_height_px": HEIGHT}, takt_ms=100.0, deadline_ms=20.0,
        inspection={"warm_up_runs": 1},
    )  # fmt: skip
    running.wait_parts(6)
    running.no_unproven_pass()
    assert not any(outcome.passed for outcome in running.outcomes())
    assert Reason.LATE in {outcome.reason for outcome in running.outcomes()}
