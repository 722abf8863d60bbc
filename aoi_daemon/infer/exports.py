"""Is this file the model that the manifest describes? By what the file itself says, before anything runs.

Exporters write down beside the graph what a model is (Ultralytics: task, names, stride), and sizes that tell one
layout from another. What contradicts the manifest is refused, with what to do about it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import FrameShape, TensorInfo, check_model
from aoi_daemon.infer.fit.geometry import Takes, fits_for
from aoi_daemon.infer.onnx.file import Declared, declared, weights_elsewhere

_ULTRALYTICS: Final[Mapping[str, tuple[str, ...]]] = {
    "detect": ("yolo", "top100"),
    "classify": ("classify",),
    "segment": ("segment",),
    "obb": (),
    "pose": (),
}
"""Their tasks, and ours that read what one of them is once it is adapted; (): none does."""
_TAKEN: Final = {"detect": "detect", "classify": "classify", "segment": "segment", "obb": "detect"}
"""Their tasks, and what `bundle make --task` says of them."""
_OR_EXPORT: Final = (
    "`aoi-daemon bundle make --task detect` takes it as it is; or export it with end2end=False, nms=False"
)
_ONE_TRUE: Final = frozenset({"Softmax", "Sigmoid", "LogSoftmax", "HardSigmoid"})
"""Operators that have made probabilities of logits."""
_LONGEST_NAMES: Final = 200_000
_IN_ONE_FILE: Final = "save it as one file: onnx.save(onnx.load(FILE), FILE, save_as_external_data=False)"


def check_file(file: Path, manifest: Manifest, shape: FrameShape | None = None) -> None:
    """Hold what `file` says of itself against the manifest and, where it is known, the recipe's frame.

    Args:
        file: the ONNX file; its weights are not read.
        manifest: the bundle's.
        shape: the recipe's frame; None: frames of any size that the model takes.

    Raises:
        ModelError: naming the file, what was found, what is expected, and the remedy where it is known.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    check_in_one_file(file, raw)
    try:
        found = declared(raw)
    except ValueError as error:
        raise ModelError(f"{file}: is no ONNX model, or a damaged one ({error})") from error
    inputs, outputs = ([TensorInfo(*tensor) for tensor in tensors] for tensors in (found.inputs, found.outputs))
    # What the exporter says goes first: it names the cause, where sizes name what follows from it.
    problems = _metadata_problems(found.metadata, manifest, shape) + _activation_problems(found, manifest)
    problems += [hint for hint in (_layout(outputs, manifest), _size(inputs, shape)) if hint]
    if problems:
        raise ModelError(f"{file}: " + "; ".join(problems))
    check_model(file, inputs, outputs, manifest, shape)


def check_in_one_file(file: Path, raw: bytes) -> None:
    """Refuse a model whose weights lie in a file beside it: a bundle's hashes do not cover that.

    Args:
        file: named in the error.
        raw: its bytes.

    Raises:
        ModelError: it keeps weights elsewhere, or is no ONNX model.
    """
    try:
        outside = weights_elsewhere(raw)
    except ValueError as error:
        raise ModelError(f"{file}: is no ONNX model, or a damaged one ({error})") from error
    if outside:
        raise ModelError(
            f"{file}: keeps {len(outside)} weights in a file beside it ({outside[0]}), which no hash of the bundle "
            f"covers; {_IN_ONE_FILE}"
        )


def task_problem(metadata: Mapping[str, str], task: str) -> str:
    """Why a model that says so of itself cannot be of `task`; "": it can, or says nothing that is known here."""
    theirs = metadata.get("task", "")
    if theirs not in _ULTRALYTICS or task in _ULTRALYTICS[theirs]:
        return ""
    if theirs in _TAKEN:
        read_as = f"`aoi-daemon bundle make --task {_TAKEN[theirs]}` makes a bundle of it"
    else:
        read_as = "no task here reads its outputs; train and export a detector"
    return f"it says of itself that its task is {theirs}, and is to be read as {task}: {read_as}"


def _metadata_problems(metadata: Mapping[str, str], manifest: Manifest, shape: FrameShape | None) -> list[str]:
    problems = [problem] if (problem := task_problem(metadata, manifest.task)) else []
    if metadata.get("task") in _ULTRALYTICS:
        problems += _name_problems(metadata.get("names", ""), manifest.classes)
        if manifest.task == "yolo" and metadata.get("end2end", "False") == "True":
            problems.append(f"its outputs are end to end, not heads; {_OR_EXPORT}")
        stride = metadata.get("stride", "")
        step = int(stride) if stride.isdecimal() and len(stride) < 6 else 0
        if shape is not None and step and (shape[0] % step or shape[1] % step):
            problems.append(
                f"frames are {shape[1]} x {shape[0]} px, the model needs multiples of {step}: "
                f"{fits_for(shape, Takes(None, None, step))}"
            )
    return problems


def _name_problems(text: str, classes: Sequence[str]) -> list[str]:
    """What of the model's own class names, a dict in Python's spelling, is not in the manifest's `classes`."""
    if not text:
        return []
    try:
        names = names_said(text)
    except ValueError as error:
        return [f"its class names cannot be read ({error}); export it again"]
    if len(names) != len(classes):
        return [f"it has {len(names)} classes ({_few(names)}), the bundle {len(classes)} ({_few(classes)})"]
    for number, (theirs, ours) in enumerate(zip(names, classes, strict=True)):
        if theirs != ours:
            return [
                f"its class {number} is {theirs!r}, the bundle's {ours!r}: list the classes in the model's order and "
                "by its names"
            ]
    return []


def names_said(text: str) -> tuple[str, ...]:
    """Class names as an exporter writes them: a dict by number, or a list, in Python's spelling or JSON's.

    Raises:
        ValueError: it is neither; with its beginning and the kind of fault.
    """
    try:
        if len(text) > _LONGEST_NAMES:
            raise ValueError(f"{len(text)} characters")
        said = ast.literal_eval(text)
        # Keys are numbers, or as JSON has them.
        by_number = {int(key): str(name) for key, name in said.items()} if isinstance(said, dict) else said
        return tuple(str(by_number[i]) for i in range(len(by_number)))
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, MemoryError, RecursionError) as error:
        raise ValueError(f"{text[:40]!r}: {type(error).__name__}") from error


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _activation_problems(found: Declared, manifest: Manifest) -> list[str]:
    maker = found.makers.get("scores", "")
    if manifest.task != "classify" or manifest.activation == "none" or not is_probability(maker):
        return []
    return [
        f"its scores come out of a {maker}, and activation = {manifest.activation!r} would be applied once more: "
        "say activation = 'none' in the manifest"
    ]


def is_probability(maker: str) -> bool:
    """Whether what the operator `maker` puts out has been through a softmax or sigmoid already."""
    return maker in _ONE_TRUE


def _size(inputs: Sequence[TensorInfo], shape: FrameShape | None) -> str:
    """That the model takes frames of another size than the recipe's alone; "" where it takes them."""
    takes = next((tensor.shape for tensor in inputs if tensor.name == "image"), ())
    if shape is None or len(takes) != 4 or takes[3] not in (None, 1, 3):
        return ""  # another layout, [1, channels, height, width]: these are no height and width
    height, width = takes[1:3]
    if height in (None, shape[0]) and width in (None, shape[1]):
        return ""
    size = f"{width or 'any'} x {height or 'any'}"
    return (
        f"it takes frames of {size} px alone, the recipe's are {shape[1]} x {shape[0]} px: "
        f"{fits_for(shape, Takes(height, width))}. Or export the model for the recipe's size"
    )


def _layout(outputs: Sequence[TensorInfo], manifest: Manifest) -> str:
    """What layout the heads have, where it is one that is known and not ours; else ""."""
    sizes = next((out.shape for out in outputs if out.name == "heads"), ())
    if manifest.task != "yolo" or len(sizes) != 3:
        return ""
    classes = len(manifest.classes)
    rows, columns = sizes[1:]
    found = f"heads are {TensorInfo('heads', 'float32', sizes)}, for {classes} classes: "
    if rows == 4 + classes or rows is None:
        return ""
    if columns == 4 + classes:
        return f"{found}transposed; expected [1, {4 + classes}, candidates]"
    if columns == 6 and rows <= 1000:
        return f"{found}end to end, not heads; {_OR_EXPORT}"
    known = {
        5 + classes: "one row too many, as oriented boxes (an angle) and YOLOv5 (an objectness) have",
        4 + classes + 32: "32 rows too many, as a model of task segment has (mask coefficients)",
    }
    if columns == 5 + classes:
        return f"{found}transposed, and one row too many, as YOLOv5 has (an objectness); export a YOLOv8 or later"
    return f"{found}{known[rows]}; expected [1, {4 + classes}, candidates]" if rows in known else ""
