"""A camera that was knocked, on a whole line: the alarm by the line's frames, its end, and the command that takes one of them."""

from __future__ import annotations

import cv2
import pytest

from aoi_daemon.cli import main
from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import find_target
from aoi_daemon.target.moved import marks_of
from tests.unit.target.rendering import seen

WIDTH, HEIGHT = 640, 480
TARGET = Target(5, 4, 10.0)


@pytest.fixture
def pictures(tmp_path):
    """Good boards with a small target beside them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        image = generate(3, number, BoardOptions(width_px=WIDTH, height_px=HEIGHT)).template
        image[20:180, 20:220] = seen(TARGET, size=(200, 160), px_per_mm=3.0)
        for ending in ("temp", "test"):
            assert cv2.imwrite(str(folder / f"{number}_{ending}.png"), image)
    return folder


@pytest.mark.long
def test_a_knocked_camera_is_an_alarm_of_a_line_that_goes_on_until_the_target_is_where_it_was(line, pictures, tmp_path, capsys):
    found = find_target("kept", cv2.imread(str(pictures / "0_test.png"), cv2.IMREAD_GRAYSCALE), TARGET, least=12)
    marks = [mark.model_dump() for mark in marks_of(found)]
    lens = {"width_px": WIDTH, "height_px": HEIGHT, "px_per_mm": 3.0, "watch": {"columns": 5, "rows": 4}}
    before = [{**mark, "x_px": mark["x_px"] + 4.0} for mark in marks]
    running = line(
        recipe={"width_px": WIDTH, "height_px": HEIGHT, "fit": {"kind": "resize", "width_px": 320, "height_px": 320}},
        camera={"source": str(pictures), "max_width_px": WIDTH, "max_height_px": HEIGHT, "calibration": {**lens, "marks": before}},
        recorder={"folder": str(tmp_path / "records"), "min_free_gb": 0.0}, takt_ms=100.0,
    )  # fmt: skip
    daemon = running.daemon

    def alarm():
        return next((row for row in daemon.status()["alarms"] if row["name"] == "TARGET_MOVED"), {"active": False})

    wait_for(lambda: alarm()["active"], 60, "the alarm")
    assert "the target lies -4.0" in alarm()["detail"]
    check = ["calibrate", "check", "--config", str(daemon.config)]
    assert main(check) == 1
    assert "px right and down of its place, 4.0" in capsys.readouterr().out
    daemon.line["cameras"][0]["calibration"] = {**lens, "marks": marks}
    daemon.write_config()
    assert daemon.ask("reload")["ok"]
    wait_for(lambda: not alarm()["active"], 60, "the end of the alarm")
    assert main(check) == 0
    running.wait_parts(3)
    assert daemon.status()["ready"]
    running.no_unproven_pass()
