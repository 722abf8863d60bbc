"""What inspection expects of an executor, and of a model, whoever runs it.

A model's contract. Inputs by name: `image` and, where the manifest says so, `template`, uint8 (1, H, W, C) as
the camera gives them; what another program exported is adapted (engine/exports/adapt.py). Outputs by name,
all but `classes` float32, by the manifest's task:

- top100: `boxes` (1, 100, 4), `scores` (1, 100) from the highest to the lowest, and `classes` int32 (1, 100).
  Rows that only fill up carry score 0 and class 0.
- yolo: `heads` (1, 4 + classes, N): centre x and y, width and height in px of the frame, then a probability for
  each class.
- classify: `scores` (1, classes): probabilities, or logits (the manifest's `activation`).
- segment: `maps` (1, classes, h, w): probabilities; the frame's size or less. Where the manifest says `best_only`, at
  every place at least what the best candidate of its class scores that the maps do not show.
- anomaly: `maps` (1, 1, h, w): the higher, the stranger; the manifest's `full_score` is what scores 1.

All of them become `Detections` (infer/decode/decode.py): one judgement serves every task.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, ModelError

MAX_DETECTIONS: Final = 100
"""Rows of the task top100."""
NO_DEADLINE: Final = 2**63 - 1
"""As `deadline_ns`: the executor may take its time (warm-up, golden parts, tools)."""

OUTPUT_NAMES: Final = {"yolo": "heads", "classify": "scores", "segment": "maps", "anomaly": "maps"}
"""By task; top100 has three."""

_SHARES: Final = 2.0
"""Boxes that all lie below it are shares of the frame, not px."""

FrameShape = tuple[int, int, int]
"""(height_px, width_px, channels)."""


class Detections(NamedTuple):
    """A model's answer to one frame, row by row; task top100: 100 rows, the highest score first.

    boxes: (n, 4) float32, x1 y1 x2 y2 in pixels of the frame. scores: (n,)
    float32, 0..1. classes: (n,) int32, index into the manifest's classes.
    Valid until the next call of `infer`; not checked for what the numbers are.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int32]


class TensorInfo(NamedTuple):
    """One input or output as a back end tells it; a dimension that varies is None."""

    name: str
    dtype: str  # as numpy names it
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{sizes}]"


class Decoder(Protocol):
    """Reads what a model put out; one for each task, see infer/decode/decode.py."""

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """Turn outputs into detections.

        Args:
            outputs: in the order of `outputs_of`, as the model gave them; then peaks (infer/decode/peaks.py), where
                the engine gives them.
            shape: the frame's.

        Raises:
            InferenceError: they are not what a model may say.
        """


class Executor(Protocol):
    """One model on one device. All calls come from the thread that made it; `with` closes it."""

    name: str
    """Back end, version, device and model, for logs and records."""
    notes: list[str]
    """What a person should know of how it runs here."""
    decoder: Decoder
    """How the outputs are read; at first as the manifest says. May be replaced between two calls of `infer`."""
    has_template: bool
    """Whether `infer` needs a template."""

    def infer(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int) -> Detections:
        """Run the model on one frame.

        Args:
            image: (H, W, C) uint8, read in place.
            template: as `image`; given if and only if `has_template`.
            deadline_ns: CLOCK_MONOTONIC; NO_DEADLINE for none.

        Raises:
            InferenceTimeoutError: the deadline passed first; the executor is good for the next part.
            InferenceError: the engine failed, or the frame is not what it was opened for.
        """

    def close(self) -> None:
        """Give everything back, threads too; never raises, may be called twice."""

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_model(
    file: Path,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    manifest: Manifest,
    shape: FrameShape | None = None,
) -> None:
    """Hold what a back end found in `file` against the contract.

    Args:
        file: named in the error.
        inputs: as the back end tells them, in any order.
        outputs: the same.
        manifest: the bundle's.
        shape: the recipe's frame; None: only what the manifest says is checked.

    Raises:
        ModelError: with every difference, what was found and what is expected.
    """
    height, width, channels = shape or (None, None, manifest.channels)
    problems = []
    if shape is not None:
        problems += frame_problems(shape, manifest)
    frame = (1, height, width, channels)
    names = ("image", "template") if manifest.has_template else ("image",)
    problems += _differences("input", inputs, [TensorInfo(name, "uint8", frame) for name in names])
    problems += _differences("output", outputs, outputs_of(manifest))
    if problems:
        raise ModelError(f"{file}: " + "; ".join(problems))


def outputs_of(manifest: Manifest) -> list[TensorInfo]:
    """What a model of the manifest's task puts out, in the order that `Decoder.decode` takes."""
    classes = len(manifest.classes)
    if manifest.task != "top100":
        sizes = {"yolo": (4 + classes, None), "classify": (classes,)}.get(manifest.task, (classes, None, None))
        return [TensorInfo(OUTPUT_NAMES[manifest.task], "float32", (1, *sizes))]
    return [
        TensorInfo("boxes", "float32", (1, MAX_DETECTIONS, 4)),
        TensorInfo("scores", "float32", (1, MAX_DETECTIONS)),
        TensorInfo("classes", "int32", (1, MAX_DETECTIONS)),
    ]


def check_outputs(outputs: Sequence[NDArray[Any]], expected: Sequence[TensorInfo]) -> None:
    """Refuse what a model gave where it is not `expected`: a file may leave sizes open until the model runs.

    Raises:
        InferenceError: naming what was found and what is expected.
    """
    for array, want in zip(outputs, expected, strict=True):
        # Most are fixed, and compared at once; this is on the takt.
        if array.dtype != want.dtype or (array.shape != want.shape and not sizes_fit(array.shape, want.shape)):
            found = TensorInfo(want.name, array.dtype.name, array.shape)
            raise InferenceError(f"the model gave {found}; expected {want}")


def check_px(boxes: NDArray[np.float32], shape: FrameShape) -> None:
    """Refuse boxes (n, 4), those that score enough, that are all shares of the frame; single ones the judgement does.

    Raises:
        InferenceError: naming the greatest corner.
    """
    if boxes.size and (greatest := float(np.abs(boxes).max())) < _SHARES:
        raise InferenceError(
            f"the model gave boxes of {greatest:g} px at most on a frame of {shape[1]} x {shape[0]} px: boxes seem "
            "normalised 0..1; expected px of the frame"
        )


def frame_problems(shape: FrameShape, manifest: Manifest) -> list[str]:
    """Why frames of `shape` cannot be judged with the bundle of `manifest`; empty: they can."""
    height, width, channels = shape
    problems = []
    if channels != manifest.channels:
        problems.append(f"frames have {channels} channels, bundle {manifest.name} is for {manifest.channels}")
    if height % manifest.stride_px or width % manifest.stride_px:
        problems.append(
            f"frames are {width} x {height} px, bundle {manifest.name} needs multiples of {manifest.stride_px}"
        )
    return problems


def warm_up(executor: Executor, shape: FrameShape, *, runs: int) -> list[int]:
    """Run the model `runs` times on noise of `shape`; how long each took, in ns.

    Noise, not zeros: a kernel may be quicker on zeros than on a frame.

    Raises:
        InferenceError: as `Executor.infer`.
    """
    noise = np.random.default_rng(0)
    image = noise.integers(0, 256, shape, np.uint8)
    template = noise.integers(0, 256, shape, np.uint8) if executor.has_template else None
    took_ns = []
    for _ in range(runs):
        start_ns = time.monotonic_ns()
        executor.infer(image, template, NO_DEADLINE)
        took_ns.append(time.monotonic_ns() - start_ns)
    return took_ns


def _differences(kind: str, found: Sequence[TensorInfo], expected: Sequence[TensorInfo]) -> list[str]:
    by_name = {tensor.name: tensor for tensor in found}
    if set(by_name) != {tensor.name for tensor in expected}:
        there, want = ", ".join(map(str, found)) or "none", ", ".join(map(str, expected))
        return [f"{kind}s are {there}; expected {want}"]
    return [
        f"{kind} is {by_name[want.name]}; expected {want}"
        for want in expected
        if not tensor_fits(by_name[want.name], want)
    ]


def tensor_fits(found: TensorInfo, want: TensorInfo) -> bool:
    """Whether one can be the other: name, type and sizes."""
    return found.name == want.name and found.dtype == want.dtype and sizes_fit(found.shape, want.shape)


def sizes_fit(found: Sequence[int | None], want: Sequence[int | None]) -> bool:
    """Whether sizes can be those that are wanted; None: open, and fits any."""
    return len(found) == len(want) and all(None in (a, b) or a == b for a, b in zip(found, want, strict=True))
