"""Files as exporters make them, with the outputs that a test says: their shapes and numbers, without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.precision.graph import save_model
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import outputs_of
from tests.unit.infer.manifests import manifest_of

KINDS = {"yolo-segment": "segment", "segment": "segment", "classify": "classify", "anomaly": "anomaly"}


def write(file, outputs, *, size=(64, 64), said=(), sizes=()):
    """An export whose outputs are always `outputs`, whatever it is shown; `sizes`: declared, where they differ."""
    declared = [[*values.shape] for values in outputs.values()]
    declared[: len(sizes)] = sizes
    nodes, weights = [helper.make_node("ReduceMean", ["images"], ["mean"], "mean", keepdims=0)], []
    weights.append(numpy_helper.from_array(np.array(0, np.float32), "nothing"))
    nodes.append(helper.make_node("Mul", ["mean", "nothing"], ["none"], "none"))
    for name, values in outputs.items():
        weights.append(numpy_helper.from_array(values, f"{name}_values"))
        nodes.append(helper.make_node("Add", [f"{name}_values", "none"], [name], f"{name}_made"))
    graph = helper.make_graph(
        nodes,
        "exported",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(outputs, declared, strict=True)
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(said))
    onnx.save(model, file)
    return file


def described(family, outputs, *, classes, size=(64, 64), sizes=()):
    """What `recognise` says of such a file."""
    shapes = [values.shape for values in outputs.values()]
    shapes[: len(sizes)] = sizes
    return Described(
        family=family,
        kind=KINDS.get(family, "detect"),
        program="Ultralytics 8.4.190",
        opset=17,
        input=Tensor("images", "float32", (1, 3, *size)),
        layout="NCHW",
        channels=3,
        height_px=size[0],
        width_px=size[1],
        stride_px=32,
        outputs=tuple(Tensor(name, "float32", tuple(shape)) for name, shape in zip(outputs, shapes, strict=True)),
        classes=tuple(classes),
        pixels=UNIT,
    )


def run(adapted, size=(64, 64), channels=3):
    """The outputs of an adapted model, in the order in which its decoder takes them."""
    session = ort.InferenceSession(adapted.model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in outputs_of(manifest(adapted))]
    return session.run(names, {"image": np.zeros((1, *size, channels), np.uint8)})


def manifest(adapted):
    """Of a bundle of the adapted model."""
    return manifest_of(**adapted.output.model_dump(), channels=3, stride_px=adapted.stride_px)


def decoded(adapted, size=(64, 64), recipe=None):
    """What the adapted model found, as the judgement gets it."""
    return decoder_for(manifest(adapted), recipe).decode(run(adapted, size), (*size, 3))


def saved(adapted, folder: Path) -> Path:
    """The adapted model in a file."""
    save_model(adapted.model, folder / "adapted.onnx")
    return folder / "adapted.onnx"
