"""Small graphs with the inputs, outputs and words of each program's exports: as they were seen, with other insides."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
PX = 160
NAMES = ("flux", "ink", "scratch")
COUNT = len(NAMES)
CANDIDATES = 525
"""Of a picture of 160 x 160 px at strides 8, 16 and 32."""


class Net:
    """A graph that grows: `put` appends an operator and gives its output."""

    def __init__(self, shape=(1, 3, PX, PX), *, name="images", kind=FLOAT, opset=17, producer=("pytorch", "2.14.1")):
        self.nodes, self.weights, self.outputs = [], [], []
        self.inputs = [helper.make_tensor_value_info(name, kind, shape)]
        self.picture, self.opset, self.producer = name, opset, producer

    def weight(self, values):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def numbers(self, *shape):
        """Weights that differ from each other, so that no answer is like another; the same on each run."""
        values = np.random.default_rng(len(self.weights)).uniform(-1, 1, shape) / np.sqrt(np.prod(shape[1:]) or 1)
        return values.astype(np.float32)

    def ints(self, *values):
        return self.weight(np.array(values, np.int64))

    def put(self, kind, *inputs, count=1, domain="", **attributes):
        made = [f"t{len(self.nodes)}_{place}" for place in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), made, f"n{len(self.nodes)}", domain=domain, **attributes))
        return made[0] if count == 1 else made

    def conv(self, tensor, given, made, size=1):
        values = self.numbers(made, given, size, size)
        return self.put("Conv", tensor, self.weight(values), strides=[size, size], kernel_shape=[size, size])

    def shaped(self, tensor, *sizes):
        return self.put("Reshape", tensor, self.ints(*sizes))

    def out(self, tensor, name, shape, kind=FLOAT):
        self.nodes.append(helper.make_node("Identity", [tensor], [name], f"out_{name}"))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return self

    def model(self, said=None):
        graph = helper.make_graph(self.nodes, "main_graph", self.inputs, self.outputs, self.weights)
        imports = [helper.make_opsetid("", self.opset)]
        imports += [helper.make_opsetid(each, 1) for each in sorted({node.domain for node in self.nodes} - {""})]
        model = helper.make_model(
            graph, opset_imports=imports, producer_name=self.producer[0], producer_version=self.producer[1]
        )
        model.ir_version = 8
        helper.set_model_props(model, said or {})
        return model


def said(task="detect", names=NAMES, **more):
    """What Ultralytics writes beside a graph."""
    return {
        "author": "Ultralytics", "version": "8.4.190", "stride": "32", "task": task, "batch": "1", "channels": "3",
        "imgsz": f"[{PX}, {PX}]", "names": str(dict(enumerate(names))), "end2end": "False",
        "args": "{'batch': 1, 'nms': None}", **more,
    }  # fmt: skip


def table(net, rows, *, channels=3):
    """(1, rows, 525): the levels of strides 8, 16 and 32 side by side."""
    level, given, levels = net.picture, channels, []
    for size in (8, 2, 2):
        level, given = net.conv(level, given, 8, size), 8
        levels.append(net.shaped(net.conv(level, 8, rows), 1, rows, -1))
    return net.put("Concat", *levels, axis=2)


def parted(net, *sizes, channels=3):
    """The parts of the table, (1, size, 525) each."""
    return net.put("Split", table(net, sum(sizes), channels=channels), net.ints(*sizes), count=len(sizes), axis=1)


def heads(count=COUNT, extra=0, net=None):
    """Boxes, probabilities and what else there is, joined as YOLOv8 and later do: (1, 4 + count + extra, 525)."""
    net = net or Net()
    parts = parted(net, 4, count, *([extra] if extra else []))
    joined = [net.put("Mul", parts[0], net.weight(np.float32(8))), net.put("Sigmoid", parts[1]), *parts[2:]]
    return net, net.put("Concat", *joined, axis=1)


def rows(net, *sizes, best=300):
    """(1, 300, sum of sizes): chosen by TopK, the class made a float, joined, as end to end."""
    parts = parted(net, *sizes)
    parts = [parts[0], net.put("Sigmoid", parts[1]), *parts[2:]]
    net.put("Concat", *parts, axis=1)  # as the raw heads would be
    top = net.put("ReduceMax", parts[1], axes=[1], keepdims=0)
    score, place = net.put("TopK", top, net.ints(best), count=2, axis=1)
    columns = [net.put("GatherElements", net.put("Transpose", part, perm=[0, 2, 1]),
                       net.put("Expand", net.shaped(place, 1, best, 1), net.ints(1, best, size)), axis=1)
               for part, size in zip((parts[0], *parts[2:]), (sizes[0], *sizes[2:]), strict=True)]  # fmt: skip
    kind = net.put("Cast", net.put("Mod", net.shaped(place, 1, best, 1), net.ints(sizes[1])), to=FLOAT)
    return net.put("Concat", columns[0], net.shaped(score, 1, best, 1), kind, *columns[1:], axis=2)


def suppressed(net, width):
    """(1, 300, width): rows that a NonMaxSuppression has a say in."""
    parts = parted(net, 4, COUNT, width - 6) if width > 6 else parted(net, 4, COUNT)
    net.put("Concat", parts[0], net.put("Sigmoid", parts[1]), *parts[2:], axis=1)
    chosen = net.put(
        "NonMaxSuppression", net.put("Transpose", parts[0], perm=[0, 2, 1]), net.put("Sigmoid", parts[1]),
        net.ints(300), net.weight(np.array([0.5], np.float32)), net.weight(np.array([0.2], np.float32)),
    )  # fmt: skip
    some = net.put("ReduceSum", net.put("Cast", chosen, to=FLOAT), keepdims=0)
    row = net.put("Add", net.put("Slice", net.put("Concat", *parts, axis=1), *(net.ints(each) for each in (0, width, 1))), some)
    every = net.put("Slice", net.put("Transpose", row, perm=[0, 2, 1]), *(net.ints(each) for each in (0, 300, 1)))
    return net.put("ScatterND", net.weight(np.zeros((1, 300, width), np.float32)), net.weight(np.array([[0]])), every)


def prototypes(net, masks=32, size=40):
    return net.conv(net.picture, 3, masks, PX // size)


def yolo():
    net, made = heads()
    return net.out(made, "output0", (1, 4 + COUNT, CANDIDATES)).model(said())


def yolo_open():
    net = Net(("batch", 3, "height", "width"))
    made = heads(net=net)[1]
    return net.out(made, "output0", ("batch", "rows", "anchors")).model(said())


def yolo_bare():
    """Raw heads from which another program has taken the words."""
    net, made = heads()
    return net.out(made, "output0", (1, 4 + COUNT, CANDIDATES)).model()


def yolov5():
    net = Net()
    levels = []
    level, given = net.picture, 3
    for size in (8, 2, 2):
        level, given = net.conv(level, given, 8, size), 8
        flat = net.put("Sigmoid", net.conv(level, 8, 3 * (5 + COUNT)))
        levels.append(net.shaped(flat, 1, -1, 5 + COUNT))
    made = net.put("Concat", *levels, axis=1)
    return net.out(made, "output0", (1, 3 * CANDIDATES, 5 + COUNT)).model(
        {"stride": "32", "names": str(dict(enumerate(NAMES)))}
    )


def yolo_end_to_end():
    net = Net()
    return net.out(rows(net, 4, COUNT), "output0", (1, 300, 6)).model(said(end2end="True"))


def yolo_nms():
    net = Net()
    return net.out(suppressed(net, 6), "output0", (1, 300, 6)).model(said(args="{'batch': 1, 'nms': True}"))


def yolo_segment():
    net, made = heads(extra=32)
    net.out(made, "output0", (1, 4 + COUNT + 32, CANDIDATES))
    return net.out(prototypes(net), "output1", (1, 32, 40, 40)).model(said("segment"))


def yolo_segment_end_to_end():
    net = Net()
    net.out(rows(net, 4, COUNT, 32), "output0", (1, 300, 38))
    return net.out(prototypes(net), "output1", (1, 32, 40, 40)).model(said("segment", end2end="True"))


def yolo_obb():
    net, made = heads(extra=1)
    return net.out(made, "output0", (1, 5 + COUNT, CANDIDATES)).model(said("obb"))


def yolo_obb_nms():
    net = Net()
    return net.out(suppressed(net, 7), "output0", (1, 300, 7)).model(said("obb", args="{'batch': 1, 'nms': True}"))


def pooled(net, count, *, channels=3):
    """(1, count): logits of a classification."""
    flat = net.put("Flatten", net.put("GlobalAveragePool", net.conv(net.picture, channels, 8, 8)))
    return net.put("Gemm", flat, net.weight(net.numbers(8, count)))


def yolo_classify():
    net = Net()
    made = net.put("Softmax", pooled(net, COUNT), axis=1)
    return net.out(made, "output0", (1, COUNT)).model(said("classify"))


def sampled(net, count):
    """Queries (1, 300, 4) of shares and (1, 300, count) of logits, looked up by GridSample."""
    features = net.conv(net.picture, 3, 8, 8)
    places = net.weight(net.numbers(1, 300, 1, 2))
    queries = net.shaped(net.put("GridSample", features, places), 1, 300, 8)
    box = net.put("Sigmoid", net.put("MatMul", queries, net.weight(net.numbers(8, 4))))
    return box, net.put("MatMul", queries, net.weight(net.numbers(8, count)))


def rtdetr_ultralytics():
    net = Net()
    box, logits = sampled(net, COUNT)
    made = net.put("Concat", box, net.put("Sigmoid", logits), axis=2)
    return net.out(made, "output0", (1, 300, 4 + COUNT)).model(said(head="RTDETRDecoder"))


def rtdetr_rows():
    """As Ultralytics exports it since 8.4."""
    net = Net()
    box, logits = sampled(net, COUNT)
    score, kind = net.put("TopK", net.put("Sigmoid", logits), net.ints(1), count=2, axis=2)
    made = net.put("Concat", box, score, net.put("Cast", kind, to=FLOAT), axis=2)
    return net.out(made, "output0", (1, 300, 6)).model(said(head="RTDETRDecoder"))


def rtdetr_transformers():
    net = Net(name="pixel_values")
    box, logits = sampled(net, COUNT)
    return net.out(logits, "logits", (1, 300, COUNT)).out(box, "pred_boxes", (1, 300, 4)).model()


def rtdetr_authors():
    net = Net(("N", 3, PX, PX))
    net.inputs.append(helper.make_tensor_value_info("orig_target_sizes", INT64, ("N", 2)))
    box, logits = sampled(net, COUNT)
    score, label = net.put("TopK", net.shaped(net.put("Sigmoid", logits), 1, -1), net.ints(300), count=2, axis=1)
    share = net.put("Cast", net.shaped("orig_target_sizes", 1, 1, 2), to=FLOAT)
    net.out(net.put("Mod", label, net.ints(COUNT)), "labels", ("N", 300), INT64)
    net.out(net.put("Mul", box, net.put("Concat", share, share, axis=2)), "boxes", ("N", 300, 4))
    return net.out(score, "scores", ("N", 300)).model()


def normalised(net, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225), *, dims=4):
    """The picture with ImageNet's mean and deviation taken off, as torchvision and anomalib do inside."""
    shape = (1, 3, 1, 1)[4 - dims :]
    less = net.put("Sub", net.picture, net.weight(np.array(mean, np.float32).reshape(shape)))
    return net.put("Div", less, net.weight(np.array(deviation, np.float32).reshape(shape)))


def torchvision_detect(order=("boxes", "labels", "scores"), *, masks=False):
    net = Net((3, PX, PX), name="image.1")
    net.picture = net.put("Unsqueeze", normalised(net, dims=3), net.ints(0))
    parts = parted(net, 4, COUNT)
    boxes, scores = net.put("Transpose", parts[0], perm=[0, 2, 1]), net.put("Softmax", parts[1], axis=1)
    chosen = net.put("NonMaxSuppression", boxes, scores, net.ints(100), net.weight(np.array([0.5], np.float32)))
    place = net.shaped(net.put("Slice", chosen, net.ints(2), net.ints(3), net.ints(1)), -1)
    kept = {
        "boxes": (
            net.put("Concat", *net.put("Split", net.put("Gather", net.shaped(boxes, -1, 4), place, axis=0),
                                       net.ints(1, 1, 1, 1), count=4, axis=1), axis=1), ("n", 4), FLOAT),
        "scores": (net.put("Gather", net.shaped(net.put("ReduceMax", scores, axes=[1], keepdims=0), -1), place), ("n",), FLOAT),
        "labels": (net.put("Gather", net.weight(np.arange(CANDIDATES, dtype=np.int64) % COUNT + 1), place), ("n",), INT64),
    }  # fmt: skip
    for name in order:
        tensor, shape, kind = kept[name]
        net.out(tensor, name if order[0] == "boxes" else f"{len(net.nodes)}", shape, kind)
    if masks:
        net.out(net.conv(net.picture, 3, 1, 8), "masks", ("n", 1, PX // 8, PX // 8))
    return net.model()


def classify(count=COUNT, last=None, **net):
    """timm's and torchvision's: logits of one linear layer, and no words."""
    net = Net(**net)
    made = pooled(net, count)
    if last:
        made = net.put(last, made, **({"axis": 1} if last == "Softmax" else {}))
    return net.out(made, "output", (1, count)).model()


def keras(count=COUNT, last="Softmax", *, rescaled=False):
    net = Net(("unk", PX, PX, 3), name="keras_tensor", producer=("tf2onnx", "1.17.0 abc"))
    if rescaled:
        net.picture = net.put("Mul", net.picture, net.weight(np.float32(1 / 255)))
    net.picture = net.put("Transpose", net.picture, perm=[0, 3, 1, 2])
    made = net.put(last, pooled(net, count), **({"axis": 1} if last == "Softmax" else {}))
    return net.out(made, "output_0", ("unk2", count)).model()


def maps(net, count, *, channels=3):
    small = net.conv(net.conv(net.picture, channels, 8, 8), 8, count)
    scales = net.weight(np.array([1, 1, 8, 8], np.float32))
    return net.put("Resize", small, "", scales, mode="linear")


def segment(count=5, last=None, *, aux=False, size=PX, **net):
    """torchvision's: logits of every place."""
    net = Net(**net)
    made = maps(net, count)
    if last:
        made = net.put(last, made, **({"axis": 1} if last == "Softmax" else {}))
    net.out(made, "out", (1, count, size, size))
    if aux:
        net.out(maps(net, count), "aux", (1, count, size, size))
    return net.model()


def keras_segment(count=COUNT):
    net = Net(("unk", "a", "b", 3), name="keras_tensor", producer=("tf2onnx", "1.17.0 abc"))
    net.picture = net.put("Transpose", net.picture, perm=[0, 3, 1, 2])
    made = net.put("Transpose", net.put("Softmax", maps(net, count), axis=1), perm=[0, 2, 3, 1])
    return net.out(made, "output_0", ("c", "d", "e", count)).model()


def anomalib(batch="batch_size"):
    net = Net((batch, 3, PX, PX), name="input", producer=("pytorch", "2.14.1+cu130"))
    net.picture = normalised(net)
    mapped = net.put("Relu", maps(net, 1))
    score = net.shaped(net.put("GlobalMaxPool", mapped), -1, 1)
    limit = net.weight(np.float32(0.5))
    net.out(score, "pred_score", (batch, 1)).out(net.put("Greater", score, limit), "pred_label", (batch, 1), TensorProto.BOOL)
    net.out(mapped, "anomaly_map", (batch, 1, PX, PX))
    return net.out(net.put("Greater", mapped, limit), "pred_mask", (batch, 1, PX, PX), TensorProto.BOOL).model()


def own(task="yolo"):
    net = Net((1, "h", "w", 1), name="image", kind=TensorProto.UINT8)
    net.picture = net.put("Transpose", net.put("Cast", "image", to=FLOAT), perm=[0, 3, 1, 2])
    if task == "classify":
        return net.out(pooled(net, COUNT, channels=1), "scores", (1, COUNT)).model()
    if task == "segment":
        return net.out(maps(net, COUNT, channels=1), "maps", (1, COUNT, "h", "w")).model()
    return net.out(table(net, 4 + COUNT, channels=1), "heads", (1, 4 + COUNT, "n")).model()


def written(folder, model, name="m.onnx"):
    """The file of `model`."""
    file = folder / name
    file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return file


def beside(folder, model, name="m.onnx"):
    """The file of `model`, its weights in another beside it."""
    onnx.save(model, folder / name, save_as_external_data=True, location=f"{name}.data", size_threshold=64)
    return folder / name
