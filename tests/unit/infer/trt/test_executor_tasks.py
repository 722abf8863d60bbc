"""Each task through the TensorRT executor, over a fake GPU: right, late, hung, silent, and of another contract."""

import numpy as np
import pytest

from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.trt import executor as module
from tests.unit.infer.trt.conftest import FRAME, OF_TASK
from tests.unit.infer.trt.trt_fakes import MS, RUN_NS, DataType, FakeDevice, outputs_for, with_peaks

TASKS = ("top100", "yolo", "classify", "segment", "anomaly")
OUTPUT = {"top100": "scores", "yolo": "heads", "classify": "scores", "segment": "maps", "anomaly": "maps"}
BRIGHT, DARK = 204, 153
"""Grays of frames, above the threshold of maps."""


def surest(found):
    return float(found.scores.max(initial=0.0))


@pytest.mark.parametrize("graph", ["off", "capture"])
@pytest.mark.parametrize("task", TASKS)
def test_two_frame_sizes_in_one_plan_are_answered_each_by_its_own(opened, frame, task, graph):
    """Heads and maps differ in size from part to part; the answer is of the frame, over all of it."""
    shapes = [FRAME, (96, 64, 1)]
    one = opened(task=task, engine={"exact": shapes}, graph=graph)
    for gray in (BRIGHT, DARK, BRIGHT):
        for shape in shapes:
            found = one.executor.infer(frame(gray, shape), None, NO_DEADLINE)
            assert surest(found) == pytest.approx(gray / 255, abs=1e-5)
            assert found.boxes[found.scores.argmax()].tolist() == [0, 0, shape[1], shape[0]]


@pytest.mark.parametrize("task", TASKS)
def test_the_decoder_gets_what_onnx_runtime_would_give_it(opened, frame, task):
    """Names in the decoder's order, the batch axis, the type, and each value."""
    one = opened(task=task)

    class Seen:
        def decode(self, outputs, shape):
            self.outputs, self.shape = [output.copy() for output in outputs], shape

    one.executor.decoder = seen = Seen()
    one.executor.infer(frame(DARK), None, NO_DEADLINE)
    expected = list(outputs_for(task, FRAME, np.float32(DARK / 255)).values())
    assert seen.shape == FRAME
    assert [(a.dtype, a.shape) for a in seen.outputs] == [(a.dtype, a.shape) for a in expected]
    assert all(np.array_equal(a, b) for a, b in zip(seen.outputs, expected, strict=True))


@pytest.mark.parametrize("task", TASKS)
def test_one_copy_brings_all_outputs_and_no_byte_more(opened, frame, task, clock):
    """Of the frame's own size: a small product does not pay for a large one in the same plan."""
    copied = []

    class Counting(FakeDevice):
        def copy_out(self, array, address):
            copied.append(array.nbytes)
            super().copy_out(array, address)

    one = opened(task=task, engine={"exact": [FRAME, (96, 64, 1)]}, device=Counting(clock))
    copied.clear()
    one.executor.infer(frame(), None, NO_DEADLINE)
    needed = sum(array.nbytes for array in outputs_for(task, FRAME, 0.0).values())
    assert len(copied) == 1
    assert needed <= copied[0] < needed + 3 * 256


@pytest.mark.parametrize("task", TASKS)
def test_an_answer_that_never_arrived_is_not_the_last_parts(opened, frame, task):
    """The GPU says done, and nothing was copied."""
    one = opened(task=task)
    one.executor.infer(frame(DARK), None, NO_DEADLINE)
    one.device.fault = "silent"
    with pytest.raises(InferenceError, match=rf"wrote no answer .*{OUTPUT[task]}"):
        one.executor.infer(frame(DARK), None, NO_DEADLINE)


@pytest.mark.parametrize("task", TASKS)
def test_a_late_run_that_ends_meanwhile_is_not_the_next_parts_answer(opened, frame, task):
    """Late on one frame size, the next part on another: it waits for the rest, and gets its own."""
    other = (96, 64, 1)
    one = opened(task=task, engine={"exact": [FRAME, other]}, wait="spin")
    one.device.run_ns = 70 * MS
    with pytest.raises(InferenceTimeoutError):
        one.executor.infer(frame(BRIGHT), None, one.clock.now_ns + 50 * MS)
    one.device.run_ns = RUN_NS
    found = one.executor.infer(frame(DARK, other), None, one.clock.now_ns + 50 * MS)
    assert surest(found) == pytest.approx(DARK / 255, abs=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_a_gpu_that_hangs_ends_the_process_in_each_task(opened, frame, task):
    """Parts are late first; then it is no matter of a part."""
    one = opened(task=task)
    one.device.fault = "hang"
    with pytest.raises(InferenceError, match=r"has not ended after 1\.0 s"):
        for _ in range(30):
            with pytest.raises(InferenceTimeoutError):
                one.executor.infer(frame(), None, one.clock.now_ns + 50 * MS)
    one.executor.close()
    assert one.device.closed == 0


@pytest.mark.parametrize("task", TASKS)
def test_a_size_that_nobody_can_tell_before_a_run_is_refused_by_the_outputs_name(opened, task):
    """What suppression in the graph leads to; before READY, with the file and the remedy."""
    name = OUTPUT[task]
    with pytest.raises(ModelError, match=rf"e\.plan: .*output {name} .*follows from what the model sees.*NMS"):
        opened(task=task, engine={"sizes": {name: (*outputs_for(task, FRAME, 0.0)[name].shape[:-1], -1)}})


@pytest.mark.parametrize("dtype", [DataType.HALF, DataType.INT64, DataType.INT32])
@pytest.mark.parametrize("task", TASKS)
def test_outputs_of_another_type_are_refused(opened, task, dtype):
    """Half precision is cast in the graph, where it costs nothing; here it would be a copy with each part."""
    outputs = {name: (DataType.FLOAT, array.shape) for name, array in outputs_for(task, FRAME, 0.0).items()}
    outputs |= {"classes": (DataType.INT32, (1, 100))} if task == "top100" else {}
    outputs[OUTPUT[task]] = (dtype, outputs[OUTPUT[task]][1])
    with pytest.raises(ModelError, match=rf"output is {OUTPUT[task]} (float16|int64|int32) .*expected .* float32"):
        opened(task=task, engine={"outputs": outputs})


@pytest.mark.parametrize("task", TASKS)
def test_outputs_that_are_missing_or_too_many_are_refused(opened, task):
    """By their names, all of them."""
    full = {
        name: (DataType.INT32 if array.dtype == np.int32 else DataType.FLOAT, array.shape)
        for name, array in outputs_for(task, FRAME, 0.0).items()
    }
    for outputs in (
        {"features": full[OUTPUT[task]], **{k: v for k, v in full.items() if k != OUTPUT[task]}},
        {**full, "masks": (DataType.FLOAT, (1, 32, 8, 8))},
    ):
        with pytest.raises(ModelError, match="outputs are"):
            opened(task=task, engine={"outputs": outputs})


@pytest.mark.parametrize(
    ("task", "sizes"),
    [("yolo", (1, 7, 24)), ("segment", (1, 3, 16, 24)), ("anomaly", (1, 2, 32, 48)), ("anomaly", (1, 1, 0, 0))],
)
def test_a_size_that_only_the_context_knows_is_held_against_the_task(opened, task, sizes):
    """The file leaves it open; with the frame's size it is told, and is wrong."""
    name = OUTPUT[task]
    engine = {"outputs": {name: (DataType.FLOAT, (-1,) * len(sizes))}, "sizes": {name: sizes}}
    with pytest.raises(ModelError, match=rf"e\.plan: frames of .*output is {name} .*expected {name} float32"):
        opened(task=task, engine=engine)


@pytest.mark.parametrize("task", TASKS)
def test_an_output_that_the_engine_never_writes_is_found_at_the_start(opened, task):
    """Each of them, also one that the mark is not in: it would be what lay in memory, with each part."""
    for name in outputs_for(task, FRAME, 0.0):
        with pytest.raises(InferenceError, match=rf"wrote no .*{name}"):
            opened(task=task, engine={"unwritten": (name,)})


def test_what_a_task_may_not_say_is_found_at_the_start_too(opened):
    """Maps larger than the frame, from an engine that is right in all else."""
    sizes = {"maps": (1, 1, 64, 96)}
    with pytest.raises(InferenceError, match="maps of 96 x 64 for a frame of 48 x 32"):
        opened(task="anomaly", engine={"sizes": sizes, "answer_sizes": sizes})


def test_the_first_nap_is_measured_without_the_decoder(opened, clock, monkeypatch):
    """Reading a large map takes as long as the GPU: a nap measured with it would sleep past the answer."""

    class Slow:
        def decode(self, outputs, shape):
            clock.sleep(0.01)

    monkeypatch.setattr(module, "decoder_for", lambda manifest: Slow())
    one = opened(wait="block", task="segment")
    clock.slept.clear()
    one.executor.infer(np.zeros(FRAME, np.uint8), None, NO_DEADLINE)
    assert clock.slept[0] == pytest.approx(0.8 * RUN_NS / 1e9, rel=0.2)


def test_every_task_has_a_fake(manifest):
    """A task that comes is tested here from its first day."""
    assert set(TASKS) == set(type(manifest()).model_fields["task"].annotation.__args__)
    assert set(OF_TASK) <= set(TASKS)


PEAKED = ("yolo", "segment", "anomaly")


@pytest.mark.parametrize("graph", ["off", "capture"])
@pytest.mark.parametrize("task", PEAKED)
def test_a_plan_with_peaks_answers_as_one_without(opened, frame, task, graph):
    """Two sizes in turn, above and below the threshold; both kinds of plans are in the field."""
    shapes = [FRAME, (96, 64, 1)]
    plain, peaked = (opened(task=task, engine={"exact": shapes, "peaks": on}, graph=graph) for on in (False, True))
    for gray in (BRIGHT, 20, DARK):
        for shape in shapes:
            expected, found = (one.executor.infer(frame(gray, shape), None, NO_DEADLINE) for one in (plain, peaked))
            assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
            assert len(found.scores) == (gray != 20 or task == "yolo")


@pytest.mark.parametrize("task", PEAKED)
def test_the_decoder_gets_the_peaks_of_the_part_in_the_same_copy(opened, frame, task, clock):
    """Else it would read the part by the last one's."""
    copied = []

    class Counting(FakeDevice):
        def copy_out(self, array, address):
            copied.append(array.nbytes)
            super().copy_out(array, address)

    class Seen:
        def decode(self, outputs, shape):
            self.outputs = [output.copy() for output in outputs]

    one = opened(task=task, engine={"peaks": True}, device=Counting(clock))
    one.executor.decoder = seen = Seen()
    copied.clear()
    for gray in (BRIGHT, DARK):
        one.executor.infer(frame(gray), None, NO_DEADLINE)
        expected = list(with_peaks(outputs_for(task, FRAME, np.float32(gray / 255))).values())
        assert all(np.array_equal(a, b) for a, b in zip(seen.outputs, expected, strict=True))
    assert len(copied) == 2


def of_nothing(peaks):
    return np.zeros_like(peaks)


def halved(peaks):
    return peaks / 2


@pytest.mark.parametrize("wrong", [of_nothing, halved])
@pytest.mark.parametrize("task", PEAKED)
def test_peaks_that_are_not_those_of_the_output_are_refused_before_ready(opened, task, wrong):
    """A defect would not be looked at."""
    with pytest.raises(InferenceError, match="the plan's peaks are not those of its other output; build it again"):
        opened(task=task, engine={"peaks": wrong})


@pytest.mark.parametrize("task", PEAKED)
def test_peaks_that_the_gpu_never_writes_are_refused_before_ready(opened, task):
    with pytest.raises(InferenceError, match=r"wrote no (peaks|answer)"):
        opened(task=task, engine={"peaks": True, "unwritten": ["peaks"]})


@pytest.mark.parametrize(
    ("task", "more"),
    [
        ("yolo", {"peaks": (DataType.HALF, (1, 3, -1))}), ("yolo", {"peaks": (DataType.FLOAT, (1, 2, -1))}),
        ("segment", {"peaks": (DataType.FLOAT, (1, 2, -1, -1))}), ("classify", {"peaks": (DataType.FLOAT, (1, 3, -1))}),
        ("anomaly", {"tops": (DataType.FLOAT, (1, 1, -1))}),
    ],
)  # fmt: skip
def test_any_other_output_beside_is_refused(opened, task, more):
    """By the name, type and sizes of peaks alone an engine may say more than the task's."""
    name = OUTPUT[task]
    there = {name: (DataType.FLOAT, outputs_for(task, FRAME, 0.0)[name].shape)}
    with pytest.raises(ModelError, match=f"outputs are .*{next(iter(more))}.*; expected {name} float32"):
        opened(task=task, engine={"outputs": there | more})
