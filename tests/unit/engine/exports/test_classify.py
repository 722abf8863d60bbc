"""Classifications of any program, as the line reads them."""

import numpy as np
import pytest

from aoi_daemon.engine.exports.classify import adapt_classify
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports.answering import adapted, described, detections, export

LOGITS = np.array([[1.5, -0.5, 0.25]], np.float32)
SHARES = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
EACH = 1 / (1 + np.exp(-LOGITS[0]))
CLASSES = ("good", "scratch", "dent")
# Of several defects the likeliest is given all that is not good (infer/decode/classes.py).
DEFECTS = [SHARES[1], 1 - SHARES[0]]


@pytest.fixture
def scores_of(tmp_path):
    """Scores of the defects, by their names, of a file that answers `values`."""

    def scores(values, *, maker=("Identity", {}), activation="none", picture=(1, 3, 32, 48), layout="NCHW", **told):
        file = export(tmp_path / "m.onnx", {"out": values}, makers={"out": maker}, picture=picture)
        about = described(file, activation=activation, layout=layout)
        made = adapted(adapt_classify, file, about, **told)
        _, found, labels = detections(made, tmp_path)
        return {made.output.classes[label]: score for label, score in zip(labels, found, strict=True)}

    return scores


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_logits_of_which_one_is_true(scores_of, shape):
    found = scores_of(LOGITS.reshape(shape), activation="softmax", classes=CLASSES)
    assert list(found.values()) == pytest.approx(DEFECTS, abs=1e-6)


@pytest.mark.parametrize("maker", ["Softmax", "LogSoftmax"])
def test_what_has_been_through_a_softmax_is_put_through_none_again(scores_of, maker):
    """Probabilities would be squeezed together; and logarithms of them are none."""
    found = scores_of(LOGITS, maker=(maker, {"axis": 1}), activation="softmax", classes=CLASSES)
    assert list(found.values()) == pytest.approx(DEFECTS, abs=1e-6)


def test_logits_of_which_each_is_by_itself(scores_of):
    found = scores_of(LOGITS, activation="sigmoid", classes=CLASSES, good=("good",))
    assert list(found.values()) == pytest.approx(EACH[1:], abs=1e-6)


def test_probabilities_of_which_each_is_by_itself(scores_of):
    """Their logits are read, for of probabilities one class must be true."""
    found = scores_of(LOGITS, maker=("Sigmoid", {}), classes=("edge", "scratch", "dent"))
    assert list(found.values()) == pytest.approx(EACH, abs=1e-6)


@pytest.mark.parametrize(("activation", "share"), [("sigmoid", 1 / (1 + np.exp(-0.75))), ("none", 0.75)])
def test_one_number_is_how_likely_the_second_class_is(scores_of, activation, share):
    one = np.array([[0.75]], np.float32)
    assert scores_of(one, activation=activation, classes=("good", "bad")) == pytest.approx({"bad": share}, abs=1e-6)
    assert scores_of(one, activation=activation, classes=("bad", "good")) == pytest.approx({"bad": 1 - share}, abs=1e-6)


def test_one_number_of_one_class_is_how_likely_that_is(scores_of):
    assert scores_of(np.array([[0.75]], np.float32), classes=("dent",)) == pytest.approx({"dent": 0.75})


def test_a_model_of_channels_last_is_taken(scores_of):
    found = scores_of(
        LOGITS, activation="softmax", picture=(1, 32, 48, 3), layout="NHWC", classes=CLASSES
    )  # fmt: skip
    assert list(found.values()) == pytest.approx(DEFECTS, abs=1e-6)


def test_a_person_says_the_activation_where_the_file_does_not(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": LOGITS})
    _, found, _ = detections(adapted(adapt_classify, file, classes=CLASSES, activation="softmax"), tmp_path)
    assert found.tolist() == pytest.approx(DEFECTS, abs=1e-6)


def test_an_activation_behind_one_is_refused(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": LOGITS}, makers={"out": ("Softmax", {"axis": 1})})
    with pytest.raises(ModelError, match="comes out of a Softmax already; leave the activation at none"):
        adapted(adapt_classify, file, classes=CLASSES, activation="softmax")


def test_without_a_good_class_no_part_would_pass(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": LOGITS})
    with pytest.raises(ModelError, match=r"one of its classes \(a, b, c\) is always true, .* say with --good-classes"):
        adapted(adapt_classify, file, described(file, activation="softmax"), classes=("a", "b", "c"))


def test_sizes_that_are_no_classes_are_refused(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": np.ones(3, np.float32)})
    with pytest.raises(ModelError, match=r"expected \[1, classes\]"):
        adapted(adapt_classify, file, classes=CLASSES)
