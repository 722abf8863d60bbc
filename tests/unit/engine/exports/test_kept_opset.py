"""An export whose opset cannot be brought down is adapted in the one that it has, and answers the same."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, version_converter

from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.engine.precision.graph import opset
from aoi_daemon.engine.precision.wrap import UNIT
from tests.unit.engine.exports.layouts import PX, written
from tests.unit.engine.exports.test_recognise import RIGHT


def kept(model):
    """`model` in opset 18, with an operator that no older one has and nobody needs the result of."""
    made = version_converter.convert_version(model, 18)
    helper.set_model_props(made, {entry.key: entry.value for entry in model.metadata_props})
    made.producer_name, made.producer_version = model.producer_name, model.producer_version
    for info, was in zip(made.graph.output, model.graph.output, strict=True):
        info.CopyFrom(was)
    picture = model.graph.input[0].name
    made.graph.node.append(helper.make_node("ReduceMean", [picture], ["spare"], "spare", noop_with_empty_axes=1))
    onnx.checker.check_model(made)
    return made


def answers(folder, model):
    file = written(folder, model, f"{opset(model)}.onnx")
    what = recognise(file)
    classes = what.classes or tuple("abcde"[: what.count])
    good = classes[:1] if what.kind in ("classify", "segment") else ()
    told = {"classes": classes, "good_classes": good, "pixels": what.pixels or UNIT}
    adapted = adapt(what, file, channels=3, frame=(PX, PX), **told)
    session = ort.InferenceSession(adapted.model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(3).integers(0, 256, (1, PX, PX, 3), dtype=np.uint8)
    return opset(adapted.model), session.run(None, {"image": image})


@pytest.mark.parametrize("which", [which for which in RIGHT if not which.startswith("own")])
def test_a_graph_whose_opset_is_kept_answers_as_one_of_17(tmp_path, which):
    model = RIGHT[which][0]()
    (_, expected), (version, found) = answers(tmp_path, model), answers(tmp_path, kept(model))
    assert version == 18
    for one, other in zip(expected, found, strict=True):
        assert np.allclose(one, other, atol=1e-5, equal_nan=True)
