"""Pieces of a frame as the model takes them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.geometry import Takes, plan_fit

MODEL = Takes(64, 64)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def cut(fit, frame, number=0, takes=MODEL, **keys):
    return Cutting(plan_fit(fit, frame.shape, takes), **keys).image(frame, number)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_resized_frame_is_linear_centred_and_gray_beside(channels):
    """Pixel by pixel what ultralytics 8.4.190's LetterBox gives, which 300 frames of random sizes were compared with."""
    frame = noise(100, 200, channels)
    expected = np.full((64, 64, channels), 114, np.uint8)
    expected[16:48] = cv2.resize(frame, (64, 32), interpolation=cv2.INTER_LINEAR).reshape(32, 64, channels)
    np.testing.assert_array_equal(cut(Fit(kind="resize"), frame), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_smoothed_frame_is_seen_in_every_pixel_and_lies_where_the_linear_one_does(channels):
    """One in two thousand pixels is white: linear by five, most of them are never looked at; smoothed, none is lost."""
    frame = np.zeros((320, 320, channels), np.uint8)
    places = np.random.default_rng(1).integers(20, 300, (50, 2))
    frame[places[:, 0], places[:, 1]] = 255
    smooth, linear = (cut(Fit(kind="resize", smooth=on), frame).astype(int) for on in (True, False))
    seen = [smooth[y // 5 - 1 : y // 5 + 2, x // 5 - 1 : x // 5 + 2].max() for y, x in places]
    assert min(seen) > 0
    assert smooth.sum() == pytest.approx(frame.sum() / 25, rel=0.2)
    assert sum(linear[y // 5 - 1 : y // 5 + 2, x // 5 - 1 : x // 5 + 2].max() == 0 for y, x in places) > 25
    wide = noise(100, 200, channels)
    found = cut(Fit(kind="resize", smooth=True, pad_value=7), wide)
    assert (found[:16] == 7).all() and (found[48:] == 7).all() and found[16:48].std() > 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_a_tile_is_what_lies_there(channels, number):
    frame = noise(100, 150, channels)
    plan = plan_fit(Fit(kind="tiles", overlap_px=8), frame.shape, MODEL)
    piece = plan.pieces[number]
    found = Cutting(plan).image(frame, number)
    np.testing.assert_array_equal(found, frame[piece.y : piece.y + 64, piece.x : piece.x + 64])
    assert found.flags.c_contiguous


@pytest.mark.parametrize("fit", [Fit(kind="pad", pad_value=9), Fit(kind="tiles", pad_value=9)])
def test_what_is_beside_the_frame_has_the_value_that_is_asked_for(fit):
    frame = noise(50, 40, 1)
    found = cut(fit, frame)
    np.testing.assert_array_equal(found[:50, :40], frame)
    assert (found[50:] == 9).all()
    assert (found[:, 40:] == 9).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_piece_as_wide_as_the_frame_is_read_where_it_lies(channels):
    frame = noise(200, 64, channels)
    plan = plan_fit(Fit(kind="tiles", overlap_px=8), frame.shape, MODEL)
    cutting = Cutting(plan)
    for number, piece in enumerate(plan.pieces):
        found = cutting.image(frame, number)
        assert np.shares_memory(found, frame)
        np.testing.assert_array_equal(found, frame[piece.y : piece.y + 64])


def test_nothing_is_allocated_for_a_frame_but_when_it_is_opened():
    frame = noise(100, 150, 1)
    plan = plan_fit(Fit(kind="tiles", overlap_px=8), frame.shape, MODEL)
    cutting = Cutting(plan, has_template=True)
    memory = cutting.memory
    assert [array.shape for array in memory] == [(64, 64, 1)] * 2
    for number in range(len(plan.pieces)):
        assert cutting.image(frame, number) is memory[0]
        assert cutting.template(frame, number) is memory[1]


def test_a_template_of_the_recipe_is_cut_once_and_another_that_lies_in_its_place_is_not_taken_for_it():
    kept, other = noise(100, 150, 1), noise(100, 150, 1, seed=1)
    plan = plan_fit(Fit(kind="tiles", overlap_px=8), kept.shape, MODEL)
    cutting = Cutting(plan, [kept], has_template=True)
    piece = plan.pieces[3]
    first = cutting.template(kept, 3)
    np.testing.assert_array_equal(first, kept[piece.y : piece.y + 64, piece.x : piece.x + 64])
    assert cutting.template(kept, 3) is first
    view = kept[:]  # as a ring hands out its slots: another array, whose bytes change
    view[:] = other
    np.testing.assert_array_equal(cutting.template(view, 3), other[piece.y : piece.y + 64, piece.x : piece.x + 64])
    assert any(array is first for array in cutting.memory)
