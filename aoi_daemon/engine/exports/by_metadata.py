"""Ultralytics' exports: what they say of themselves, and whether their outputs are that. Pure."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Final

from aoi_daemon.engine.exports.activations import scores_of
from aoi_daemon.engine.exports.described import Family, Kind, Tensor
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.exports.found import Found
from aoi_daemon.engine.precision.wrap import UNIT, Activation
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import names_said

_TASKS: Final = ("detect", "segment", "obb", "classify")
_NO_TASK: Final = {
    "pose": "key points are not judged here: train and export a detector (task detect), or mark the parts to check as "
    "classes of one",
    "depth": "depth is not judged here: train and export a detector or a segmentation (task segment)",
    "semantic": "its output is the class of each place alone, without a score: train and export task segment, or a "
    "segmentation of torchvision",
}
_RAW: Final = "yolo export model=best.pt format=onnx opset=17"
_LONGEST: Final = 10_000


def by_metadata(facts: Facts) -> Found | None:
    """The family of an export of Ultralytics; None: nothing says that it is one.

    Raises:
        ModelError: it is of a task that is not judged here, or says one thing and is another.
    """
    task = facts.said.get("task", "")
    if facts.said.get("author") != "Ultralytics" and not (task in (*_TASKS, *_NO_TASK) and "names" in facts.said):
        return None
    if task not in _TASKS:
        why = _NO_TASK.get(task, "known are detect, segment, obb and classify; export one of them")
        raise ModelError(f"{facts.file}: says that its task is {task or 'none'}: {why}")
    try:
        classes = names_said(facts.said.get("names", ""))
    except ValueError as error:
        raise ModelError(f"{facts.file}: its class names cannot be read ({error}); export it again") from error
    told = Found(
        "yolo", "detect", f"Ultralytics {facts.said.get('version', '')}".strip(), classes, pixels=UNIT,
        stride_px=_stride(facts),
    )  # fmt: skip
    read = {"detect": _detect, "segment": _segment, "obb": _obb, "classify": _classify}[task]
    return read(facts, told)


def _detect(facts: Facts, told: Found) -> Found:
    output = _only(facts, 1)[0]
    shape, classes = output.shape, len(told.classes)
    is_seen = "GridSample" in facts.operators
    if (head := facts.said.get("head")) and (head == "RTDETRDecoder") is not is_seen:
        raise ModelError(
            f"{facts.file}: says that its head is {head}, and its graph has {'one' if is_seen else 'none'} of RT-DETR "
            f"(GridSample); export it again: {_RAW}"
        )
    if is_seen:
        # Since 8.4 one class for each query, before that a score for each class: whoever adapts it tells them apart.
        parts = facts.joined(output.name, 2)
        sizes = [size for _, size in parts]
        if not (sizes == [4, classes] and parts[1][0] == "Sigmoid" and shape[2] == 4 + classes) and not (
            _is_row(parts, 0) and shape[2] == 6
        ):
            raise _other(facts, output, f"[1, queries, {4 + classes}] or [1, queries, 6] (RT-DETR)")
        return _as(told, family="rtdetr")
    if _has_rows(facts):
        _check_rows(facts, output, 0, told)
        return _as(told, family="yolo-rows")
    _check_heads(facts, output, 0, told)
    return told


def _segment(facts: Facts, told: Found) -> Found:
    heads, protos = _only(facts, 2)
    if len(heads.shape) == 4 and len(protos.shape) == 3:
        heads, protos = protos, heads
    if len(heads.shape) != 3 or len(protos.shape) != 4:
        raise _other(facts, heads, "[1, 4 + classes + masks, candidates] and prototypes [1, masks, h, w]")
    masks = protos.shape[1]
    if masks is None:
        raise _other(facts, protos, "prototypes [1, masks, h, w] of a fixed number")
    if _has_rows(facts):
        _check_rows(facts, heads, masks, told)
        note = "its rows are the detections that it kept itself, each with its mask's coefficients"
        return _as(told, family="yolo-segment", kind="segment", notes=(note,))
    _check_heads(facts, heads, masks, told)
    return _as(told, family="yolo-segment", kind="segment")


def _obb(facts: Facts, told: Found) -> Found:
    output = _only(facts, 1)[0]
    if _has_rows(facts):
        _check_rows(facts, output, 1, told)
        return _as(told, family="yolo-obb")
    _check_heads(facts, output, 1, told)
    return _as(told, family="yolo-obb")


def _classify(facts: Facts, told: Found) -> Found:
    output = facts.outputs[0]
    if len(facts.outputs) != 1 or len(output.shape) != 2 or output.dtype != "float32":
        raise _other(facts, output, "[1, classes]")
    scores = scores_of(facts, output.name, 1)
    if scores == "unknown":
        raise _other(facts, output, "probabilities, out of a softmax")
    note = "it was trained on pictures of which the shorter side fills the size and the middle is cut out"
    activation: Activation = "none" if scores == "probabilities" else "softmax"
    return Found(
        "classify", "classify", told.program, told.classes, output.shape[1], UNIT, 1, activation, (note,)
    )  # fmt: skip


def _has_rows(facts: Facts) -> bool:
    """Whether the file suppresses overlaps or chooses the best itself, so that its rows are detections.

    What it says and what is in it must be the same; releases before 8.3 say nothing of it.
    """
    chosen = "NonMaxSuppression" in facts.operators or "TopK" in facts.operators
    says = [facts.said.get("end2end", ""), _argument(facts, "nms")]
    if "True" in says and not chosen:
        raise ModelError(
            f"{facts.file}: says that it chooses its detections itself (end2end or nms), and has no operator for it; "
            f"export it again: {_RAW}"
        )
    if chosen and "True" not in says and facts.said.get("end2end") == "False" and "args" in facts.said:
        raise ModelError(
            f"{facts.file}: chooses its detections itself, and says that it does not; export it again: {_RAW}"
        )
    return chosen


def _check_rows(facts: Facts, output: Tensor, extra: int, told: Found) -> None:
    """Refuse rows that are not [1, n, 6 + `extra`]: a box, the score that was chosen by, the class, the rest."""
    is_wide = output.shape[2] in (None, 6 + extra)
    if not is_wide or not (_is_row(facts.joined(output.name, 2), extra) or _is_filled(facts, output.name)):
        raise _other(facts, output, f"[1, rows, {6 + extra}] as its own decoder makes them")
    counts = facts.class_counts()
    if counts != {len(told.classes)}:
        there = ", ".join(map(str, sorted(counts))) or "no"
        raise ModelError(
            f"{facts.file}: has {there} classes by its graph, and names {len(told.classes)} "
            f"({', '.join(told.classes[:5])}): export it again: {_RAW}"
        )


def _is_row(parts: list[tuple[str, int | None]], extra: int) -> bool:
    """Whether columns are joined as an end-to-end decoder does: box, score, the class made a number, the rest."""
    if len(parts) != (4 if extra else 3):
        return False
    (_, box), (_, score), (maker, kind) = parts[:3]
    rest = parts[3][1] if extra else None
    return box in (None, 4) and (score, maker, kind) == (1, "Cast", 1) and rest in (None, extra)


def _is_filled(facts: Facts, name: str) -> bool:
    """Whether rows are those that a suppression of overlaps has filled, from the first on."""
    node = facts.plain(name)
    if node is not None and node.op_type == "Slice":
        starts = facts.constant(node.input[1])
        if starts is None or starts.any():
            return False
        node = facts.plain(node.input[0])
    return node is not None and node.op_type == "ScatterND"


def _check_heads(facts: Facts, output: Tensor, extra: int, told: Found) -> None:
    """Refuse raw heads that are not [1, 4 + classes + `extra`, candidates], joined in that order."""
    classes = len(told.classes)
    rows = 4 + classes + extra
    if rows in output.shape[2:] and output.shape[1] != rows:
        raise ModelError(
            f"{facts.file}: its heads are transposed, {shown(output)}; expected [1, {rows}, candidates]: export it "
            f"again, and do not change its outputs: {_RAW}"
        )
    expected = f"[1, {rows}, candidates] for the {classes} classes that it names"
    if output.shape[1] not in (None, rows):
        raise _other(facts, output, expected)
    parts = facts.joined(output.name, 1)
    sizes = [size for _, size in parts]
    is_read = len(sizes) > 1 and sizes[:2] == [4, classes] and sum(size or 0 for size in sizes) == rows
    if not is_read or parts[1][0] != "Sigmoid" or parts[0][0] == "Sigmoid":
        made = " and ".join(f"{size or 'any'} out of {kind or 'nothing'}" for kind, size in parts) or "one piece"
        raise _other(facts, output, f"{expected}, joined of 4 for the box, and of classes out of a Sigmoid, not {made}")


def _only(facts: Facts, count: int) -> tuple[Tensor, ...]:
    outputs = facts.outputs
    if len(outputs) != count or any(out.dtype != "float32" for out in outputs) or len(outputs[0].shape) not in (3, 4):
        there = "; ".join(map(shown, outputs))
        raise ModelError(
            f"{facts.file}: says that its task is {facts.said['task']}, and puts out {there}; expected {count} of "
            f"float32 [1, ...]: export it again: {_RAW}"
        )
    if count == 1 and len(outputs[0].shape) != 3:
        raise _other(facts, outputs[0], "three dimensions")
    return outputs


def _other(facts: Facts, output: Tensor, expected: str) -> ModelError:
    return ModelError(
        f"{facts.file}: says that its task is {facts.said['task']}, and puts out {shown(output)}; expected {expected}: "
        f"export it again, and do not change its outputs: {_RAW}"
    )


def _stride(facts: Facts) -> int | None:
    found = re.fullmatch(r"\[?(\d{1,4})\.?0?\]?", facts.said.get("stride", ""))
    return int(found[1]) if found and int(found[1]) > 0 else None


def _argument(facts: Facts, name: str) -> str:
    """One of the arguments that it was exported with, as text; "": it does not say."""
    text = facts.said.get("args", "")
    try:
        said = ast.literal_eval(text) if 0 < len(text) < _LONGEST else {}
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ""
    return str(said.get(name, "")) if isinstance(said, dict) else ""


def _as(told: Found, *, family: Family, kind: Kind = "detect", notes: tuple[str, ...] = ()) -> Found:
    return replace(told, family=family, kind=kind, notes=notes)
