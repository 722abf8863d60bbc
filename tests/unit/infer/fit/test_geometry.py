"""How frames become what a model takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.fit import Fit
from aoi_daemon.infer.fit.geometry import MAX_TILES, Piece, Takes, fits_for, plan_fit

ANY = Takes(None, None, 32)
MODEL = Takes(640, 640, 32)


def test_an_exact_fit_has_no_plan():
    assert plan_fit(Fit(), (480, 640, 1), ANY) is None


@pytest.mark.parametrize(
    ("frame", "piece"),
    [
        ((1200, 1920, 3), Piece(0, 0, 1920, 1200, 0, 120, 640, 400)),
        ((3072, 4096, 1), Piece(0, 0, 4096, 3072, 0, 80, 640, 480)),
        ((480, 640, 1), Piece(0, 0, 640, 480, 0, 80, 640, 480)),
        # 377.5 px high: Ultralytics rounds to even, and gives the odd row of margin to the bottom.
        ((453, 768, 1), Piece(0, 0, 768, 453, 0, 131, 640, 378)),
        ((1001, 999, 3), Piece(0, 0, 999, 1001, 0, 0, 639, 640)),
        ((320, 240, 1), Piece(0, 0, 240, 320, 80, 0, 480, 640)),
        ((16, 16384, 1), Piece(0, 0, 16384, 16, 0, 319, 640, 1)),
    ],
)
def test_a_frame_is_letterboxed_as_ultralytics_does_it(frame, piece):
    """As ultralytics 8.4.190's LetterBox gave them, but for the last: it has no row there."""
    plan = plan_fit(Fit(kind="resize"), frame, MODEL)
    assert plan.pieces == (piece,)
    assert plan.model == (640, 640, frame[2])


@pytest.mark.parametrize(
    ("frame", "takes", "model"),
    [((650, 640, 1), ANY, (672, 640, 1)), ((640, 640, 3), ANY, (640, 640, 3)), ((500, 600, 1), MODEL, (640, 640, 1))],
)
def test_padding_goes_to_the_next_size_that_the_model_takes(frame, takes, model):
    plan = plan_fit(Fit(kind="pad", pad_value=7), frame, takes)
    assert plan.model == model
    assert plan.pieces == (Piece(0, 0, frame[1], frame[0], 0, 0, frame[1], frame[0]),)
    assert plan.pad_value == 7


@pytest.mark.parametrize(
    ("fit", "place"), [(Fit(kind="crop"), (640, 160)), (Fit(kind="crop", x_px=1280, y_px=0), (1280, 0))]
)
def test_a_crop_lies_where_it_is_said_or_in_the_middle(fit, place):
    plan = plan_fit(fit, (960, 1920, 1), MODEL)
    assert plan.pieces == (Piece(*place, 640, 640, 0, 0, 640, 640),)


def holds_for(*strategies):
    return lambda test: settings(deadline=None, max_examples=150)(given(*strategies)(test))


@holds_for(
    st.integers(16, 3000), st.integers(16, 3000), st.integers(16, 700), st.integers(16, 700), st.integers(0, 1000)
)
def test_tiles_cover_the_frame_and_share_what_is_asked(width, height, wide, high, overlap):
    overlap = min(overlap, min(wide, high) // 2)
    fit = Fit(kind="tiles", width_px=wide, height_px=high, overlap_px=overlap)
    try:
        plan = plan_fit(fit, (height, width, 1), Takes(None, None))
    except ValueError as error:
        assert f"at most {MAX_TILES}" in str(error)
        return
    assert len(plan.pieces) == plan.columns * plan.rows <= MAX_TILES
    across = sorted({(piece.x, piece.width) for piece in plan.pieces})
    down = sorted({(piece.y, piece.height) for piece in plan.pieces})
    assert len(across) == plan.columns
    assert [(piece.x, piece.y) for piece in plan.pieces] == [(x, y) for (y, _), (x, _) in itertools.product(down, across)]
    for places, length, tile in ((across, width, wide), (down, height, high)):
        assert places[0][0] == 0
        assert places[-1][0] + places[-1][1] == length
        assert {size for _, size in places} == {min(tile, length)}
        for (start, size), (following, _) in itertools.pairwise(places):
            assert start < following
            assert start + size - following >= overlap
    assert len({piece[4:] for piece in plan.pieces}) == 1


@holds_for(st.integers(100, 3000), st.integers(64, 640), st.integers(0, 32))
def test_no_fewer_tiles_would_do_but_for_the_grid_of_8_px(length, tile, overlap):
    fit = Fit(kind="tiles", width_px=tile, height_px=64, overlap_px=overlap)
    plan = plan_fit(fit, (64, length, 1), Takes(None, None))
    needed = 1 + int(np.ceil(max(0, length - tile) / ((tile - overlap) // 8 * 8)))
    assert plan.columns == needed


@pytest.mark.parametrize(
    ("fit", "frame", "takes", "said"),
    [
        (Fit(kind="tiles"), (960, 960, 1), ANY, r"fit\.height_px: missing; .* a multiple of 32"),
        (Fit(kind="resize", width_px=320, height_px=320), (960, 960, 1), MODEL, r"fit\.height_px = 320: the model takes 640 px alone"),
        (Fit(kind="tiles", width_px=330, height_px=320), (960, 960, 1), ANY, r"fit\.width_px = 330: no multiple of the model's 32"),
        (Fit(kind="tiles", overlap_px=321), (960, 960, 1), MODEL, r"fit\.overlap_px = 321: more than half of a tile of 640 x 640"),
        (Fit(kind="tiles", width_px=32, height_px=32), (960, 960, 1), ANY, "59 x 59 of 32 x 32 px are needed, at most 256"),
        (Fit(kind="pad"), (960, 500, 1), MODEL, "the model sees 640 x 640 px, the frame is 500 x 960; 'tiles'"),
        (Fit(kind="crop"), (960, 500, 1), MODEL, "the model sees 640 x 640 px, the frame is 500 x 960; 'pad'"),
        (Fit(kind="crop", x_px=321, y_px=0), (960, 960, 1), MODEL, r"fit\.x_px = 321: 640 px from there on end outside the frame's 960"),
        (Fit(kind="crop", x_px=0, y_px=400), (960, 960, 1), MODEL, r"fit\.y_px = 400"),
    ],
)  # fmt: skip
def test_a_fit_that_does_not_come_out_is_refused_with_what_would(fit, frame, takes, said):
    with pytest.raises(ValueError, match=said):
        plan_fit(fit, frame, takes)


@pytest.mark.parametrize(
    ("frame", "takes", "kinds"),
    [
        ((960, 1280, 1), MODEL, ("tiles", "resize", "crop")),
        ((500, 600, 1), MODEL, ("pad", "resize")),
        ((500, 1280, 1), MODEL, ("tiles", "resize")),
        ((650, 640, 1), ANY, ("pad",)),
    ],
)
def test_each_fit_that_is_named_as_a_remedy_comes_out(frame, takes, kinds):
    said = fits_for(frame, takes)
    assert {kind for kind in ("pad", "resize", "crop", "tiles") if f"'{kind}'" in said} >= set(kinds)
    size = {} if takes.height_px else {"width_px": 64, "height_px": 64}
    for kind in ("pad", "resize", "crop", "tiles"):
        if f"'{kind}'" in said:
            assert plan_fit(Fit(kind=kind, **({} if kind == "pad" else size)), frame, takes) is not None
