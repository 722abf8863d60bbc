"""From 100 rows to detections."""

import numpy as np
import pytest

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode import decode
from aoi_daemon.infer.executor import Detections


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


@pytest.mark.parametrize("label", [-1, 3])
def test_an_unknown_class_is_an_engine_fault(label):
    """The bundle has classes 0 to 2."""
    rows = raw()
    rows.classes[-1] = label
    with pytest.raises(InferenceError, match="the bundle has 0 to 2"):
        decode(rows, floor=0.5, class_count=3)
