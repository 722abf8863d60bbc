"""TensorRT at batch 1: `tensorrt` 8.6 to 11 or `tensorrt_rtx`, whichever this machine has.

Process: inspection. Thread: one owns context, engine and buffers, and makes
every call. Memory: all of it is taken before READY; frames are copied to the
GPU straight from the ring's slots, which are page-locked for that.

Blocks: in the wait for the GPU, never in CUDA: both ways of waiting ask whether
the part is done and look at its deadline, so a GPU that hangs costs the part,
not the process. `spin` asks without pause and is the quickest by a few tens of
us; `block` sleeps until shortly before the fastest run would be done, then asks
every 50 us. CUDA's own blocking wait cannot be ended by a deadline.

When the deadline passes, the run is still on the GPU and may still read its slot
and write the outputs. Neither does harm: what it reads is thrown away with its
answer, the memory stays registered, and the next `infer` first waits for it. A
run that has not ended HUNG_NS after its start is an InferenceError: the process
ends and the supervisor starts a new one, with a new context.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.decode.peaks import PEAKS, is_true
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, FrameShape, TensorInfo
from aoi_daemon.infer.trt import lane as trt_lane
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.lane import Buffers, GraphMode, Lane, Loaded
from aoi_daemon.infer.trt.outputs import NOTHING
from aoi_daemon.infer.trt.vendor import Vendor
from aoi_daemon.infer.trt.warm import WarmUp, run_until_stable

Wait = Literal["spin", "block"]
HUNG_NS: Final = 1_000_000_000
_NAP_S: Final = 50e-6
_FIRST_NAP: Final = 0.8
"""Of the fastest run: a timer wakes late, never early, so some of the run is left to ask in."""


class TensorRtExecutor:
    """One plan on one GPU; see `Executor`."""

    def __init__(
        self,
        vendor: Vendor,
        device: CudaDevice,
        plan: bytes,
        manifest: Manifest,
        *,
        file: Path,
        shapes: Sequence[FrameShape] = (),
        wait: Wait = "block",
        graph: GraphMode = "off",
        warm_up_runs: int = 200,
        pinned: Iterable[NDArray[np.uint8]] = (),
    ) -> None:
        """Deserialize `plan` and run every frame size until its latency is even.

        Args:
            vendor: the TensorRT that built the plan.
            device: owned from now on, closed with this.
            plan: verified bytes; TensorRT does not notice damage.
            manifest: the bundle's.
            file: named in errors and in `name`.
            shapes: frame sizes that must be served, beside those with an exact profile.
            wait: how to wait for the GPU.
            graph: how to launch; a capture that fails leaves "off" and says so in `notes`.
            warm_up_runs: for each size at most.
            pinned: memory that frames come from (ring slots, templates); page-locked here.

        Raises:
            ModelError: TensorRT refuses the plan, or it is not this contract or lacks a size, or how large an output
                is follows from what the model sees.
            InferenceError: the first runs failed, or their answers are not what a model of the task may say.
        """
        self.decoder = decoder_for(manifest)
        self.name = file.name  # until more is known
        self.has_template = manifest.has_template
        self.notes: list[str] = []
        self._vendor = vendor
        self._device = device
        self._is_open = True
        self._spin = wait == "spin"
        self._first_nap_s = 0.0
        # The first runs compile and allocate: until the warm-up is over nothing is said to hang.
        self._hung_ns = NO_DEADLINE
        self._begun_ns = 0  # when the run that is on the GPU was begun; 0: none is
        self._runtime, self._engine = trt_lane.deserialize(vendor, plan, file)
        tensors = trt_lane.tensors_of(vendor, self._engine)
        wanted = list(dict.fromkeys([*shapes, *trt_lane.exact_shapes(self._engine)]))
        outputs = trt_lane.check_tensors(file, tensors, manifest, wanted)
        self._lanes: dict[FrameShape, Lane] = {}
        self.warm_up: list[WarmUp] = []
        loaded = Loaded(vendor, self._engine, device, ("image", "template") if self.has_template else ("image",))
        # Loops and methods, no comprehension and no closure: open_executor could not free what those hold.
        frame_bytes = outputs_bytes = 0
        for shape in wanted:
            lane = self._lanes[shape] = self._lane(loaded, shape, outputs, graph, file)
            frame_bytes = max(frame_bytes, math.prod(shape))
            outputs_bytes = max(outputs_bytes, lane.layout.size_bytes)
        self._buffers = Buffers(
            device, frame_bytes=frame_bytes, outputs_bytes=outputs_bytes, has_template=self.has_template
        )
        for lane in self._lanes.values():
            lane.bind(self._buffers)
        self._pin(pinned)
        for lane in self._lanes.values():
            self.warm_up.append(self._warm(lane, graph, warm_up_runs))
        self._first_nap_s = _FIRST_NAP * min(record.fastest_ns for record in self.warm_up) / 1e9
        self._hung_ns = HUNG_NS
        how = "off" if graph != "own" else "its own"
        if all(lane.is_captured for lane in self._lanes.values()):
            how = "captured"
        self.name = (
            f"{vendor.flavour} {vendor.version}, {device.gpu.name} ({device.gpu.target}), {file.name}, "
            f"{wait}, CUDA graph {how}"
        )

    def infer(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int) -> Detections:
        """Run the model on one frame; see `Executor.infer`."""
        return self.decoder.decode(self._answer(image, template, deadline_ns), image.shape)

    def _answer(
        self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int
    ) -> list[NDArray[Any]]:
        """What the model put out for one frame, in the order of the decoder; errors as `infer`."""
        if not self._is_open:
            raise InferenceError(f"{self.name}: is closed")
        lane = self._lanes.get(image.shape)
        if lane is None or image.dtype != np.uint8 or not image.flags.c_contiguous:
            sizes = ", ".join(map(str, self._lanes))
            raise InferenceError(f"the frame is {image.dtype} {image.shape}; expected uint8 and one of {sizes}")
        if self.has_template and (template is None or template.shape != image.shape or template.dtype != np.uint8):
            found = "missing" if template is None else f"{template.dtype} {template.shape}"
            raise InferenceError(f"the template is {found}; expected uint8 {image.shape}")
        if deadline_ns <= time.monotonic_ns():
            raise InferenceTimeoutError("no time was left to begin with")
        if self._begun_ns:  # the last part's time ran out while it was on the GPU
            self._wait(deadline_ns, 0.0)
        device, addresses = self._device, self._buffers.addresses
        # An answer that the GPU never wrote must not be the last part's: without a copy out, this stays.
        lane.mark[0] = np.nan
        self._begun_ns = time.monotonic_ns()
        if template is not None and self.has_template:
            device.copy_in(addresses["template"], template)
        device.copy_in(addresses["image"], image)
        lane.enqueue()
        device.record()
        self._wait(deadline_ns, self._first_nap_s)
        if math.isnan(lane.mark[0]):
            names = ", ".join(output.name for output in lane.layout.outputs)
            raise InferenceError(f"{self.name}: the GPU reports success and wrote no answer ({names}), or NaN")
        return lane.arrays

    def close(self) -> None:
        """Free engine, buffers and context; may be called twice. A GPU that hangs is left to the process' end."""
        if not self._is_open:
            return
        self._is_open = False
        if self._begun_ns and not self._ended():
            return  # TensorRT's destructors would wait for it
        # In this order: TensorRT frees into the context, so the context goes last.
        self._lanes.clear()
        self._engine = self._runtime = None
        self._device.close()

    def __enter__(self) -> TensorRtExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, deadline_ns: int, nap_s: float) -> None:
        """Until the run on the GPU is done, after a first nap of `nap_s` where waiting sleeps.

        Raises:
            InferenceTimeoutError: the deadline came first; the run goes on.
            InferenceError: it failed, or hangs.
        """
        done = self._device.done
        if nap_s and not self._spin:
            time.sleep(max(0.0, min(nap_s, (deadline_ns - time.monotonic_ns()) / 1e9)))
        while not done():
            now_ns = time.monotonic_ns()
            if now_ns - self._begun_ns >= self._hung_ns:
                raise InferenceError(f"{self.name}: a run has not ended after {(now_ns - self._begun_ns) / 1e9:.1f} s")
            if now_ns >= deadline_ns:
                raise InferenceTimeoutError("the part's time ran out on the GPU")
            if not self._spin:
                time.sleep(_NAP_S)
        self._begun_ns = 0

    def _ended(self) -> bool:
        try:
            return self._device.done()
        except InferenceError:
            return True

    def _lane(
        self, loaded: Loaded, shape: FrameShape, outputs: Sequence[TensorInfo], graph: GraphMode, file: Path
    ) -> Lane:
        try:
            profile = trt_lane.profile_for(self._engine, shape)
        except LookupError as error:
            raise ModelError(f"{file}: no profile serves {error}") from None
        try:
            return Lane(loaded, shape, outputs, profile=profile, graph=graph)
        except ModelError as error:
            raise ModelError(f"{file}: {error}") from error

    def _pin(self, pinned: Iterable[NDArray[np.uint8]]) -> None:
        refused: list[str] = []
        for array in pinned:
            try:
                self._device.register(array)
            except InferenceError as error:
                refused.append(str(error))
        if refused:
            # Some integrated GPUs cannot. Copies are staged by the driver then: slower, and as right.
            self.notes.append(f"{len(refused)} frame buffers are not page-locked: {refused[0]}")

    def _warm(self, lane: Lane, graph: GraphMode, most: int) -> WarmUp:
        self._prove(lane)
        if graph == "capture":
            try:
                lane.capture()
            except InferenceError as error:
                self.notes.append(f"no CUDA graph for {lane.shape}: {error}")
        # Without the decoder: how long the GPU takes is what the first nap is measured by.
        return run_until_stable(self._run, lane.shape, most)

    def _prove(self, lane: Lane) -> None:
        """Run once from memory that holds nothing: every output must be written, and be what the task may say."""
        self._buffers.outputs[:] = NOTHING
        self._device.copy_in(self._buffers.outputs_address, self._buffers.outputs)
        image = np.random.default_rng(0).integers(0, 256, lane.shape, np.uint8)
        arrays = self._answer(image, image if self.has_template else None, NO_DEADLINE)
        silent = lane.layout.unwritten(arrays)
        if silent:
            raise InferenceError(f"{self.name}: the GPU reports success and wrote no {', '.join(silent)}")
        # Without the peaks: they are compared with what is read of all the rest.
        has_peaks = lane.layout.outputs[-1].name == PEAKS
        self.decoder.decode(arrays[:-1] if has_peaks else arrays, lane.shape)
        if has_peaks and not is_true(arrays[-1], arrays):
            raise InferenceError(f"{self.name}: the plan's {PEAKS} are not those of its other output; build it again")

    def _run(self, image: NDArray[np.uint8]) -> None:
        self._answer(image, image if self.has_template else None, NO_DEADLINE)
