"""A recorder that looks for a target in the frames of its line: what it says while parts go by, by itself and when asked."""

from __future__ import annotations

import numpy as np
import pytest
import tomli_w

from aoi_daemon.config.lens import LEAST_MARKS
from aoi_daemon.engine.calibrate.said import watch_toml
from aoi_daemon.files.toml import parse
from aoi_daemon.stage.board import CameraCell, camera_cell
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import find_target
from aoi_daemon.target.moved import marks_of
from tests.processes.recorder_feed import RecorderFeed, write_config
from tests.unit.target.rendering import seen

TARGET = Target(5, 4, 10.0)
SIDE = 256
GOOD, KNOCKED = (seen(TARGET, size=(SIDE, SIDE), px_per_mm=3.0, shift_px=shift) for shift in ((0.0, 0.0), (4.0, 3.0)))


@pytest.fixture
def feed(tmp_path):
    """A line whose camera has the target in view; it is looked for at the start and when asked."""
    file = write_config(tmp_path, size=SIDE)
    marks = marks_of(find_target("kept", GOOD, TARGET, least=2 * LEAST_MARKS))
    watch = watch_toml(marks, TARGET, 2.0, None)
    lens = f"[cameras.calibration]\nwidth_px = {SIDE}\nheight_px = {SIDE}\npx_per_mm = 3.0\n{watch}\nevery_s = 0.0\n"
    line = parse(file.read_text())
    line["cameras"][0] |= parse(lens)["cameras"]
    file.write_text(tomli_w.dumps(line))
    found = RecorderFeed(file)
    yield found
    found.close()


def shown(feed, image: np.ndarray, wanted: str):
    """Frames of `image` come until what is said of the target begins with `wanted`."""

    def look():
        number = feed.frames[0] = feed.frames[0] + 1
        ring = feed.rings[0]
        ring.begin(number)
        ring.planes(number)[0][: image.size] = image.ravel()
        ring.publish(number, (SIDE, SIDE, 1), fov=0, trigger_ns=number, ready_ns=number, has_template=False)
        feed.shared.board[camera_cell(0, CameraCell.FRAME)] = number
        said = feed.hear().get("targets", {}).get("cam0")
        return said is not None and said.startswith(wanted) and bool(said) is bool(wanted)

    feed.wait_for(look, 30, f"{wanted!r} to be said of the target")


def test_a_knocked_camera_is_said_when_the_target_is_looked_for_until_it_is_back(feed):
    feed.start()
    assert feed.hear()["targets"] == {"cam0": None}
    shown(feed, GOOD, "")
    assert feed.process.tell(do="targets")
    shown(feed, KNOCKED, "camera cam0: the target lies +")
    shown(feed, GOOD, "")
    assert feed.stop() == "exit code 0"
    assert feed.log().count('"event": "target"') == 2
