"""Which decoder reads a bundle's outputs, and from 100 rows to detections."""

import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.classes import ClassScores
from aoi_daemon.infer.decode.decode import Rows, decode, decoder_for
from aoi_daemon.infer.decode.maps import Maps
from aoi_daemon.infer.decode.yolo import YoloHeads
from aoi_daemon.infer.executor import Detections
from tests.unit.infer.manifests import manifest_of

SHAPE = (48, 64, 1)


def recipe(**keys):
    return Recipe.model_validate({"id": 1, "name": "r", "bundle": "b", "width_px": 64, "height_px": 48, **keys})


@pytest.mark.parametrize(
    ("task", "settings", "decoder"),
    [
        ("top100", {}, Rows),
        ("yolo", {}, YoloHeads),
        ("classify", {"activation": "sigmoid"}, ClassScores),
        ("segment", {}, Maps),
        ("anomaly", {}, Maps),
    ],
)
def test_the_task_of_the_manifest_chooses_the_decoder(task, settings, decoder):
    """With a recipe, or without as golden parts are judged."""
    manifest = manifest_of(task, **settings)
    assert type(decoder_for(manifest)) is decoder
    assert type(decoder_for(manifest, recipe())) is decoder


def test_the_rows_of_top100_are_handed_on_as_they_are():
    """Without a copy: they are the engine's own memory."""
    outputs = [np.full((1, 100, 4), 9, np.float32), np.ones((1, 100), np.float32), np.ones((1, 100), np.int32)]
    found = decoder_for(manifest_of()).decode(outputs, SHAPE)
    assert [array.shape for array in found] == [(100, 4), (100,), (100,)]
    assert all(np.shares_memory(a, b) for a, b in zip(found, outputs, strict=True))


def test_yolo_hands_on_what_any_limit_of_the_recipe_counts():
    """The lowest of them: of a class that is named, of `*`, or of those that are forgotten (0.5)."""
    heads = np.array([[30, 20, 8, 8, 0.3], [30, 20, 8, 8, 0.45], [30, 20, 8, 8, 0.7]], np.float32).T[None]

    def count(**keys):
        return len(decoder_for(manifest_of("yolo"), recipe(**keys)).decode([heads], SHAPE).scores)

    assert count(limits=[{"name": "d", "score": 0.4}]) == 2
    assert count(limits=[{"name": "d", "score": 0.9}, {"name": "*", "score": 0.3}]) == 3
    assert count(limits=[{"name": "d", "score": 0.9}]) == 1
    assert len(decoder_for(manifest_of("yolo")).decode([heads], SHAPE).scores) == 3


def test_maps_are_read_as_the_recipe_says_and_else_as_the_bundle_does():
    """Golden parts always as the bundle does."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3})
    values = np.zeros((1, 1, 48, 64), np.float32)
    values[0, 0, 4:8, 4:8] = 0.4
    assert len(decoder_for(manifest).decode([values], SHAPE).scores) == 1
    assert len(decoder_for(manifest, recipe()).decode([values], SHAPE).scores) == 1
    assert len(decoder_for(manifest, recipe(maps={})).decode([values], SHAPE).scores) == 0


def test_areas_are_in_the_recipes_unit_squared():
    """16 px are a square millimetre at 4 px per mm."""
    values = np.zeros((1, 1, 48, 64), np.float32)
    values[0, 0, 4:8, 4:8] = 1
    for min_area, count in ((1.0, 1), (1.1, 0)):
        by = recipe(unit="mm", px_per_mm=4.0, maps={"min_area": min_area})
        assert len(decoder_for(manifest_of("anomaly"), by).decode([values], SHAPE).scores) == count


@pytest.mark.parametrize(("min_area", "count"), [(16, 1), (17, 0)])
def test_without_a_recipe_areas_are_in_pixels(min_area, count):
    """As golden parts are judged."""
    values = np.zeros((1, 1, 48, 64), np.float32)
    values[0, 0, 4:8, 4:8] = 1
    manifest = manifest_of("anomaly", maps={"min_area": min_area})
    assert len(decoder_for(manifest).decode([values], SHAPE).scores) == count


@pytest.mark.parametrize("task", ["segment", "anomaly"])
def test_a_recipes_reading_of_maps_goes_with_each_task_that_has_them(task):
    assert type(decoder_for(manifest_of(task), recipe(maps={}))) is Maps


def test_without_a_recipe_all_but_background_is_handed_on():
    """From a thousandth on."""
    heads = np.array([[30, 20, 8, 8, score] for score in (0.0009, 0.00101, 0.5)], np.float32).T[None]
    found = decoder_for(manifest_of("yolo")).decode([heads], SHAPE)
    assert found.scores.tolist() == pytest.approx([0.5, 0.00101])


@pytest.mark.parametrize(("score", "is_refused"), [(0.0009, False), (0.00101, True)])
def test_rows_that_only_fill_up_may_lie_anywhere(score, is_refused):
    """Those that score are not to be shares of the frame."""
    boxes, scores = np.full((1, 100, 4), 0.5, np.float32), np.zeros((1, 100), np.float32)
    scores[0, 0] = score
    outputs = [boxes, scores, np.zeros((1, 100), np.int32)]
    if is_refused:
        with pytest.raises(InferenceError, match="boxes seem normalised"):
            decoder_for(manifest_of()).decode(outputs, SHAPE)
    else:
        assert len(decoder_for(manifest_of()).decode(outputs, SHAPE).scores) == 100


@pytest.mark.parametrize(("score", "is_refused"), [(0.499, False), (0.5, True)])
def test_what_a_limit_counts_is_not_to_be_a_share_of_the_frame(score, is_refused):
    """From the threshold on."""
    outputs = [np.full((1, 100, 4), 0.5, np.float32), np.full((1, 100), score, np.float32), np.zeros((1, 100), np.int32)]
    decoder = decoder_for(manifest_of(), recipe(limits=[{"name": "*", "score": 0.5}]))
    if is_refused:
        with pytest.raises(InferenceError, match="boxes seem normalised"):
            decoder.decode(outputs, SHAPE)
    else:
        assert (decoder.decode(outputs, SHAPE).scores < 0.5).all()


def test_a_box_in_the_corner_of_the_frame_is_no_share_of_it():
    """By all of its corners; the rows behind it only fill up."""
    boxes, scores = np.zeros((1, 100, 4), np.float32), np.zeros((1, 100), np.float32)
    boxes[0, 0], scores[0, 0] = (0, 0, 1, 9), 0.9
    found = decoder_for(manifest_of()).decode([boxes, scores, np.zeros((1, 100), np.int32)], SHAPE)
    assert found.boxes[0].tolist() == [0, 0, 1, 9]


def test_a_reading_of_maps_for_a_model_without_is_refused():
    """It would do nothing."""
    with pytest.raises(ValueError, match="maps: bundle t has none, its task is yolo"):
        decoder_for(manifest_of("yolo"), recipe(maps={}))


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"regions": [{"kind": "ignore", "corners": [[20.0, 10.0], [50.0, 40.0]]}]},
            "regions: the bundle's task is classify",
        ),
        (
            {"limits": [{"name": "d", "min_width": 4.0}]},
            "min_width, limits.min_height of d: a classification has no size",
        ),
        (
            {"limits": [{"name": "*"}, {"name": "d", "min_height": 4.0}]},
            "min_width, limits.min_height of d: a classification has no size",
        ),
    ],
)
def test_places_and_sizes_do_not_go_with_a_classification(keys, problem):
    """Its one box is the frame: the centre in an ignore region, and every part would pass."""
    manifest = manifest_of("classify", activation="sigmoid")
    with pytest.raises(ValueError, match=problem):
        decoder_for(manifest, recipe(**keys))


def raw():
    scores = np.linspace(1, 0, 100, dtype=np.float32)
    boxes = np.arange(400, dtype=np.float32).reshape(100, 4)
    return Detections(boxes, scores, np.arange(100, dtype=np.int32) % 3)


def test_rows_from_the_floor_up_stay_in_their_order():
    """The floor itself stays."""
    got = decode(raw(), floor=float(raw().scores[10]), class_count=3)
    assert [len(column) for column in got] == [11, 11, 11]
    assert np.array_equal(got.boxes, raw().boxes[:11])


def test_what_stays_is_a_copy():
    """The engine's buffers are its own."""
    rows = raw()
    got = decode(rows, floor=0.0, class_count=3)
    rows.boxes[:] = -1
    rows.scores[:] = -1
    assert np.array_equal(got.boxes, raw().boxes)
    assert np.array_equal(got.scores, raw().scores)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", ["boxes", "scores"])
def test_what_is_not_finite_is_an_engine_fault(column, value):
    """Below the floor, too."""
    rows = raw()
    getattr(rows, column)[-1] = value
    with pytest.raises(InferenceError, match="not finite"):
        decode(rows, floor=0.5, class_count=3)


@pytest.mark.parametrize("score", [-0.5, 1.5])
def test_a_score_that_is_no_probability_is_an_engine_fault(score):
    """A model that was exported without its last sigmoid."""
    rows = raw()
    rows.scores[-1] = score
    with pytest.raises(InferenceError, match="expected 0 to 1"):
        decode(rows, floor=0.5, class_count=3)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize(("score", "label"), [(0.0, 0), (1.0, 2), (0.5, 1)])
def test_one_row_and_none_are_taken_with_the_least_and_the_greatest(count, score, label):
    """A score of 0 or 1 is one, and so is the first and the last class."""
    rows = Detections(np.ones((1, 4), np.float32), np.array([score], np.float32), np.array([label], np.int32))
    found = decode(Detections(*(column[:count] for column in rows)), floor=0.0, class_count=3)
    assert (found.scores.tolist(), found.classes.tolist()) == ([score][:count], [label][:count])


@pytest.mark.parametrize("label", [-1, 3])
def test_an_unknown_class_is_an_engine_fault(label):
    """The bundle has classes 0 to 2."""
    rows = raw()
    rows.classes[-1] = label
    with pytest.raises(InferenceError, match="the bundle has 0 to 2"):
        decode(rows, floor=0.5, class_count=3)
