"""Frames are brought onto their templates, or rejected."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.kit.boards.options import Colour, Style
from tests.unit.infer.boards_at import board_at, moved, with_discs

FOV = 3
LIMIT_PX = 10.0
EXACT_PX = 0.3
PLACES = [(80.0, 90.0), (550.0, 80.0), (90.0, 560.0), (560.0, 550.0)]


def recipe(image, **settings):
    height_px, width_px, channels = image.shape
    settings = {"max_offset": LIMIT_PX, **settings}
    return Recipe(
        id=1, name="r", bundle=Path("b"), width_px=width_px, height_px=height_px, channels=channels,
        registration=settings,
    )  # fmt: skip


def registrar(template, **settings):
    return Registrar(recipe(template, **settings), {FOV: template})


def marks(places, half_px=30):
    return [{"corners": ((x - half_px, y - half_px), (x + half_px, y + half_px))} for x, y in places]


def align(test, template, **settings):
    return registrar(template, **settings).align(test, None, FOV)


def off_px(alignment, dx_px, dy_px):
    """How far the estimate is off, in the worse direction."""
    assert alignment.fault == ""
    return max(abs(alignment.pose.dx_px - dx_px), abs(alignment.pose.dy_px - dy_px))


# -- by phase ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(9, 39), st.integers(-32, 32), st.integers(-32, 32), st.sampled_from(list(Style)))
def test_a_known_shift_is_found_between_pixels(index, quarters_x, quarters_y, style):
    """Up to 8 px each way, with the generator's edge noise, dust, light and defects.

    Of 1,000 boards 11 were further off, by 0.6 px at most: their few edges are rough over pixels.
    """
    dx_px, dy_px = quarters_x / 4, quarters_y / 4
    test, template = board_at(index, dx_px, dy_px, style=style)
    assert off_px(align(test, template, max_offset=12.0), dx_px, dy_px) <= EXACT_PX


@pytest.mark.parametrize("turn_deg", [-0.3, 0.3])
def test_a_little_turned_board_is_found_where_its_middle_is(turn_deg):
    """Phase correlation gives no turn; it must not be led astray by one."""
    test, template = board_at(1, 2.5, -1.25, turn_deg=turn_deg)
    assert off_px(align(test, template), 2.5, -1.25) <= EXACT_PX


@pytest.mark.parametrize(
    ("size", "colour"), [((320, 320), "mono"), ((720, 480), "bgr"), ((1001, 701), "mono"), ((1280, 1024), "mono")]
)
def test_frames_of_any_size_and_colour_are_aligned(size, colour):
    """The work is done on a smaller picture of a size that is quick to transform."""
    test, template = board_at(4, 3.4, -2.7, size=size, colour=Colour(colour))
    found = align(test, template)
    assert off_px(found, 3.4, -2.7) <= EXACT_PX
    assert found.image.shape == test.shape


@pytest.mark.parametrize("index", range(4))
def test_a_defect_does_not_pull_the_estimate(index):
    """A spot of 60 x 60 px, and a part of the board that is missing at the border."""
    test, template = board_at(index, 1.75, -3.5)
    before = align(test, template).pose
    test[200:260, 300:360] = 255 - test[200:260, 300:360]
    test[:, :40] = test.max()
    after = align(test, template).pose
    assert math.hypot(after.dx_px - before.dx_px, after.dy_px - before.dy_px) < 0.15


def test_a_change_of_light_does_not_pull_the_estimate():
    """Half as bright, and brighter towards one side."""
    test, template = board_at(3, -4.25, 2.0, style=Style.GRAY)
    dim = (test * np.linspace(0.4, 0.6, test.shape[1])[None, :, None]).astype(np.uint8)
    assert off_px(align(dim, template), -4.25, 2.0) <= EXACT_PX


def test_the_aligned_frame_lies_on_its_template():
    """And the board's own defects and dust are all that is left."""
    test, template = board_at(2, 6.0, -5.0, style=Style.GRAY, good=1.0)
    found = align(test, template)
    inner = (slice(16, -16), slice(16, -16))
    before = np.abs(test[inner].astype(int) - template[inner]).mean()
    after = np.abs(found.image[inner].astype(int) - template[inner]).mean()
    assert after < before / 2.5


def test_a_whole_shift_gives_back_the_very_pixels():
    """Up to what came in at the border."""
    _, template = board_at(5, 0, 0)
    one = registrar(template)
    found = one.align(moved(template, 4, -3), None, FOV)
    assert off_px(found, 4, -3) < 0.1
    # A tenth of a pixel, on an edge of 255 gray levels; OpenCV 4 knows 1/32 px.
    assert np.abs(found.image[8:-8, 8:-8].astype(int) - template[8:-8, 8:-8]).max() <= 32


def test_a_frame_that_lies_right_is_judged_in_place():
    """Nothing is copied; interpolation would only blur it."""
    test, template = board_at(6, 0.05, -0.05, style=Style.GRAY)
    found = align(test, template)
    assert found.image is test


def test_the_frame_itself_is_left_alone():
    """It is the ring's slot, and the recorder reads it."""
    test, template = board_at(7, 3.0, 3.0)
    copies = test.copy(), template.copy()
    one = registrar(template)
    one.align(test, None, FOV)
    one.align(test, template, FOV)
    assert np.array_equal(test, copies[0])
    assert np.array_equal(template, copies[1])


def test_a_template_that_comes_with_the_frame_serves_as_the_recipes_does():
    """And takes nothing of the recipe's."""
    test, template = board_at(8, -2.5, 1.5)
    other_test, other = board_at(9, 4.0, 4.0)
    one = registrar(other)
    assert one.align(test, template, FOV).pose == align(test, template).pose
    assert one.align(test, template, 99).pose == align(test, template).pose
    assert one.align(other_test, None, FOV).pose == align(other_test, other).pose


def test_offsets_are_recorded_in_hundredths_of_a_millimetre():
    """Where the board lies: to the right and down. 4.8 px at 48 px per mm are 0.1 mm."""
    test, template = board_at(10, 4.8, -9.6)
    found = align(test, template, max_offset=15.0)
    assert (abs(found.offset_x - 10) <= 1, abs(found.offset_y + 20) <= 1) == (True, True)


# -- what is rejected -------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0, 2 * math.pi), st.floats(LIMIT_PX + 1, 20))
def test_a_board_beyond_the_limit_is_rejected(index, angle, distance_px):
    """Whether the place is still found, with its offset, or not."""
    test, template = board_at(index, distance_px * math.cos(angle), distance_px * math.sin(angle))
    found = align(test, template)
    assert found.image is None
    assert found.fault


def test_what_lies_a_little_beyond_the_limit_is_rejected_with_its_offset():
    """The PLC is told how far."""
    test, template = board_at(1, 11.0, 0.0)
    found = align(test, template)
    assert found.image is None
    assert found.fault.endswith("px beside its template, at most 10")
    assert abs(found.offset_x - round(11.0 / 0.48)) <= 1


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 100))
def test_another_board_is_rejected(index, further):
    """Of the same kind, with the same widths and pitches."""
    test, _ = board_at(index, 0, 0)
    _, template = board_at(index + further, 0, 0)
    try:
        found = align(test, template)
    except ModelError:
        return  # a template that nothing can be aligned to
    assert (found.image, found.offset_x, found.offset_y) == (None, 0, 0)


@pytest.mark.parametrize("gray", [0, 128, 255])
def test_an_empty_frame_is_rejected(gray):
    """Nothing was found, so nothing is proven."""
    _, template = board_at(1, 0, 0)
    found = align(np.full_like(template, gray), template)
    assert (found.image, found.fault) == (None, "the frame is flat")


def test_noise_is_rejected():
    """It has structure, and none of it is the board's."""
    _, template = board_at(1, 0, 0)
    noise = np.random.default_rng(0).integers(0, 256, template.shape, np.uint8)
    assert align(noise, template).image is None


def test_a_negative_is_rejected():
    """Its correlation is as strong, and the other way round."""
    test, template = board_at(1, 1, 1)
    assert align(255 - test, template).image is None


def test_a_board_that_matches_less_than_the_recipe_asks_for_is_rejected():
    """Here half of it is covered."""
    test, template = board_at(2, 1, 1)
    test[:, 320:] = 128
    match = align(test, template, min_match=0.1).pose.match
    assert 0.1 < match < 0.95
    assert align(test, template, min_match=match - 0.01).image is not None
    assert align(test, template, min_match=match + 0.01).image is None


def test_a_board_that_repeats_is_rejected_when_it_lies_one_pitch_off():
    """The peak at the wrong place is nearly as high; the true one is higher, and beyond the limit."""
    rng = np.random.default_rng(1)
    pitch_px = 32
    sheet = np.full((704, 704), 230, np.uint8)
    for y in range(0, 704, pitch_px):
        for x in range(0, 704, pitch_px):
            sheet[y + 8 : y + 20, x + 8 : x + 20 + 6 * (rng.random() < 0.1)] = 40
    sheet = sheet[..., None]
    template = np.ascontiguousarray(sheet[32:672, 32:672])
    assert off_px(align(np.ascontiguousarray(sheet[32:672, 29:669]), template), 3, 0) <= EXACT_PX
    assert align(np.ascontiguousarray(sheet[32:672, :640]), template).image is None


def test_a_flat_template_that_comes_with_the_frame_rejects_it():
    """There is nothing to align to."""
    test, template = board_at(1, 0, 0)
    found = registrar(template).align(test, np.full_like(test, 200), FOV)
    assert (found.image, found.fault) == (None, "the template is flat")


def test_a_field_without_a_template_is_rejected():
    """Neither the recipe nor the frame has one."""
    test, template = board_at(1, 0, 0)
    assert registrar(template).align(test, None, FOV + 1).fault == f"there is no template of fov {FOV + 1}"


@pytest.mark.parametrize(
    ("stripes", "fault"), [(0, "is flat"), (1, "has edges in one direction alone")], ids=["flat", "parallel traces"]
)
def test_a_template_that_shows_no_place_is_refused_at_the_start(stripes, fault):
    """Parallel traces may lie anywhere along themselves."""
    template = np.full((640, 640, 1), 230, np.uint8)
    template[:, ::40][:, : 16 * stripes] = 40
    with pytest.raises(
        ModelError, match=f"template of fov {FOV} cannot be aligned to: the template {fault}.*fiducials"
    ):
        registrar(template)


# -- by fiducials -----------------------------------------------------------------------------------


def turned(places, dx_px, dy_px, turn_deg, size_px=640):
    """Where `places` of the template lie in the frame."""
    middle = complex((size_px - 1) / 2, (size_px - 1) / 2)
    turn = np.exp(1j * math.radians(turn_deg))
    found = [turn * (complex(x, y) - middle) + middle + complex(dx_px, dy_px) for x, y in places]
    return [(z.real, z.imag) for z in found]


def marked(index, dx_px, dy_px, turn_deg=0.0, count=4):
    test, template = board_at(index, dx_px, dy_px, turn_deg=turn_deg)
    return with_discs(test, turned(PLACES[:count], dx_px, dy_px, turn_deg)), with_discs(template, PLACES[:count])


def align_marked(test, template, count=4, **settings):
    return align(test, template, method="fiducials", fiducials=marks(PLACES[:count]), **settings)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000), st.integers(-32, 32), st.integers(-32, 32), st.integers(-6, 6), st.sampled_from((2, 3, 4))
)
def test_fiducials_give_shift_and_turn(index, quarters_x, quarters_y, turn_tenths, count):
    """Within 0.3 px in the middle, and within 0.03 degrees: 0.2 px in a corner."""
    dx_px, dy_px, turn_deg = quarters_x / 4 * 0.7, quarters_y / 4 * 0.7, turn_tenths / 10
    found = align_marked(*marked(index, dx_px, dy_px, turn_deg, count), count, max_offset=12.0)
    assert off_px(found, dx_px, dy_px) <= EXACT_PX
    assert abs(math.degrees(found.pose.turn_rad) - turn_deg) <= 0.03


def test_a_turned_frame_is_turned_back():
    """Also in the corners, 5 px off before."""
    test, template = marked(3, 2.0, -1.0, 0.7)
    found = align_marked(test, template, max_offset=12.0)
    corner = (slice(60, 120), slice(50, 110))  # the first disc
    before = np.abs(test[corner].astype(int) - template[corner]).mean()
    after = np.abs(found.image[corner].astype(int) - template[corner]).mean()
    assert after < before / 4


def test_one_fiducial_gives_the_shift_alone():
    """There is nothing to tell a turn by."""
    found = align_marked(*marked(2, 3.25, -1.5, count=1), count=1)
    assert off_px(found, 3.25, -1.5) <= EXACT_PX
    assert found.pose.turn_rad == 0


def test_fiducials_of_a_template_that_comes_with_the_frame_are_cut_from_it():
    """At the recipe's places."""
    test, template = marked(2, 3.25, -1.5)
    one = registrar(marked(5, 0, 0)[1], method="fiducials", fiducials=marks(PLACES))
    assert one.align(test, template, FOV + 7).pose == align_marked(test, template).pose


def test_fiducials_are_found_in_colour():
    """By their gray values."""
    test, template = (np.repeat(image, 3, axis=2) for image in marked(2, 3.25, -1.5))
    assert off_px(align_marked(test, template), 3.25, -1.5) <= EXACT_PX


def test_fiducials_of_another_field_are_not_looked_for():
    """And a field with none is rejected."""
    test, template = marked(2, 1.0, 1.0, count=1)
    one = registrar(template, method="fiducials", fiducials=[{"fov": FOV, **marks(PLACES)[0]}])
    assert one.align(test, None, FOV).image is not None
    assert one.align(test, template, FOV + 1).fault == f"fov {FOV + 1} has no fiducial"


def test_a_missing_fiducial_rejects_the_part():
    """It may be covered, or it may be another product."""
    test, template = marked(2, 1.0, 1.0)
    x, y = PLACES[2]
    test[int(y) - 40 : int(y) + 40, int(x) - 40 : int(x) + 40] = 220
    found = align_marked(test, template)
    assert found.image is None
    assert "fiducial at x 60 to 120, y 530 to 590 px" in found.fault


def test_a_fiducial_that_is_half_covered_rejects_the_part():
    """The fault names it, and how well it matches."""
    test, template = marked(2, 1.0, 1.0)
    x, y = PLACES[2]
    test[int(y) - 40 : int(y) + 4, int(x) - 40 : int(x) + 40] = 220
    found = align_marked(test, template)
    assert found.image is None
    assert "fiducial at x 60 to 120, y 530 to 590 px matches 0." in found.fault


def test_fiducials_beyond_the_limit_reject_the_part():
    """They are not looked for so far off, or found there and refused."""
    for dx_px in (10.6, 14.0):
        assert align_marked(*marked(2, dx_px, 0.0)).image is None


def test_fiducials_that_disagree_reject_the_part():
    """One of them is something else, or the board is stretched."""
    test, template = board_at(2, 0, 0)
    template = with_discs(template, PLACES)
    test = with_discs(test, [(PLACES[0][0] + 6, PLACES[0][1]), *PLACES[1:]])
    found = align_marked(test, template)
    assert found.image is None
    assert "off from what the others say" in found.fault


def test_a_fiducial_that_matches_elsewhere_too_rejects_the_part():
    """One pad of a row of them, all alike."""
    template = np.full((640, 640, 1), 230, np.uint8)
    template[290:310, 200:400][:, np.arange(200) % 8 < 4] = 40
    found = align(template, template, method="fiducials", fiducials=marks([(300, 300)]))
    assert found.image is None
    assert "matches elsewhere" in found.fault


def test_a_fiducial_without_anything_on_it_is_refused_at_the_start():
    """OpenCV's correlation finds such a mark anywhere."""
    template = np.full((640, 640, 1), 230, np.uint8)
    with pytest.raises(ModelError, match="fiducial at x 50 to 110, y 60 to 120 px is flat in the template"):
        registrar(template, method="fiducials", fiducials=marks(PLACES[:1]))
    test, good = marked(2, 0, 0)
    one = registrar(good, method="fiducials", fiducials=marks(PLACES))
    assert "is flat in the template" in one.align(test, template, FOV).fault


@pytest.mark.parametrize("gray", [0, 255])
def test_an_empty_frame_has_no_fiducials(gray):
    """A flat area correlates with nothing."""
    _, template = marked(2, 0, 0)
    assert align_marked(np.full_like(template, gray), template).image is None


# -- cost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["phase", "fiducials"])
@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_is_allocated_once_it_is_warm(method, channels):
    """Everything is taken at the start; what is left are Python's own small objects."""
    test, template = (np.repeat(image, channels, axis=2) for image in marked(2, 3.25, -1.5))
    one = registrar(template, method=method, fiducials=marks(PLACES) if method == "fiducials" else ())
    one.warm_up(2)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for brought in (None, template):
            assert one.align(test, brought, FOV).image is one.aligned
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 32_768


def test_the_time_it_took_is_told():
    """It counts against the part's own."""
    test, template = board_at(1, 1, 1)
    assert 0 < align(test, template).took_ns < 1e9
