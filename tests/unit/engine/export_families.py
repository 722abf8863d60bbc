"""Small models in the layouts of other programs' exports, and coloured parts that they can judge.

The network is the same: three convolutions that average, and from them how much brighter or darker than the part each
place is. What is put behind it, and what the file says of itself, is each family's own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.precision.wrap import IMAGENET, UNIT, Pixels
from tests.unit.engine.labels.written import Label, Part

CLASSES = ("bright", "dark")
SIDE = 96
"""Width and height of the frames, px."""
CELL, CELLS = 8, 144
HALF = 12
"""Of a defect's side, px."""
_LIMITS = (0.62, 0.68)
"""Brightness from 0 to 1 above which a place is bright, and darkness above which it is dark."""


def parts(count: int, seed: int, good_every: int = 2) -> dict[str, Part]:
    """Gray-blue parts with one bright or dark patch; each `good_every`th has none."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(count):
        image = np.full((SIDE, SIDE, 3), 115) + rng.integers(-8, 9, (SIDE, SIDE, 3))
        labels = []
        if number % good_every:
            kind = number // good_every % 2
            x, y = (int(value) for value in rng.integers(HALF + 4, SIDE - HALF - 4, 2))
            image[y - HALF : y + HALF, x - HALF : x + HALF] += (1, -1)[kind] * int(rng.integers(75, 100))
            labels.append(Label(x - HALF, y - HALF, x + HALF, y + HALF, CLASSES[kind]))
        found[f"p{number:03d}"] = Part(np.clip(image, 0, 255).astype(np.uint8), labels)
    return found


class _Graph:
    """Nodes and weights as they are added; `put` gives the name of what a node makes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def put(self, kind: str, *inputs: object, name: str = "", count: int = 1, **attributes: object) -> str:
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        made = [f"{name or kind.lower()}{len(self.nodes)}{'_' * i}" for i in range(count)]
        self.nodes.append(helper.make_node(kind, names, made, made[0], **attributes))
        return made[0] if count == 1 else made  # type: ignore[return-value]

    def constant(self, values: object) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values), f"weight{len(self.weights)}"))
        return self.weights[-1].name

    def conv(self, given: str, outputs: int, paths: dict[tuple[int, int], float], bias: list[float], *, inputs: int = 8, kernel: int = 3) -> str:
        weight = np.random.default_rng(len(self.nodes)).normal(0, 0.002, (outputs, inputs, kernel, kernel)).astype(np.float32)
        for (target, source), factor in paths.items():
            weight[target, source] += factor / kernel**2
        step, edge = (2, 1) if kernel == 3 else (1, 0)
        values = np.array([*bias, *[0.0] * (outputs - len(bias))], np.float32)
        return self.put("Conv", given, weight, values, strides=[step, step], pads=[edge] * 4)

    def written(self, file: Path, given: list[object], outputs: dict[str, tuple[str, int, list[object]]], said: dict[str, str]) -> Path:
        for name, (made, _, _) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [made], [name], f"to_{name}"))
        graph = helper.make_graph(
            self.nodes, "exported", [helper.make_tensor_value_info("images", TensorProto.FLOAT, given)],
            [helper.make_tensor_value_info(name, kind, sizes) for name, (_, kind, sizes) in outputs.items()], self.weights,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="pytorch", producer_version="2.4")
        helper.set_model_props(model, said)
        onnx.checker.check_model(model, full_check=True)
        file.write_bytes(model.SerializeToString())
        return file


def _network(graph: _Graph, given: str = "images", pixels: Pixels = UNIT) -> tuple[str, str]:
    """Logits (1, 2, 12, 12) of `CLASSES`, and brightness and darkness (1, 8, 24, 24)."""
    deviation = pixels.deviation or (1.0, 1.0, 1.0)
    mean = float(np.mean(pixels.mean)) if pixels.mean else 0.0
    paths = {(0, c): d / 3 for c, d in enumerate(deviation)} | {(1, c): -d / 3 for c, d in enumerate(deviation)}
    stem = graph.put("Relu", graph.conv(given, 8, paths, [mean, 1 - mean], inputs=3))
    keep = {(0, 0): 1.0, (1, 1): 1.0}
    seen = graph.put("Relu", graph.conv(stem, 8, keep, []))
    deep = graph.put("Relu", graph.conv(seen, 8, keep, []))
    gain = 60.0
    logits = graph.conv(deep, 2, {(0, 0): gain, (1, 1): gain}, [-gain * limit for limit in _LIMITS], kernel=1)
    return logits, seen


def _peaks(graph: _Graph, logits: str) -> str:
    """Probabilities (1, 2, 144) out of a sigmoid, next to 0 but where a place is the highest around."""
    best = graph.put("MaxPool", logits, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    peaks = graph.put("Where", graph.put("GreaterOrEqual", logits, best), logits, np.float32(-9))
    return graph.put("Sigmoid", graph.put("Reshape", peaks, np.array([1, 2, CELLS])))


def _corners() -> np.ndarray:
    """The box of each place, float32 (144, 4), x1 y1 x2 y2 in px."""
    y, x = np.divmod(np.arange(CELLS), SIDE // CELL)
    x, y = CELL * x + 0.0, CELL * y + 0.0
    return np.stack((x - HALF, y - HALF, x + HALF, y + HALF), axis=1).clip(0, SIDE).astype(np.float32)


def _ultralytics(task: str, **more: str) -> dict[str, str]:
    return {"author": "Ultralytics", "version": "8.4.190", "task": task, "names": str(dict(enumerate(CLASSES))),
            "stride": "32", "imgsz": f"[{SIDE}, {SIDE}]", "batch": "1", **more}  # fmt: skip


def yolo_rows(file: Path) -> Path:
    """End to end, as YOLO26: [1, 100, 6]."""
    graph = _Graph()
    heads = graph.put("Concat", graph.put("Mul", _corners().T[None], np.float32(1)), _peaks(graph, _network(graph)[0]), axis=1)
    _, peaks = graph.put("Split", heads, np.array([4, 2]), axis=1, count=2)
    best = graph.put("ReduceMax", peaks, axes=[1], keepdims=0)
    labels = graph.put("ArgMax", peaks, axis=1, keepdims=0)
    values, places = graph.put("TopK", best, np.array([100]), axis=1, count=2)
    boxes = graph.put("Gather", _corners(), places, axis=0)
    labels = graph.put("Cast", graph.put("GatherElements", labels, places, axis=1), to=TensorProto.FLOAT)
    last = np.array([2])
    rows = graph.put("Concat", boxes, graph.put("Unsqueeze", values, last), graph.put("Unsqueeze", labels, last), axis=2)
    return graph.written(file, [1, 3, SIDE, SIDE], {"output0": (rows, TensorProto.FLOAT, [1, 100, 6])}, _ultralytics("detect", end2end="True"))


def yolo_segment(file: Path) -> Path:
    """Heads with mask coefficients, and prototypes, as YOLO11-seg."""
    graph = _Graph()
    logits, seen = _network(graph)
    peaks = _peaks(graph, logits)
    corners = _corners().T[None]
    boxes = np.concatenate(((corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]), axis=1)
    coefficients = graph.put("Mul", graph.put("Concat", peaks, np.zeros((1, 30, CELLS), np.float32), axis=1), np.float32(1))
    heads = graph.put("Concat", graph.put("Mul", boxes, np.float32(1)), peaks, coefficients, axis=1)
    prototypes = graph.conv(seen, 32, {(0, 0): 20.0, (1, 1): 20.0}, [-20.0 * limit for limit in _LIMITS], kernel=1)
    outputs = {"output0": (heads, TensorProto.FLOAT, [1, 38, CELLS]), "output1": (prototypes, TensorProto.FLOAT, [1, 32, 24, 24])}
    return graph.written(file, [1, 3, SIDE, SIDE], outputs, _ultralytics("segment"))


def classifier(file: Path) -> Path:
    """Logits of good, bright, dark, of pictures as ImageNet's; the file says nothing, as timm's."""
    graph = _Graph()
    logits, _ = _network(graph, pixels=IMAGENET)
    pooled = graph.put("Flatten", graph.put("GlobalMaxPool", logits))
    scores = graph.put("Gemm", pooled, np.array([[0, 1, 0], [0, 0, 1]], np.float32), np.zeros(3, np.float32))
    return graph.written(file, [1, 3, SIDE, SIDE], {"output": (scores, TensorProto.FLOAT, [1, 3])}, {})


def anomaly(file: Path) -> Path:
    """A map, a score and what follows from a threshold of 0.5, as anomalib's."""
    graph = _Graph()
    logits, _ = _network(graph)
    strange = graph.put("ReduceMax", graph.put("Sigmoid", graph.put("Mul", logits, np.float32(0.4))), axes=[1], keepdims=1)
    maps = graph.put("Resize", strange, "", np.array([1, 1, CELL, CELL], np.float32), mode="linear")
    score = graph.put("Reshape", graph.put("GlobalMaxPool", maps), np.array([1, 1]))
    limit = np.float32(0.5)
    outputs = {
        "pred_score": (score, TensorProto.FLOAT, [1, 1]), "pred_label": (graph.put("Greater", score, limit), TensorProto.BOOL, [1, 1]),
        "anomaly_map": (maps, TensorProto.FLOAT, [1, 1, SIDE, SIDE]),
        "pred_mask": (graph.put("Greater", maps, limit), TensorProto.BOOL, [1, 1, SIDE, SIDE]),
    }  # fmt: skip
    return graph.written(file, [1, 3, SIDE, SIDE], outputs, {})


def torchvision(file: Path) -> Path:
    """Boxes, labels from 1 and scores, as many as it finds, of one picture without a batch."""
    graph = _Graph()
    logits, _ = _network(graph, graph.put("Unsqueeze", "images", np.array([0])))
    rows = graph.put("Reshape", logits, np.array([1, 2, CELLS]))
    shares = graph.put("Softmax", graph.put("Concat", np.zeros((1, 1, CELLS), np.float32), rows, axis=1), axis=1)
    scores = graph.put("Slice", shares, np.array([1]), np.array([3]), np.array([1]))
    limits = np.array([50]), np.array([0.3], np.float32), np.array([0.05], np.float32)
    chosen = graph.put("NonMaxSuppression", _corners()[None], scores, *limits)
    place = graph.put("Gather", chosen, np.array(2), axis=1)
    of_class = graph.put("Mul", graph.put("Gather", chosen, np.array(1), axis=1), np.array(CELLS))
    number = graph.put("Add", of_class, place)
    found = graph.put("Gather", graph.put("Reshape", scores, np.array([-1])), number, axis=0)
    columns = graph.put("Split", graph.put("Gather", _corners(), place, axis=0), np.array([1, 1, 1, 1]), axis=1, count=4)
    outputs = {
        "boxes": (graph.put("Concat", *columns, axis=1), TensorProto.FLOAT, ["n", 4]),
        "labels": (graph.put("Gather", np.repeat([1, 2], CELLS), number, axis=0), TensorProto.INT64, ["n"]),
        "scores": (found, TensorProto.FLOAT, ["n"]),
    }  # fmt: skip
    return graph.written(file, [3, SIDE, SIDE], outputs, {})


FAMILIES: dict[str, tuple[Callable[[Path], Path], str, str, list[str]]] = {
    "yolo-rows": (yolo_rows, "detect", "yolo", []),
    "yolo-segment": (yolo_segment, "segment", "coco", []),
    "classifier": (classifier, "classify", "folders", ["--classes", "good,bright,dark", "--pixels", "imagenet", "--good-classes", "good"]),
    "anomaly": (anomaly, "anomaly", "folders", ["--pixels", "0..1"]),
    "torchvision": (torchvision, "detect", "voc", ["--classes", "background,bright,dark"]),
}
"""By family: what writes it, its task, a layout of labels, and what the file does not say."""
