"""Add the output `peaks` to a network whose outputs are too large to be looked through on the CPU.

What it holds, and what for: infer/decode/peaks.py. Through TensorRT's own layers, so that building needs no package
beside, and alike whatever brought the model to its precision.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.infer.decode.peaks import PEAKS, peaks_of
from aoi_daemon.infer.executor import outputs_of
from aoi_daemon.infer.trt.vendor import Vendor

_PLACE_ROWS: Final = 4
"""Of heads, before the probabilities."""


def add_peaks(vendor: Vendor, network: Any, config: Any, manifest: Manifest) -> list[Any]:
    """Put peaks beside the output of a network of the manifest's task; nothing where the task has none.

    Args:
        vendor: whose network it is.
        network: parsed, with the outputs of `outputs_of(manifest)`.
        config: the builder's, that the precision is set in.
        manifest: of the bundle.

    Returns:
        What the network points to: to be kept until it is built.

    Raises:
        ModelError: TensorRT refused a layer.
    """
    if peaks_of(manifest) is None:
        return []
    (output,) = outputs_of(manifest)
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    values = next(tensor for tensor in outputs if tensor.name == output.name)
    if not vendor.strongly_typed:
        config.set_flag(vendor.api.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
    layers = _Layers(vendor, network)
    if manifest.task == "yolo":
        scores = layers.rows(values, _PLACE_ROWS, len(manifest.classes))
        found = [layers.reduced(scores, "MAX", 1), layers.reduced(scores, "MIN", 1), layers.reduced(values, "AVG", 1)]
        peaks = layers.joined(found, 1)
    else:
        kinds = (("MAX", 3), ("MAX", 2), ("MIN", 3), ("AVG", 3))
        peaks = layers.joined([layers.reduced(values, kind, axis, keep=False) for kind, axis in kinds], 2)
    peaks.name = PEAKS
    network.mark_output(peaks)
    return layers.weights


class _Layers:
    """Layers of a network, each in float32 where types are the builder's choice."""

    def __init__(self, vendor: Vendor, network: Any) -> None:
        self._vendor = vendor
        self._network = network
        self.weights: list[Any] = []

    def rows(self, tensor: Any, first: int, count: int) -> Any:
        """`count` rows of axis 1 from number `first` on."""
        # Gathered, not sliced: a slice of a size that varies needs the sizes as a tensor, of another type by version.
        numbers = np.arange(first, first + count, dtype=np.int32)
        self.weights.append(numbers)
        constant = self._network.add_constant(numbers.shape, numbers)
        if constant is None:
            raise self._vendor.refusal(f"{PEAKS}: numbers of the rows")
        return self._float(self._network.add_gather(tensor, constant.get_output(0), 1), "gather")

    def reduced(self, tensor: Any, kind: str, axis: int, *, keep: bool = True) -> Any:
        """One value of each line along `axis`: MAX, MIN or AVG; `keep` leaves the axis there, of size 1."""
        operation = getattr(self._vendor.api.ReduceOperation, kind)
        return self._float(self._network.add_reduce(tensor, operation, 1 << axis, keep), f"{kind} along axis {axis}")

    def joined(self, tensors: list[Any], axis: int) -> Any:
        """One behind the other along `axis`."""
        concatenation = self._network.add_concatenation(tensors)
        if concatenation is None:
            raise self._vendor.refusal(f"{PEAKS}: concatenation")
        concatenation.axis = axis
        return self._float(concatenation, "concatenation")

    def _float(self, layer: Any, what: str) -> Any:
        """The output of `layer`."""
        if layer is None:
            raise self._vendor.refusal(f"{PEAKS}: {what}")
        if not self._vendor.strongly_typed:
            layer.precision = self._vendor.api.DataType.FLOAT
            layer.set_output_type(0, self._vendor.api.DataType.FLOAT)
        return layer.get_output(0)
