"""One frame size of an engine: an execution context with every address set, and its CUDA graph.

Process: inspection. Memory: the buffers are shared by all lanes, fixed for the
life of the executor, and sized for the largest; one lane runs at a time. A
context never changes its shape or profile after it was made. How large its
outputs are it tells for its frame size, so lanes are made before the buffers.

In a graph: the network and the copy of its outputs. Outside it: the copies in,
which come from another slot of the ring with each part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.decode.peaks import peaks_of
from aoi_daemon.infer.executor import FrameShape, TensorInfo, check_model, outputs_of, tensor_fits
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.outputs import lay_out
from aoi_daemon.infer.trt.vendor import Vendor, dtype_name

GraphMode = Literal["off", "own", "capture"]
"""off: each kernel is launched. own: TensorRT-RTX captures by itself. capture: we capture the stream."""


class Loaded(NamedTuple):
    """A deserialized plan: whose, TensorRT's own object, and where it runs."""

    vendor: Vendor
    engine: Any
    device: CudaDevice
    inputs: Sequence[str]


class Tensors(NamedTuple):
    """Inputs and outputs as the engine tells them."""

    inputs: list[TensorInfo]
    outputs: list[TensorInfo]


def deserialize(vendor: Vendor, plan: bytes, file: Path) -> tuple[Any, Any]:
    """A runtime and the engine of `plan`. Raises ModelError with TensorRT's reason."""
    runtime = vendor.make("Runtime", f"{file}: no runtime")
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise vendor.refusal(f"{file}: TensorRT does not take the plan, build it again")
    return runtime, engine


def tensors_of(vendor: Vendor, engine: Any) -> Tensors:
    """Read the names, types and sizes of an engine."""
    found = Tensors([], [])
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(size if size >= 0 else None for size in engine.get_tensor_shape(name))
        info = TensorInfo(name, dtype_name(engine.get_tensor_dtype(name)), shape)
        is_input = engine.get_tensor_mode(name) == vendor.api.TensorIOMode.INPUT
        (found.inputs if is_input else found.outputs).append(info)
    return found


def check_tensors(
    file: Path, tensors: Tensors, manifest: Manifest, shapes: Sequence[FrameShape] = ()
) -> list[TensorInfo]:
    """Hold an engine's inputs and outputs against the contract, for frames of each of `shapes`.

    Returns:
        What it puts out, in the order that `Decoder.decode` takes: `outputs_of`, and peaks where the plan has them.

    Raises:
        ModelError: as `check_model`.
    """
    wanted = outputs_of(manifest)
    peaks = peaks_of(manifest)
    outputs = [tensor for tensor in tensors.outputs if peaks is None or not tensor_fits(tensor, peaks)]
    for shape in (None, *shapes):
        check_model(file, tensors.inputs, outputs, manifest, shape)
    return wanted if peaks is None or len(outputs) == len(tensors.outputs) else [*wanted, peaks]


class Buffers:
    """Device memory for every tensor, and the outputs' page-locked twin.

    The outputs lie in one block on both sides, laid out by each lane for its frame size (`Layout`).
    """

    def __init__(self, device: CudaDevice, *, frame_bytes: int, outputs_bytes: int, has_template: bool) -> None:
        """Take the memory.

        Args:
            device: whose memory it is, until it is closed.
            frame_bytes: of the largest frame.
            outputs_bytes: of the largest block.
            has_template: whether there are two frames.

        Raises:
            ModelError: the GPU has not so much.
        """
        names = ("image", "template") if has_template else ("image",)
        self.addresses = {name: device.allocate(frame_bytes) for name in names}
        self.outputs_address = device.allocate(outputs_bytes)
        self.outputs = device.page_locked(outputs_bytes)


class Lane:
    """The engine, ready for frames of `shape` once it has its buffers.

    Attributes:
        shape: of the frames.
        layout: of the block of outputs.
        arrays: the outputs of the last run, in the order of the decoder; written by each run.
        mark: (1,), the last value that a run writes.
    """

    def __init__(
        self, loaded: Loaded, shape: FrameShape, outputs: Sequence[TensorInfo], *, profile: int | None, graph: GraphMode
    ) -> None:
        """Make the context and fix its profile and sizes.

        Args:
            loaded: outlives the lane.
            shape: of the frames.
            outputs: what is put out, in the order of the decoder (`check_tensors`).
            profile: which of the engine's serves `shape`; None: its sizes are fixed.
            graph: how the work is launched; "capture" becomes so with `capture`.

        Raises:
            ModelError: TensorRT refused something, with its reason; or an output's size is not the task's, or
                cannot be told before a run.
        """
        vendor, device = loaded.vendor, loaded.device
        self.shape = shape
        self._vendor = vendor
        self._device = device
        self._launch: Callable[[], None] | None = None
        self.arrays: list[NDArray[Any]] = []
        self.mark = np.zeros(1, np.float32)
        # The configuration as well: TensorRT-RTX 1.4 reads it when the profile is set, and crashes where it is gone.
        context, self._configuration = _make_context(vendor, loaded.engine, graph)
        if profile is not None:
            if not context.set_optimization_profile_async(profile, device.stream):
                raise vendor.refusal(f"profile {profile}")
            device.synchronize()
        for name in loaded.inputs:
            if not context.set_input_shape(name, (1, *shape)):
                raise vendor.refusal(f"{name} of size {(1, *shape)}")
        unknown = context.infer_shapes()
        if unknown:
            raise ModelError(f"the sizes of {', '.join(unknown)} do not follow from the inputs")
        sizes = []
        for output in outputs:
            sizes.append(tuple(context.get_tensor_shape(output.name)))
        try:
            self.layout = lay_out(outputs, sizes)
        except ValueError as error:
            raise ModelError(f"frames of {shape}: {error}") from None
        self._context = context

    def bind(self, buffers: Buffers) -> None:
        """Give the context its addresses, for good.

        Args:
            buffers: at least as large as `shape` and `layout` need.

        Raises:
            ModelError: TensorRT refused one.
        """
        addresses = dict(buffers.addresses)
        for output, offset in zip(self.layout.outputs, self.layout.offsets, strict=True):
            addresses[output.name] = buffers.outputs_address + offset
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise self._vendor.refusal(f"address of {name}")
        self._block = buffers.outputs[: self.layout.size_bytes]
        self._block_address = buffers.outputs_address
        self.arrays = self.layout.arrays(self._block)
        self.mark = self.layout.mark(self._block)

    @property
    def is_captured(self) -> bool:
        """Whether the work is one launch of a graph that we captured."""
        return self._launch is not None

    def enqueue(self) -> None:
        """Put the network and the copy of its outputs into the stream.

        Raises:
            InferenceError: it was refused; TensorRT says so by a return value alone.
        """
        if self._launch is not None:
            self._launch()
        else:
            self._enqueue()

    def capture(self) -> None:
        """Launch as one CUDA graph from now on. After a first run: TensorRT defers some of its set-up to it.

        Raises:
            InferenceError: it cannot be captured; the lane goes on without.
        """
        self._launch = self._device.capture(self._enqueue)

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._device.stream):
            raise self._vendor.refusal("execute_async_v3 returned False", InferenceError)
        self._device.copy_out(self._block, self._block_address)


def profile_for(engine: Any, shape: FrameShape) -> int | None:
    """The profile of `engine` that serves `shape`, an exact one first; None: its sizes are fixed, and are these.

    Raises:
        LookupError: none does; says which there are.
    """
    frame = (1, *shape)
    fixed = tuple(engine.get_tensor_shape("image"))
    if fixed == frame:
        return None
    fitting = []
    for index in range(engine.num_optimization_profiles if -1 in fixed else 0):
        low, _, high = (tuple(sizes) for sizes in engine.get_tensor_profile_shape("image", index))
        if all(a <= n <= b for a, n, b in zip(low, frame, high, strict=True)):
            fitting.append((low != high, index))
    if not fitting:
        there = ", ".join(map(str, exact_shapes(engine)))
        raise LookupError(f"frames of {shape} (height, width, channels); exact ones: {there}")
    return min(fitting)[1]


def exact_shapes(engine: Any) -> Sequence[FrameShape]:
    """The frame sizes that `engine` has an exact profile for, or its one fixed size."""
    fixed = tuple(engine.get_tensor_shape("image"))
    if -1 not in fixed:
        return [fixed[1:]]
    exact = []
    for index in range(engine.num_optimization_profiles):
        low, _, high = (tuple(sizes) for sizes in engine.get_tensor_profile_shape("image", index))
        if low == high:
            exact.append(low[1:])
    return exact


def _make_context(vendor: Vendor, engine: Any, graph: GraphMode) -> tuple[Any, Any]:
    """A context, and what must live as long as it does."""
    api = vendor.api
    options = None
    if vendor.is_rtx:
        options = engine.create_runtime_config()
        strategy = api.CudaGraphStrategy
        options.cuda_graph_strategy = strategy.WHOLE_GRAPH_CAPTURE if graph == "own" else strategy.DISABLED
        # Lazily, the kernels of a size are compiled in the background while parts already run.
        eager = api.DynamicShapesKernelSpecializationStrategy.EAGER
        options.dynamic_shapes_kernel_specialization_strategy = eager
        context = engine.create_execution_context(runtime_config=options)
    else:
        context = engine.create_execution_context()
    if context is None:
        raise vendor.refusal("execution context")
    return context, options
