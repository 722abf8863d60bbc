"""What every family begins with: the file, its opset, one picture, and the frame in front."""

import numpy as np
import onnx
import pytest
from onnx import helper

from aoi_daemon.engine.exports.begin import begin
from aoi_daemon.engine.exports.classify import adapt_classify
from aoi_daemon.engine.exports.told import Told
from aoi_daemon.engine.precision.graph import load_model, opset, save_model
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports.answering import described, detections, export

LOGITS = np.array([[1.5, -0.5, 0.25]], np.float32)


def test_a_file_of_any_opset_with_weights_beside_it_and_an_open_batch_is_served(tmp_path):
    """All at once, as PyTorch's dynamo exporter writes it; the result is one file, of one frame."""
    file = export(tmp_path / "m.onnx", {"out": LOGITS}, picture=("N", 3, "H", "W"))
    model = onnx.load(str(file))
    for node in model.graph.node:
        if node.op_type == "ReduceMean":
            node.attribute.append(helper.make_attribute("noop_with_empty_axes", 0))
    model.opset_import[0].version = 18
    onnx.save(model, str(file), save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    about = described(file, activation="softmax")
    begun = begin(about, file, channels=3, frame=(32, 48))
    made = adapt_classify(begun.sewn, about, Told(classes=("good", "a", "b")))
    assert begun.notes == ("opset 18 was brought to 17",)
    assert opset(made.model) == 17
    assert [dim.dim_value for dim in made.model.graph.input[0].type.tensor_type.shape.dim] == [1, 32, 48, 3]
    save_model(made.model, tmp_path / "alone.onnx")
    assert load_model(tmp_path / "alone.onnx").graph.node, "no weight lies elsewhere"
    powers = np.exp(LOGITS[0])
    assert detections(made, tmp_path)[1].tolist() == pytest.approx(
        [powers[1] / powers.sum(), 1 - powers[0] / powers.sum()], abs=1e-6
    )


def test_pixels_that_nobody_says_are_asked_for(tmp_path):
    file = export(tmp_path / "m.onnx", {"out": LOGITS})
    with pytest.raises(ModelError, match=r"does not say what it wants in place of 0 to 255; say it with --pixels"):
        begin(described(file, pixels=None), file, channels=3)


@pytest.mark.parametrize(("settings", "why"), [({"opset": 9}, "opset 9; export it"), ({}, "none of 64 x 32 px")])
def test_what_does_not_fit_is_said_of_the_file(tmp_path, settings, why):
    file = export(tmp_path / "m.onnx", {"out": LOGITS}, **settings)
    with pytest.raises(ModelError, match=rf"m\.onnx: .*{why}"):
        begin(described(file), file, channels=3, frame=(32, 64))


def test_sizes_that_follow_from_the_picture_are_said_to_be_none_of_tensorrts(tmp_path):
    seen = [helper.make_node("NonZero", ["picture"], ["where"])]
    file = export(tmp_path / "m.onnx", {"out": LOGITS}, seen=seen)
    (note,) = begin(described(file), file, channels=3).notes
    assert note.startswith("has NonZero, of which sizes follow from the picture")
