"""One door for every family: what goes in and what comes out, whichever it is."""

from typing import get_args

import numpy as np
import onnx
import pytest

from aoi_daemon.engine.exports import adapt as door
from aoi_daemon.engine.exports.described import Family
from aoi_daemon.engine.precision.prepare import convert_fp16, prepare_fp32
from aoi_daemon.engine.precision.wrap import Pixels
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tests.unit.engine.exports.exported import described, manifest, run, saved, write

F32 = np.float32
NAMES = ("ink", "scratch")
HEADS = np.array([[30, 20], [30, 20], [10, 8], [10, 8], [0.9, 0], [0, 0.8]], F32)
ROWS = np.array([[25, 25, 35, 35, 0.9, 0], [16, 16, 24, 24, 0.8, 1], [0] * 6], F32)
SAID = {"task": "detect", "names": str(dict(enumerate(NAMES))), "stride": "32", "author": "Ultralytics"}


def adapted_of(folder, family, table, *, said=(), outputs=None, **keywords):
    outputs = outputs or {"output0": table[None]}
    file = write(folder / "exported.onnx", outputs, said=said)
    return door.adapt(described(family, outputs, classes=NAMES), file, **{"channels": 3, **keywords})


@pytest.mark.parametrize("family", get_args(Family))
def test_every_family_has_a_module_or_is_refused_by_name(family):
    assert (family in door._BY_FAMILY) != (family in door._REFUSED)


@pytest.mark.parametrize(("family", "table"), [("yolo", HEADS), ("yolo-rows", ROWS)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_line_runs_what_comes_out(tmp_path, family, table, channels):
    """On frames of the camera, whose channels may be fewer than the model's."""
    adapted = adapted_of(tmp_path, family, table, said=SAID, channels=channels)
    bundle = manifest(adapted).model_copy(update={"channels": channels})
    with OnnxExecutor(saved(adapted, tmp_path), bundle, threads=1, shape=(64, 64, channels)) as executor:
        found = executor.infer(np.zeros((64, 64, channels), np.uint8), None, NO_DEADLINE)
    assert found.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.boxes.tolist() == [[25, 25, 35, 35], [16, 16, 24, 24]]


def test_what_the_exporter_said_stays_but_where_it_is_no_longer_so(tmp_path):
    adapted = adapted_of(tmp_path, "yolo-rows", ROWS, said={**SAID, "end2end": "True"}, classes=("Tinte", "Kratzer"))
    said = {entry.key: entry.value for entry in adapted.model.metadata_props}
    assert said == {**SAID, "names": "{0: 'Tinte', 1: 'Kratzer'}", "end2end": "False"}


def test_who_said_nothing_is_given_no_word(tmp_path):
    """What is not there is not checked either."""
    assert not list(adapted_of(tmp_path, "yolo", HEADS).model.metadata_props)


@pytest.mark.parametrize(("nms", "notes"), [("True", 1), ("None", 0)])
def test_it_is_said_what_a_suppression_in_the_graph_costs(tmp_path, nms, notes):
    adapted = adapted_of(tmp_path, "yolo-rows", ROWS, said={**SAID, "args": f"{{'batch': 1, 'nms': {nms}}}"})
    assert [note for note in adapted.notes if note.startswith("exported with nms=True: ")] == list(adapted.notes)
    assert len(adapted.notes) == notes


def test_pixels_that_are_told_go_before_those_of_the_file(tmp_path):
    """The front is there once, whatever the family."""
    adapted = adapted_of(tmp_path, "yolo", HEADS, pixels=Pixels(scale=1.0, is_rgb=False))
    assert "Gather" not in {node.op_type for node in adapted.model.graph.node}


def test_the_same_file_gives_the_same_model(tmp_path):
    """Its hash is the bundle's proof."""
    first, second = (adapted_of(tmp_path, "yolo-rows", ROWS, said=SAID).model for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_what_is_behind_the_last_layers_is_float_in_half_precision(tmp_path):
    """Boxes in px and the best of many: half precision has no odd px above 2048."""
    convolution = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        exported (float[1,3,64,64] images) => (float[1,6,4096] output0) <int64[3] flat = {1, 6, 4096}> {
            weight = Constant <value = float[6,3,1,1] {0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1}> ()
            layered = Conv (images, weight)
            output0 = Reshape (layered, flat)
        }"""
    )
    onnx.save(convolution, tmp_path / "exported.onnx")
    table = {"output0": np.zeros((1, 6, 4096), F32)}
    adapted = door.adapt(described("yolo", table, classes=NAMES), tmp_path / "exported.onnx", channels=3)
    half = convert_fp16(prepare_fp32(saved(adapted, tmp_path)))
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*half.graph.value_info, *half.graph.output)}
    assert kinds["model/layered"] == onnx.TensorProto.FLOAT16
    assert kinds["heads"] == onnx.TensorProto.FLOAT
    assert run(adapted)[0].shape == (1, 6, 4096)


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "exported.onnx").write_bytes(b"\0")
    with pytest.raises(ModelError, match=r"exported\.onnx"):
        door.adapt(described("yolo", {"output0": HEADS[None]}, classes=NAMES), tmp_path / "exported.onnx", channels=3)
