"""Segmentations of any program, as the line reads them."""

import numpy as np
import pytest

from aoi_daemon.engine.exports.segment import adapt_segment
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports.answering import HEIGHT, WIDTH, adapted, described, detections, export

CLASSES = ("background", "scratch", "dent")


def logits():
    """(1, 3, h, w): a scratch at rows 4 to 9, columns 10 to 29, a dent elsewhere; the rest is background."""
    values = np.full((1, 3, HEIGHT, WIDTH), -2.0, np.float32)
    values[:, 0] = 3.0
    values[:, 1, 4:10, 10:30] = 5.0
    values[:, 2, 20:24, 2:6] = 6.0
    return values


def shares(values, axis=1):
    powers = np.exp(values.astype(np.float64))
    return powers / powers.sum(axis=axis, keepdims=True)


def found(made, folder):
    boxes, scores, labels = detections(made, folder)
    return {
        made.output.classes[label]: (box.tolist(), pytest.approx(score, abs=1e-5))
        for box, score, label in zip(boxes, scores, labels, strict=True)
    }


EXPECTED = {
    "scratch": ([10, 4, 30, 10], shares(logits())[0, 1, 4, 10]),
    "dent": ([2, 20, 6, 24], shares(logits())[0, 2, 20, 2]),
}


def test_logits_for_each_place_become_areas(tmp_path):
    """Over the classes of each place, not over all places."""
    file = export(tmp_path / "m.onnx", {"out": logits()})
    made = adapted(adapt_segment, file, described(file, activation="softmax"), classes=CLASSES)
    assert found(made, tmp_path) == EXPECTED
    assert made.output.good_classes == ("background",)


def test_torchvisions_second_output_is_left_out(tmp_path):
    """`aux` is there for the training; it is worse, and of the same sizes."""
    file = export(tmp_path / "m.onnx", {"out": logits(), "aux": np.zeros_like(logits())})
    made = adapted(adapt_segment, file, described(file, activation="softmax"), classes=CLASSES)
    assert found(made, tmp_path) == EXPECTED
    assert [value.name for value in made.model.graph.output] == ["maps"]


@pytest.mark.parametrize(("maker", "activation"), [("Softmax", "none"), ("Softmax", "softmax"), ("LogSoftmax", "none")])
def test_what_has_been_through_a_softmax_is_put_through_none_again(tmp_path, maker, activation):
    file = export(tmp_path / "m.onnx", {"out": logits()}, makers={"out": (maker, {"axis": 1})})
    made = adapted(adapt_segment, file, described(file, activation=activation), classes=CLASSES)
    assert found(made, tmp_path) == EXPECTED


def test_classes_last_become_maps_of_each(tmp_path):
    """As Keras has them."""
    last = np.ascontiguousarray(logits().transpose(0, 2, 3, 1))
    file = export(
        tmp_path / "m.onnx", {"out": last}, makers={"out": ("Softmax", {"axis": 3})}, picture=(1, HEIGHT, WIDTH, 3)
    )
    made = adapted(adapt_segment, file, described(file, layout="NHWC"), classes=CLASSES)
    assert found(made, tmp_path) == EXPECTED


def test_one_class_is_by_itself(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": logits()[:, 1:2]})
    made = adapted(adapt_segment, file, described(file, activation="sigmoid"), classes=("scratch",))
    assert found(made, tmp_path) == {"scratch": ([10, 4, 30, 10], pytest.approx(1 / (1 + np.exp(-5)), abs=1e-5))}


def test_a_smaller_map_is_of_the_complete_frame(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": np.ascontiguousarray(logits()[:, :, ::2, ::2])})
    made = adapted(adapt_segment, file, described(file, activation="softmax"), classes=CLASSES)
    assert found(made, tmp_path)["scratch"][0] == [10, 4, 30, 10]


def test_an_activation_behind_one_is_refused(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": logits()}, makers={"out": ("Softmax", {"axis": 1})})
    with pytest.raises(ModelError, match="comes out of a Softmax already"):
        adapted(adapt_segment, file, classes=CLASSES, activation="softmax")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"classes": ("a", "b", "c")},
            r"one of its classes \(a, b, c\) is true at each place, .* say with --good-classes",
        ),
        ({"classes": CLASSES, "good": CLASSES}, "all of its classes .* are good ones; name a defect"),
        ({"classes": ("scratch", "dent")}, "has 3 classes, --classes names 2"),
        ({}, "names no classes; name 3 with --classes"),
    ],
)
def test_classes_that_do_not_fit_are_refused(tmp_path, settings, why):
    file = export(tmp_path / "m.onnx", {"out": logits()})
    with pytest.raises(ModelError, match=why):
        adapted(adapt_segment, file, described(file, activation="softmax"), **settings)


def test_a_softmax_of_one_class_is_refused(tmp_path):
    """It is 1 at every place."""
    file = export(tmp_path / "m.onnx", {"out": logits()[:, :1]})
    with pytest.raises(ModelError, match="has one class; its activation is a sigmoid"):
        adapted(adapt_segment, file, described(file, activation="softmax"), classes=("scratch",))


def test_without_a_map_there_is_no_segmentation(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": np.zeros((1, 3), np.float32)})
    with pytest.raises(ModelError, match=r"has no output of four dimensions; expected \[1, classes, h, w\]"):
        adapted(adapt_segment, file, classes=CLASSES)


def test_a_number_that_is_not_finite_reaches_the_executor(tmp_path):
    values = logits()
    values[0, 0, 5, 5] = np.nan
    file = export(tmp_path / "m.onnx", {"out": values})
    made = adapted(adapt_segment, file, described(file, activation="softmax"), classes=CLASSES)
    with pytest.raises(Exception, match="not finite"):
        detections(made, tmp_path)
