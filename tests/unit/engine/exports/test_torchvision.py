"""torchvision's detectors, as the line reads them."""

import numpy as np
import pytest
from onnx import helper

from aoi_daemon.engine.exports.torchvision import adapt_torchvision
from aoi_daemon.errors import InferenceError, ModelError
from tests.unit.engine.exports.answering import adapted, described, detections, export

BOXES = np.array([[2, 3, 20, 15], [30, 8, 44, 30]], np.float32)
SCORES = np.array([0.5, 0.875], np.float32)
LABELS = np.array([3, 1], np.int64)
ROI = helper.make_node("Softmax", ["picture"], ["told apart"], axis=0)
SIGMOID = helper.make_node("Sigmoid", ["picture"], ["each"])


def write(tmp_path, *, names=("boxes", "labels", "scores"), labels=LABELS, seen=(ROI,), order="bls"):
    """A file of two rows, of a picture without a batch; its outputs in `order`, and their number open."""
    arrays = dict(zip("bls", zip(names, (BOXES, labels, SCORES), strict=True), strict=True))
    outputs = dict(arrays[key] for key in order)
    sizes = {name: ["n", *values.shape[1:]] for name, values in outputs.items()}
    return export(tmp_path / "m.onnx", outputs, picture=(3, 32, 48), sizes=sizes, seen=seen)


@pytest.mark.parametrize("names", [("boxes", "labels", "scores"), ("1494", "1464", "1463")])
@pytest.mark.parametrize("order", ["bls", "bsl", "slb"])
def test_labels_behind_a_background_begin_at_one(tmp_path, names, order):
    """Whatever exporters call the outputs, and however they order them."""
    made = adapted(adapt_torchvision, write(tmp_path, names=names, order=order), classes=("edge", "dent", "scratch"))
    boxes, scores, labels = detections(made, tmp_path)
    assert boxes.tolist() == BOXES[::-1].tolist()
    assert scores.tolist() == [0.875, 0.5]
    assert [made.output.classes[label] for label in labels] == ["edge", "scratch"]


def test_a_background_that_is_named_is_no_defect(tmp_path):
    made = adapted(
        adapt_torchvision, write(tmp_path, seen=(SIGMOID,)), classes=("__background__", "edge", "dent", "scratch")
    )
    assert made.output.classes == ("edge", "dent", "scratch")
    assert detections(made, tmp_path)[2].tolist() == [0, 2]


def test_without_a_softmax_a_person_says_where_labels_begin(tmp_path):
    """RetinaNet and FCOS: both are usual."""
    file = write(tmp_path, seen=(SIGMOID,))
    with pytest.raises(ModelError, match=r"nothing in it says whether its labels begin at 0 or, .* --first-label"):
        adapted(adapt_torchvision, file, classes=("a", "b", "c", "d"))
    made = adapted(adapt_torchvision, file, classes=("a", "b", "c", "d"), first_label=0)
    assert detections(made, tmp_path)[2].tolist() == [1, 3]


@pytest.mark.parametrize(("labels", "first"), [([0, 1], 1), ([1, 4], 1), ([3, 1], 0)])
def test_a_label_of_no_class_is_no_answer(tmp_path, labels, first):
    """Of three classes: one that begins elsewhere than was said shows itself, and no defect takes another's name."""
    made = adapted(
        adapt_torchvision,
        write(tmp_path, labels=np.array(labels, np.int64)),
        classes=("edge", "dent", "scratch"),
        first_label=first,
    )
    with pytest.raises(InferenceError, match=r"the model gave probabilities .* expected 0 to 1"):
        detections(made, tmp_path)


def test_a_first_label_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match="--first-label is 0 or 1, not 2"):
        adapted(adapt_torchvision, write(tmp_path), classes=("a",), first_label=2)


def test_outputs_that_are_no_rows_are_refused(tmp_path):
    file = export(tmp_path / "m.onnx", {"boxes": BOXES, "scores": SCORES}, picture=(3, 32, 48))
    with pytest.raises(ModelError, match=r"expected boxes \[n, 4\], scores \[n\] and labels \[n\]"):
        adapted(adapt_torchvision, file, described(file), classes=("a",))


def test_a_good_class_is_left_out(tmp_path):
    """A component, which is there on every part."""
    made = adapted(adapt_torchvision, write(tmp_path), classes=("edge", "dent", "scratch"), good=("edge",))
    boxes, scores, labels = detections(made, tmp_path)
    assert (boxes.tolist(), scores.tolist(), labels.tolist()) == ([BOXES[0].tolist()], [0.5], [2])
