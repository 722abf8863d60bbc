"""Exported files whose answer is known, whatever the frame, in any layout; and what the line's executor says of them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.engine.exports.begin import begin
from aoi_daemon.engine.exports.described import Described, Tensor
from aoi_daemon.engine.exports.told import Told
from aoi_daemon.engine.precision.graph import save_model
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor

HEIGHT, WIDTH = 32, 48


def export(file, outputs, *, picture=(1, 3, HEIGHT, WIDTH), makers=None, opset=17, sizes=None, others=None, seen=()):
    """Write `file`: a model that answers `outputs`, arrays by name.

    `makers`: by output, the operator behind it and its attributes. `sizes`: by output, what the file says of its
    sizes, where that is not what it has. `others`: inputs beside the picture, (type, sizes) by name, that the boxes
    are multiplied with as orig_target_sizes does. `seen`: operators that the graph has and nobody needs the result of.
    """
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "none"], ["zero"]),
        *seen,
    ]
    weights = [helper.make_tensor("none", TensorProto.FLOAT, [], [0.0])]
    infos = []
    for name, values in outputs.items():
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        weights.append(numpy_helper.from_array(values, f"{name}/values"))
        maker, attributes = (makers or {}).get(name, ("Identity", {}))
        if values.dtype == np.bool_:
            continue
        nodes += [
            helper.make_node("Cast", ["zero"], [f"{name}/zero"], to=kind),
            helper.make_node("Add", [f"{name}/values", f"{name}/zero"], [f"{name}/sum"]),
            helper.make_node(maker, [f"{name}/sum"], [name], **attributes),
        ]
        infos.append(helper.make_tensor_value_info(name, kind, (sizes or {}).get(name, values.shape)))
    inputs = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, picture)]
    inputs += [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in (others or {}).items()]
    graph = helper.make_graph(nodes, "exported", inputs, infos, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    file.write_bytes(model.SerializeToString())
    return file


def described(file, family="classify", kind="classify", **settings):
    """What `recognise` would say of `file`, as far as its graph does."""
    graph = onnx.load(str(file), load_external_data=False).graph
    weights = {item.name for item in graph.initializer}
    picture = next(_tensor(value) for value in graph.input if value.name not in weights)
    layout = settings.pop("layout", "NCHW")
    channels, places = (picture.shape[-3], picture.shape[-2:]) if layout == "NCHW" else (
        picture.shape[-1], picture.shape[-3:-1]
    )  # fmt: skip
    keys = {
        "family": family, "kind": kind, "program": "a test", "opset": 17, "input": picture, "layout": layout,
        "channels": channels, "height_px": places[0], "width_px": places[1], "stride_px": 1,
        "outputs": tuple(_tensor(value) for value in graph.output), "classes": (), "pixels": UNIT,
    }  # fmt: skip
    return Described(**{**keys, **settings})


def _tensor(value):
    kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim)
    return Tensor(value.name, kind, tuple(sizes))


def adapted(adapt, file, about=None, *, channels=3, frame=None, **told):
    """`file` as `adapt` makes it; keywords are what a person tells."""
    about = about or described(file)
    return adapt(begin(about, file, channels=channels, frame=frame).sewn, about, Told(**told))


def manifest_for(made, channels=3):
    """The manifest of an adapted model."""
    return Manifest(
        name="t", has_template=False, channels=channels, stride_px=made.stride_px,
        models={"fp32": Model(file="model.onnx", sha256="0" * 64)}, **made.output.model_dump(),
    )  # fmt: skip


def detections(made, folder, image=None):
    """What the line's executor says of a frame, by an adapted model."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) if image is None else image
    file = Path(folder) / "adapted.onnx"
    save_model(made.model, file)
    with OnnxExecutor(file, manifest_for(made, image.shape[2]), threads=1, shape=image.shape) as executor:
        boxes, scores, classes = executor.infer(image, None, NO_DEADLINE)
        return boxes.copy(), scores.copy(), classes.copy()
