"""Boards that do not lie on their templates, on a whole line."""

import cv2
import numpy as np
import pytest

from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from tests.line.conftest import OPTIONS

SHIFT_PX = 7
"""At 48 px per mm, 15 hundredths of a millimetre; the reference model tolerates 2 px."""


@pytest.fixture
def shifted(tmp_path):
    """A folder of good boards, each moved to the right, and one that is another board."""
    folder = tmp_path / "shifted"
    folder.mkdir()
    matrix = np.array([[1.0, 0.0, SHIFT_PX], [0.0, 1.0, 0.0]])
    for index in range(6):
        template = generate(3, index, OPTIONS).template
        test = cv2.warpAffine(template, matrix, template.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        if index == 5:
            test = generate(3, 99, OPTIONS).template
        for ending, image in (("temp", template), ("test", test)):
            assert cv2.imwrite(str(folder / f"board{index}_{ending}.png"), image)
    return folder


def test_boards_beside_their_templates_pass_once_they_are_aligned_and_another_board_never(line, shifted):
    """The offset is in the record and in the registers."""
    running = line(
        recipe={"registration": {"max_offset": 12.0}}, camera={"source": str(shifted)}, plc={"registers": {"base": 0}}
    )
    running.wait_parts(18)
    running.no_unproven_pass()
    outcomes = [outcome for outcome in running.outcomes() if outcome.judged_ns]
    passed = [outcome for outcome in outcomes if outcome.passed]
    rejected = [outcome for outcome in outcomes if outcome.reason == Reason.REGISTRATION]
    assert len(passed) >= 8
    assert all(abs(outcome.offset_x - SHIFT_PX / 0.48) <= 1 and abs(outcome.offset_y) <= 1 for outcome in passed)
    assert len(rejected) >= 2
    assert len(passed) + len(rejected) == len(outcomes)
    assert running.plc.status()["report"]["offset_x"] in (0, 14, 15)


@pytest.mark.long
def test_a_reload_brings_registration_to_a_running_line(line, shifted):
    """Inspection starts anew for it; the line is READY again on its own."""
    running = line(camera={"source": str(shifted)})
    running.wait_parts(6)
    pid = running.stage("inspection")
    running.daemon.recipes["demo"]["registration"] = {"max_offset": 12.0}
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    wait_for(lambda: running.stage("inspection") != pid, 20, "another inspection process")
    running.daemon.wait_ready()
    running.wait_parts(12)
    assert any(outcome.passed for outcome in running.outcomes())
