"""Networks of real size, made with onnx.helper and random weights: what is built is the shape, not the skill."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


class Net:
    """A graph under construction. Values are by name; `conv` and the rest return the name of what they make.

    half: weights and activations between `image` and `done` in FP16. quantised: Q/DQ, by TensorRT's rules,
    around every convolution but the first.
    """

    def __init__(self, *, half=False, quantised=False):
        self.half, self.quantised = half, quantised
        self.nodes, self.weights, self.widths = [], [], {}
        self.rng = np.random.default_rng(0)
        # Drawn once and cut from: 25 million normals of their own would cost more than building them.
        self.pool = (self.rng.standard_normal(1 << 20) * 0.05).astype(np.float32)
        self.convolutions = 0

    def node(self, kind, inputs, **attributes):
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value):
        name = f"c_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def scalar(self, value):
        return self.constant(np.asarray(value, np.float16 if self.half else np.float32))

    def frame(self, name="image"):
        """uint8 (1, H, W, C) to float (1, C, H, W), 0 to 1."""
        planes = self.node("Transpose", [self.node("Cast", [name], to=self.float_type)], perm=[0, 3, 1, 2])
        return self.node("Mul", [planes, self.scalar(1 / 255)])

    @property
    def float_type(self):
        return TensorProto.FLOAT16 if self.half else TensorProto.FLOAT

    def conv(self, x, outputs, inputs, kernel=3, stride=1, act="Relu"):
        self.convolutions += 1
        count = outputs * inputs * kernel * kernel
        weights = np.resize(np.roll(self.pool, self.convolutions), count).reshape(outputs, inputs, kernel, kernel)
        w = self.constant(weights.astype(np.float16 if self.half else np.float32))
        if self.quantised and self.convolutions > 1:
            x = self.pair(x, self.constant(np.float32(0.02)), self.constant(np.int8(0)))
            w = self.pair(
                w,
                self.constant(np.full(outputs, 0.002, np.float32)),
                self.constant(np.zeros(outputs, np.int8)),
                axis=0,
            )
        bias = self.constant(np.zeros(outputs, np.float16 if self.half else np.float32))
        y = self.node("Conv", [x, w, bias], strides=[stride] * 2, pads=[kernel // 2] * 4, kernel_shape=[kernel] * 2)
        if act == "Relu":
            y = self.node("Relu", [y])
        elif act == "SiLU":
            y = self.node("Mul", [y, self.node("Sigmoid", [y])])
        return y

    def pair(self, x, scale, zero, **axis):
        return self.node(
            "DequantizeLinear", [self.node("QuantizeLinear", [x, scale, zero], **axis), scale, zero], **axis
        )

    def model(self, inputs, outputs):
        """Close the graph. `inputs` and `outputs`: (name, type, shape)."""
        ends = [[helper.make_tensor_value_info(*value) for value in values] for values in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, "net", *ends, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        checker.check_model(model)
        return model.SerializeToString()

    def output(self, x, name, to=TensorProto.FLOAT):
        self.nodes.append(helper.make_node("Cast", [x], [name], name=name, to=to))


def _size(size_px):
    return ["H", "W"] if size_px is None else list(size_px)


def small(*, half=False, quantised=False, size_px=(64, 64)):
    """Three convolutions on bytes: builds in a tenth of a second."""
    net = Net(half=half, quantised=quantised)
    x = net.conv(net.frame(), 8, 1, stride=2)
    x = net.conv(net.conv(x, 8, 8, stride=2), 8, 8)
    net.output(x, "features")
    return net.model(
        [("image", TensorProto.UINT8, [1, *_size(size_px), 1])], [("features", TensorProto.FLOAT, [1, 8, "h", "w"])]
    )


def resnet50(*, half=False, quantised=False, size_px=(224, 224)):
    """ResNet-50: 25.5 million weights, 53 convolutions."""
    net = Net(half=half, quantised=quantised)
    x = net.node("MaxPool", [net.conv(net.frame(), 64, 3, 7, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for stage, (blocks, inner) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512), strict=True)):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = net.conv(net.conv(x, inner, width, 1), inner, inner, 3, stride)
            y = net.conv(y, 4 * inner, inner, 1, act=None)
            if not block:
                x = net.conv(x, 4 * inner, width, 1, stride, act=None)
            x, width = net.node("Relu", [net.node("Add", [x, y])]), 4 * inner
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x])])
    weights = np.resize(net.pool, width * 1000).reshape(width, 1000)
    x = net.node("MatMul", [x, net.constant(weights.astype(np.float16 if half else np.float32))])
    net.output(x, "logits")
    return net.model(
        [("image", TensorProto.UINT8, [1, *_size(size_px), 3])], [("logits", TensorProto.FLOAT, [1, 1000])]
    )


def yolov8n(*, half=False, quantised=False, size_px=(640, 640)):
    """YOLOv8n's backbone, neck and heads, up to boxes and scores by cell: 3 million weights, 63 convolutions."""
    net = Net(half=half, quantised=quantised)

    def conv(x, outputs, inputs, kernel=3, stride=1):
        return net.conv(x, outputs, inputs, kernel, stride, act="SiLU")

    def c2f(x, inputs, outputs, count, *, add):
        half_width = outputs // 2
        both = conv(x, outputs, inputs, 1)
        net.nodes.append(helper.make_node("Split", [both], [f"{both}_a", f"{both}_b"], name=f"{both}_split", axis=1))
        parts = [f"{both}_a", f"{both}_b"]
        for _ in range(count):
            y = conv(conv(parts[-1], half_width, half_width), half_width, half_width)
            parts.append(net.node("Add", [parts[-1], y]) if add else y)
        return conv(net.node("Concat", parts, axis=1), outputs, (2 + count) * half_width, 1)

    def up(x):
        scales = net.constant(np.array([1, 1, 2, 2], np.float32))
        return net.node(
            "Resize", [x, "", scales], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    x = conv(conv(net.frame(), 16, 3, 3, 2), 32, 16, 3, 2)
    x = conv(c2f(x, 32, 32, 1, add=True), 64, 32, 3, 2)
    p3 = c2f(x, 64, 64, 2, add=True)
    p4 = c2f(conv(p3, 128, 64, 3, 2), 128, 128, 2, add=True)
    x = conv(c2f(conv(p4, 256, 128, 3, 2), 256, 256, 1, add=True), 128, 256, 1)
    pooled = [x]
    for _ in range(3):
        pooled.append(net.node("MaxPool", [pooled[-1]], kernel_shape=[5, 5], pads=[2] * 4))
    p5 = conv(net.node("Concat", pooled, axis=1), 256, 512, 1)
    n4 = c2f(net.node("Concat", [up(p5), p4], axis=1), 384, 128, 1, add=False)
    n3 = c2f(net.node("Concat", [up(n4), p3], axis=1), 192, 64, 1, add=False)
    m4 = c2f(net.node("Concat", [conv(n3, 64, 64, 3, 2), n4], axis=1), 192, 128, 1, add=False)
    m5 = c2f(net.node("Concat", [conv(m4, 128, 128, 3, 2), p5], axis=1), 384, 256, 1, add=False)
    heads = []
    for level, width in ((n3, 64), (m4, 128), (m5, 256)):
        boxes = net.conv(conv(conv(level, 64, width), 64, 64), 64, 64, 1, act=None)
        scores = net.conv(conv(conv(level, 80, width), 80, 80), 80, 80, 1, act=None)
        flat = net.constant(np.array([1, 144, -1]))
        heads.append(net.node("Reshape", [net.node("Concat", [boxes, scores], axis=1), flat]))
    net.output(net.node("Concat", heads, axis=2), "cells")
    return net.model(
        [("image", TensorProto.UINT8, [1, *_size(size_px), 3])], [("cells", TensorProto.FLOAT, [1, 144, "n"])]
    )


def detector(*, half=False, quantised=False, size_px=None):
    """As large as the detector of tools/detector, on (image, template), with 100 boxes out: the whole contract."""
    net = Net(half=half, quantised=quantised)
    image, template = net.frame("image"), net.frame("template")
    x = net.node("Concat", [image, template, net.node("Abs", [net.node("Sub", [image, template])])], axis=1)
    x, width, levels = net.conv(x, 16, 3, 3, 2), 16, []
    for outputs, depth in ((32, 1), (64, 3), (128, 3), (160, 2)):
        x = net.conv(x, outputs, width, 3, 2)
        for _ in range(depth):
            y = net.conv(net.conv(x, outputs // 2, outputs, 1), outputs, outputs // 2, act=None)
            x = net.node("Relu", [net.node("Add", [x, y])])
        width = outputs
        levels.append(x)
    scales = net.constant(np.array([1, 1, 2, 2], np.float32))
    for fine, coarse_width, fine_width, outputs in ((levels[2], 160, 128, 128), (levels[1], 128, 64, 64)):
        down = net.conv(x, outputs, coarse_width, 1, act=None)
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        upper = net.node("Resize", [down, "", scales], **how)
        x = net.node("Relu", [net.node("Add", [net.conv(fine, outputs, fine_width, 1, act=None), upper])])
    x = net.conv(x, 64, 64)
    logits = net.conv(net.conv(x, 64, 64), 6, 64, 1, act=None)
    reach = net.conv(net.conv(x, 32, 64), 4, 32, 1, act=None)
    net.half = False  # the tail stays in float
    logits, reach = (net.node("Cast", [value], to=TensorProto.FLOAT) for value in (logits, reach))
    row = net.constant(np.array([1, -1]))
    flat = net.node("Reshape", [net.node("Sigmoid", [logits]), row])
    scores = "scores"
    net.nodes.append(
        helper.make_node("TopK", [flat, net.constant(np.array([100]))], [scores, "top"], name="topk", axis=1)
    )
    index = net.node("Cast", ["top"], to=TensorProto.INT32)
    shape = net.node("Shape", [logits])
    rows, columns = (
        net.node("Cast", [net.node("Gather", [shape, net.constant(np.array(axis))])], to=TensorProto.INT32)
        for axis in (2, 3)
    )
    cells = net.node("Mul", [rows, columns])
    kind = net.node("Div", [index, cells])
    cell = net.node("Sub", [index, net.node("Mul", [kind, cells])])
    y = net.node("Div", [cell, columns])
    x = net.node("Sub", [cell, net.node("Mul", [y, columns])])
    last, one, four_rows = (net.constant(np.array(v)) for v in ([2], [1], [1, 4, -1]))
    centre = net.node("Concat", [net.node("Unsqueeze", [v, last]) for v in (x, y)], axis=2)
    centre = net.node("Mul", [net.node("Cast", [centre], to=TensorProto.FLOAT), net.scalar(8)])
    wanted = net.node("Concat", [net.node("Unsqueeze", [cell, one])] * 4, axis=1)
    reach = net.node("GatherElements", [net.node("Reshape", [reach, four_rows]), wanted], axis=2)
    reach = net.node("Mul", [net.node("Transpose", [net.node("Exp", [reach])], perm=[0, 2, 1]), net.scalar(8)])
    halves = net.constant(np.array([2, 2]))
    net.nodes.append(helper.make_node("Split", [reach, halves], ["low", "high"], name="split", axis=2))
    corners = [net.node("Sub", [centre, "low"]), net.node("Add", [centre, "high"])]
    net.nodes.append(helper.make_node("Concat", corners, ["boxes"], name="boxes", axis=2))
    net.nodes.append(helper.make_node("Identity", [kind], ["classes"], name="classes"))
    graph = helper.make_graph(
        net.nodes,
        "detector",
        [helper.make_tensor_value_info(n, TensorProto.UINT8, [1, *_size(size_px), 1]) for n in ("image", "template")],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 100, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 100]),
            helper.make_tensor_value_info("classes", TensorProto.INT32, [1, 100]),
        ],
        net.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    checker.check_model(model, full_check=True)
    return model.SerializeToString()
