"""Rows of any number and order, as the 100 of the task top100."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.engine.exports.rows import top100
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.decode import decode
from aoi_daemon.infer.executor import Detections
from tests.unit.engine.exports.answering import adapted, described, detections, export


def rows_of(scores, seed=0):
    """Outputs of rows with these scores: boxes in px, labels 0 to 2."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, 20, (len(scores), 2))
    boxes = np.concatenate((starts, starts + rng.uniform(4, 12, (len(scores), 2))), 1).astype(np.float32)
    labels = rng.integers(0, 3, len(scores)).astype(np.int64)
    return {"boxes": boxes, "scores": np.array(scores, np.float32), "labels": labels}


def served(tmp_path, outputs, *, is_open):
    sizes = {"boxes": ["n", 4], "scores": ["n"], "labels": ["n"]} if is_open else None
    file = export(tmp_path / "m.onnx", outputs, sizes=sizes)

    def adapt(sewn, about, told):
        parts = tuple(sewn.output(name) for name in ("boxes", "scores", "labels"))
        rows = None if is_open else len(outputs["scores"])
        return top100(sewn, about, parts, rows=rows, classes=("a", "b", "c"))

    return detections(adapted(adapt, file, described(file)), tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    scores=st.lists(st.integers(1, 2**20), max_size=260, unique=True), is_open=st.booleans(), seed=st.integers(0, 99)
)
def test_the_best_hundred_rows_come_first_and_the_rest_scores_nothing(tmp_path_factory, scores, is_open, seed):
    """Whatever their number, and in whichever order they came."""
    outputs = rows_of([score / 2**20 for score in scores], seed)
    boxes, found, labels = served(tmp_path_factory.mktemp("rows"), outputs, is_open=is_open or not scores)
    order = np.argsort(-outputs["scores"], kind="stable")[:100]
    assert found[: len(order)].tolist() == outputs["scores"][order].tolist()
    assert np.array_equal(boxes[: len(order)], outputs["boxes"][order])
    assert labels[: len(order)].tolist() == outputs["labels"][order].tolist()
    assert not found[len(order) :].any()
    assert not labels[len(order) :].any()
    assert labels.dtype == np.int32
    assert len(found) == 100


@pytest.mark.parametrize("place", ["boxes", "scores"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_in_any_row_is_no_answer(tmp_path, place, value):
    """The last of 200 rows: sorting would cut it off, and the part would pass."""
    outputs = rows_of(np.linspace(0.9, 0.1, 200))
    outputs[place][199] = value
    with pytest.raises(InferenceError, match="not finite"):
        decode(Detections(*served(tmp_path, outputs, is_open=True)), floor=0.05, class_count=3)
