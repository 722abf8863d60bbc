"""The CUDA driver's calls that pycuda does not have, or that fail in it, by ctypes.

Not in pycuda 2026.1: graphs. Failing under NumPy 2.5: `register_host_memory`
("Cannot set the NumPy array 'base' dependency more than once"). The same call on
the same memory works here, with any NumPy, so this is the only way taken.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from aoi_daemon.errors import InferenceError, ModelError

_LIBRARY: Final = "libcuda.so.1"
_NAME_BYTES: Final = 256
# CUdevice_attribute
_CAPABILITY_MAJOR: Final = 75
_CAPABILITY_MINOR: Final = 76
# CUstreamCaptureMode: calls of other threads do not spoil the capture.
_CAPTURE_THREAD_LOCAL: Final = 1

_handle = ctypes.c_void_p
_out = ctypes.c_void_p  # where a call writes to: byref(...) passes
# By name in cuda.h, with its version suffix; each returns a CUresult.
_SIGNATURES: Final[dict[str, list[Any]]] = {
    "cuInit": [ctypes.c_uint],
    "cuDeviceGetCount": [_out],
    "cuDeviceGet": [_out, ctypes.c_int],
    "cuDeviceGetName": [ctypes.c_char_p, ctypes.c_int, ctypes.c_int],
    "cuDeviceGetAttribute": [_out, ctypes.c_int, ctypes.c_int],
    "cuDevicePrimaryCtxRetain": [_out, ctypes.c_int],
    "cuDevicePrimaryCtxRelease_v2": [ctypes.c_int],
    "cuCtxPushCurrent_v2": [_handle],
    "cuCtxPopCurrent_v2": [_out],
    "cuMemHostRegister_v2": [_handle, ctypes.c_size_t, ctypes.c_uint],
    "cuMemHostUnregister": [_handle],
    "cuStreamBeginCapture_v2": [_handle, ctypes.c_int],
    "cuStreamEndCapture": [_handle, _out],
    "cuGraphInstantiateWithFlags": [_out, _handle, ctypes.c_ulonglong],
    "cuGraphUpload": [_handle, _handle],
    "cuGraphLaunch": [_handle, _handle],
    "cuGraphDestroy": [_handle],
    "cuGraphExecDestroy": [_handle],
}


class Gpu(NamedTuple):
    """A GPU as plans name it."""

    name: str
    capability: tuple[int, int]

    @property
    def target(self) -> str:
        """As `build-engine --target` takes it: sm75 is compute capability 7.5."""
        return f"sm{self.capability[0]}{self.capability[1]}"


class Driver:
    """libcuda. Every call is checked."""

    def __init__(self) -> None:
        """Load the driver and start it.

        Raises:
            ModelError: this machine has no driver, or the driver has no GPU.
        """
        try:
            self._library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise ModelError(f"there is no GPU: {error}") from error
        for name, arguments in _SIGNATURES.items():
            function = getattr(self._library, name, None)
            if function is not None:  # graphs came with CUDA 10 to 11.4; `call` says so where one is missing
                function.argtypes, function.restype = arguments, ctypes.c_int
        try:
            self.call("cuInit", 0)
        except InferenceError as error:
            raise ModelError(f"there is no GPU: {error}") from error

    def call(self, name: str, *arguments: Any) -> None:
        """Call `name`. Raises InferenceError with CUDA's own name of what went wrong."""
        function = getattr(self._library, name, None)
        if function is None:
            raise InferenceError(f"the GPU driver is too old: {_LIBRARY} has no {name}")
        result = function(*arguments)
        if result:
            raise InferenceError(f"{name} failed: {self._describe(result)}")

    def gpu(self, index: int) -> Gpu:
        """GPU number `index`. Raises ModelError when there are fewer."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        if not 0 <= index < count.value:
            raise ModelError(f"there is no GPU {index}: those of this machine are 0 to {count.value - 1}")
        device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
        name = ctypes.create_string_buffer(_NAME_BYTES)
        self.call("cuDeviceGet", ctypes.byref(device), index)
        self.call("cuDeviceGetName", name, _NAME_BYTES, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(major), _CAPABILITY_MAJOR, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), _CAPABILITY_MINOR, device)
        return Gpu(name.value.decode(errors="replace"), (major.value, minor.value))

    @contextmanager
    def chosen(self, index: int) -> Iterator[None]:
        """Let libraries that ask for no device (TensorRT's builder) use GPU `index` in this thread."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            self.call("cuCtxPushCurrent_v2", context)
            try:
                yield
            finally:
                self.call("cuCtxPopCurrent_v2", ctypes.byref(context))
        finally:
            self.call("cuDevicePrimaryCtxRelease_v2", device)

    def register(self, address: int, size_bytes: int) -> None:
        """Page-lock memory of this process, so that copies from and to it are asynchronous."""
        self.call("cuMemHostRegister_v2", address, size_bytes, 0)

    def unregister(self, address: int) -> None:
        """The inverse of `register`."""
        self.call("cuMemHostUnregister", address)

    def capture(self, stream: int, enqueue: Callable[[], None]) -> int:
        """What `enqueue` puts into `stream`, as a graph ready to `launch`; nothing runs yet.

        Raises:
            InferenceError: it cannot be captured; the stream is as it was before.
        """
        self.call("cuStreamBeginCapture_v2", stream, _CAPTURE_THREAD_LOCAL)
        graph = ctypes.c_void_p()
        try:
            enqueue()
        except BaseException:
            # A stream left in capture refuses every later call. What `enqueue` said is the reason, not this.
            self._library.cuStreamEndCapture(stream, ctypes.byref(graph))
            if graph:
                self._library.cuGraphDestroy(graph)
            raise
        self.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            executable = ctypes.c_void_p()
            self.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, 0)
        finally:
            self.call("cuGraphDestroy", graph)
        assert executable.value is not None  # a handle of a call that succeeded
        # Before the first part, not with it: the upload allocates.
        self.call("cuGraphUpload", executable, stream)
        return executable.value

    def launch(self, graph: int, stream: int) -> None:
        """Enqueue a captured graph."""
        self.call("cuGraphLaunch", graph, stream)

    def free_graph(self, graph: int) -> None:
        """Give a captured graph back."""
        self.call("cuGraphExecDestroy", graph)

    def _describe(self, result: int) -> str:
        name, text = ctypes.c_char_p(), ctypes.c_char_p()
        self._library.cuGetErrorName(result, ctypes.byref(name))
        self._library.cuGetErrorString(result, ctypes.byref(text))
        return f"{(name.value or b'unknown').decode()} ({result}): {(text.value or b'').decode()}"


@functools.cache
def load_driver() -> Driver:
    """The driver of this machine; see `Driver`."""
    return Driver()
