"""The floor: copy in, execute, copy out, synchronize; no checks, no deadline, nothing of the executor.

Only what is not on the path is borrowed: the plan is chosen, the context made and the addresses set by the
executor's own parts, so that both measure the same engine with the same buffers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.lane import Buffers, GraphMode, Lane, Loaded, check_tensors, profile_for, tensors_of
from aoi_daemon.infer.trt.plan import Machine, Precision, choose_plan
from aoi_daemon.infer.trt.vendor import load_vendor


class Floor:
    """The least that runs a lane: its copies, its launch, `synchronize`; nothing is checked or decoded."""

    def __init__(self, device: CudaDevice, lane: Lane, buffers: Buffers) -> None:
        self._cuda: Any = device._cuda
        self._stream: Any = device._stream
        self._handle = device.stream
        self._context: Any = lane._context
        self._launch = lane._launch
        self._image, self._template = buffers.addresses["image"], buffers.addresses.get("template")
        self._block: Any = lane._block
        self._address = lane._block_address
        self.outputs_bytes = lane.layout.size_bytes

    def run(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None) -> None:
        """One part."""
        self._cuda.memcpy_htod_async(self._image, image, self._stream)
        if self._template is not None:
            self._cuda.memcpy_htod_async(self._template, template, self._stream)
        if self._launch is not None:
            self._launch()
        else:
            self._context.execute_async_v3(self._handle)
            self._cuda.memcpy_dtoh_async(self._block, self._address, self._stream)
        self._stream.synchronize()

    def close(self) -> None:
        """Let go of what is the lane's: freed after CUDA's context is gone, it corrupts the heap."""
        self._context = self._launch = self._block = None


class BareLoop:
    """One engine and the least that runs it."""

    def __init__(
        self, bundle: Bundle, precision: Precision, shape: FrameShape, *, spin: bool, graph: bool, device: int = 0
    ) -> None:
        """Load the plan that the line would run on GPU number `device`. Raises ModelError where none fits."""
        vendor = load_vendor()
        self.device = CudaDevice(device, spin=spin)
        try:
            plan = choose_plan(bundle, precision, [shape], Machine(vendor.flavour, vendor.version, self.device.gpu))
        except ModelError:
            self.device.close()  # pycuda aborts a process that ends with its context open
            raise
        runtime = vendor.make("Runtime", "no runtime")
        engine = runtime.deserialize_cuda_engine(plan.content)
        has_template = bundle.manifest.has_template
        mode: GraphMode = "own" if graph and vendor.is_rtx else "off"
        profile = profile_for(engine, shape)
        loaded = Loaded(vendor, engine, self.device, ("image", "template") if has_template else ("image",))
        outputs = check_tensors(bundle.folder, tensors_of(vendor, engine), bundle.manifest)
        self._lane = Lane(loaded, shape, outputs, profile=profile, graph=mode)
        outputs_bytes = self._lane.layout.size_bytes
        buffers = Buffers(
            self.device, frame_bytes=math.prod(shape), outputs_bytes=outputs_bytes, has_template=has_template
        )
        self._lane.bind(buffers)
        self.graph = mode
        self._keep = (runtime, engine)
        self._floor = Floor(self.device, self._lane, buffers)
        self.run = self._floor.run

    def close(self) -> None:
        """Give everything back."""
        self._floor.close()
        del self._lane
        self._keep = (None, None)
        self.device.close()
