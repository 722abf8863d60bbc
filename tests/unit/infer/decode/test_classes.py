"""Class scores become detections of the whole frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.classes import ClassScores
from tests.unit.infer.manifests import manifest_of

SHAPE = (480, 640, 1)
CLASSES = ("good", "scratch", "dent")


def decoded(scores, **settings):
    manifest = manifest_of("classify", CLASSES, **{"good_classes": ("good",), **settings})
    return ClassScores(manifest).decode([np.array([scores], np.float32)], SHAPE)


def test_each_defect_class_is_a_row_as_large_as_the_frame():
    """The good ones are none."""
    found = decoded([0.9, 0.06, 0.04])
    assert found.classes.tolist() == [1, 2]
    assert found.boxes.tolist() == [[0, 0, 640, 480]] * 2
    assert [array.dtype for array in found] == [np.float32, np.float32, np.int32]


def test_a_defect_that_is_halved_between_two_classes_is_one():
    """Neither reaches a half, and together they leave the good class a fifth."""
    found = decoded([0.2, 0.42, 0.38])
    assert found.scores.tolist() == pytest.approx([0.8, 0.38])


@given(st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3))
def test_logits_give_the_probabilities_that_softmax_does(logits):
    """And no row scores less than its own."""
    powers = np.exp(np.array(logits) - max(logits))
    expected = powers / powers.sum()
    found = decoded(logits, activation="softmax")
    assert found.scores.max() == pytest.approx(1 - expected[0], abs=1e-6)
    assert (found.scores >= expected[1:] - 1e-6).all()


def test_logits_of_independent_classes_are_left_apart():
    """Two defects may be on one part, and each has its own threshold."""
    found = decoded([3.0, 0.0, -2.0], activation="sigmoid", good_classes=())
    assert found.classes.tolist() == [0, 1, 2]
    assert found.scores.tolist() == pytest.approx([0.952574, 0.5, 0.119203], abs=1e-6)


def test_extreme_logits_overflow_nowhere():
    """A warning would be an error here."""
    assert decoded([-1e4, 1e4, 0.0], activation="softmax").scores.tolist() == [1.0, 0.0]
    assert decoded([-1e4, 1e4, 0.0], activation="sigmoid", good_classes=()).scores.tolist() == [0.0, 1.0, 0.5]


@pytest.mark.parametrize("scores", [[4.0, 1.0, -2.0], [0.5, 0.4, 0.4], [0.0, 0.0, 0.0], [1.2, -0.1, -0.1]])
def test_what_are_no_probabilities_is_an_engine_fault(scores):
    """Logits, or classes that are independent of each other: the manifest says the wrong thing."""
    with pytest.raises(InferenceError, match="activation"):
        decoded(scores)


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_an_engine_fault(activation, value):
    """Whichever class it is said of."""
    with pytest.raises(InferenceError, match="not finite"):
        decoded([0.5, 0.5, value], activation=activation)


@pytest.mark.parametrize("scores", [[1.0, 0.0, 0.0], [1.008, -0.008, 0.0], [0.0, 0.995, 0.0], [0.0, 0.0, 1.005], [-0.008, 0.0, 1.008]])
def test_what_half_precision_makes_of_probabilities_is_no_fault(scores):
    """A hundredth more or less, in the sum or below 0; never a score beyond 0 and 1."""
    found = decoded(scores)
    assert (found.scores >= 0).all() and (found.scores <= 1).all()
    assert found.scores.max() == pytest.approx(1 - scores[0], abs=0.011)
