"""Exports that were changed on their way: refused by name, or read so that a part is judged as by the export itself.

Every change is tried on every program's layout; nobody says which of them must be refused. What is taken is adapted, run
on a frame, and must answer what the unchanged export answers.
"""

from __future__ import annotations

import contextlib
import copy

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports import layouts
from tests.unit.engine.exports.layouts import COUNT, FLOAT, INT64, PX, written

F16, F64, I32, U8 = TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.UINT8


def two_classes():
    net, made = layouts.heads(2)
    return net.out(made, "output0", (1, 6, layouts.CANDIDATES)).model(layouts.said(names=("flux", "ink")))


EXPORTS = {
    "yolo": layouts.yolo, "yolo of two": two_classes, "yolo, no words": layouts.yolo_bare, "yolov5": layouts.yolov5,
    "end to end": layouts.yolo_end_to_end, "yolo segment": layouts.yolo_segment, "yolo obb": layouts.yolo_obb,
    "yolo classify": layouts.yolo_classify, "rtdetr": layouts.rtdetr_ultralytics,
    "rtdetr of transformers": layouts.rtdetr_transformers, "torchvision": layouts.torchvision_detect,
    "nms": layouts.yolo_nms, "torchvision by the alphabet": lambda: layouts.torchvision_detect(("scores", "boxes", "labels")),
    "classify": layouts.classify, "probabilities": lambda: layouts.classify(last="Softmax"), "keras": layouts.keras,
    "segment": layouts.segment, "segment, probabilities": lambda: layouts.segment(last="Softmax"), "anomalib": layouts.anomalib,
}  # fmt: skip


class Changed:
    """A copy of a model whose inputs and outputs can be changed, as a script behind an exporter does it."""

    def __init__(self, model):
        self.model = copy.deepcopy(model)
        self.graph = self.model.graph
        self.steps = 0
        self._before = self.model.SerializeToString(deterministic=True)

    def shape(self, place=0):
        return [dim.dim_value or dim.dim_param for dim in self.graph.output[place].type.tensor_type.shape.dim]

    @property
    def is_changed(self):
        return self.model.SerializeToString(deterministic=True) != self._before

    def const(self, values):
        self.steps += 1
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), f"changed_c{self.steps}"))
        return f"changed_c{self.steps}"

    def behind(self, kind, *more, place=0, shape=None, dtype=None, before=(), **attributes):
        """Put an operator behind an output, under its name."""
        value = self.graph.output[place]
        self.steps += 1
        inner = f"changed_{self.steps}"
        for node in self.graph.node:
            for at, name in enumerate(node.output):
                if name == value.name:
                    node.output[at] = inner
        self.graph.node.append(helper.make_node(kind, [*before, inner, *more], [value.name], **attributes))
        made = helper.make_tensor_value_info(
            value.name, value.type.tensor_type.elem_type if dtype is None else dtype, self.shape(place) if shape is None else shape
        )
        value.CopyFrom(made)

    def front(self, kind, *more, shape=None, dtype=FLOAT, **attributes):
        """Put an operator in front of the picture, under its name."""
        value = self.graph.input[0]
        self.steps += 1
        inner = f"changed_{self.steps}"
        for node in self.graph.node:
            for at, name in enumerate(node.input):
                if name == value.name:
                    node.input[at] = inner
        self.graph.node.insert(0, helper.make_node(kind, [value.name, *more], [inner], **attributes))
        value.CopyFrom(helper.make_tensor_value_info(value.name, dtype, shape or self.picture()))

    def picture(self):
        return [dim.dim_value or dim.dim_param for dim in self.graph.input[0].type.tensor_type.shape.dim]

    def said(self, **words):
        told = {entry.key: entry.value for entry in self.model.metadata_props} | words
        helper.set_model_props(self.model, {key: value for key, value in told.items() if value is not None})


def permuted(order):
    def change(c):
        if len(c.shape()) == len(order):
            c.behind("Transpose", perm=order, shape=[c.shape()[place] for place in order])
    return change


def cast(kind):
    def change(c):
        c.behind("Cast", to=kind, dtype=kind)
    return change


def cut(axis, start, end):
    def change(c):
        size = c.shape()
        if len(size) > axis and isinstance(size[axis], int) and size[axis] > 1:
            size[axis] = len(range(size[axis])[start:end])
            c.behind("Slice", *(c.const(np.array([each], np.int64)) for each in (start, end, axis)), shape=size)
    return change


def row_more(*, at_end):
    def change(c):
        size = c.shape()
        if len(size) > 1 and all(isinstance(each, int) for each in size):
            row = c.const(np.zeros([size[0], 1, *size[2:]], np.float32))
            more = {"before": ()} if at_end else {"before": (row,)}
            c.behind("Concat", *([row] if at_end else []), axis=1, shape=[size[0], size[1] + 1, *size[2:]], **more)
    return change


def column_more(c):
    size = c.shape()
    if len(size) == 3 and all(isinstance(each, int) for each in size):
        c.behind("Concat", c.const(np.zeros([*size[:2], 1], np.float32)), axis=2, shape=[*size[:2], size[2] + 1])


def doubled(c):
    """Two answers for one picture."""
    size = c.shape()
    c.behind("Tile", c.const(np.array([2, *[1] * (len(size) - 1)], np.int64)), shape=[2, *size[1:]])


def times(*factors, axis=1):
    def change(c):
        size = c.shape()
        if len(size) > axis and (len(factors) == 1 or size[axis] in (len(factors), None)):
            values = np.array(factors, np.float32).reshape([-1 if place == axis else 1 for place in range(len(size))])
            c.behind("Mul", c.const(values))
    return change


def shares(c):
    """Boxes as shares of the picture, where they were px; px, where they were shares."""
    size = c.shape()
    if len(size) == 3 and all(isinstance(each, int) for each in size):
        axis = 1 if size[1] < size[2] else 2
        factors = np.ones(size[axis], np.float32)
        factors[:4] /= PX
        c.behind("Mul", c.const(factors.reshape((1, -1, 1) if axis == 1 else (1, 1, -1))))


def rolled(c):
    """Classes before boxes."""
    size = c.shape()
    if len(size) == 3 and all(isinstance(each, int) for each in size):
        axis = 1 if size[1] < size[2] else 2
        c.behind("Gather", c.const(np.array([*range(4, size[axis]), 0, 1, 2, 3], np.int64)), axis=axis)


def squeezed(c):
    if c.shape()[0] == 1 and len(c.shape()) > 1:
        c.behind("Squeeze", c.const(np.array([0], np.int64)), shape=c.shape()[1:])


def unsqueezed(c):
    c.behind("Unsqueeze", c.const(np.array([0], np.int64)), shape=[1, *c.shape()])


def flat(c):
    c.behind("Reshape", c.const(np.array([1, -1], np.int64)), shape=[1, "n"])


def best(c):
    if len(c.shape()) > 1:
        c.behind("ArgMax", axis=1, keepdims=0, dtype=INT64, shape=[c.shape()[0], *c.shape()[2:]])


def renamed(c):
    name = c.graph.output[0].name
    for node in c.graph.node:
        for at, each in enumerate(node.output):
            if each == name:
                node.output[at] = "other"
    c.graph.output[0].name = "other"


def again(c):
    """The first output once more, under another name."""
    first = c.graph.output[0]
    c.graph.node.append(helper.make_node("Identity", [first.name], ["again"]))
    c.graph.output.append(copy.deepcopy(first))
    c.graph.output[-1].name = "again"


def feature(c):
    """A map from the inside as one more output."""
    conv = next(node for node in c.graph.node if node.op_type == "Conv")
    c.graph.output.append(helper.make_tensor_value_info(conv.output[0], FLOAT, [1, 8, "h", "w"]))


def alone(place):
    def change(c):
        if len(c.graph.output) > 1:
            kept = c.graph.output[place]
            del c.graph.output[:]
            c.graph.output.append(kept)
    return change


def reversed_outputs(c):
    if len(c.graph.output) > 1:
        kept = [copy.deepcopy(each) for each in reversed(c.graph.output)]
        del c.graph.output[:]
        c.graph.output.extend(kept)


def once_more(kind, axis=1):
    def change(c):
        if c.graph.output[0].type.tensor_type.elem_type == FLOAT and len(c.shape()) > axis:
            c.behind(kind, **({} if kind in ("Sigmoid", "Exp") else {"axis": axis}))
    return change


def turned_picture(c):
    """Channels last, or first: and the graph turns them."""
    size = c.picture()
    if len(size) == 4 and size[1] == 3:
        c.front("Transpose", perm=[0, 3, 1, 2], shape=[size[0], *size[2:], 3])
    elif len(size) == 4:
        c.front("Transpose", perm=[0, 2, 3, 1], shape=[size[0], size[3], *size[1:3]])


def declared(*shape):
    def change(c):
        value = c.graph.input[0]
        value.CopyFrom(helper.make_tensor_value_info(value.name, FLOAT, shape))
    return change


def bytes_in(kind):
    def change(c):
        c.front("Cast", to=FLOAT, dtype=kind)
    return change


def another_input(name, kind, *shape):
    def change(c):
        c.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    return change


def words(**more):
    def change(c):
        if any(entry.key == "names" for entry in c.model.metadata_props):
            c.said(**more)
    return change


def of_opset(version):
    def change(c):
        for item in c.model.opset_import:
            if item.domain == "":
                item.version = version
    return change


def quantised(c):
    pair = (c.const(np.float32(0.1)), c.const(np.uint8(0)))
    value = c.graph.input[0].name
    for node in c.graph.node:
        for at, name in enumerate(node.input):
            if name == value:
                node.input[at] = "dequantised"
    c.graph.node.insert(0, helper.make_node("QuantizeLinear", [value, *pair], ["quantised"]))
    c.graph.node.insert(1, helper.make_node("DequantizeLinear", ["quantised", *pair], ["dequantised"]))


def foreign(domain, kind):
    def change(c):
        c.behind(kind, domain=domain)
        c.model.opset_import.append(helper.make_opsetid(domain, 1))
    return change


NAMES = "{0: 'flux', 1: 'ink', 2: 'scratch'}"
CHANGES = {
    **{f"output permuted {order}": permuted(order) for order in ((0, 2, 1), (2, 1, 0), (1, 0, 2), (1, 0), (0, 1, 3, 2), (0, 2, 3, 1), (0, 3, 1, 2), (3, 1, 2, 0))},
    **{f"output of type {kind}": cast(kind) for kind in (F16, F64, I32, INT64, U8)},
    "first row gone": cut(1, 1, 2**31), "last row gone": cut(1, 0, -1), "four rows gone": cut(1, 4, 2**31),
    "first column gone": cut(2, 1, 2**31), "last column gone": cut(2, 0, -1), "last line gone": cut(3, 0, -1),
    "one column alone": cut(2, 0, 1), "one row alone": cut(1, 0, 1), "half of the columns": cut(2, 0, 80),
    "a row more at the end": row_more(at_end=True), "a row more in front": row_more(at_end=False), "a column more": column_more,
    "two answers": doubled, "no batch": squeezed, "one dimension more": unsqueezed, "flat": flat, "the best class alone": best,
    "percent": times(100.0), "halved": times(0.5), "shares": shares, "classes before boxes": rolled, "negative": times(-1.0),
    "a softmax behind": once_more("Softmax"), "a softmax over the last behind": once_more("Softmax", 2),
    "a softmax over lines behind": once_more("Softmax", 3), "a sigmoid behind": once_more("Sigmoid"),
    "logarithms": once_more("LogSoftmax"), "exponentials": once_more("Exp", 0),
    "output renamed": renamed, "output twice": again, "a feature map too": feature, "outputs reversed": reversed_outputs,
    "first output alone": alone(0), "last output alone": alone(-1),
    "channels of the picture turned": turned_picture,
    "picture declared with channels last": declared(1, PX, PX, 3), "picture declared with channels first": declared(1, 3, PX, PX),
    "picture of four channels": declared(1, 4, PX, PX), "picture of one channel": declared(1, 1, PX, PX),
    "picture 3 px wide": declared(1, 3, PX, 3), "pictures, four": declared(4, 3, PX, PX), "picture flat": declared(1, 3 * PX * PX),
    "picture of five dimensions": declared(1, 1, 3, PX, PX), "picture of one dimension more in time": declared(1, 8, 3, PX, PX),
    **{f"picture of type {kind}": bytes_in(kind) for kind in (U8, F16, F64, I32, INT64)},
    "two pictures": another_input("second", FLOAT, 1, 3, PX, PX), "a threshold too": another_input("threshold", FLOAT, 1),
    "a size too": another_input("orig_target_sizes", INT64, 1, 2),
    **{f"it says task {task}": words(task=task) for task in ("detect", "segment", "classify", "obb", "pose", "depth", "semantic", "track", "")},
    "no words": words(task=None, author=None, names=None), "no author": words(author=None),
    "a name too few": words(names="{0: 'flux', 1: 'ink'}"), "a name too many": words(names=NAMES[:-1] + ", 3: 'more'}"),
    "a name twice": words(names="{0: 'flux', 1: 'ink', 2: 'ink'}"), "no names": words(names="{}"), "a name's number twice": words(names="{0: 'a', 0: 'b', 1: 'c'}"),
    "names that are none": words(names="flux, ink"), "names by letters": words(names="{'a': 'flux', 'b': 'ink', 'c': 'x'}"),
    "it says end to end": words(end2end="True"), "it says raw": words(end2end="False", args="{'nms': False}"),
    "it says nms": words(args="{'nms': True}"), "it says RT-DETR": words(head="RTDETRDecoder"), "it says Detect": words(head="Detect"),
    "no stride": words(stride="none"), "arguments that are none": words(args="[" * 400),
    **{f"opset {version}": of_opset(version) for version in (7, 10, 23, 0)},
    "quantised": quantised, "an operator of ONNX Runtime": foreign("com.microsoft", "Gelu"), "a plugin": foreign("", "EfficientNMS_TRT"),
}  # fmt: skip


OTHER_MODELS = {
    "classify": ("a sigmoid behind",),
    "segment": ("a sigmoid behind", "four rows gone", "one row alone"),
    "segment, probabilities": ("four rows gone", "one row alone"),
    "nms": ("last row gone", "one row alone"),
}
"""Changes that make another model, as right as the first: logits of one that was trained with a sigmoid for each class; one
map of five, of which a person says that it tells what is strange; of 300 rows 299, or one (max_det)."""


KINDS = ("detect", "classify", "segment", "anomaly")
OTHERS = {kind: [other for other in KINDS if other != kind] for kind in KINDS}


def answers(file, kind=None):
    """Family and outputs of a file, as a bundle of it answers a frame."""
    found = recognise(file, kind=kind)
    classes = () if found.classes else ("good", *(f"c{each}" for each in range((found.count or COUNT) - 1)))
    good = {"good_classes": (classes or found.classes)[:1]} if found.kind in ("classify", "segment") else {}
    adapted = adapt(found, file, channels=3, classes=classes, pixels=UNIT, threshold=None, **good)
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = ort.InferenceSession(adapted.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    frame = np.random.default_rng(7).integers(0, 256, (1, PX, PX, 3), np.uint8)
    task = adapted.output
    outputs = session.run(None, {"image": frame})
    if task.activation == "softmax":
        outputs = [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in outputs]
    return found.family, (task.task, len(task.classes), task.activation == "sigmoid", task.full_score), outputs


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unchanged")
    made = {which: make() for which, make in EXPORTS.items()}
    files = {which: written(folder, model, f"{at}.onnx") for at, (which, model) in enumerate(made.items())}
    return {which: (made[which], recognise(file).kind, answers(file)) for which, file in files.items()}


def wrong_in(before, after):
    """How one answer differs from another; "": it does not."""
    if before[:2] != after[:2]:
        return f"{before[:2]} became {after[:2]}"
    for one, two in zip(before[2], after[2], strict=True):
        if one.shape != two.shape:
            return f"{one.shape} became {two.shape}"
        if not np.allclose(one, two, rtol=1e-4, atol=1e-4, equal_nan=True):
            return f"{np.abs(one - two).max()} apart"
    return ""


@pytest.mark.parametrize("which", EXPORTS)
def test_a_changed_export_is_refused_or_answers_as_before(tmp_path, unchanged, which):
    """Whatever a person says that it is."""
    model, kind, before = unchanged[which]
    wrong = {}
    for number, (name, change) in enumerate(CHANGES.items()):
        if name in OTHER_MODELS.get(which, ()):
            continue
        changed = Changed(model)
        change(changed)
        if not changed.is_changed:
            continue
        file = written(tmp_path, changed.model, f"{number}.onnx")
        for told in (None, kind):
            try:
                after = answers(file, told)
            except ModelError as error:
                if str(file) not in str(error):
                    wrong[name] = f"the file is not named: {error}"
                continue
            if why := wrong_in(before, after):
                wrong[name] = why
            break
        other = OTHERS[kind][number % len(OTHERS[kind])]
        with contextlib.suppress(ModelError):
            wrong[name] = f"{recognise(file, kind=other)}"
    assert wrong == {}
