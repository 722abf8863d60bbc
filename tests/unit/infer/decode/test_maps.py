"""Maps become detections."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.tasks import MapReading
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.maps import Maps
from tests.unit.infer.manifests import manifest_of

SHAPE = (240, 320, 1)
NAMES = ("background", "scratch", "dent")


def anomaly(values, shape=SHAPE, min_area_px=0.0, full_score=1.0, **reading):
    """Detections of an anomaly map (h, w)."""
    maps = Maps(manifest_of("anomaly", full_score=full_score), MapReading(**reading), min_area_px=min_area_px)
    return maps.decode([values.astype(np.float32)[None, None]], shape)


def segment(values, min_area_px=0.0, **reading):
    """Detections of maps (3, h, w)."""
    manifest = manifest_of("segment", NAMES, good_classes=("background",))
    maps = Maps(manifest, MapReading(**reading), min_area_px=min_area_px)
    return maps.decode([values.astype(np.float32)[None]], SHAPE)


def blank(shape=(240, 320)):
    return np.zeros(shape, np.float32)


def test_an_area_at_or_above_the_threshold_is_a_box_around_it():
    """Corners are one past the last place; its greatest value is the score."""
    values = blank()
    values[50:60, 100:130] = 0.5
    values[55, 110] = 0.9
    found = anomaly(values)
    assert found.boxes.tolist() == [[100, 50, 130, 60]]
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.classes.tolist() == [0]
    assert [array.dtype for array in found] == [np.float32, np.float32, np.int32]


def test_the_mean_is_taken_over_the_area_alone():
    """Neither over its box, nor over another area that reaches into it."""
    values = blank()
    values[50:60, 100] = 0.6
    values[59, 100:110] = 0.6
    values[52:54, 105:107] = 1.0
    found = anomaly(values, score="mean")
    assert found.scores.tolist() == pytest.approx([1.0, 0.6])
    assert found.boxes.tolist() == [[105, 52, 107, 54], [100, 50, 110, 60]]


def test_nothing_above_the_threshold_gives_no_row():
    """And a threshold of its own counts."""
    values = blank()
    values[5:9, 5:9] = 0.49
    assert [array.shape for array in anomaly(values)] == [(0, 4), (0,), (0,)]
    assert len(anomaly(values, threshold=0.4).scores) == 1


def test_areas_touch_at_corners_too():
    """A scratch that runs aslant is one."""
    values = blank()
    for i in range(20):
        values[50 + i, 80 + i] = 1
    assert anomaly(values).boxes.tolist() == [[80, 50, 100, 70]]


def test_small_areas_do_not_count():
    """By their places, not by their boxes: an L of 19 places in a box of 100."""
    values = blank()
    values[50:60, 100] = values[59, 100:110] = 1
    assert len(anomaly(values, min_area_px=19).scores) == 1
    assert len(anomaly(values, min_area_px=19.5).scores) == 0


def test_a_hole_is_no_part_of_an_area():
    """A ring of 36 places, around 64 that are below the threshold."""
    values = blank()
    values[50:60, 50:60] = 0.8
    values[51:59, 51:59] = 0.1
    assert anomaly(values, score="mean", min_area_px=36).scores.tolist() == pytest.approx([0.8])
    assert len(anomaly(values, min_area_px=37).scores) == 0


def test_a_map_smaller_than_the_frame_is_scaled_up():
    """Boxes and areas are in pixels of the frame, here 4 x 8 for each place."""
    values = blank((30, 80))
    values[10:12, 20:30] = 1
    assert anomaly(values).boxes.tolist() == [[80, 80, 120, 96]]
    assert len(anomaly(values, min_area_px=640).scores) == 1
    assert len(anomaly(values, min_area_px=641).scores) == 0


def test_a_score_of_its_own_scale_is_brought_to_one():
    """An anomaly model's distances have no bound; threshold and score are shares of `full_score`."""
    values = blank()
    values[50:60, 50:60] = 30
    values[80:90, 50:60] = 19
    values[110:120, 50:60] = 70
    found = anomaly(values, full_score=40.0)
    assert found.scores.tolist() == pytest.approx([1.0, 0.75])


def test_a_segmentations_probabilities_have_no_other_scale():
    """`full_score` is for anomalies; twice the threshold would pass what the model is sure of."""
    values = np.stack([blank()] * 3)
    values[1, 50:60, 50:60] = 0.75
    manifest = manifest_of("segment", NAMES, good_classes=("background",), full_score=2.0)
    found = Maps(manifest, MapReading(), min_area_px=0).decode([values[None]], SHAPE)
    assert (found.classes.tolist(), found.scores.tolist()) == ([1], [0.75])


def test_each_class_has_its_own_areas_and_the_good_ones_none():
    """They may overlap: each class has its limits."""
    values = np.stack([blank()] * 3)
    values[0] = 1
    values[1, 50:60, 50:60] = 0.8
    values[2, 55:65, 50:60] = 0.9
    found = segment(values)
    assert found.classes.tolist() == [2, 1]
    assert found.boxes.tolist() == [[50, 55, 60, 65], [50, 50, 60, 60]]


def test_a_class_without_an_area_takes_no_row_from_the_others():
    values = np.stack([blank()] * 3)
    values[2, 50:60, 80:90] = 0.8
    found = segment(values)
    assert (found.classes.tolist(), found.boxes.tolist()) == ([2], [[80, 50, 90, 60]])


def test_of_equal_scores_the_upper_area_comes_first():
    """The order of the rows is that of the records, the same in every run."""
    values = blank()
    values[4:240:4, ::4] = np.where(np.arange(80) % 3, 0.5, 0.75)
    found = anomaly(values)
    rows = list(zip((-found.scores).tolist(), found.boxes[:, 1].tolist(), found.boxes[:, 0].tolist(), strict=True))
    assert len(rows) == 59 * 80
    assert rows == sorted(rows)


def test_the_score_of_an_area_is_its_greatest_value_or_its_mean():
    values = blank()
    values[50:60, 100:110] = 0.6
    values[55, 105] = 1.0
    assert anomaly(values).scores.tolist() == [1.0]
    assert anomaly(values, score="mean").scores.tolist() == pytest.approx([0.604])


def test_the_mean_of_a_large_area_is_exact():
    """Added up in 32 bits the mean of 76800 places is off in the fourth digit."""
    assert anomaly(blank() + 0.7, score="mean").scores.tolist() == pytest.approx([0.7], rel=1e-6)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_a_map_without_a_place_is_an_engine_fault(shape):
    with pytest.raises(InferenceError, match=f"maps of {shape[1]} x {shape[0]} for a frame of 320 x 240"):
        anomaly(blank(shape))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_no_place_above_the_threshold_is_outside_every_box(places):
    """What the model saw is judged."""
    values = blank((10, 10))
    for y, x in places:
        values[y, x] = 0.7
    boxes = anomaly(values, shape=(10, 10, 1)).boxes
    for y, x in places:
        assert ((boxes[:, 0] <= x) & (x < boxes[:, 2]) & (boxes[:, 1] <= y) & (y < boxes[:, 3])).any()


@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from((0.02, 0.2, 0.5)), st.integers(0, 2**32 - 1))
def test_areas_are_those_of_the_complete_map_by_their_first_places(height, width, dense, seed):
    """Only rows and columns that reach the threshold are labelled; of equal scores the first in the map comes first."""
    values = np.where(np.random.default_rng(seed).random((height, width)) < dense, 0.7, 0.1).astype(np.float32)
    count, numbers = cv2.connectedComponents((values > 0.5).astype(np.uint8), connectivity=8)
    expected = []
    for number in range(1, count):
        y, x = np.nonzero(numbers == number)
        expected.append((y[0], x[0], [x.min(), y.min(), x.max() + 1, y.max() + 1]))
    boxes = anomaly(values, shape=(height, width, 1), threshold=0.5).boxes.tolist()
    assert boxes == [box for *_, box in sorted(expected)]


def test_a_map_at_the_threshold_to_the_last_bit_counts_in_single_precision():
    """0.7 as a float is less than 0.7: the map's own 0.7 must not be passed over."""
    values = blank()
    values[5:9, 5:9] = np.float32(0.7)
    assert len(anomaly(values, threshold=0.7).scores) == 1


def test_maps_of_two_sizes_are_read_one_after_the_other():
    """A plan may serve several frame sizes."""
    maps = Maps(manifest_of("anomaly"), MapReading(), min_area_px=0)
    for size in ((24, 32), (48, 16), (24, 32)):
        values = np.zeros((1, 1, *size), np.float32)
        values[0, 0, 2, 3] = 1
        assert maps.decode([values], (*size, 1)).boxes.tolist() == [[3, 2, 4, 3]]


def test_a_map_that_falls_apart_is_handed_on_in_all_its_pieces():
    """A recipe may tolerate, or not look at, any of them."""
    values = blank()
    values[::4, ::4] = 1
    values[102, 106] = 0.6
    found = anomaly(values)
    assert len(found.scores) == 60 * 80 + 1
    assert [106, 102, 107, 103] in found.boxes.tolist()


def test_an_area_in_the_hole_of_another_is_one_of_its_own():
    """The recipe may not look at the ring, whose centre it may be."""
    values = blank()
    values[50:70, 50:70] = 0.8
    values[52:68, 52:68] = 0
    values[54:56, 54:57] = 0.9
    found = anomaly(values)
    assert found.boxes.tolist() == [[54, 54, 57, 56], [50, 50, 70, 70]]


@pytest.mark.parametrize(
    ("maps", "problem"),
    [
        ((1, 240, 320, 3), r"maps float32 \[1, 240, 320, 3\]; expected maps float32 \[1, 3, any, any\]"),
        ((3, 240, 320), "expected maps"),
        ((1, 1, 240, 320), "expected maps"),
        ((1, 3, 0, 0), "maps of 0 x 0"),
        ((1, 3, 480, 640), "maps of 640 x 480 for a frame of 320 x 240 px"),
        ((1, 3, 80, 60), "maps of 60 x 80 for a frame of 320 x 240 px: width and height are swapped"),
    ],
)
def test_maps_of_another_layout_are_an_engine_fault(maps, problem):
    """A file may leave sizes open."""
    manifest = manifest_of("segment", NAMES, good_classes=("background",))
    with pytest.raises(InferenceError, match=problem):
        Maps(manifest, MapReading(), min_area_px=0).decode([np.zeros(maps, np.float32)], SHAPE)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_maps_of_another_type_are_an_engine_fault(dtype):
    manifest = manifest_of("anomaly")
    with pytest.raises(InferenceError, match="expected maps float32"):
        Maps(manifest, MapReading(), min_area_px=0).decode([np.zeros((1, 1, 24, 32), dtype)], SHAPE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("read", [anomaly, lambda values: segment(np.stack([values] * 3))])
def test_what_is_not_finite_is_an_engine_fault(read, value):
    """A NaN is below any threshold, and its place would pass."""
    values = blank()
    values[7, 8] = value
    with pytest.raises(InferenceError, match="not finite"):
        read(values)


@pytest.mark.parametrize("value", [-0.0009, 0.0, 0.3, 1.0, 1.0009])
def test_a_segmentation_that_says_the_same_of_all_places_is_one(value):
    """An empty frame; half precision may be a thousandth off. No score is above 1."""
    scores = segment(np.stack([blank() + value] * 3)).scores.tolist()
    assert scores == ([1.0, 1.0] if value >= 0.5 else [])


@pytest.mark.parametrize("value", [-0.0011, 1.0011, -0.5, 4.0])
def test_a_segmentation_of_logits_is_an_engine_fault(value):
    """Exported without the last softmax."""
    values = np.stack([blank()] * 3)
    values[0, 3, 3] = value
    with pytest.raises(InferenceError, match="is a softmax or sigmoid missing"):
        segment(values)


@pytest.mark.parametrize(
    ("shape", "is_taken"),
    [
        ((240, 320), True), ((1, 1), True), ((240, 1), True), ((1, 320), True), ((80, 80), True),
        ((241, 320), False), ((240, 321), False), ((80, 60), False), ((160, 120), False),
    ],
)  # fmt: skip
def test_a_map_is_as_large_as_the_frame_at_most_and_does_not_lie_across(shape, is_taken):
    if is_taken:
        assert len(anomaly(blank(shape) + 1).scores) == 1
    else:
        with pytest.raises(InferenceError, match=f"maps of {shape[1]} x {shape[0]} for a frame of 320 x 240 px"):
            anomaly(blank(shape) + 1)


def test_of_a_square_frame_no_map_lies_across():
    assert len(anomaly(blank((60, 80)) + 1, shape=(240, 240, 1)).scores) == 1


def test_an_anomaly_below_zero_is_none():
    """Its scale is the model's own."""
    assert len(anomaly(blank() - 3).scores) == 0


def test_the_outputs_are_left_alone():
    """They are the engine's."""
    values = np.random.default_rng(0).random((1, 1, 240, 320)).astype(np.float32)
    before = values.copy()
    Maps(manifest_of("anomaly"), MapReading(), min_area_px=0).decode([values], SHAPE)
    assert np.array_equal(values, before)


# -- maps of a model's best candidates alone --------------------------------------------------------


@pytest.mark.parametrize("min_area_px", [0.0, 1e6])
def test_a_map_of_the_best_alone_that_is_full_has_a_speck_which_no_area_hides(min_area_px):
    """It scores what the least place does: something was left out that may score so."""
    values = np.full((3, 24, 32), 0.6)
    values[2], values[1, 3, 4] = 0.1, 0.9
    manifest = manifest_of("segment", NAMES, good_classes=("background",), best_only=True)
    found = Maps(manifest, MapReading(), min_area_px=min_area_px).decode([values.astype(np.float32)[None]], SHAPE)
    assert found.boxes.tolist() == [[0, 0, 320, 240], [160, 120, 160, 120]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.6])
    assert found.classes.tolist() == [1, 1]
    assert len(segment(values).scores) == 1  # of a model that shows all, it is one area


def test_a_map_of_the_best_alone_with_one_place_below_has_none():
    values = np.full((3, 24, 32), 0.6)
    values[:, 3, 4] = 0.4
    manifest = manifest_of("segment", NAMES, best_only=True)
    found = Maps(manifest, MapReading(), min_area_px=0.0).decode([values.astype(np.float32)[None]], SHAPE)
    assert len(found.scores) == 3
