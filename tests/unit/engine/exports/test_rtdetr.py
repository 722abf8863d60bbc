"""RT-DETR by each exporter, as the line reads it."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from aoi_daemon.engine.exports.rtdetr import adapt_rtdetr
from aoi_daemon.errors import InferenceError, ModelError
from tests.unit.engine.exports.answering import HEIGHT, WIDTH, adapted, described, detections, export

CLASSES = ("edge", "dent", "scratch")
PX = np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
DEFORMABLE = helper.make_node("GridSample", ["picture", "grid"], ["sampled"])
GRID = {"grid": (TensorProto.FLOAT, [1, 2, 2, 2])}


def queries(count=12, seed=0, classes=3):
    """Boxes (1, count, 4), shares of centre and size; logits (1, count, classes), all different."""
    rng = np.random.default_rng(seed)
    boxes = np.concatenate((rng.uniform(0.3, 0.7, (count, 2)), rng.uniform(0.1, 0.5, (count, 2))), 1)
    logits = rng.permutation(count * classes).reshape(count, classes) / (count * classes) * 8 - 6
    return boxes[None].astype(np.float32), logits[None].astype(np.float32)


def corners(boxes):
    """In px, (count, 4)."""
    px = boxes[0] * PX
    return np.concatenate((px[:, :2] - px[:, 2:] / 2, px[:, :2] + px[:, 2:] / 2), 1)


def sigmoid(values):
    return 1 / (1 + np.exp(-values.astype(np.float64)))


def assert_found(made, folder, boxes, scores, labels):
    """What is found of `made` is each of these rows, and no other that scores as much as the least of them."""
    least = min(scores)
    found = [
        (score, made.output.classes[label], box.tolist())
        for box, score, label in zip(*detections(made, folder), strict=True)
        if score >= least - 1e-7
    ]
    order = np.argsort(-np.asarray(scores), kind="stable")
    assert [row[0] for row in found] == pytest.approx([scores[i] for i in order], abs=1e-6)
    assert [row[1] for row in found] == [CLASSES[labels[i]] for i in order]
    assert np.allclose([row[2] for row in found], boxes[order], atol=1e-3)


def transformers(tmp_path, boxes, logits, *, names=("logits", "pred_boxes"), seen=(DEFORMABLE,)):
    file = export(tmp_path / "m.onnx", {names[0]: logits, names[1]: boxes}, seen=seen)
    model = onnx.load(str(file))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 2, 2, 2), np.float32), "grid"))
    file.write_bytes(model.SerializeToString())
    return file


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 320), seed=st.integers(0, 999), named=st.booleans())
def test_each_class_of_each_query_of_transformers_is_found(tmp_path_factory, count, seed, named):
    """As its own post-processing does; of 320 queries none is cut off, and a second class of one is none too many."""
    folder = tmp_path_factory.mktemp("m")
    boxes, logits = queries(count, seed)
    names = ("logits", "pred_boxes") if named else ("select_87", "select_88")
    made = adapted(adapt_rtdetr, transformers(folder, boxes, logits, names=names), classes=CLASSES)
    rows, labels = np.divmod(np.arange(count * 3), 3)
    assert_found(made, folder, corners(boxes)[rows], sigmoid(logits).reshape(-1), labels)


def test_a_softmax_of_detr_has_a_last_class_for_nothing(tmp_path):
    boxes, logits = queries(classes=4)
    file = transformers(tmp_path, boxes, logits, seen=())
    with pytest.raises(ModelError, match=r"whether its logits need a sigmoid .* or a softmax .* --activation"):
        adapted(adapt_rtdetr, file, classes=CLASSES)
    made = adapted(adapt_rtdetr, file, classes=CLASSES, activation="softmax")
    powers = np.exp(logits[0].astype(np.float64))
    scores = (powers / powers.sum(axis=1, keepdims=True))[:, :3].reshape(-1)
    kept = np.flatnonzero(scores >= 0.001)
    rows, labels = np.divmod(kept, 3)
    assert_found(made, tmp_path, corners(boxes)[rows], scores[kept], labels)


def test_a_score_for_each_class_of_ultralytics(tmp_path):
    """[1, n, 4 + classes], before 8.4."""
    boxes, logits = queries()
    values = np.concatenate((boxes, sigmoid(logits).astype(np.float32)), 2)
    file = export(tmp_path / "m.onnx", {"output0": values})
    rows, labels = np.divmod(np.arange(36), 3)
    made = adapted(adapt_rtdetr, file, classes=CLASSES)
    assert_found(made, tmp_path, corners(boxes)[rows], sigmoid(logits).reshape(-1), labels)


def joined(tmp_path, boxes, scores, labels):
    """[1, n, 6] as Ultralytics joins it since 8.4: boxes, scores, and classes that were whole numbers."""
    values = {"boxes": boxes, "scores": scores[None, :, None], "labels": labels[None, :, None].astype(np.int64)}
    file = export(tmp_path / "m.onnx", values)
    model = onnx.load(str(file))
    model.graph.node.append(helper.make_node("Cast", ["labels"], ["numbers"], to=TensorProto.FLOAT))
    model.graph.node.append(helper.make_node("Concat", ["boxes", "scores", "numbers"], ["output0"], axis=-1))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["a", "b", 6]))
    file.write_bytes(model.SerializeToString())
    return file


def chosen(count=12, seed=0):
    boxes, logits = queries(count, seed)
    return boxes, sigmoid(logits[0]).max(1).astype(np.float32), np.random.default_rng(seed).integers(0, 2, count)


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]])
def test_a_score_and_a_class_of_each_row_of_ultralytics(tmp_path, classes):
    """Of two classes [1, n, 4 + classes] is as wide; the graph tells them apart."""
    boxes, scores, labels = chosen()
    made = adapted(adapt_rtdetr, joined(tmp_path, boxes, scores, labels), classes=classes)
    above = np.flatnonzero(scores > scores.min())
    assert_found(made, tmp_path, corners(boxes)[above], scores[above], labels[above])


def test_two_classes_of_a_score_each_are_no_row_of_a_class(tmp_path):
    boxes, logits = queries(classes=2)
    values = np.concatenate((boxes, sigmoid(logits).astype(np.float32)), 2)
    made = adapted(adapt_rtdetr, export(tmp_path / "m.onnx", {"output0": values}), classes=CLASSES[:2])
    rows, labels = np.divmod(np.arange(24), 2)
    assert_found(made, tmp_path, corners(boxes)[rows], sigmoid(logits).reshape(-1), labels)


def authors(tmp_path, boxes, scores, labels, *, sized=True):
    """Labels, boxes and scores as the authors' export_onnx.py writes them: boxes times orig_target_sizes."""
    corner = corners(boxes)[None].astype(np.float32) / (PX if sized else 1)
    outputs = {"labels": labels[None].astype(np.int64), "boxes": corner, "scores": scores[None]}
    others = {"orig_target_sizes": (TensorProto.INT64, ["N", 2])} if sized else None
    file = export(tmp_path / "m.onnx", outputs, picture=("N", 3, HEIGHT, WIDTH), others=others)
    if not sized:
        return file
    model = onnx.load(str(file))
    for node in model.graph.node:
        for place, name in enumerate(node.output):
            if name == "boxes":
                node.output[place] = "shares"
    twice = [
        helper.make_node("Cast", ["orig_target_sizes"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["one", "one"], ["two"], axis=1),
        helper.make_node("Mul", ["shares", "two"], ["boxes"]),
    ]
    model.graph.node.extend(twice)
    file.write_bytes(model.SerializeToString())
    return file


@pytest.mark.parametrize("sized", [True, False])
def test_labels_boxes_and_scores_of_the_authors(tmp_path, sized):
    """With the picture's size as a second input, which is in no frame; or in px already."""
    boxes, scores, labels = chosen()
    made = adapted(adapt_rtdetr, authors(tmp_path, boxes, scores, labels, sized=sized), classes=CLASSES)
    above = np.flatnonzero(scores > scores.min())
    assert_found(made, tmp_path, corners(boxes)[above], scores[above], labels[above])


def test_a_class_that_was_not_named_is_no_answer(tmp_path):
    """With one name too few a defect would be lost."""
    boxes, scores, labels = chosen()
    made = adapted(adapt_rtdetr, joined(tmp_path, boxes, scores, labels), classes=CLASSES[:1])
    with pytest.raises(InferenceError, match="expected 0 to 1"):
        detections(made, tmp_path)


@pytest.mark.parametrize("place", [0, 1])
def test_a_number_that_is_not_finite_is_no_answer(tmp_path, place):
    parts = queries()
    parts[place][0, 7, 2] = np.nan
    made = adapted(adapt_rtdetr, transformers(tmp_path, *parts), classes=CLASSES)
    with pytest.raises(InferenceError, match="not finite"):
        detections(made, tmp_path)


def test_outputs_of_another_layout_are_refused_with_who_exports_these(tmp_path):
    file = export(tmp_path / "m.onnx", {"bbox": np.zeros((300, 6), np.float32), "bbox_num": np.ones(1, np.int64)})
    with pytest.raises(ModelError, match=r"outputs are bbox \[300, 6\], bbox_num \[1\]; expected .* Ultralytics"):
        adapted(adapt_rtdetr, file, described(file, "rtdetr", "detect"), classes=CLASSES)
