"""Exports that say nothing of themselves: what they are by their outputs, and by what computes them. Pure.

PyTorch's exporter and tf2onnx write down neither task nor classes. Where the outputs could be of two kinds, a person
says which (`--task`), and nothing is assumed.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.tasks import MAX_CLASSES
from aoi_daemon.engine.exports.activations import Scores, scores_of
from aoi_daemon.engine.exports.described import Kind, Tensor, logits_and_boxes
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.exports.found import Found
from aoi_daemon.engine.exports.heads import heads_of
from aoi_daemon.engine.exports.picture import Picture
from aoi_daemon.engine.precision.wrap import UNIT, Activation
from aoi_daemon.errors import ModelError

_ANOMALIB: Final = frozenset({"anomaly_map", "pred_score", "pred_label", "pred_mask"})
_MOST_STEPS: Final = 8
_AUTHORS: Final = frozenset({"labels", "boxes", "scores"})
"""RT-DETR as its authors export it."""
_AS_IT_IS: Final = (0, 1, 2, 3)
_TO_LAST: Final = (0, 2, 3, 1)
"""What brings channels that a network has first to where the picture has them."""
_KEYPOINTS: Final = ("keypoints", "keypoints_scores")
_TAKEN: Final = (
    "known are boxes, labels and scores; scores [1, classes]; maps [1, classes, h, w]; anomaly_map [1, 1, h, w]; "
    "YOLO's and RT-DETR's heads"
)


def by_structure(facts: Facts, picture: Picture, kind: Kind | None) -> Found:
    """The family of a graph by its outputs.

    Args:
        facts: of the graph.
        picture: its input.
        kind: what a person says that it is for; None: nobody does.

    Raises:
        ModelError: the outputs are those of no family, or of two kinds and nobody says which.
    """
    outputs = facts.outputs
    names = {output.name for output in outputs}
    if names & _ANOMALIB:
        return _anomalib(facts, picture)
    if found := _boxes(facts, picture):
        return found
    if names >= _AUTHORS and all(out.shape[:1] == picture.tensor.shape[:1] for out in outputs if out.shape):
        return _authors(facts)
    ranks = [len(output.shape) for output in outputs]
    if not ranks[0]:
        raise _none(facts)
    if ranks == [3, 3]:
        return _logits_and_boxes(facts)
    if 4 in ranks:
        return _maps(facts, picture, kind)
    # YOLOv5 of older releases puts out its levels once more, behind the table of them all.
    if ranks[0] == 3 and set(ranks[1:]) <= {5} and outputs[0].dtype == "float32":
        return heads_of(facts, picture, outputs[0])
    if len(outputs) != 1 or outputs[0].dtype != "float32":
        raise _none(facts)
    if len(outputs[0].shape) == 2:
        return _vector(facts, outputs[0], kind)
    raise _none(facts)


def _anomalib(facts: Facts, picture: Picture) -> Found:
    mapped = next((out for out in facts.outputs if out.name == "anomaly_map"), None)
    if mapped is None or len(mapped.shape) != 4 or mapped.dtype != "float32":
        raise ModelError(
            f"{facts.file}: is an anomaly model without a map ({_there(facts)}); expected anomaly_map [1, 1, h, w]: "
            "export one that tells where (anomalib: PatchCore, PaDiM, EfficientAD, STFPM)"
        )
    is_last = picture.layout == "NHWC"
    if mapped.shape[3 if is_last else 1] != 1 or not _is_map(facts, mapped, picture, is_last=is_last):
        raise _no_map(mapped, picture, facts)
    for value, truth in (("pred_score", "pred_label"), ("anomaly_map", "pred_mask")):
        if not _compared(facts, value, truth):
            raise ModelError(
                f"{facts.file}: its {truth} is not {value} compared with a threshold; export it by anomalib, and do "
                "not change its outputs"
            )
    return Found("anomaly", "anomaly", _by("anomalib", facts), ("anomaly",), 1)


def _compared(facts: Facts, value: str, truth: str) -> bool:
    """Whether the output `truth`, where it is there, says of the very `value` that is put out that it is greater."""
    if not {value, truth} <= {output.name for output in facts.outputs}:
        return True
    node = facts.maker(truth)
    if node is None or node.op_type not in ("Greater", "GreaterOrEqual"):
        return False
    return facts.maker(node.input[0]) is facts.maker(value) is not None


def _boxes(facts: Facts, picture: Picture) -> Found | None:
    """Torchvision's detectors: as many rows as they find, without a batch."""
    out = facts.outputs
    boxes = [each for each in out if each.dtype == "float32" and len(each.shape) == 2 and each.shape[1] == 4]
    scores = [each for each in out if each.dtype == "float32" and len(each.shape) == 1]
    labels = [each for each in out if each.dtype == "int64" and len(each.shape) == 1]
    if not (len(boxes) == len(scores) == len(labels) == 1):
        return None
    rest = [each for each in out if each not in (*boxes, *scores, *labels)]
    if any(each.name in _KEYPOINTS or len(each.shape) == 3 for each in rest):
        raise ModelError(
            f"{facts.file}: finds key points ({_there(facts)}), which are not judged here: train and export a detector"
        )
    if any(len(each.shape) != 4 for each in rest) or "NonMaxSuppression" not in facts.operators:
        raise _none(facts)
    picked = [facts.plain(each.name) for each in (*scores, *labels)]
    if len(facts.joined(boxes[0].name, 1)) != 4 or any(node is None or node.op_type != "Gather" for node in picked):
        raise ModelError(
            f"{facts.file}: its boxes are not joined of four columns, or its scores and labels not picked, as "
            "torchvision does; export it again, and do not change its outputs"
        )
    notes = ("its masks are left out, its boxes are judged",) if rest else ()
    pixels = UNIT if len(picture.tensor.shape) == 3 else None
    return Found("torchvision-detect", "detect", _by("torchvision", facts), pixels=pixels, stride_px=1, notes=notes)


def _authors(facts: Facts) -> Found:
    return Found("rtdetr", "detect", _by("RT-DETR", facts), pixels=UNIT)


def _logits_and_boxes(facts: Facts) -> Found:
    """Transformers' DETR kin: a box of shares and logits for each query, by their names or widths."""
    pair = logits_and_boxes(facts.outputs)
    if pair is None or facts.outputs[0].dtype != "float32":
        raise _none(facts)
    logits, boxes = pair
    if boxes.shape[2] != 4 or boxes.shape[1] != logits.shape[1] or logits.shape[2] is None:
        raise _none(facts)
    if not (_ends_in(facts, boxes.name, ("Sigmoid",)) and _ends_in(facts, logits.name, ("Add", "MatMul", "Gemm"))):
        raise ModelError(
            f"{facts.file}: its boxes {shown(boxes)} do not come out of a sigmoid, or its logits {shown(logits)} not "
            "of a linear layer; export it by transformers, and do not change its outputs"
        )
    if "GridSample" in facts.operators:
        return Found("rtdetr", "detect", _by("transformers", facts), count=logits.shape[2], activation="sigmoid")
    note = "whether its logits need a sigmoid or a softmax with a last class for nothing (DETR, YOLOS) it does not say"
    return Found("rtdetr", "detect", _by("transformers", facts), notes=(f"{note}: give --activation",))


def _ends_in(facts: Facts, name: str, kinds: tuple[str, ...]) -> bool:
    """Whether a tensor comes out of an operator of `kinds`, or is one of several such that were stacked."""
    is_stacked = False
    for _ in range(_MOST_STEPS):
        node = facts.maker(name)
        if node is None or node.op_type in kinds:
            return node is not None
        picks = node.op_type == "Gather" and len(facts.size_of(name)) < len(facts.size_of(node.input[0]))
        if not picks and not (is_stacked and node.op_type == "Concat"):
            return False
        is_stacked |= picks
        name = node.input[0]
    return False


def _maps(facts: Facts, picture: Picture, kind: Kind | None) -> Found:
    """Maps: a segmentation, or with one channel perhaps an anomaly."""
    maps = [out for out in facts.outputs if len(out.shape) == 4]
    if any(out.dtype != "float32" for out in maps):
        raise ModelError(
            f"{facts.file}: puts out {_there(facts)}, the class of each place alone; expected a score for each class, "
            "float32 [1, classes, h, w]: export it before the argmax"
        )
    first = maps[0]
    is_last = picture.layout == "NHWC"
    sizes = facts.size_of(first.name) or first.shape
    count = first.shape[3 if is_last else 1] or sizes[3 if is_last else 1]
    if count is None or not _is_map(facts, first, picture, is_last=is_last):
        raise _no_map(first, picture, facts)
    if len(maps) != len(facts.outputs):
        if not (count == 1 and kind == "anomaly"):
            raise _none(facts)
    elif len(maps) > 1 and (len(maps) > 2 or maps[1].shape != first.shape):
        raise _none(facts)
    if count == 1 and kind not in ("segment", "anomaly"):
        raise ModelError(
            f"{facts.file}: puts out {shown(first)}, which may be the mask of one class or a map of what is strange; "
            "say which with --task segment or --task anomaly"
        )
    if kind == "anomaly":
        return _strange(facts, first, count)
    scores = scores_of(facts, first.name, 3 if is_last else 1)
    if count == picture.channels and scores != "probabilities" and kind != "segment":
        raise ModelError(
            f"{facts.file}: puts out {shown(first)}, which may be {count} classes or a picture again (an "
            "autoencoder); say with --task segment that they are classes"
        )
    if scores == "unknown":
        raise _untold(facts, first)
    rest = "it has a second output, the auxiliary one of its training, which is left out"
    notes = (rest,) if len(maps) > 1 else ()
    activation = _needed(scores, count)
    return Found("segment", "segment", count=count, activation=activation, notes=(*notes, *_assumed(activation)))


def _strange(facts: Facts, mapped: Tensor, count: int) -> Found:
    if count != 1:
        raise ModelError(f"{facts.file}: puts out {shown(mapped)}; an anomaly map has one channel, [1, 1, h, w]")
    note = "from which value on a part is bad, the file does not say: give --threshold"
    return Found("anomaly", "anomaly", classes=("anomaly",), count=1, notes=(note,))


def _no_map(output: Tensor, picture: Picture, facts: Facts) -> ModelError:
    return ModelError(
        f"{facts.file}: puts out {shown(output)} for pictures {shown(picture.tensor)}; expected maps "
        "[1, classes, h, w] of the picture's size or less, channels where the picture has them: export it so"
    )


def _is_map(facts: Facts, output: Tensor, picture: Picture, *, is_last: bool) -> bool:
    """Whether height and width can be those of a map over the picture: not larger, of its shape, and not swapped."""
    if facts.order_of(output.name) not in ((), _AS_IT_IS, _TO_LAST if is_last else _AS_IT_IS):
        return False
    height, width = output.shape[1:3] if is_last else output.shape[2:]
    known = None not in (height, width, picture.height_px, picture.width_px)
    if not known:
        return True
    assert height and width and picture.height_px and picture.width_px
    if height > picture.height_px or width > picture.width_px:
        return False
    # Coarser by the same factor both ways, or by a stride, rounded up or down.
    if height * picture.width_px == width * picture.height_px:
        return True
    stride = round(picture.height_px / height)
    return abs(height - picture.height_px / stride) < 1 and abs(width - picture.width_px / stride) < 1


def _vector(facts: Facts, output: Tensor, kind: Kind | None) -> Found:
    """[1, classes]: a classification, where it has two or more; of one number a person says what it is."""
    count = output.shape[1] or (facts.size_of(output.name) or (None, None))[1]
    behind = [size for size in facts.size_of(facts.origin(output.name)) if size != 1]
    if count is not None and (count > MAX_CLASSES or len(behind) > 1):
        raise ModelError(
            f"{facts.file}: puts out {shown(output)}, which was flattened, or has more than {MAX_CLASSES} classes; "
            "expected [1, classes]: export it as it was trained"
        )
    if count is None:
        raise ModelError(
            f"{facts.file}: output {shown(output)} leaves open how many classes there are; export it with that fixed"
        )
    if count == 1 and kind != "classify":
        raise ModelError(
            f"{facts.file}: puts out one number, which may be how likely a defect is, a score of what is strange, or "
            "something measured; say with --task classify that it is the first"
        )
    scores = scores_of(facts, output.name, 1)
    if scores == "unknown":
        raise _untold(facts, output)
    activation = _needed(scores, count)
    return Found("classify", "classify", count=count, activation=activation, notes=_assumed(activation))


def _needed(scores: Scores, count: int) -> Activation:
    if scores == "probabilities":
        return "none"
    return "softmax" if count > 1 else "sigmoid"


def _assumed(activation: Activation) -> tuple[str, ...]:
    if activation != "softmax":
        return ()
    return (
        "its scores are logits, and are taken as of classes of which one is true (softmax); where each is true by "
        "itself: --activation sigmoid",
    )


def _untold(facts: Facts, output: Tensor) -> ModelError:
    node = facts.maker(output.name)
    return ModelError(
        f"{facts.file}: whether {shown(output)}, made by {node.op_type if node else 'nothing'}, are probabilities or "
        "logits, nothing in it shows; export it with a Softmax (one class is true) or a Sigmoid (each by itself) at "
        "its end"
    )


def _none(facts: Facts) -> ModelError:
    return ModelError(f"{facts.file}: puts out {_there(facts)}, which no task here reads; {_TAKEN}")


def _by(name: str, facts: Facts) -> str:
    producer = f"{facts.model.producer_name} {facts.model.producer_version}".strip()
    return f"{name} (by {producer})" if producer else name


def _there(facts: Facts) -> str:
    return "; ".join(map(shown, facts.outputs))
