"""Boxes in px as lengths in mm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from aoi_daemon.config.lens import Lens
from aoi_daemon.decide.lengths import half_diagonal_px, middle_px, size_mm, straightened


def lens(**keys):
    return Lens(**{"width_px": 1280, "height_px": 960, "px_per_mm": 5.0, **keys})


def test_without_distortion_a_length_is_px_by_scale():
    assert size_mm(lens(), (100, 200, 150, 300)) == pytest.approx((10, 20))


@given(st.floats(-0.3, 1), st.floats(-0.3, 1), st.floats(0, 1279), st.floats(0, 959))
def test_what_is_straightened_is_seen_where_it_was(k1, k2, x, y):
    """Of every lens that is taken, at each place of the frame: the inverse of the model."""
    try:
        of = lens(k1=k1, k2=k2)
    except ValueError:
        reject()
    true = (straightened(of, ((x, y),)) - middle_px(of)) / half_diagonal_px(of)
    squared = (true**2).sum()
    seen = true * (1 + k1 * squared + k2 * squared**2) * half_diagonal_px(of) + middle_px(of)
    assert np.abs(seen - (x, y)).max() < 1e-6


@pytest.mark.parametrize(("k1", "k2"), [(-0.3, 0.0), (-0.2, -0.05), (0.0, -0.5), (0.5, -1.0)])
def test_what_no_lens_does_is_refused(k1, k2):
    """Such keys have no inverse within the frame, and nothing is told by them."""
    with pytest.raises(ValueError, match="two places would be seen in one"):
        lens(k1=k1, k2=k2)


def test_the_middle_stays_and_barrel_distortion_makes_what_lies_outside_larger_again():
    of = lens(k1=-0.1)
    assert straightened(of, (middle_px(of),))[0] == pytest.approx(middle_px(of))
    assert size_mm(of, (1200, 470, 1250, 490))[0] > 11
    assert size_mm(of, (615, 470, 665, 490))[0] == pytest.approx(10, rel=1e-2)
