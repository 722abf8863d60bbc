"""A TensorRT runtime, a GPU and a clock, by hand: what the executor sees of them, and nothing else.

The GPU does its work when the clock has moved on by `run_ns`, or never. Errors are said as TensorRT says
them: by a return value and the logger.
"""

from __future__ import annotations

import enum
from types import SimpleNamespace

import numpy as np

from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.peaks import head_peaks, map_peaks
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.vendor import Vendor

US, MS = 1_000, 1_000_000
RUN_NS = 600 * US


class Clock:
    """CLOCK_MONOTONIC that moves when somebody sleeps, and 1 us with each look."""

    def __init__(self):
        self.now_ns = 1_000_000 * MS
        self.slept = []

    def monotonic_ns(self):
        self.now_ns += US
        return self.now_ns

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_ns += round(seconds * 1e9)


class FakeDevice:
    """As CudaDevice. `fault`: what the GPU does to the next run: None, "hang", "fail" or "silent"."""

    def __init__(self, clock, *, run_ns=RUN_NS):
        self.gpu = Gpu("Fake T4", (7, 5))
        self.stream = 7
        self.clock, self.run_ns = clock, run_ns
        self.fault = self.capture_fault = self.register_fault = None
        self.memory, self.queue = {}, []
        self.done_at_ns = 0
        self.registered, self.launches, self.closed = [], 0, 0
        self._next = 4096

    def allocate(self, size_bytes):
        address, self._next = self._next, self._next + -(-size_bytes // 4096) * 4096
        self.memory[address] = bytearray(size_bytes)
        return address

    def page_locked(self, size_bytes):
        return np.zeros(size_bytes, np.uint8)

    def register(self, array):
        if self.register_fault:
            raise InferenceError(self.register_fault)
        self.registered.append(array)

    def copy_in(self, address, array):
        def copy():  # when the GPU gets to it, not when it is asked for
            self.memory[address][: array.nbytes] = array.tobytes()

        self.queue.append(copy)

    def copy_out(self, array, address):
        if self.fault != "silent":
            self.queue.append(
                lambda: array.__setitem__(slice(None), np.frombuffer(self.memory[address], np.uint8)[: array.nbytes])
            )

    def write(self, address, array):
        for base, memory in self.memory.items():
            if base <= address < base + len(memory):
                assert address - base + array.nbytes <= len(memory), "written beyond the end"
                memory[address - base : address - base + array.nbytes] = array.tobytes()

    def record(self):
        self.done_at_ns = self.clock.now_ns + self.run_ns

    def done(self):
        self.clock.now_ns += US
        if self.fault == "fail":
            raise InferenceError("the GPU failed: cuEventQuery failed: illegal address")
        if self.fault == "hang" or self.clock.now_ns < self.done_at_ns:
            return False
        self.synchronize()
        return True

    def synchronize(self):
        queue, self.queue = self.queue, []
        for work in queue:
            work()

    def capture(self, enqueue):
        if self.capture_fault:
            raise InferenceError(self.capture_fault)
        kept, self.queue = self.queue, []
        enqueue()
        graph, self.queue = self.queue, kept

        def launch():
            self.launches += 1
            self.queue.extend(graph)

        return launch

    def close(self):
        self.closed += 1


class Mode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    UINT8 = 1
    FLOAT = 2
    INT32 = 3
    HALF = 4
    INT64 = 5


def with_peaks(answer):
    """`answer` with the peaks that a plan of heads or maps puts out beside them."""
    ((_, (values,)),) = answer.items()
    return {**answer, "peaks": (head_peaks if values.ndim == 2 else map_peaks)(values)[None]}


def outputs_for(task, frame, gray):
    """What the fake engine of `task` answers to a frame (h, w, c) of mean gray `gray`, 0 to 1: arrays by name.

    The more gray, the surer of a defect of class 0 (classify, segment: of class 1) over the frame.
    """
    height, width = frame[:2]
    if task == "yolo":
        heads = np.zeros((1, 6, (height // 8) * (width // 8)), np.float32)
        heads[0, :5, 0] = width / 2, height / 2, width, height, gray
        return {"heads": heads}
    if task == "classify":
        return {"scores": np.array([[1 - gray, gray]], np.float32)}
    if task == "segment":
        maps = np.full((1, 2, height // 2, width // 2), gray, np.float32)
        maps[0, 0] = 1 - gray
        return {"maps": maps}
    if task == "anomaly":
        return {"maps": np.full((1, 1, height, width), gray, np.float32)}
    scores, boxes = np.zeros((1, 100), np.float32), np.zeros((1, 100, 4), np.float32)
    scores[0, 0] = gray
    boxes[0, 0] = (0, 0, width, height)
    return {"boxes": boxes, "scores": scores, "classes": np.zeros((1, 100), np.int32)}


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    pass


class FakeEngine:
    """A plan of a task, that answers as `outputs_for`, or as ONNX Runtime does.

    `plan`: `exact` frame shapes with a profile each; one without `dynamic`: fixed sizes. `task`; `outputs`: in place
    of what the engine says of them, (type, sizes) by name; `sizes`: in place of those that a context tells, by name, and `answer_sizes`
    in place of those that it writes; `peaks`: whether it puts those out beside, or what it makes of them; `unwritten`: names of outputs that a run leaves as they were; `session`: ONNX Runtime's, which answers instead.
    """

    def __init__(self, api, plan):
        self.api = api
        self.exact = plan["exact"]
        self.dynamic = plan.get("dynamic", True)
        self.ranges = plan.get("ranges", [])
        self.names = ["image", "template"] if plan.get("template") else ["image"]
        self.task = plan.get("task", "top100")
        self.sizes = plan.get("sizes", {})
        self.answer_sizes = plan.get("answer_sizes", {})
        self.unwritten = plan.get("unwritten", ())
        self.session = plan.get("session")
        self.peaks = plan.get("peaks")
        small, large = (self.answer(self.nothing((side, side, self.exact[0][2]))) for side in (64, 128))
        self.outputs = plan.get("outputs") or {
            name: (
                DataType.INT32 if array.dtype == np.int32 else DataType.FLOAT,
                tuple(a if a == b else -1 for a, b in zip(array.shape, large[name].shape, strict=True)),
            )
            for name, array in small.items()
        }
        self.contexts = []

    def nothing(self, shape):
        return dict.fromkeys(self.names, np.zeros((1, *shape), np.uint8))

    def answer(self, inputs):
        """Arrays by name, from the frames (1, h, w, c) by name."""
        if self.session is None:
            frame = inputs["image"]
            answer = outputs_for(self.task, frame.shape[1:], np.float32(frame.mean() / 255))
            if self.peaks:
                answer = with_peaks(answer)
            if callable(self.peaks):
                answer["peaks"] = self.peaks(answer["peaks"])
            return {name: np.resize(array, self.answer_sizes.get(name, array.shape)) for name, array in answer.items()}
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, inputs), strict=True))

    @property
    def num_io_tensors(self):
        return len(self.names) + len(self.outputs)

    @property
    def num_optimization_profiles(self):
        return len(self.exact) + len(self.ranges) if self.dynamic else 1

    def get_tensor_name(self, index):
        return [*self.names, *self.outputs][index]

    def get_tensor_mode(self, name):
        return Mode.INPUT if name in self.names else Mode.OUTPUT

    def get_tensor_dtype(self, name):
        return DataType.UINT8 if name in self.names else self.outputs[name][0]

    def get_tensor_shape(self, name):
        if name in self.outputs:
            return self.outputs[name][1]
        return (1, -1, -1, self.exact[0][2]) if self.dynamic else (1, *self.exact[0])

    def get_tensor_profile_shape(self, name, index):
        profiles = [((1, *s),) * 3 for s in self.exact] + [tuple((1, *s) for s in r) for r in self.ranges]
        return list(profiles[index])

    def create_runtime_config(self):
        return SimpleNamespace()

    def create_execution_context(self, runtime_config=None):
        if self.api.refuse == "context":
            return None
        context = FakeContext(self.api, self, runtime_config)
        self.contexts.append(context)
        return context


class FakeContext:
    def __init__(self, api, engine, options):
        self.api, self.engine, self.options = api, engine, options
        self.profile, self.shapes, self.addresses = None, {}, {}
        self.executed = 0

    def set_optimization_profile_async(self, profile, stream):
        self.profile = profile
        return self.api.refuse != "profile"

    def set_input_shape(self, name, shape):
        self.shapes[name] = shape
        return self.api.refuse != "shape"

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return self.api.refuse != "address"

    def get_tensor_shape(self, name):
        found = self.engine.answer(self.engine.nothing(self.shapes["image"][1:]))
        return self.engine.sizes.get(name) or found[name].shape

    def infer_shapes(self):
        return ["boxes"] if self.api.refuse == "infer_shapes" else []

    def execute_async_v3(self, stream):
        if self.api.refuse == "execute":
            self.api.say("enqueueV3: an engine that cannot run")
            return False
        self.executed += 1
        device = self.api.device
        shape = self.shapes["image"]

        def compute():
            held = {name: device.memory[self.addresses[name]] for name in self.engine.names}
            frames = {name: np.frombuffer(raw, np.uint8)[: np.prod(shape)].reshape(shape) for name, raw in held.items()}
            for name, value in self.engine.answer(frames).items():
                if name not in self.engine.unwritten:
                    device.write(self.addresses[name], value)

        device.queue.append(compute)
        return True


class FakeApi:
    """The module `tensorrt`. `refuse`: which call answers with False or None; `plans`: by plan bytes."""

    __version__ = "10.3.0"
    ILogger, TensorIOMode, DataType = ILogger, Mode, DataType
    CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole", DISABLED="disabled")
    DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")

    def __init__(self, device, plans):
        self.device, self.plans, self.refuse = device, plans, None
        self.logger = None

    def Runtime(self, logger):
        self.logger = logger
        return SimpleNamespace(deserialize_cuda_engine=self._deserialize)

    def _deserialize(self, plan):
        if plan not in self.plans:
            self.say("magicTag does not match")
            return None
        self.engine = FakeEngine(self, self.plans[plan])
        return self.engine

    def say(self, message):
        self.logger.log(Severity.ERROR, message)


def fake_vendor(api, flavour="tensorrt"):
    from aoi_daemon.infer.trt.vendor import vendor_of

    vendor: Vendor = vendor_of(api, flavour)
    api.logger = vendor.logger
    return vendor
