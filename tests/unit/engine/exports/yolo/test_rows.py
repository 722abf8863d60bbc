"""Rows of one class each: none is cut, and what the export itself may have cut rejects the part."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.recipe import ClassLimit, Recipe, Region
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.exports import check_file
from tests.unit.engine.exports.exported import decoded, described, manifest, saved, write

F32 = np.float32
NAMES = ("ink", "scratch", "crack", "hole")
SIZE = 64
THRESHOLD = 0.25


def adapted_of(folder, rows, *, classes=NAMES, said=(), sizes=()):
    file = write(folder / "exported.onnx", {"output0": rows[None]}, said=said, sizes=sizes)
    return adapt(described("yolo-rows", {"output0": rows[None]}, classes=classes, sizes=sizes), file, channels=3)


@st.composite
def tables(draw, *, full):
    """Rows (n, 6), the highest score first; with fewer than `full` found, rows of zeros behind them."""
    classes, found, fill = draw(st.integers(1, 4)), draw(st.integers(1, 150)), draw(st.integers(1, 20))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = np.zeros((found + (0 if full else fill), 6), F32)
    corners = np.sort(numbers.uniform(0, SIZE, (found, 2, 2)), axis=1)
    rows[:found, :4] = corners.reshape(found, 4)
    rows[:found, 4] = -np.sort(-numbers.uniform(THRESHOLD + 0.01 if full else 0.02, 1, found))
    rows[:found, 5] = numbers.integers(0, classes, found)
    return rows, NAMES[:classes]


@st.composite
def recipes(draw, classes):
    """Of all kinds that tolerate something: sizes, places, counts."""
    side = st.floats(0, 60)
    limits = tuple(
        ClassLimit(
            name=name, score=THRESHOLD, min_width=draw(side), min_height=draw(side), max_count=draw(st.integers(0, 200))
        )
        for name in classes
    )
    left, top = draw(st.floats(0, 50)), draw(st.floats(0, 50))
    corner = ((left, top), (left + 12, top), (left + 12, top + 12), (left, top + 12))
    kind = draw(st.sampled_from(["inspect", "ignore"]))
    regions = (Region(kind=kind, corners=corner),) if draw(st.booleans()) else ()
    recipe = Recipe(
        id=1, name="r", bundle=Path("b"), width_px=SIZE, height_px=SIZE, channels=3, limits=limits, regions=regions
    )
    return recipe, Criteria.compile(recipe, classes)


@given(tables(full=False))
@settings(max_examples=25, deadline=None)
def test_every_row_is_found_and_nothing_else(tmp_path_factory, table):
    """More than 100, too."""
    rows, classes = table
    found = decoded(adapted_of(tmp_path_factory.mktemp("rows"), rows, classes=classes))
    there = rows[rows[:, 4] > 0]
    order = np.argsort(-there[:, 4], kind="stable")
    assert len(found.scores) == len(there)
    assert np.array_equal(found.scores, there[order, 4])
    assert np.array_equal(found.classes, there[order, 5].astype(np.int32))
    assert np.allclose(found.boxes, there[order, :4], atol=1e-4)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_part_is_never_passed_where_all_rows_count(tmp_path_factory, data):
    """Whatever sizes, places and counts are tolerated: what did not fit into the rows was never seen."""
    rows, classes = data.draw(tables(full=True))
    recipe, criteria = data.draw(recipes(classes))
    found = decoded(adapted_of(tmp_path_factory.mktemp("full"), rows, classes=classes), recipe=recipe)
    assert not judge(found, criteria, 0, slack_ns=1).passed


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_part_is_judged_by_its_rows_where_they_are_not_full(tmp_path_factory, data):
    """As if no candidate stood behind them."""
    rows, classes = data.draw(tables(full=False))
    recipe, criteria = data.draw(recipes(classes))
    found = decoded(adapted_of(tmp_path_factory.mktemp("some"), rows, classes=classes), recipe=recipe)
    there = rows[rows[:, 4] >= THRESHOLD]

    class Plain:
        boxes, scores, classes = there[:, :4], there[:, 4], there[:, 5].astype(np.int32)

    assert judge(found, criteria, 0, slack_ns=1).passed == judge(Plain, criteria, 0, slack_ns=1).passed


@pytest.mark.parametrize("label", [-1.0, 4.0, 0.5, np.nan])
def test_a_class_that_there_is_none_is_refused_and_not_lost(tmp_path, label):
    rows = np.zeros((9, 6), F32)
    rows[0] = 10, 10, 30, 30, 0.9, label
    with pytest.raises(InferenceError, match="the model gave probabilities"):
        decoded(adapted_of(tmp_path, rows))


@pytest.mark.parametrize("column", range(5))
def test_a_number_that_is_none_is_refused_and_not_lost(tmp_path, column):
    rows = np.zeros((9, 6), F32)
    rows[0] = 10, 10, 30, 30, 0.9, 1
    rows[3, column] = np.nan
    with pytest.raises(InferenceError, match="not finite"):
        decoded(adapted_of(tmp_path, rows))


def test_rows_that_fill_up_may_be_of_no_class(tmp_path):
    """Some exporters write -1."""
    rows = np.zeros((9, 6), F32)
    rows[:, 5] = -1
    rows[0] = 10, 10, 30, 30, 0.9, 1
    assert decoded(adapted_of(tmp_path, rows)).classes.tolist() == [1]


def test_what_the_exporter_said_is_what_it_is_now(tmp_path):
    """It said that its outputs were end to end: the bundle's check would refuse that as heads."""
    said = {"task": "detect", "names": str(dict(enumerate(NAMES))), "stride": "32", "end2end": "True"}
    adapted = adapted_of(tmp_path, np.zeros((300, 6), F32), said=said)
    check_file(saved(adapted, tmp_path), manifest(adapted), (SIZE, SIZE, 3))


@pytest.mark.parametrize(("sizes", "what"), [((1, None, 6), "any number of rows of 6"), ((1, 9, 7), "9 rows of 7")])
def test_rows_that_are_others_are_refused(tmp_path, sizes, what):
    rows = np.zeros((sizes[1] or 9, sizes[2]), F32)
    with pytest.raises(ModelError, match=f"exported.onnx: output output0 has {what}; expected a fixed number of 6"):
        adapted_of(tmp_path, rows, sizes=[sizes])
