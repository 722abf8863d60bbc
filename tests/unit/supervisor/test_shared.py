"""Which descriptors each stage is given."""

import os

import pytest

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.supervisor.shared import Shared


@pytest.fixture
def shared():
    cameras = [{"kind": "replay", "name": name, "source": ".", "max_width_px": 16, "max_height_px": 16} for name in "ab"]
    with Shared(LineConfig.model_validate({"cameras": cameras})) as made:
        yield made


def test_each_camera_has_a_pipe_of_triggers_of_its_own(shared):
    """And plc writes to all of them."""
    plc = shared.fds_for("plc", 0)
    for camera in range(2):
        os.write(plc[f"triggers{camera}_w"], bytes([camera]))
    for camera in range(2):
        fds = shared.fds_for("acquire", camera)
        assert [name for name in fds if name.startswith("triggers")] == [f"triggers{camera}_r"]
        assert os.read(fds[f"triggers{camera}_r"], 10) == bytes([camera])


def test_no_stage_has_what_it_does_not_need(shared):
    assert not any(name.startswith("triggers") for name in shared.fds_for("inspection", 0))
    assert not any(name.endswith("_r") for name in shared.fds_for("plc", 0) if name.startswith("triggers"))
