"""The TensorRT executor: what it does with a GPU that works, is late, hangs, fails or lies."""

import gc
import tracemalloc
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.errors import Action, InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.trt import open as trt_open
from aoi_daemon.infer.trt.executor import HUNG_NS
from tests.unit.infer.trt.trt_fakes import MS, RUN_NS, DataType, FakeApi, FakeDevice, fake_vendor


def test_a_frame_is_answered_from_its_own_pixels(opened, frame):
    """boxes float32 (100, 4), scores float32 (100,), classes int32 (100,); each run reads the slot anew."""
    one = opened()
    slot = frame(51)
    found = one.executor.infer(slot, None, NO_DEADLINE)
    assert (found.boxes.shape, found.scores.shape, found.classes.shape) == ((100, 4), (100,), (100,))
    assert (found.boxes.dtype, found.scores.dtype, found.classes.dtype) == (np.float32, np.float32, np.int32)
    assert found.scores[0] == pytest.approx(0.2)
    assert list(found.boxes[0]) == [0, 0, 48, 32]
    slot[:] = 102
    assert one.executor.infer(slot, None, NO_DEADLINE).scores[0] == pytest.approx(0.4)


def held_by(folder):
    """Bytes of Python's memory that lines of the package `folder` hold, by tracemalloc."""
    gc.collect()
    seen = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, f"*/{folder}/*")])
    return sum(trace.size for trace in seen.traces)


@pytest.mark.parametrize("graph", ["off", "capture"])
def test_changing_between_three_products_allocates_nothing_on_the_gpu_and_nothing_that_stays_on_the_host(
    opened, clock, frame, graph
):
    """A hundred parts of each in turn: the device has handed out what it had after the warm-up, and so has Python."""
    shapes = [(32, 48, 1), (64, 64, 1), (48, 16, 1)]
    device = FakeDevice(clock)
    locked = []
    page_locked = device.page_locked
    device.page_locked = lambda size_bytes: locked.append(size_bytes) or page_locked(size_bytes)
    one = opened(device=device, engine={"exact": shapes}, graph=graph)
    frames = [frame(9, shape) for shape in shapes]
    before = sorted(device.memory), list(locked), len(device.registered), len(one.api.engine.contexts)
    tracemalloc.start()
    try:
        for image in frames:
            one.executor.infer(image, None, NO_DEADLINE)
        held = held_by("aoi_daemon/infer")
        for number in range(300):
            one.executor.infer(frames[number % 3], None, NO_DEADLINE)
        assert held_by("aoi_daemon/infer") - held < 300  # less than a byte a part: numbers of other sizes
    finally:
        tracemalloc.stop()
    assert (sorted(device.memory), locked, len(device.registered), len(one.api.engine.contexts)) == before


def test_each_size_has_a_context_of_its_own_that_never_changes(opened, frame):
    """Three exact profiles: three contexts, each with its profile and its sizes, all run before the first part."""
    shapes = [(32, 48, 1), (64, 64, 1), (16, 16, 1)]
    one = opened(engine={"exact": shapes})
    contexts = one.api.engine.contexts
    assert [context.profile for context in contexts] == [0, 1, 2]
    assert [context.shapes["image"] for context in contexts] == [(1, *shape) for shape in shapes]
    assert all(context.executed > 0 for context in contexts)
    for shape in shapes:
        found = one.executor.infer(frame(51, shape), None, NO_DEADLINE)
        assert list(found.boxes[0]) == [0, 0, shape[1], shape[0]]
    assert len(one.api.engine.contexts) == 3


def test_a_size_within_a_range_gets_a_context_and_an_exact_profile_goes_first(opened, frame):
    """A profile of sizes serves those that are asked for at the start, unless one is exact."""
    ranges = [((16, 16, 1), (64, 64, 1), (128, 128, 1))]
    one = opened(engine={"exact": [(32, 48, 1)], "ranges": ranges}, shapes=[(100, 80, 1), (32, 48, 1)])
    assert {c.shapes["image"]: c.profile for c in one.api.engine.contexts} == {(1, 100, 80, 1): 1, (1, 32, 48, 1): 0}


def test_a_size_that_no_profile_serves_is_refused_before_the_line_starts(opened):
    """ModelError, with the sizes there are."""
    with pytest.raises(ModelError, match=r"no profile serves frames of \(640, 640, 1\).*\(32, 48, 1\)"):
        opened(shapes=[(640, 640, 1)])
    with pytest.raises(ModelError, match=r"image uint8 \[1, 32, 48, 1\]; expected image uint8 \[1, 640, 640, 1\]"):
        opened(engine={"dynamic": False}, shapes=[(640, 640, 1)])


def test_another_size_on_the_line_is_an_error_and_not_a_new_context(opened, frame):
    """The engine is not asked."""
    one = opened()
    with pytest.raises(InferenceError, match=r"uint8 \(8, 8, 1\); expected"):
        one.executor.infer(frame(1, (8, 8, 1)), None, NO_DEADLINE)
    with pytest.raises(InferenceError, match="float32"):
        one.executor.infer(frame().astype(np.float32), None, NO_DEADLINE)


def test_the_template_must_be_there_and_of_the_frames_size(opened, frame):
    """A model with a template never runs without."""
    one = opened(template=True)
    with pytest.raises(InferenceError, match="template is missing"):
        one.executor.infer(frame(), None, NO_DEADLINE)
    with pytest.raises(InferenceError, match=r"template is uint8 \(8, 8, 1\)"):
        one.executor.infer(frame(), frame(1, (8, 8, 1)), NO_DEADLINE)
    assert one.executor.infer(frame(), frame(), NO_DEADLINE).scores[0] == pytest.approx(0.2)


@pytest.mark.parametrize("wait", ["spin", "block"])
def test_a_late_run_costs_its_part_and_the_next_one_is_right(opened, frame, wait):
    """The deadline passes on the GPU: InferenceTimeoutError at once; the next part waits for the rest of that run."""
    one = opened(wait=wait)
    one.device.run_ns = 70 * MS
    start_ns = one.clock.now_ns
    with pytest.raises(InferenceTimeoutError) as caught:
        one.executor.infer(frame(255), None, start_ns + 50 * MS)
    assert caught.value.action is Action.REJECT_PART
    assert one.clock.now_ns - start_ns < 51 * MS
    one.device.run_ns = RUN_NS
    found = one.executor.infer(frame(51), None, one.clock.now_ns + 50 * MS)
    assert found.scores[0] == pytest.approx(0.2)
    assert one.clock.now_ns - start_ns == pytest.approx(71 * MS, abs=0.5 * MS)


@pytest.mark.parametrize("wait", ["spin", "block"])
def test_a_gpu_that_hangs_rejects_parts_and_then_ends_the_process(opened, frame, wait):
    """Each part is let go at its deadline; after HUNG_NS it is an InferenceError, which no stage survives."""
    one = opened(wait=wait)
    one.device.fault = "hang"
    start_ns, late = one.clock.now_ns, 0
    with pytest.raises(InferenceError, match=r"has not ended after 1\.0 s") as caught:
        while True:
            try:
                one.executor.infer(frame(), None, one.clock.now_ns + 50 * MS)
            except InferenceTimeoutError:
                late += 1
    assert late == pytest.approx(HUNG_NS / (50 * MS), abs=1)
    assert caught.value.action is Action.RESTART_STAGE
    assert one.clock.now_ns - start_ns < HUNG_NS + 51 * MS
    one.executor.close()
    assert one.device.closed == 0  # whatever would be freed waits for the GPU: the process' end frees it


def test_a_late_run_that_has_ended_is_no_reason_not_to_close(opened, frame):
    """Late, done since: everything is given back."""
    one = opened()
    one.device.run_ns = 70 * MS
    with pytest.raises(InferenceTimeoutError):
        one.executor.infer(frame(), None, one.clock.now_ns + 50 * MS)
    one.clock.now_ns += 50 * MS
    one.executor.close()
    assert one.device.closed == 1


def test_no_time_left_never_reaches_the_gpu(opened, frame):
    """A part whose deadline has passed already is late, and nothing is put into the stream."""
    one = opened()
    executed = one.api.engine.contexts[0].executed
    with pytest.raises(InferenceTimeoutError):
        one.executor.infer(frame(), None, one.clock.now_ns - 1)
    assert one.api.engine.contexts[0].executed == executed


def test_a_return_value_of_false_is_an_error_with_the_loggers_words(opened, frame):
    """Unchecked, a failing engine seems to run very fast."""
    one = opened()
    one.api.refuse = "execute"
    with pytest.raises(InferenceError, match=r"execute_async_v3 returned False.*an engine that cannot run"):
        one.executor.infer(frame(), None, NO_DEADLINE)


def test_an_error_of_the_gpu_ends_the_process(opened, frame):
    """InferenceError, not a late part: the context is lost."""
    one = opened()
    one.device.fault = "fail"
    with pytest.raises(InferenceError, match="illegal address") as caught:
        one.executor.infer(frame(), None, one.clock.now_ns + 50 * MS)
    assert not isinstance(caught.value, InferenceTimeoutError)


def test_an_answer_that_was_never_written_is_not_the_last_parts(opened, frame):
    """The GPU reports success and no output arrives: an error, where the last part's PASS would lie in the buffer."""
    one = opened()
    one.executor.infer(frame(), None, NO_DEADLINE)
    one.device.fault = "silent"
    with pytest.raises(InferenceError, match=r"wrote no answer \(boxes, scores, classes\)"):
        one.executor.infer(frame(), None, NO_DEADLINE)


@pytest.mark.parametrize("step", ["context", "profile", "shape", "address", "infer_shapes"])
def test_whatever_tensorrt_refuses_at_the_start_is_a_model_error(opened, step):
    """Each return value is looked at."""
    with pytest.raises(ModelError):
        opened(refuse=step)


def test_a_plan_that_tensorrt_does_not_take_is_refused_with_its_reason(opened):
    """deserialize_cuda_engine returns None and says why in the log alone."""
    with pytest.raises(ModelError, match=r"e\.plan.*build it again.*magicTag does not match"):
        opened(plan=b"something else")


def test_an_engine_of_another_contract_is_refused(opened):
    """check_model looks at names, types and sizes of the engine itself."""
    with pytest.raises(ModelError, match="outputs are"):
        opened(engine={"outputs": {"features": (DataType.FLOAT, (1, 8))}})


def test_slots_are_page_locked_and_where_that_fails_it_is_said(opened, clock, frame):
    """The ring's planes as they are; a GPU that cannot still runs."""
    slots = [np.zeros(4096, np.uint8) for _ in range(3)]
    one = opened(pinned=slots)
    assert [id(array) for array in one.device.registered] == [id(slot) for slot in slots]
    assert one.executor.notes == []
    device = FakeDevice(clock)
    device.register_fault = "cuMemHostRegister_v2 failed: CUDA_ERROR_NOT_SUPPORTED"
    two = opened(pinned=slots, device=device)
    assert "not page-locked" in two.executor.notes[0]
    assert two.executor.infer(frame(51), None, NO_DEADLINE).scores[0] == pytest.approx(0.2)


def test_a_captured_graph_takes_each_part_from_its_own_slot(opened, frame):
    """The copies in are outside the graph: another slot with each part, one launch for the rest."""
    one = opened(graph="capture")
    launches = one.device.launches
    assert [one.executor.infer(frame(gray), None, NO_DEADLINE).scores[0] for gray in (51, 102)] == [
        pytest.approx(0.2),
        pytest.approx(0.4),
    ]
    assert one.device.launches == launches + 2
    assert "CUDA graph captured" in one.executor.name


def test_where_nothing_can_be_captured_it_runs_without_and_says_so(opened, clock, frame):
    """A fall-back, not a fault."""
    device = FakeDevice(clock)
    device.capture_fault = "cuStreamEndCapture failed: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
    one = opened(device=device, graph="capture")
    assert one.executor.infer(frame(51), None, NO_DEADLINE).scores[0] == pytest.approx(0.2)
    assert device.launches == 0
    assert "STREAM_CAPTURE_UNSUPPORTED" in one.executor.notes[0]
    assert "CUDA graph off" in one.executor.name


@pytest.mark.parametrize(("graph", "strategy"), [("own", "whole"), ("off", "disabled")])
def test_rtx_captures_by_itself_and_compiles_before_the_first_part(opened, graph, strategy):
    """The runtime configuration: its graph strategy, and kernels of a size not compiled in the background."""
    one = opened(flavour="tensorrt_rtx", graph=graph)
    options = one.api.engine.contexts[0].options
    assert options.cuda_graph_strategy == strategy
    assert options.dynamic_shapes_kernel_specialization_strategy == "eager"


def test_the_warm_up_ends_once_the_latency_is_even(opened, clock):
    """Even from the start: two windows of ten; never even: all that is allowed, and it says so."""
    assert [(w.runs, w.is_even) for w in opened().executor.warm_up] == [(20, True)]

    class Restless(FakeDevice):
        def record(self):
            self.run_ns = round(self.run_ns * 1.02)
            super().record()

    assert [(w.runs, w.is_even) for w in opened(device=Restless(clock), warm_up_runs=60).executor.warm_up] == [
        (60, False)
    ]


def test_blocking_sleeps_through_most_of_a_run_and_spinning_never_sleeps(opened, frame):
    """block: one long nap short of the fastest run, then short ones. spin: none."""
    one = opened(wait="block")
    one.clock.slept.clear()
    one.executor.infer(frame(), None, NO_DEADLINE)
    assert one.clock.slept[0] == pytest.approx(0.8 * RUN_NS / 1e9, rel=0.1)
    assert 1 <= len(one.clock.slept[1:]) <= 4 and max(one.clock.slept[1:]) < 1e-4
    two = opened(wait="spin")
    two.clock.slept.clear()
    two.executor.infer(frame(), None, NO_DEADLINE)
    assert two.clock.slept == []


def test_what_was_made_of_a_plan_goes_before_the_context_when_opening_fails(monkeypatch, clock, manifest):
    """A plan that lacks the size: engine and contexts are freed first, though the error's traceback held them."""
    device = FakeDevice(clock)
    api = FakeApi(device, {b"plan": {"exact": [(32, 48, 1)]}})
    alive = []
    device.close = lambda: alive.append(reference() is not None)
    monkeypatch.setattr(trt_open, "load_vendor", lambda: fake_vendor(api))
    monkeypatch.setattr(trt_open, "CudaDevice", lambda index, spin: device)
    monkeypatch.setattr(trt_open, "choose_plan", lambda *_: SimpleNamespace(content=b"plan", file=Path("e.plan")))
    real, reference = api._deserialize, None

    def deserialize(plan):
        nonlocal reference
        engine = real(plan)
        del api.engine
        reference = weakref.ref(engine)
        return engine

    api._deserialize = deserialize
    with pytest.raises(ModelError, match="no profile serves"):
        trt_open.open_executor(SimpleNamespace(manifest=manifest()), "fp32", [(640, 640, 1)])
    assert alive == [False]


def test_close_gives_the_device_back_once_and_nothing_runs_after(opened, frame):
    """May be called twice."""
    one = opened()
    with one.executor:
        pass
    one.executor.close()
    assert one.device.closed == 1
    with pytest.raises(InferenceError, match="is closed"):
        one.executor.infer(frame(), None, NO_DEADLINE)
