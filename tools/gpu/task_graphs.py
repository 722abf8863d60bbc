"""A network for each task but top100: real convolutions with seeded weights, and answers that mean something.

What differs from the golden template by more than the envelope of its neighbourhood is evidence, as in
engine/reference.py. Beside it runs a residual network of 0.8 million weights on image and template, down to a 32nd of
the frame; its opinions move the evidence by OPINION each at most. So time and rounding are those of a network of that
size, and the verdicts are those of boards with defects. Frames of any size in multiples of 32 px.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET: Final = 17
IR_VERSION: Final = 8
OPINION: Final = 0.03
"""The most by which the network moves the evidence, of which 0.5 is a score of 0.5."""
STEEPNESS: Final = 16.0
"""Of the sigmoid that makes a probability of evidence: none gives 0.0003, less than any limit asks for."""
FULL_SCORE: Final = 220.0
"""Of the maps of `anomaly`."""
_FULL_GRAY: Final = 220.0
_TOLERANCE_GRAY: Final = 20.0
_LEAST_CONTRAST_GRAY: Final = 50.0
_REACH_PX: Final = 2
_MOST_CELLS: Final = 512
"""Columns and rows of the finest level: frames of 4,096 px."""
_SILENT: Final = -9.0
"""Logit of the classes that are there for their number alone."""
_STAGES: Final = ((32, 1), (64, 2), (128, 3), (160, 2))
"""Width and blocks at a 4th, 8th, 16th and 32nd of the frame."""


def yolo(classes: int, size_px: tuple[int, int] | None = None) -> onnx.ModelProto:
    """`heads` at strides of 8, 16 and 32 px: classes `brighter`, `darker`, and others that are never seen.

    Args:
        classes: two at least.
        size_px: (height, width) of the frames; None: any.
    """
    net = _Net()
    evidence = net.evidence(both=True)
    levels = net.trunk()[1:]
    heads = []
    for number, (features, width) in enumerate(levels):
        stride = 8 << number
        evidence = net.node(
            "MaxPool", [evidence], kernel_shape=[2 if number else 4] * 2, strides=[2 if number else 4] * 2
        )
        real = net.probability(net.node("Add", [evidence, net.opinion(features, 2, width)]))
        parts = [net.boxes(features, width, stride), real]
        if classes > 2:
            logits = net.node("Add", [net.opinion(features, classes - 2, width), net.constant(np.float32(_SILENT))])
            parts.append(net.node("Sigmoid", [logits]))
        flat = net.constant(np.array([1, 4 + classes, -1]))
        heads.append(net.node("Reshape", [net.node("Concat", parts, axis=1), flat]))
    net.end("Concat", heads, "heads", axis=2)
    return net.model([("heads", [1, 4 + classes, "candidates"])], size_px)


def classify(size_px: tuple[int, int] | None = None) -> onnx.ModelProto:
    """`scores`, logits of `good` and `defect`."""
    net = _Net()
    worst = net.node("ReduceMax", [net.evidence()], axes=[2, 3], keepdims=1)
    features, width = net.trunk()[-1]
    worst = net.node("Add", [worst, net.opinion(net.node("GlobalAveragePool", [features]), 1, width)])
    logit = net.logit(worst)
    both = net.node("Concat", [net.node("Neg", [logit]), net.node("Mul", [logit, net.constant(np.float32(0))])], axis=1)
    net.end("Reshape", [both, net.constant(np.array([1, 2]))], "scores")
    return net.model([("scores", [1, 2])], size_px)


def segment(size_px: tuple[int, int] | None = None) -> onnx.ModelProto:
    """`maps` of the frame's size: probabilities of `background` and `defect`."""
    net = _Net()
    evidence = net.judged_places()
    defect = net.probability(net.enlarged(evidence, 2))
    background = net.node("Sub", [net.constant(np.float32(1)), defect])
    net.end("Concat", [background, defect], "maps", axis=1)
    return net.model([("maps", [1, 2, "rows", "columns"])], size_px)


def anomaly(size_px: tuple[int, int] | None = None) -> onnx.ModelProto:
    """`maps` of half the frame's size, in gray levels: `full_score` is FULL_SCORE."""
    net = _Net()
    net.end("Mul", [net.judged_places(), net.constant(np.float32(FULL_SCORE))], "maps")
    return net.model([("maps", [1, 1, "rows", "columns"])], size_px)


class _Net:
    """A graph under construction; methods give the name of what they make."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(16)
        self._planes: dict[str, str] = {}

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        """A node with one output."""
        name = f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def end(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """The node that makes the graph's `output`."""
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """A weight."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def planes(self, frame: str) -> str:
        """A frame as float (1, 1, H, W), in gray levels."""
        if frame not in self._planes:
            floats = self.node("Cast", [frame], to=TensorProto.FLOAT)
            self._planes[frame] = self.node("Transpose", [floats], perm=[0, 3, 1, 2])
        return self._planes[frame]

    def evidence(self, *, both: bool = False) -> str:
        """(1, 1, H/2, W/2), or 2 planes, brighter and darker: how far beyond the template's envelope, 0 to 1."""
        image, template = self.planes("image"), self.planes("template")
        smooth = {"kernel_shape": [3, 3], "pads": [1] * 4}
        seen = self.node("AveragePool", [image], **smooth, strides=[2, 2])
        golden = self.node("AveragePool", [template], **smooth)
        golden_both = self.node("Concat", [golden, self.node("Neg", [golden])], axis=1)
        side = 2 * _REACH_PX + 1
        allowed = self.node("MaxPool", [golden_both], kernel_shape=[side] * 2, strides=[2, 2], pads=[_REACH_PX] * 4)
        beyond = self.node("Sub", [self.node("Concat", [seen, self.node("Neg", [seen])], axis=1), allowed])
        if not both:
            beyond = self.node("ReduceMax", [beyond], axes=[1], keepdims=1)
        span = self.node(
            "Sub", [self.node("ReduceMax", [golden], keepdims=1), self.node("ReduceMin", [golden], keepdims=1)]
        )
        contrast = self.node("Max", [span, self.constant(np.float32(_LEAST_CONTRAST_GRAY))])
        gain = self.node("Div", [self.constant(np.float32(255)), contrast])
        more = self.node("Sub", [self.node("Mul", [beyond, gain]), self.constant(np.float32(_TOLERANCE_GRAY))])
        mean = self.node("AveragePool", [self.node("Relu", [more])], **smooth)
        return self.node("Mul", [mean, self.constant(np.float32(1 / _FULL_GRAY))])

    def trunk(self) -> list[tuple[str, int]]:
        """The residual network: features and their width, at a 4th to a 32nd of the frame."""
        scale, shift = self.constant(np.float32(2 / 255)), self.constant(np.float32(-1))
        normal = [
            self.node("Add", [self.node("Mul", [self.planes(frame), scale]), shift]) for frame in ("image", "template")
        ]
        difference = self.node("Abs", [self.node("Sub", normal)])
        x, width = self.conv(self.node("Concat", [*normal, difference], axis=1), 16, 3, stride=2), 16
        levels = []
        for outputs, blocks in _STAGES:
            x, width = self.conv(x, outputs, width, stride=2), outputs
            for _ in range(blocks):
                y = self.conv(self.conv(x, width // 2, width, kernel=1), width, width // 2, act=False, share=0.3)
                x = self.node("Relu", [self.node("Add", [x, y])])
            levels.append((x, width))
        return levels

    def conv(
        self,
        x: str,
        outputs: int,
        inputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        act: bool = True,
        share: float = 1.0,
    ) -> str:
        """A convolution that keeps the variance of what it is given, times `share`."""
        deviation = share * np.sqrt(2 / (inputs * kernel * kernel))
        weights = self._rng.normal(0, deviation, (outputs, inputs, kernel, kernel)).astype(np.float32)
        names = [x, self.constant(weights), self.constant(np.zeros(outputs, np.float32))]
        y = self.node("Conv", names, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)
        return self.node("Relu", [y]) if act else y

    def opinion(self, features: str, outputs: int, width: int) -> str:
        """What the network adds to the evidence, -OPINION to OPINION."""
        bounded = self.node("Tanh", [self.conv(features, outputs, width, kernel=1, act=False, share=0.5)])
        return self.node("Mul", [bounded, self.constant(np.float32(OPINION))])

    def judged_places(self) -> str:
        """Evidence (1, 1, H/2, W/2) with the opinions of an 8th and a 32nd of the frame."""
        levels = self.trunk()
        judged = self.evidence()
        for (features, width), times in ((levels[1], 4), (levels[3], 16)):
            judged = self.node("Add", [judged, self.enlarged(self.opinion(features, 1, width), times)])
        return judged

    def enlarged(self, x: str, times: int) -> str:
        """`x`, each place so many times as wide and high."""
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", self.constant(np.array([1, 1, times, times], np.float32))], **how)

    def logit(self, evidence: str) -> str:
        """0 at evidence 0.5."""
        over = self.node("Sub", [evidence, self.constant(np.float32(0.5))])
        return self.node("Mul", [over, self.constant(np.float32(STEEPNESS))])

    def probability(self, evidence: str) -> str:
        """0.5 at evidence 0.5."""
        return self.node("Sigmoid", [self.logit(evidence)])

    def boxes(self, features: str, width: int, stride: int) -> str:
        """(1, 4, rows, columns): centres of the cells, and sides of some two cells, in px."""
        sides = self.node("Exp", [self.opinion(features, 2, width)])
        sides = self.node("Mul", [sides, self.constant(np.float32(2 * stride))])
        one_side = self.node("Slice", [sides, *(self.constant(np.array([n])) for n in (0, 1, 1))])
        nothing = self.node("Mul", [one_side, self.constant(np.float32(0))])
        shape = self.node("Shape", [one_side])
        centres = []
        for axis in (3, 2):
            along = [1, 1, 1, 1]
            along[axis] = _MOST_CELLS
            row = self.constant(((np.arange(_MOST_CELLS, dtype=np.float32) + 0.5) * stride).reshape(along))
            end = self.node("Gather", [shape, self.constant(np.array([axis]))])
            start, axes = self.constant(np.array([0])), self.constant(np.array([axis]))
            centres.append(self.node("Add", [nothing, self.node("Slice", [row, start, end, axes])]))
        return self.node("Concat", [*centres, sides], axis=1)

    def model(self, outputs: list[tuple[str, list[int | str]]], size_px: tuple[int, int] | None) -> onnx.ModelProto:
        """The finished graph, checked."""
        frame = [1, *(size_px or ("H", "W")), 1]
        graph = helper.make_graph(
            self._nodes,
            "task",
            [helper.make_tensor_value_info(name, TensorProto.UINT8, frame) for name in ("image", "template")],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model
