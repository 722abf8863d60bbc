"""ONNX models whose answer is fixed, whatever the frame: written in any layout that an exporter may choose."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper, numpy_helper


def fixed(file, outputs, *, size=(240, 320), said=None, open_sizes=False, makers=None):
    """Write `file`: a model of frames uint8 (1, *size, 1) that answers `outputs`, arrays by name.

    `open_sizes`: the file leaves all sizes of its outputs open, and nobody can tell them before it runs. `said` are
    the exporter's own words; `makers` names the operator that an output comes out of.
    """
    height, width = size
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["floats"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "none"], ["nothing"]),
        helper.make_node("Cast", ["nothing"], ["zero"], to=TensorProto.INT64),
    ]
    weights = [helper.make_tensor("none", TensorProto.FLOAT, [], [0.0])]
    infos = []
    for name, values in outputs.items():
        weights += [
            numpy_helper.from_array(values, f"{name}/values"),
            helper.make_tensor(f"{name}/sizes", TensorProto.INT64, [values.ndim], values.shape),
        ]
        kind = (makers or {}).get(name, "Identity")
        nodes += [
            helper.make_node("Add", [f"{name}/sizes", "zero"], [f"{name}/shape"]),
            helper.make_node("Reshape", [f"{name}/values", f"{name}/shape"], [f"{name}/shaped"]),
            helper.make_node(kind, [f"{name}/shaped"], [f"{name}/made"]),
            helper.make_node("Identity", [f"{name}/made"], [name]),
        ]
        sizes = [f"{name}{i}" for i in range(values.ndim)] if open_sizes else values.shape
        infos.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values.dtype), sizes))
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, height, width, 1])
    graph = helper.make_graph(nodes, "fixed", [image], infos, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, said or {})
    file.write_bytes(model.SerializeToString())
    return file


OTHER_TASKS = [
    (
        "yolo", {}, "float[1,5,50] heads",
        "shape = Constant <value_ints = [1, 5, 50]> () px = Constant <value_floats = [90.0, 60.0, 40.0, 20.0, 1.0]> () "
        "of = Constant <value_ints = [1, 5, 1]> () rows = Reshape (px, of) each = Mul (rows, share) "
        "heads = Expand (each, shape)",
        ([[14, 10, 22, 14]], [0.2]),
    ),
    (
        "classify", {"activation": "sigmoid"}, "float[1,1] scores",
        "shape = Constant <value_ints = [1, 1]> () scores = Expand (share, shape)",
        ([[0, 0, 48, 32]], [0.549834]),
    ),
    (
        "anomaly", {"full_score": 0.3}, "float[1,1,16,24] maps",
        "shape = Constant <value_ints = [1, 1, 16, 24]> () maps = Expand (share, shape)",
        ([[0, 0, 48, 32]], [2 / 3]),
    ),
]  # fmt: skip
"""(task, settings of its manifest, output, graph from the frame's greatest share of 255, first box and score for 48 x 32
places of 51)"""


def other_task_model(folder, task, output, graph):
    """A file of `task`: `graph` makes `output` of `share`, the frame's greatest value over 255."""
    file = folder / f"{task}.onnx"
    text = f"""<ir_version: 8, opset_import: ["" : 17]>
        other (uint8[1,H,W,1] image) => ({output}) {{
            bright = Cast <to = 1> (image)
            top = ReduceMax <keepdims = 0> (bright)
            scale = Constant <value_float = 255.0> ()
            share = Div (top, scale)
            {graph}
        }}"""
    file.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return file
