"""The target is found by how large its squares are in px, and not by how much of the frame it fills."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.target.board import Target
from aoi_daemon.target.find import CalibrationError, find_target
from tests.unit.target.rendering import seen

TARGET = Target(5, 4, 10.0)


@pytest.mark.parametrize("size", [(480, 640), (2048, 2448)], ids=["small frame", "large frame"])
def test_a_small_target_is_found_in_a_frame_of_any_size(size):
    frame = np.full(size, 130, np.uint8)
    frame[40:240, 30:330] = seen(TARGET, size=(300, 200), px_per_mm=2.4, blur_px=0.4)
    found = find_target("frame", frame, TARGET, least=12)
    assert found.size == size[::-1]
    # Its middle is that of what was rendered: the same number of corners on either side.
    assert np.median(found.seen_px, axis=0) == pytest.approx((30 + 149.5, 40 + 99.5), abs=3.0)


def test_how_many_corners_are_needed_is_said():
    frame = seen(TARGET, size=(300, 200), px_per_mm=3.0)
    with pytest.raises(CalibrationError, match=r"12 corners of the target are seen \(10 markers\), at least 20"):
        find_target("frame", frame, TARGET)
    assert len(find_target("frame", frame[..., None], TARGET, least=12).ids) == 12
