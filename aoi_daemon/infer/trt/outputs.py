"""Where an engine's outputs lie: all in one block, so that one copy brings them. Pure.

What is no float comes first. So the block ends in the last value of a float output, which is the mark of an answer
that has arrived: NaN is put there before a run, and no model may answer with NaN. One mark does for all outputs,
however many and large, because one copy brings them, in this order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.executor import TensorInfo, sizes_fit

_ALIGNMENT_BYTES: Final = 256
"""What TensorRT asks of an address at least."""
NOTHING: Final = 0xFF
"""Bytes of it are NaN as floats and -1 as a number of a class: no model may say either."""
_MARK: Final = np.dtype(np.float32)


class Layout(NamedTuple):
    """The block of one frame size.

    Attributes:
        outputs: what the model puts out for it, in the order that `Decoder.decode` takes; no size is open.
        offsets: where in the block each begins, bytes.
        size_bytes: of the block; it ends with the last value of a float32 output.
    """

    outputs: tuple[TensorInfo, ...]
    offsets: tuple[int, ...]
    size_bytes: int

    def arrays(self, block: NDArray[np.uint8]) -> list[NDArray[Any]]:
        """The outputs as arrays in `block`, with the batch axis, as every back end gives them."""
        return [
            np.ndarray(output.shape, output.dtype, block, offset)  # type: ignore[arg-type]  # open sizes were refused
            for output, offset in zip(self.outputs, self.offsets, strict=True)
        ]

    def mark(self, block: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The last value of `block`, (1,)."""
        return block[self.size_bytes - _MARK.itemsize : self.size_bytes].view(np.float32)

    def unwritten(self, arrays: Sequence[NDArray[Any]]) -> list[str]:
        """Which outputs, by name, begin or end with NOTHING, where memory held nothing else before the run."""
        found = []
        for output, array in zip(self.outputs, arrays, strict=True):
            raw = array.reshape(-1).view(np.uint8)
            size = array.itemsize
            if (raw[:size] == NOTHING).all() or (raw[-size:] == NOTHING).all():
                found.append(output.name)
        return found


def lay_out(expected: Sequence[TensorInfo], found: Sequence[Sequence[int]]) -> Layout:
    """Place the outputs of one frame size.

    Args:
        expected: what the task says of them (`outputs_of`), at least one float32.
        found: their sizes as the engine tells them for this frame; below 0: it cannot tell.

    Raises:
        ValueError: a size follows from what the model sees, is 0, or is not the task's; names the output.
    """
    outputs = []
    for want, sizes in zip(expected, found, strict=True):
        shape = tuple(size if size >= 0 else None for size in sizes)
        output = TensorInfo(want.name, want.dtype, shape)
        if None in shape:
            raise ValueError(
                f"how large output {output} is follows from what the model sees, and the memory for it is taken before "
                "the first part: export the model without suppression (NMS) or NonZero in the graph"
            )
        if 0 in shape or not sizes_fit(shape, want.shape):
            raise ValueError(f"output is {output}; expected {want}")
        outputs.append(output)
    offsets, end = [0] * len(outputs), 0
    for index in sorted(range(len(outputs)), key=lambda index: outputs[index].dtype == _MARK):
        offsets[index] = -(-end // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        end = offsets[index] + _size_bytes(outputs[index])
    return Layout(tuple(outputs), tuple(offsets), end)


def _size_bytes(output: TensorInfo) -> int:
    size = np.dtype(output.dtype).itemsize
    for length in output.shape:
        size *= length or 0
    return size
