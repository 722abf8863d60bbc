"""Instance masks as maps: at any threshold the areas are the masks of those that reach it, and nothing is lost."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.recipe import ClassLimit, MapReading, Recipe, Region
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.yolo.masks import BEST
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.exports import check_file
from tests.unit.engine.exports.exported import decoded, described, manifest, run, saved, write

F32 = np.float32
NAMES = ("ink", "scratch", "crack")
SIZE = (64, 96)
PLACES = (16, 24)
DEPTH = 5


def adapted_of(folder, table, prototypes, *, classes=NAMES, said=(), good=(), sizes=()):
    outputs = {"output0": table[None], "output1": prototypes[None]}
    file = write(folder / "exported.onnx", outputs, size=SIZE, said=said, sizes=sizes)
    what = described("yolo-segment", outputs, classes=classes, size=SIZE, sizes=sizes)
    return adapt(what, file, channels=3, good_classes=good)


def heads_of(boxes, scores, coefficients):
    """[4 + classes + k, n]; boxes are centre and size."""
    return np.concatenate((boxes.T, scores.T, coefficients.T)).astype(F32)


def rows_of(boxes, scores, coefficients):
    """[n, 6 + k], of the likeliest class each."""
    corners = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)
    return np.column_stack((corners, scores.max(axis=1), scores.argmax(axis=1), coefficients)).astype(F32)


def drawn(box, coefficients, prototypes):
    """One candidate's mask (h, w), place by place."""
    height, width = PLACES
    x, y, over, down = (float(each) / 4 for each in box)
    mask = np.zeros(PLACES, bool)
    for row in range(height):
        for column in range(width):
            inside = x - over / 2 <= column < x + over / 2 and y - down / 2 <= row < y + down / 2
            mask[row, column] = inside and float(coefficients @ prototypes[:, row, column]) > 0
    if not mask.any():
        mask[min(max(int(np.floor(y)), 0), height - 1), min(max(int(np.floor(x)), 0), width - 1)] = True
    return mask


@st.composite
def parts(draw, most=40):
    """Candidates on a grid of quarter px, so that float32 decides as float64 does, and prototypes."""
    # As many as rows have columns would be taken for rows.
    found = draw(st.integers(1, most).filter(lambda n: n != 6 + DEPTH))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes = np.column_stack((
        numbers.integers(-8, SIZE[1] * 4 + 8, found), numbers.integers(-8, SIZE[0] * 4 + 8, found),
        numbers.integers(0, 160, (found, 2)),
    )) / 4  # fmt: skip
    scores = numbers.integers(1, 100, (found, len(NAMES))) / 128
    coefficients = numbers.integers(-4, 5, (found, DEPTH))
    return boxes, scores, coefficients, numbers.integers(-4, 5, (DEPTH, *PLACES)).astype(F32)


@given(parts(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_each_place_holds_the_best_score_of_the_masks_that_cover_it(tmp_path_factory, part, as_rows):
    boxes, scores, coefficients, prototypes = part
    if as_rows:
        # With a row that fills up: nothing was left out by the export.
        exported = np.vstack((rows_of(boxes, scores, coefficients), np.zeros((1, 6 + DEPTH), F32)))
        scores = np.where(np.arange(len(NAMES)) == scores.argmax(axis=1)[:, None], scores, 0)
    else:
        exported = heads_of(boxes, scores, coefficients)
    (maps,) = run(adapted_of(tmp_path_factory.mktemp("masks"), exported, prototypes), SIZE)
    expected = np.zeros((len(NAMES), *PLACES), F32)
    for box, of_classes, row in zip(boxes, scores, coefficients, strict=True):
        mask = drawn(box, row, prototypes)
        for label, score in enumerate(of_classes):
            expected[label][mask] = np.maximum(expected[label][mask], F32(score))
    assert np.array_equal(maps[0], expected)


@given(parts(), st.integers(BEST, BEST + 60), st.data())
@settings(max_examples=25, deadline=None)
def test_a_part_is_never_passed_where_more_count_than_are_drawn(tmp_path_factory, part, many, data):
    """Whatever sizes, places, areas and counts are tolerated."""
    boxes, scores, coefficients, prototypes = part
    chosen = np.arange(many + 1) % len(boxes)
    scores = np.maximum(scores[chosen], 0.02)
    label = data.draw(st.integers(0, len(NAMES) - 1))
    scores[:, label] = np.maximum(scores[:, label], 0.5)
    adapted = adapted_of(
        tmp_path_factory.mktemp("many"), heads_of(boxes[chosen], scores, coefficients[chosen]), prototypes
    )
    side = st.floats(0, 60)
    limits = [
        ClassLimit(
            name=name, score=0.5, min_width=data.draw(side), min_height=data.draw(side),
            max_count=data.draw(st.integers(0, 200)),
        )
        for name in NAMES
    ]  # fmt: skip
    left, top = data.draw(st.floats(0, 50)), data.draw(st.floats(0, 40))
    region = Region(
        kind=data.draw(st.sampled_from(["inspect", "ignore"])),
        corners=((left, top), (left + 12, top), (left + 12, top + 12), (left, top + 12)),
    )
    recipe = Recipe(
        id=1, name="r", bundle=Path("b"), width_px=SIZE[1], height_px=SIZE[0], channels=3, limits=tuple(limits),
        regions=(region,), maps=MapReading(threshold=0.5, min_area=data.draw(st.floats(0, 4000))),
    )  # fmt: skip
    found = decoded(adapted, SIZE, recipe)
    assert not judge(found, Criteria.compile(recipe, NAMES), 0, slack_ns=1).passed


def test_what_is_left_out_below_the_threshold_says_nothing(tmp_path):
    """Background: some thousand candidates, none of which counts."""
    numbers = np.random.default_rng(2)
    boxes = numbers.uniform(8, 40, (500, 4))
    scores = np.full((500, 3), 0.03)
    scores[7, 2] = 0.9
    table = heads_of(boxes, scores, np.ones((500, DEPTH)))
    found = decoded(adapted_of(tmp_path, table, np.ones((DEPTH, *PLACES), F32)), SIZE)
    assert found.classes.tolist() == [2]
    assert found.scores.tolist() == pytest.approx([0.9])


def test_a_class_of_which_none_is_left_out_is_not_held_up_by_another(tmp_path):
    """Many of a tolerated class leave the others as they are."""
    scores = np.zeros((300, 3))
    scores[:, 0] = 0.8
    table = heads_of(np.full((300, 4), 24.0), scores, np.ones((300, DEPTH)))
    (maps,) = run(adapted_of(tmp_path, table, np.ones((DEPTH, *PLACES), F32)), SIZE)
    assert maps[0, 0].min() == pytest.approx(0.8)
    assert maps[0, 1:].max() == 0


def test_good_classes_take_no_place_among_the_best(tmp_path):
    scores = np.zeros((300, 3))
    scores[:, 0] = 0.99
    scores[299] = 0, 0, 0.6
    table = heads_of(np.full((300, 4), 24.0), scores, np.ones((300, DEPTH)))
    adapted = adapted_of(tmp_path, table, np.ones((DEPTH, *PLACES), F32), good=("ink",))
    assert decoded(adapted, SIZE).classes.tolist() == [2]


@pytest.mark.parametrize("where", ["x", "score", "coefficient", "prototype"])
def test_a_number_that_is_none_is_refused_and_not_lost(tmp_path, where):
    """Wherever it lies: a comparison drops it."""
    table = heads_of(np.full((300, 4), 24.0), np.full((300, 3), 0.01), np.ones((300, DEPTH)))
    prototypes = np.ones((DEPTH, *PLACES), F32)
    if where == "prototype":
        prototypes[3, 2, 1] = np.nan
    else:
        table[{"x": 0, "score": 5, "coefficient": 9}[where], 250] = np.nan
    with pytest.raises(InferenceError, match="not finite"):
        decoded(adapted_of(tmp_path, table, prototypes), SIZE)


@pytest.mark.parametrize("score", [-2.0, 1.5])
def test_scores_that_are_no_probabilities_are_refused(tmp_path, score):
    table = heads_of(np.full((300, 4), 24.0), np.full((300, 3), 0.01), np.ones((300, DEPTH)))
    table[5, 250] = score
    with pytest.raises(InferenceError, match="expected probabilities, 0 to 1"):
        decoded(adapted_of(tmp_path, table, np.ones((DEPTH, *PLACES), F32)), SIZE)


def test_a_row_of_a_class_that_there_is_none_is_refused(tmp_path):
    rows = np.zeros((9, 6 + DEPTH), F32)
    rows[0, :6] = 10, 10, 30, 30, 0.9, 3
    with pytest.raises(InferenceError, match="expected probabilities, 0 to 1"):
        decoded(adapted_of(tmp_path, rows, np.ones((DEPTH, *PLACES), F32)), SIZE)


@pytest.mark.parametrize("end2end", ["True", "False"])
def test_the_bundles_checks_take_it(tmp_path, end2end):
    said = {"task": "segment", "names": str(dict(enumerate(NAMES))), "stride": "32", "end2end": end2end}
    adapted = adapted_of(tmp_path, np.zeros((300, 6 + DEPTH), F32), np.ones((DEPTH, *PLACES), F32), said=said)
    check_file(saved(adapted, tmp_path), manifest(adapted), (*SIZE, 3))
    assert adapted.output.task == "segment"
    assert adapted.output.best_only


@pytest.mark.parametrize(
    ("table", "sizes", "problem"),
    [
        (np.zeros((4 + 2 + DEPTH, 50), F32), (), "has 2 classes, the file itself names 3"),
        (np.zeros((4 + DEPTH, 50), F32), (), "leaves no classes beside the 9 values of a place"),
        (np.zeros((12, 50), F32), [(1, 12, None)], "leaves open for what sizes it is; .*give the frame's size"),
        (np.zeros((12, 50, 1), F32), (), r"outputs are output0 \[1, 12, 50, 1\], output1 .*expected candidates"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, table, sizes, problem):
    with pytest.raises(ModelError, match=rf"exported\.onnx: {problem}|exported\.onnx: output output0 .*{problem}"):
        adapted_of(tmp_path, table, np.ones((DEPTH, *PLACES), F32), sizes=sizes)
