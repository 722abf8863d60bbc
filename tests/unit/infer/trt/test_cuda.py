"""The driver's calls and the device, over a libcuda and a pycuda by hand: each result is looked at, each handle returned."""

import ctypes
import types
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.engine.build.target import find_gpu
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer.trt import cuda as trt_cuda
from aoi_daemon.infer.trt import driver as trt_driver
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.driver import Driver, Gpu


class Libcuda:
    """Each call is noted and answers 0, or what `results` says."""

    def __init__(self, *without, **results):
        self.calls, self.results, self.without = [], results, without
        self.values = {75: 8, 76: 9}

    def __getattr__(self, name):
        if not name.startswith("cu") or name in self.without:
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            if name == "cuDeviceGetCount":
                arguments[0]._obj.value = 2
            elif name == "cuDeviceGetName":
                arguments[0].value = b"NVIDIA L4"
            elif name == "cuDeviceGetAttribute":
                arguments[0]._obj.value = self.values[arguments[1]]
            elif name in ("cuStreamEndCapture", "cuGraphInstantiateWithFlags"):
                arguments[1 if name == "cuStreamEndCapture" else 0]._obj.value = 77
            elif name == "cuGetErrorName":
                arguments[1]._obj.value = b"CUDA_ERROR_OF_TEST"
            elif name == "cuGetErrorString":
                arguments[1]._obj.value = b"as asked for"
            return self.results.get(name, 0)

        setattr(self, name, call)  # one object each: the driver sets its argtypes on it
        return call


@pytest.fixture
def driver(monkeypatch):
    """A driver over a Libcuda: (driver, library)."""

    def make(*without, **results):
        library = Libcuda(*without, **results)
        monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
        return Driver(), library

    return make


def test_a_machine_without_a_driver_or_a_gpu_says_so(monkeypatch):
    """ModelError, by what the loader or CUDA says; whoever only asks gets None."""

    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(ModelError, match=r"there is no GPU: libcuda\.so\.1: cannot open"):
        Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libcuda(cuInit=100))
    with pytest.raises(ModelError, match=r"cuInit failed: CUDA_ERROR_OF_TEST \(100\): as asked for"):
        Driver()
    trt_driver.load_driver.cache_clear()
    assert find_gpu(0) is None


def test_a_gpu_is_its_name_and_its_compute_capability(driver):
    """As plans know it."""
    one, _ = driver()
    assert one.gpu(1) == Gpu("NVIDIA L4", (8, 9))
    assert one.gpu(1).target == "sm89"
    with pytest.raises(ModelError, match="there is no GPU 2: those of this machine are 0 to 1"):
        one.gpu(2)


def test_the_builder_works_on_the_gpu_that_was_asked_for_and_leaves_the_thread_as_it_was(driver):
    """Its primary context is current for the build, also when the build fails."""
    one, library = driver()
    library.calls.clear()
    with pytest.raises(KeyError), one.chosen(1):
        library.calls.append("build")
        raise KeyError
    assert library.calls == [
        "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "build", "cuCtxPopCurrent_v2",
        "cuDevicePrimaryCtxRelease_v2",
    ]  # fmt: skip


def test_a_capture_begins_ends_and_is_uploaded_before_the_first_launch(driver):
    """The graph itself is given back, the executable one kept until `free_graph`."""
    one, library = driver()
    library.calls.clear()
    graph = one.capture(7, lambda: library.calls.append("work"))
    one.launch(graph, 7)
    one.free_graph(graph)
    assert library.calls == [
        "cuStreamBeginCapture_v2", "work", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphDestroy",
        "cuGraphUpload", "cuGraphLaunch", "cuGraphExecDestroy",
    ]  # fmt: skip


def test_a_stream_never_stays_in_capture(driver):
    """What was enqueued fails: the capture is ended, its graph destroyed, and the first reason raised."""
    one, library = driver()

    def refuse():
        raise InferenceError("execute_async_v3 returned False")

    library.calls.clear()
    with pytest.raises(InferenceError, match="execute_async_v3 returned False"):
        one.capture(7, refuse)
    assert library.calls == ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphDestroy"]


@pytest.mark.parametrize("name", ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"])
def test_each_step_of_a_capture_that_fails_is_named(driver, name):
    """So that the executor falls back and says why."""
    one, _ = driver(**{name: 900})
    with pytest.raises(InferenceError, match=rf"{name} failed: CUDA_ERROR_OF_TEST \(900\)"):
        one.capture(7, lambda: None)


def test_a_driver_too_old_for_graphs_is_an_error_of_that_call_alone(driver):
    """It still runs engines."""
    one, _ = driver("cuGraphInstantiateWithFlags")
    with pytest.raises(InferenceError, match=r"too old: libcuda\.so\.1 has no cuGraphInstantiateWithFlags"):
        one.capture(7, lambda: None)


class Pycuda(types.ModuleType):
    """pycuda.driver: notes what is called; `failing` raises its Error, `busy` never ends."""

    class Error(Exception):
        pass

    def __init__(self):
        super().__init__("pycuda.driver")
        self.calls, self.failing, self.busy = [], set(), False
        self.ctx_flags = SimpleNamespace(SCHED_SPIN="spin", SCHED_BLOCKING_SYNC="block")
        self.event_flags = SimpleNamespace(DISABLE_TIMING=2)

    def note(self, name, *arguments):
        if name in self.failing:
            raise self.Error(f"{name} failed: illegal address")
        self.calls.append((name, *arguments))

    def init(self):
        self.note("init")

    def Device(self, index):
        def make_context(flags):
            self.note("make_context", flags)
            return SimpleNamespace(pop=lambda: self.note("pop"), detach=lambda: self.note("detach"))

        return SimpleNamespace(make_context=make_context)

    def Stream(self, flags):
        self.note("stream", flags)
        return SimpleNamespace(
            handle=7,
            synchronize=lambda: self.note("synchronize"),
            is_done=lambda: self.note("is_done") or not self.busy,
        )

    def Event(self, flags):
        self.note("event", flags)
        return SimpleNamespace(
            record=lambda stream: self.note("record"), query=lambda: self.note("query") or not self.busy
        )

    def mem_alloc(self, size_bytes):
        self.note("mem_alloc", size_bytes)
        return type("Memory", (), {"__int__": lambda memory: 4096, "free": lambda memory: self.note("free")})()

    def memcpy_htod_async(self, address, array, stream):
        self.note("in", address, array.nbytes)

    def memcpy_dtoh_async(self, array, address, stream):
        self.note("out", address, array.nbytes)


@pytest.fixture
def cuda(monkeypatch, driver):
    """(pycuda, library) that CudaDevice finds."""
    one, library = driver()
    pycuda = Pycuda()
    monkeypatch.setattr(trt_cuda, "load_driver", lambda: one)
    monkeypatch.setattr(trt_cuda.importlib, "import_module", lambda name: pycuda)
    return pycuda, library


@pytest.mark.parametrize(("spin", "flag"), [(True, "spin"), (False, "block")])
def test_one_context_that_waits_as_asked_and_a_stream_of_its_own(cuda, spin, flag):
    """Non-blocking: a stream that does not wait for the default one, which a capture forbids."""
    device = CudaDevice(1, spin=spin)
    assert cuda[0].calls[:3] == [("init",), ("make_context", flag), ("stream", 1)]
    assert (device.stream, device.gpu.name) == (7, "NVIDIA L4")


def test_page_locked_memory_and_slots_are_registered_by_the_driver_itself(cuda):
    """pycuda's own call fails under NumPy 2.5."""
    device = CudaDevice()
    array = device.page_locked(5000)
    assert (array.size, array.any(), array.ctypes.data % 4096) == (5000, False, 0)
    device.register(np.zeros(4096, np.uint8))
    assert cuda[1].calls.count("cuMemHostRegister_v2") == 2


@pytest.mark.parametrize("failing", ["in", "out", "record", "query", "synchronize"])
def test_an_error_of_pycuda_is_an_inference_error(cuda, failing):
    """Whatever the call: the context is lost, and the process ends."""
    device = CudaDevice()
    cuda[0].failing.add(failing)
    calls = {
        "in": lambda: device.copy_in(1, np.zeros(4, np.uint8)),
        "out": lambda: device.copy_out(np.zeros(4, np.uint8), 1),
        "record": device.record,
        "query": device.done,
        "synchronize": device.synchronize,
    }
    with pytest.raises(InferenceError, match="illegal address"):
        calls[failing]()


def test_no_memory_and_no_context_are_model_errors(cuda):
    """At the start: nothing goes live."""
    device = CudaDevice()
    cuda[0].failing.add("mem_alloc")
    with pytest.raises(ModelError, match="100 bytes of GPU memory cannot be had"):
        device.allocate(100)
    cuda[0].failing.add("make_context")
    with pytest.raises(ModelError, match="NVIDIA L4 cannot be used"):
        CudaDevice()


def test_pycuda_missing_says_what_to_install(cuda, monkeypatch):
    """The extra that brings it."""

    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(trt_cuda.importlib, "import_module", missing)
    with pytest.raises(ModelError, match=r"needs pycuda .*aoi-daemon\[gpu\]"):
        CudaDevice()


def test_close_returns_everything_and_the_context_last(cuda):
    """Graph, registrations, memory, context; once."""
    device = CudaDevice()
    device.allocate(100)
    device.page_locked(100)
    device.capture(lambda: None)
    cuda[0].calls.clear()
    cuda[1].calls.clear()
    device.close()
    device.close()
    assert cuda[1].calls == ["cuGraphExecDestroy", "cuMemHostUnregister"]
    assert cuda[0].calls == [("is_done",), ("free",), ("pop",), ("detach",)]


def test_close_does_not_wait_for_a_gpu_that_hangs(cuda, monkeypatch):
    """Every call would hang with it; the process' end frees all."""
    now = [0]
    clock = SimpleNamespace(monotonic_ns=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + round(s * 1e9)))
    monkeypatch.setattr(trt_cuda, "time", clock)
    device = CudaDevice()
    cuda[0].busy = True
    cuda[0].calls.clear()
    device.close()
    assert {call[0] for call in cuda[0].calls} == {"is_done"}


def test_close_after_an_error_of_the_gpu_raises_nothing(cuda):
    """The executor is closed on the way out of a fault."""
    device = CudaDevice()
    device.allocate(100)
    cuda[0].failing |= {"is_done", "free", "pop", "detach"}
    device.close()
