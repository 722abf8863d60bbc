"""What a camera's process asks plc for."""

from pathlib import Path

import pytest

from aoi_daemon.acquire.main import hears
from aoi_daemon.config.cameras import GenicamCamera, ReplayCamera
from aoi_daemon.stage.board import Hears

REPLAY = {"kind": "replay", "source": Path()}
GENICAM = {"kind": "genicam", "producer": Path()}


@pytest.mark.parametrize(
    ("camera", "wanted"),
    [
        (ReplayCamera(**REPLAY), Hears.NOTHING),
        (ReplayCamera(**REPLAY, pace="plc"), Hears.TRIGGERS),
        (GenicamCamera(**GENICAM), Hears.NOTHING),
        (GenicamCamera(**GENICAM, trigger_within_ms=5.0), Hears.READINGS),
    ],
)
def test_a_camera_hears_of_triggers_where_it_uses_them(camera, wanted):
    assert hears(camera) is wanted
