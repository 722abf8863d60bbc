"""Put the camera's uint8 frame in front of a model that was trained on floats, and the contract's name behind it.

Process: offline. Needs the package `onnx`.

A YOLOv8 detector becomes a bundle's model so:

    yolo export model=best.pt format=onnx opset=17 imgsz=640       # images float32 (1, 3, 640, 640) -> output0
    wrap_float_model(Path("best.onnx"), Path("wrapped.onnx"), "yolo", channels=1)

and the bundle's manifest says `task = "yolo"`. What is put in front is Cast, Transpose, Mul (and, where the model
wants a mean taken off, Sub and Mul once more): TensorRT takes them in this order, and its FP16 and INT8 leave the
model itself alone. The frame is not resized: the recipe's size is the model's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from aoi_daemon.engine.precision.graph import Model, load_model, save_model
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import OUTPUT_NAMES
from aoi_daemon.infer.exports import is_probability, task_problem

_PREFIX: Final = "model/"
"""Of every name in the model: ours, `image` above all, are then free."""
_ACTIVATIONS: Final = {"softmax": ("Softmax", {"axis": 1}), "sigmoid": ("Sigmoid", {}), "none": ("Identity", {})}

Task = Literal["yolo", "classify", "segment", "anomaly"]
Activation = Literal["none", "softmax", "sigmoid"]


class Pixels(NamedTuple):
    """What a model wants in place of a camera's 0 to 255.

    Attributes:
        scale: by which each value is multiplied.
        mean, deviation: by channel of the model; after scaling, one is taken off, and the rest divided by the other.
        is_rgb: in which order a model of three channels has them; the camera's is BGR.
    """

    scale: float = 1 / 255
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    is_rgb: bool = True


UNIT: Final = Pixels()
"""0 to 1, as YOLO is trained with."""
IMAGENET: Final = Pixels(mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
"""What torchvision's classifiers are trained with."""


def wrap_float_model(
    source: Path,
    target: Path,
    task: Task,
    *,
    channels: Literal[1, 3],
    pixels: Pixels = UNIT,
    activation: Activation = "none",
    output: str | None = None,
) -> None:
    """Write `target`: the model of `source` with input `image` uint8 (1, H, W, `channels`) and its task's output.

    Args:
        source: an ONNX model with one input, float32 (1, 1 or 3, H, W); its weights float32 too.
        target: overwritten.
        task: names the output: heads, scores or maps.
        channels: of the camera; a mono frame is shown to each channel of a colour model.
        pixels: what the model was trained with.
        activation: put behind the output, over the classes; for maps of logits. Of a classification the manifest
            can say it instead.
        output: which of the model's outputs; None: it has one alone.

    Raises:
        ModelError: the file is no such model, or says of itself that it is of another task; names what was found.
    """
    exported = load_model(source)
    said = {entry.key: entry.value for entry in exported.metadata_props}
    if problem := task_problem(said, task):
        raise ModelError(f"{source}: {problem}")
    model = compose.add_prefix(exported, _PREFIX)
    given = _only_input(model, source)
    _refuse_float16(model, given, source)
    found = _output(model, output, source)
    _refuse_twice(model, found.name, activation, source)
    batch, depth, height, width = (_size(dim) for dim in given.type.tensor_type.shape.dim)
    if (
        given.type.tensor_type.elem_type != TensorProto.FLOAT
        or depth not in (1, 3)
        or (isinstance(batch, int) and batch != 1)
    ):
        kind = TensorProto.DataType.Name(given.type.tensor_type.elem_type)
        raise ModelError(
            f"{source}: input {given.name.removeprefix(_PREFIX)} is {kind} {[batch, depth, height, width]}; "
            "expected FLOAT [1, 1 or 3, height, width]"
        )
    if channels > depth:
        raise ModelError(f"{source}: takes {depth} channel; frames of {channels} have more to show")
    before, constants = front(given.name, channels, depth, pixels, source)
    kind, attributes = _ACTIVATIONS[activation]
    after = helper.make_node(kind, [found.name], [OUTPUT_NAMES[task]], "aoi/activation", **attributes)
    nodes = [*before, *model.graph.node, after]
    sizes = [1, *(_size(dim) for dim in found.type.tensor_type.shape.dim[1:])]
    graph = helper.make_graph(
        nodes,
        f"{task} for uint8 frames",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, height, width, channels])],
        [helper.make_tensor_value_info(OUTPUT_NAMES[task], TensorProto.FLOAT, sizes)],
        [*model.graph.initializer, *constants],
    )
    wrapped = helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    wrapped.ir_version = model.ir_version
    # What the exporter says of the model is checked against the manifest where it is opened.
    helper.set_model_props(wrapped, said)
    try:
        onnx.checker.check_model(wrapped, full_check=True)
    except Exception as error:  # the checker's errors have no common base
        raise ModelError(f"{source}: ONNX's checker refuses it once wrapped: {' '.join(str(error).split())}") from error
    save_model(wrapped, target)


def front(
    name: str,
    channels: int,
    depth: int,
    pixels: Pixels,
    source: Path,
    *,
    layout: Literal["NCHW", "NHWC"] = "NCHW",
) -> tuple[list[Any], list[Any]]:
    """Nodes from `image`, uint8 (1, H, W, `channels`), to the tensor `name`, float32 of `layout`; and their constants.

    Raises:
        ModelError: `pixels` is not for a model of `depth` channels; names `source`.
    """
    nodes = [helper.make_node("Cast", ["image"], ["aoi/float"], "aoi/cast", to=TensorProto.FLOAT)]
    last, axis, sizes = "aoi/float", 3, (1, 1, 1, depth)
    if layout == "NCHW":
        nodes.append(helper.make_node("Transpose", [last], ["aoi/planes"], "aoi/transpose", perm=[0, 3, 1, 2]))
        last, axis, sizes = "aoi/planes", 1, (1, depth, 1, 1)
    constants: list[Any] = []

    def put(kind: str, values: Any = None, *, copies: int = 1, **attributes: int) -> None:
        nonlocal last
        step = f"aoi/{kind.lower()}_{len(nodes)}"
        inputs = [last] * copies
        if values is not None:
            constants.append(numpy_helper.from_array(values, f"{step}/by"))
            inputs.append(f"{step}/by")
        nodes.append(helper.make_node(kind, inputs, [f"{step}/out"], step, **attributes))
        last = f"{step}/out"

    if channels == 3 and pixels.is_rgb:
        put("Gather", np.array([2, 1, 0], np.int64), axis=axis)
    elif channels < depth:
        put("Concat", copies=depth, axis=axis)
    put("Mul", np.array(pixels.scale, np.float32))
    for what, values in (("mean", pixels.mean), ("deviation", pixels.deviation)):
        if values and len(values) != depth:
            raise ModelError(f"{source}: takes {depth} channels; {what} {values} has {len(values)}")
    if pixels.mean:
        put("Sub", np.array(pixels.mean, np.float32).reshape(sizes))
    if pixels.deviation:
        put("Mul", (1 / np.array(pixels.deviation, np.float64)).astype(np.float32).reshape(sizes))
    nodes[-1].output[0] = name
    return nodes, constants


def _only_input(model: Model, source: Path) -> Any:
    weights = {item.name for item in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1 or len(inputs[0].type.tensor_type.shape.dim) != 4:
        there = ", ".join(value.name.removeprefix(_PREFIX) for value in inputs) or "none"
        raise ModelError(f"{source}: inputs are {there}; expected one, of four dimensions")
    return inputs[0]


def _refuse_float16(model: Model, given: Any, source: Path) -> None:
    """Refuse what was exported in half precision, before the checker finds fault with something that follows from it.

    An export on the CPU keeps a float32 input, but its weights are float16 and its casts come after what needs them.
    """
    if given.type.tensor_type.elem_type == TensorProto.FLOAT16:
        which = f"its input {given.name.removeprefix(_PREFIX)}"
    else:
        half = (item.name for item in model.graph.initializer if item.data_type == TensorProto.FLOAT16)
        first = next(half, None)
        if first is None:
            return
        which = f"its weight {first.removeprefix(_PREFIX)}"
    raise ModelError(
        f"{source}: is float16 already ({which}); export it in float32 (Ultralytics: half=False, or quantize=32), "
        "the bundle makes its own fp16"
    )


def _refuse_twice(model: Model, name: str, activation: Activation, source: Path) -> None:
    """Refuse to put an activation behind one: probabilities would be squeezed together, and few defects stand out."""
    maker = next((node.op_type for node in model.graph.node if name in node.output), "")
    if activation != "none" and is_probability(maker):
        raise ModelError(f"{source}: its output comes out of a {maker} already; leave activation at 'none'")


def _output(model: Model, name: str | None, source: Path) -> Any:
    outputs = {value.name.removeprefix(_PREFIX): value for value in model.graph.output}
    if name is None and len(outputs) != 1:
        raise ModelError(f"{source}: has outputs {', '.join(outputs)}; say which one is meant")
    chosen = outputs.get(name or next(iter(outputs)))
    if chosen is None:
        raise ModelError(f"{source}: has no output {name} (there: {', '.join(outputs)})")
    return chosen


def _size(dim: Any) -> int | str | None:
    """A dimension's size, its name where it varies, None where it has neither."""
    if dim.HasField("dim_value"):
        return int(dim.dim_value)
    return str(dim.dim_param) or None
