"""A bundle's model already: one that keeps the contract of infer/executor.py. Pure."""

from __future__ import annotations

from typing import Final, Literal

from aoi_daemon.engine.exports.described import Described, Kind
from aoi_daemon.engine.exports.facts import Facts, shown
from aoi_daemon.engine.precision.graph import Graph, stride
from aoi_daemon.engine.precision.wrap import Pixels
from aoi_daemon.errors import ModelError

_AS_IT_COMES: Final = Pixels(scale=1.0, is_rgb=False)
_ROWS: Final = {"boxes": 3, "scores": 2, "classes": 2}
"""Dimensions of the outputs of task top100."""


def own(facts: Facts, kind: Kind | None) -> Described | None:
    """What a model of ours is; None: it is another's.

    Raises:
        ModelError: it takes frames as ours do and puts out something else, or maps of which nobody says what they are.
    """
    inputs = {tensor.name: tensor for tensor in facts.inputs}
    image = inputs.get("image")
    if image is None or image.dtype != "uint8" or not set(inputs) <= {"image", "template"} or len(image.shape) != 4:
        return None
    if image.shape[0] != 1 or image.shape[3] not in (1, 3):
        raise ModelError(f"{facts.file}: takes {shown(image)}; expected image uint8 [1, height, width, 1 or 3]")
    found, count = _outputs(facts, kind)
    channels: Literal[1, 3] = 1 if image.shape[3] == 1 else 3
    step = stride(Graph(facts.model))
    return Described(
        "own", found, facts.model.producer_name, facts.opset, image, "NHWC", channels, image.shape[1], image.shape[2],
        step, facts.outputs, (), _AS_IT_COMES, count=count,
        notes=("it takes the camera's frame and a template",) if "template" in inputs else (),
    )  # fmt: skip


def _outputs(facts: Facts, kind: Kind | None) -> tuple[Kind, int | None]:
    outputs = {tensor.name: tensor for tensor in facts.outputs}
    ranks = {name: len(tensor.shape) for name, tensor in outputs.items()}
    if ranks == _ROWS:
        return "detect", None
    if ranks == {"heads": 3}:
        size = outputs["heads"].shape[1]
        return "detect", None if size is None else size - 4
    if ranks == {"scores": 2}:
        return "classify", outputs["scores"].shape[1]
    if ranks == {"maps": 4}:
        count = outputs["maps"].shape[1]
        if count != 1 or kind in ("segment", "anomaly"):
            return ("anomaly" if kind == "anomaly" and count == 1 else "segment"), count
        raise ModelError(
            f"{facts.file}: puts out {shown(outputs['maps'])}, which may be the mask of one class or a map of what is "
            "strange; say which with --task segment or --task anomaly"
        )
    there = "; ".join(map(shown, facts.outputs))
    raise ModelError(
        f"{facts.file}: takes image uint8 as a bundle's model does, and puts out {there}; expected boxes, scores and "
        "classes, or heads, scores or maps (infer/executor.py)"
    )
