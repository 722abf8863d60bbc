"""Write the INT8 model: explicit Q/DQ around the inner convolutions and the residual Adds.

Process: offline. Needs `onnx` and onnxruntime's quantisation tool.

The options are those by which TensorRT 8.6 to 11 builds what comes out (lint.py holds it to them). The
ranges are given as scales, tensor by tensor, so the tool's own calibration has no say.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.precision.calibrate import Ranges
from aoi_daemon.engine.precision.graph import Graph, Model, load_model
from aoi_daemon.engine.precision.lint import lint_quantised
from aoi_daemon.errors import ModelError

_LEAST_SCALE: Final = 1e-8
"""For a tensor that never left 0: any scale is right but 0."""


def quantise(model: Model, ranges: Ranges, frame: Frame, kept_float: Collection[str] = ()) -> Model:
    """The INT8 model.

    Args:
        model: prepared FP32.
        ranges: by tensor, from `calibrate`.
        frame: any real one; the tool insists on a run.
        kept_float: names of the layers that stay in float, beside the first and the last ones.

    Raises:
        ModelError: what came out breaks a rule of lint.py.
    """
    graph = Graph(model)
    nodes = [node for node in graph.quantizable() if node.name not in kept_float]
    if not nodes:
        raise ModelError("int8: all layers are to stay in float, nothing is quantised")
    reached = {name for node in nodes for name in graph.activations(node)}
    scales = {
        name: [
            {
                "quant_type": QuantType.QInt8,
                "scale": np.array(max(reach / 127.0, _LEAST_SCALE), np.float32),
                "zero_point": np.array(0, np.int8),
            }
        ]
        for name, reach in ranges.items()
        if name in reached
    }
    with tempfile.TemporaryDirectory(prefix="aoi-quantise-") as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(source))
        with _Quiet(), _refusing():
            quantize_static(
                str(source),
                str(target),
                _Once(frame),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Add"],
                nodes_to_quantize=[node.name for node in nodes],
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={
                    "ActivationSymmetric": True,
                    "WeightSymmetric": True,
                    "AddQDQPairToWeight": True,
                    "QuantizeBias": False,
                    # TensorRT joins a convolution with the activation behind it; Q/DQ between would part them.
                    "OpTypesToExcludeOutputQuantization": ["Conv", "Add"],
                    "TensorQuantOverrides": scales,
                },
            )
        quantised = load_model(target)
    # The first and the last ones too: they may read what an inner one is quantised for.
    _read_in_float(quantised, {*kept_float, *(node.name for node in (*graph.first, *graph.last))})
    problems = lint_quantised(quantised, kept_float)
    if problems:
        raise ModelError("int8: " + "; ".join(problems))
    return quantised


def _read_in_float(model: Model, names: Collection[str]) -> None:
    """Let the layers of these `names` read what was there before Q and DQ, in place.

    The tool gives every reader of a tensor what one of them is quantised for: a layer in float would lose as much
    as if it were not, and keep its time.
    """
    graph = Graph(model)
    for node in graph.nodes:
        if node.name not in names:
            continue
        for place, name in enumerate(node.input):
            maker = graph.makers.get(name)
            if maker is not None and maker.op_type == "DequantizeLinear":
                node.input[place] = graph.makers[maker.input[0]].input[0]


@contextmanager
def _refusing() -> Iterator[None]:
    """What ONNX Runtime's tool fails at, on a graph that is not ours, is a refusal."""
    try:
        yield
    except Exception as error:  # its errors have no common base
        words = " ".join(str(error).split())[:300]
        raise ModelError(f"int8: ONNX Runtime's tool does not take it: {words or type(error).__name__}") from error


class _Once:
    """A calibration reader of one frame."""

    def __init__(self, frame: Frame) -> None:
        image, template = frame.read()
        self._feed: dict[str, Any] | None = {"image": image[None]}
        if template is not None:
            self._feed["template"] = template[None]

    def get_next(self) -> dict[str, Any] | None:
        feed, self._feed = self._feed, None
        return feed


class _Quiet:
    """The tool advises on the root logger to pre-process; the model was prepared by prepare.py."""

    def __enter__(self) -> None:
        logging.getLogger().addFilter(self._refuse)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeFilter(self._refuse)

    @staticmethod
    def _refuse(record: logging.LogRecord) -> bool:
        return "pre-processing before quantization" not in record.getMessage()
