"""One GPU, one context, one stream: what the executor needs of CUDA, through pycuda's driver API.

Process: inspection. Thread: the one that made it, for every call; CUDA contexts
are per thread, and a second context in a process made libraries fail. Memory:
owns what it hands out, device and page-locked, until `close`; all of it is
taken before READY. Blocks: `synchronize` alone, never called on the path.

An error of the GPU is sticky: the context is lost with it. So it is an
InferenceError, which ends the process, and a new one starts clean.
"""

from __future__ import annotations

import importlib
import mmap
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.trt.driver import load_driver

_NON_BLOCKING: Final = 1
"""CU_STREAM_NON_BLOCKING: the stream waits for no work in the default stream."""
_CLOSE_NS: Final = 1_000_000_000
_CLOSE_POLL_S: Final = 0.001


class CudaDevice:
    """The GPU numbered `index`."""

    def __init__(self, index: int = 0, *, spin: bool = False) -> None:
        """Make the context current in this thread.

        Args:
            index: of the GPU, as CUDA counts.
            spin: how CUDA's own waits wait (start and end; on the path `done` is polled).

        Raises:
            ModelError: no pycuda, no driver, no such GPU.
        """
        self._driver = load_driver()
        self.gpu = self._driver.gpu(index)
        try:
            # Never pycuda.autoinit: it would choose device and flags, and a thread.
            self._cuda: Any = importlib.import_module("pycuda.driver")
        except ImportError as error:
            raise ModelError(
                f"inspection.backend = 'tensorrt' needs pycuda ({error}); install aoi-daemon[gpu]"
            ) from error
        try:
            self._cuda.init()
            flags = self._cuda.ctx_flags
            waits = flags.SCHED_SPIN if spin else flags.SCHED_BLOCKING_SYNC
            self._context: Any = self._cuda.Device(index).make_context(waits)
            self._stream: Any = self._cuda.Stream(_NON_BLOCKING)
            self._event: Any = self._cuda.Event(self._cuda.event_flags.DISABLE_TIMING)
        except self._cuda.Error as error:
            raise ModelError(f"{self.gpu.name} cannot be used: {error}") from error
        self.stream = int(self._stream.handle)
        self._allocations: list[Any] = []
        self._registered: list[NDArray[np.uint8]] = []
        self._graphs: list[int] = []

    def allocate(self, size_bytes: int) -> int:
        """Device memory; its address."""
        try:
            self._allocations.append(self._cuda.mem_alloc(size_bytes))
        except self._cuda.Error as error:
            raise ModelError(f"{size_bytes} bytes of GPU memory cannot be had: {error}") from error
        return int(self._allocations[-1])

    def page_locked(self, size_bytes: int) -> NDArray[np.uint8]:
        """New host memory that the GPU reads and writes on its own, zeroed."""
        array = np.frombuffer(mmap.mmap(-1, size_bytes), np.uint8)
        self.register(array)
        return array

    def register(self, array: NDArray[np.uint8]) -> None:
        """Page-lock memory that is there already (a slot of the ring), for copies without a detour."""
        self._driver.register(array.ctypes.data, array.nbytes)
        self._registered.append(array)

    def copy_in(self, address: int, array: NDArray[Any]) -> None:
        """Enqueue a copy to the device. Asynchronous from page-locked memory; from other memory it is staged first."""
        try:
            self._cuda.memcpy_htod_async(address, array, self._stream)
        except self._cuda.Error as error:
            raise InferenceError(f"copy to the GPU: {error}") from error

    def copy_out(self, array: NDArray[Any], address: int) -> None:
        """Enqueue a copy from the device."""
        try:
            self._cuda.memcpy_dtoh_async(array, address, self._stream)
        except self._cuda.Error as error:
            raise InferenceError(f"copy from the GPU: {error}") from error

    def record(self) -> None:
        """Mark the end of what has been enqueued; `done` is about this mark."""
        try:
            self._event.record(self._stream)
        except self._cuda.Error as error:
            raise InferenceError(f"event: {error}") from error

    def done(self) -> bool:
        """Whether everything before the last `record` has been carried out. Raises what failed on the GPU."""
        try:
            return bool(self._event.query())
        except self._cuda.Error as error:
            raise InferenceError(f"the GPU failed: {error}") from error

    def synchronize(self) -> None:
        """Wait for the stream, however long: for start and tools, never for a part."""
        try:
            self._stream.synchronize()
        except self._cuda.Error as error:
            raise InferenceError(f"the GPU failed: {error}") from error

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None]:
        """What `enqueue` does, as one launch. Raises InferenceError when it cannot be captured."""
        graph = self._driver.capture(self.stream, enqueue)
        self._graphs.append(graph)
        return lambda: self._driver.launch(graph, self.stream)

    def close(self) -> None:
        """Give everything back; may be called twice. Whatever uses this device must be gone before.

        A GPU that hangs is left as it is: every call would hang with it. The process' end frees all.
        """
        if self._context is None or not self._idle():
            return
        self._release()
        self._stream = self._event = None
        self._quietly(self._context.pop)
        self._quietly(self._context.detach)
        self._context = None

    def _release(self) -> None:
        """All but stream and context."""
        for graph in self._graphs:
            self._quietly(self._driver.free_graph, graph)
        for array in self._registered:
            self._quietly(self._driver.unregister, array.ctypes.data)
        for allocation in self._allocations:
            self._quietly(allocation.free)
        self._graphs, self._registered, self._allocations = [], [], []

    def _idle(self) -> bool:
        give_up_ns = time.monotonic_ns() + _CLOSE_NS
        while time.monotonic_ns() < give_up_ns:
            try:
                if self._stream.is_done():
                    return True
            except self._cuda.Error:
                return True  # failed, so nothing runs any more
            time.sleep(_CLOSE_POLL_S)
        return False

    def _quietly(self, give_back: Callable[..., None], *arguments: Any) -> None:
        try:
            give_back(*arguments)
        except (InferenceError, self._cuda.Error):
            pass  # after a GPU error every call fails; the process is about to end
