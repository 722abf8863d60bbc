"""Sew onto an exported graph: the camera's frame in front, and behind its outputs what makes them those of a task.

Process: offline. Needs the package `onnx`. Pure.

Every name of the exported graph gets a prefix, so that ours, `image` above all, are free. Where a file takes two or
more pictures at once and nothing else, the frame is shown to it as often, and the first answer is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from aoi_daemon.engine.exports.constants import constant_value
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.exports.facts import makers_of, origin
from aoi_daemon.engine.exports.sizes import batch_of
from aoi_daemon.engine.precision.graph import Model, Node
from aoi_daemon.engine.precision.wrap import Pixels, front
from aoi_daemon.errors import ModelError

_PREFIX: Final = "model/"
_OURS: Final = "aoi/"
_AXES_SINCE: Final = 18

Sizes = tuple[int | None, ...]


class Sewn:
    """An exported graph of opset 13 or later that takes `image`, and what was put behind it so far."""

    def __init__(self, model: Model, described: Described, source: Path, *, channels: int, pixels: Pixels) -> None:
        """Put the frame in front of `model`.

        Args:
            model: with its sizes fixed (sizes.py).
            described: what it is; its picture's name, layout and channels are read.
            source: named in errors.
            channels: of the camera; a mono frame is shown to each channel of a colour model.
            pixels: what the model was trained with.

        Raises:
            ModelError: the picture has fewer channels than the frames, or `pixels` is of other channels.
        """
        depth = described.channels
        if channels > depth:
            raise ModelError(f"{source}: takes {depth} channel; frames of {channels} have more to show")
        self.source = source
        self._said = {entry.key: entry.value for entry in model.metadata_props}
        self._model = compose.add_prefix(model, _PREFIX)
        self._makers = makers_of(self._model)
        self._batch = batch_of(model, described.input.name) or 1
        self._channels = channels
        weights = {item.name for item in self._model.graph.initializer}
        self._inputs = {value.name: value for value in self._model.graph.input if value.name not in weights}
        picture = self._inputs.pop(_PREFIX + described.input.name)
        dims = [dim.dim_value or None for dim in picture.type.tensor_type.shape.dim]
        places = slice(-3, -1) if described.layout == "NHWC" else slice(-2, None)
        self.height_px, self.width_px = dims[places]
        self._nodes: list[Any] = []
        target = picture.name if len(dims) == 4 and self._batch == 1 else f"{_OURS}picture"
        before, self._constants = front(target, channels, depth, pixels, source, layout=described.layout)
        if self._batch > 1:
            before.append(helper.make_node("Concat", [target] * self._batch, [picture.name], "aoi/copies", axis=0))
        elif len(dims) == 3:
            axes = self.constant(np.array([0], np.int64))
            before.append(helper.make_node("Squeeze", [target, axes], [picture.name], "aoi/one"))
        self._before = before

    @property
    def others(self) -> tuple[str, ...]:
        """Inputs of the file beside the picture that nothing is bound to."""
        return tuple(name.removeprefix(_PREFIX) for name in self._inputs)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the front."""
        if self._batch == 1:
            return ()
        return (
            f"takes {self._batch} pictures at once and no fewer: each frame is computed {self._batch} times; export "
            'it for one picture (anomalib: onnx_kwargs={"dynamic_axes": {}}), and it takes that much less time',
        )

    @property
    def opset(self) -> int:
        """Of ONNX's own operators."""
        return max(int(item.version) for item in self._model.opset_import if item.domain in ("", "ai.onnx"))

    def bind(self, name: str, values: NDArray[Any]) -> None:
        """Give another input of the file always the same `values`, those of one picture."""
        given = self._inputs.pop(_PREFIX + name)
        kind = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
        values = np.concatenate([values.astype(kind)] * self._batch)
        self._constants.append(numpy_helper.from_array(values, _PREFIX + name))

    def maker_of(self, name: str) -> str:
        """The operator behind the file's output `name`, whatever hands it on as it is."""
        return self._maker(_PREFIX + name)[0]

    def before(self, name: str) -> str:
        """What the operator behind the file's output `name` works on: its output's logits, where it is a Sigmoid."""
        return self._one(self._maker(_PREFIX + name)[1])

    def _behind(self, tensor: str) -> Node | None:
        """The operator that computes `tensor`, but for its shape."""
        return self._makers.get(origin(self._makers, tensor))

    def _maker(self, tensor: str) -> tuple[str, str]:
        node = self._behind(tensor)
        return ("", "") if node is None or not node.input else (node.op_type, node.input[0])

    def joins_numbers(self, name: str) -> bool:
        """Whether the file's output `name` is joined of parts of which one was whole numbers."""
        joined = self._behind(_PREFIX + name)
        return (
            joined is not None
            and joined.op_type == "Concat"
            and any(self._maker(part)[0] == "Cast" for part in joined.input)
        )

    def compared_with(self, name: str) -> float | None:
        """The constant that the file's output `name`, a truth, says something is greater than; None: it is none."""
        node = self._behind(_PREFIX + name)
        if node is None or node.op_type not in ("Greater", "GreaterOrEqual"):
            return None
        value = constant_value(self._model.graph, node.input[1])
        return None if value is None or value.size != 1 else float(value.reshape(())[()])

    def has(self, *kinds: str) -> bool:
        """Whether the file's graph has an operator of `kinds`."""
        return any(node.op_type in kinds for node in self._model.graph.node)

    def tells_classes_apart(self) -> bool:
        """Whether the file's graph has a softmax that is none of an attention: of classes, of which one is true."""
        products = {name for node in self._model.graph.node if node.op_type == "MatMul" for name in node.input}
        softmaxes = [node for node in self._model.graph.node if node.op_type in ("Softmax", "LogSoftmax")]
        return any(node.output[0] not in products for node in softmaxes)

    def frame_px(self) -> str:
        """float32 (4,): width, height, width, height of the frame in px."""
        if self.height_px is not None and self.width_px is not None:
            return self.constant(np.array([self.width_px, self.height_px] * 2, np.float32))
        sizes = self.put("Shape", "image")
        order = self.constant(np.array([2, 1, 2, 1], np.int64))
        return self.put("Cast", self.put("Gather", sizes, order, axis=0), to=TensorProto.FLOAT)

    def sizes_of(self, name: str) -> Sizes:
        """Of the file's output `name` in the graph, where sizes may have been fixed that the file leaves open."""
        value = next(each for each in self._model.graph.output if each.name == _PREFIX + name)
        return tuple(dim.dim_value or None for dim in value.type.tensor_type.shape.dim)

    def output(self, name: str) -> str:
        """The tensor of the file's output `name`: of one picture."""
        return self._one(_PREFIX + name)

    def _one(self, tensor: str) -> str:
        if self._batch == 1:
            return tensor
        one = [self.constant(np.array([value], np.int64)) for value in (0, 1, 0)]
        return self.put("Slice", tensor, *one)

    def constant(self, values: NDArray[Any]) -> str:
        """A name for `values`."""
        name = f"{_OURS}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def put(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator; its output."""
        return self.put_several(kind, *inputs, count=1, **attributes)[0]

    def put_several(self, kind: str, *inputs: str, count: int, **attributes: Any) -> list[str]:
        """Append an operator; its `count` outputs."""
        name = f"{_OURS}behind/{kind.lower()}_{len(self._nodes)}"
        made = [f"{name}/{place}" for place in range(count)]
        self._nodes.append(helper.make_node(kind, list(inputs), made, name, **attributes))
        return made

    def along(self, kind: str, tensor: str, axis: int, *, keeps: bool = True) -> str:
        """Append a reduction over one dimension, as the opset writes it: its axes became an input in opset 18.

        Args:
            kind: the operator.
            tensor: what is reduced.
            axis: the dimension.
            keeps: it stays, as one of size 1.
        """
        if kind == "ReduceSum" or self.opset >= _AXES_SINCE:
            return self.put(kind, tensor, self.constant(np.array([axis], np.int64)), keepdims=int(keeps))
        return self.put(kind, tensor, axes=[axis], keepdims=int(keeps))

    def finished(self, outputs: Mapping[str, tuple[str, int, Sequence[int | None]]]) -> Model:
        """The model with `image` and `outputs` alone.

        Args:
            outputs: by name: the tensor, its type as ONNX numbers it, and its sizes; None: open.

        Raises:
            ModelError: it has inputs that nothing was bound to, or ONNX's checker refuses what came out.
        """
        if self._inputs:
            raise ModelError(
                f"{self.source}: wants {', '.join(self.others)} beside the picture; export it with the picture alone"
            )
        for name, (tensor, _, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [name], f"{_OURS}{name}"))
        image = helper.make_tensor_value_info(
            "image", TensorProto.UINT8, [1, self.height_px or "height", self.width_px or "width", self._channels]
        )
        graph = helper.make_graph(
            [*self._before, *self._model.graph.node, *self._nodes],
            "for uint8 frames",
            [image],
            [helper.make_tensor_value_info(name, kind, sizes) for name, (_, kind, sizes) in outputs.items()],
            [*self._model.graph.initializer, *self._constants],
            sparse_initializer=self._model.graph.sparse_initializer,
        )
        made = helper.make_model(graph, opset_imports=self._model.opset_import, functions=self._model.functions)
        made.ir_version = self._model.ir_version
        helper.set_model_props(made, self._said)
        try:
            onnx.checker.check_model(made, full_check=True)
        except Exception as error:  # the checker's errors have no common base
            why = " ".join(str(error).split())
            raise ModelError(f"{self.source}: ONNX's checker refuses it once adapted: {why}") from error
        return made
