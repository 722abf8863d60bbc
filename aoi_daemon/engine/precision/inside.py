"""What a model computes on its way: a session that gives tensors of its inside too, and one frame through it.

Process: offline. Needs the extra `engine`; blocks in ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.precision.graph import Model
from aoi_daemon.errors import ModelError

_FATAL_ALONE: Final = 4
"""What fails is raised; ONNX Runtime would print it as well."""

Feed = Mapping[str, NDArray[np.uint8]]


def open_inside(model: Model, tensors: Sequence[str], threads: int) -> Any:
    """A session of `model` that gives `tensors`, and what the model puts out."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    there = {value.name for value in wide.graph.output}
    wide.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in tensors if name not in there)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _FATAL_ALONE
    return ort.InferenceSession(wide.SerializeToString(), options, providers=["CPUExecutionProvider"])


def feed_of(frame: Frame) -> Feed:
    """A frame as a model's inputs take it. Raises BoardsError where it cannot be read."""
    image, template = frame.read()
    return {"image": image[None]} if template is None else {"image": image[None], "template": template[None]}


def values_of(session: Any, tensors: Sequence[str], feed: Feed, frame: Frame) -> list[NDArray[np.float32]]:
    """`tensors` for one frame; what the session's model does not take of the feed is left out.

    Raises:
        ModelError: the model does not take it; names the frame.
    """
    taken = {each.name for each in session.get_inputs()}
    try:
        found: list[NDArray[np.float32]] = session.run(
            list(tensors), {name: value for name, value in feed.items() if name in taken}
        )
    except Exception as error:  # ONNX Runtime's errors have no other base
        raise ModelError(f"{frame.image}: the model does not take it: {error}") from error
    return found
