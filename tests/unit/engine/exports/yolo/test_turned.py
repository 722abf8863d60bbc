"""Oriented boxes: the upright box around the four turned corners, whatever the angle."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.exports import check_file
from tests.unit.engine.exports.exported import decoded, described, manifest, saved, write

F32 = np.float32
NAMES = ("ink", "scratch", "crack")


def adapted_of(folder, table, *, classes=NAMES, said=()):
    file = write(folder / "exported.onnx", {"output0": table[None]}, said=said)
    return adapt(described("yolo-obb", {"output0": table[None]}, classes=classes), file, channels=3)


def around(x, y, width, height, angle):
    """The four corners, turned one by one."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = [turn @ (sx * width / 2, sy * height / 2) + (x, y) for sx in (-1, 1) for sy in (-1, 1)]
    return [*np.min(corners, axis=0), *np.max(corners, axis=0)]


@st.composite
def tables(draw):
    """Boxes (n, 5), angle last, of one class each, and what they score: all of them count."""
    # As many as rows have columns would be taken for rows.
    found = draw(st.integers(1, 12).filter(lambda n: n != 7))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    boxes = numbers.uniform(4, 60, (found, 5))
    boxes[:, 4] = numbers.uniform(-np.pi, np.pi, found)
    return boxes.astype(F32), numbers.uniform(0.3, 1, found).astype(F32), numbers.integers(0, 3, found)


@given(tables(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path_factory, table, as_rows):
    """As heads [1, 4 + classes + 1, n] and as rows [1, n, 7]."""
    boxes, scores, labels = table
    if as_rows:
        exported = np.zeros((len(boxes) + 1, 7), F32)
        exported[:-1] = np.column_stack((boxes[:, :4], scores, labels, boxes[:, 4]))
    else:
        exported = np.zeros((8, len(boxes)), F32)
        exported[:4], exported[7] = boxes[:, :4].T, boxes[:, 4]
        exported[4 + labels, np.arange(len(boxes))] = scores
    found = decoded(adapted_of(tmp_path_factory.mktemp("turned"), exported))
    order = np.argsort(-scores, kind="stable")
    assert np.array_equal(found.scores, scores[order])
    assert found.classes.tolist() == labels[order].tolist()
    assert np.allclose(found.boxes, [around(*boxes[i].astype(np.float64)) for i in order], atol=1e-4)


def test_an_angle_that_is_no_number_is_refused_and_not_lost(tmp_path):
    rows = np.zeros((9, 7), F32)
    rows[0] = 10, 10, 30, 30, 0.9, 1, np.nan
    with pytest.raises(InferenceError, match="not finite"):
        decoded(adapted_of(tmp_path, rows))


@pytest.mark.parametrize(("width", "height"), [(-8, 20), (20, -8), (-8, -20)])
def test_a_side_below_nothing_is_refused(tmp_path, width, height):
    """As an upright one is: turned by as much, width and height of the box around it may both be above 0."""
    rows = np.zeros((9, 7), F32)
    rows[0] = 30, 30, width, height, 0.9, 1, 0.8
    found = decoded(adapted_of(tmp_path, rows))
    recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=64, height_px=64, channels=3)
    with pytest.raises(InferenceError, match="corners swapped"):
        judge(found, Criteria.compile(recipe, NAMES), 0, slack_ns=1)


def test_where_all_rows_count_there_is_one_more(tmp_path):
    """What did not fit into the rows may count, too: a speck, which the judgement tolerates nowhere."""
    rows = np.tile(np.array([30, 30, 20, 20, 0.9, 1, 0.3], F32), (9, 1))
    found = decoded(adapted_of(tmp_path, rows))
    sizes = found.boxes[:, 2:] - found.boxes[:, :2]
    assert (sizes == 0).all(axis=1).sum() == 3  # one for each class


def test_the_bundles_checks_take_it(tmp_path):
    """It said that its task was obb, which no task reads as it is."""
    said = {"task": "obb", "names": str(dict(enumerate(NAMES))), "stride": "32", "end2end": "True"}
    adapted = adapted_of(tmp_path, np.zeros((300, 7), F32), said=said)
    check_file(saved(adapted, tmp_path), manifest(adapted), (64, 64, 3))


def test_another_number_of_classes_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"exported\.onnx: has 3 classes, the file itself names 2"):
        adapted_of(tmp_path, np.zeros((8, 9), F32), classes=("a", "b"))
