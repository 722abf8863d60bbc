"""Frames in tiles on a TensorRT engine of one size."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.errors import InferenceTimeoutError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.fit import executor as fit_executor
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.fit.geometry import Takes, plan_fit
from tests.unit.infer.trt.trt_fakes import RUN_NS

FRAME = (56, 84, 1)
"""In tiles of 32 x 48 px: two rows of two."""
TILES = Fit(kind="tiles", overlap_px=0)


@pytest.fixture
def tiled(opened, manifest, monkeypatch):
    """The executor in tiles, and what it wraps."""

    def open_one(fit=TILES, **options):
        plan = plan_fit(fit, FRAME, Takes(32, 48))
        cutting = Cutting(plan, has_template=options.get("template", False))
        one = opened(pinned=cutting.memory, **options)
        monkeypatch.setattr(fit_executor, "time", one.clock)
        bundle = manifest(has_template=options.get("template", False))
        return FittedExecutor(one.executor, plan, bundle, cutting, least_score=0.75), one

    return open_one


@pytest.mark.parametrize("tile", [(0, 0, 48, 32), (36, 24, 84, 56)])
def test_each_tile_is_answered_from_its_own_pixels_and_told_in_px_of_the_frame(tiled, tile):
    """The fake engine answers a box around what it was shown, as certain as that is bright."""
    executor, _ = tiled()
    frame = np.full(FRAME, 20, np.uint8)
    x1, y1, x2, y2 = tile
    frame[y1:y2, x1:x2] = 204
    found = executor.infer(frame, None, NO_DEADLINE)
    best = found.scores.argmax()
    assert found.scores[best] == pytest.approx(0.8)
    assert found.boxes[best].tolist() == list(tile)
    assert (found.scores < 0.79).sum() == len(found.scores) - 1


def test_what_tiles_are_copied_from_is_page_locked(tiled):
    executor, one = tiled(template=True)
    assert {array.shape for array in executor._cutting.memory} == {(32, 48, 1)}
    assert len(one.device.registered) == 2


@pytest.mark.parametrize("runs", [0, 1, 2, 3])
def test_time_that_runs_out_on_the_gpu_ends_the_part_and_the_next_one_is_its_own(tiled, runs):
    executor, one = tiled()
    frame = np.full(FRAME, 20, np.uint8)
    bright = np.full(FRAME, 204, np.uint8)
    with pytest.raises(InferenceTimeoutError):
        executor.infer(bright, None, one.clock.monotonic_ns() + runs * RUN_NS + RUN_NS // 2)
    found = executor.infer(frame, None, NO_DEADLINE)
    assert found.scores.max() == pytest.approx(20 / 255)
