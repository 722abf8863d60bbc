"""The OpenVINO back end."""

import contextlib
import threading
import time

import numpy as np
import pytest

import tests.unit.infer.openvino.need_openvino  # noqa: F401  # first: leaves the module out
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, warm_up
from aoi_daemon.infer.openvino.compiled import Compiled
from aoi_daemon.infer.openvino.executor import OpenVinoExecutor
from tests.unit.infer.made_models import OTHER_TASKS, other_task_model

MS = 1_000_000
FRAME = np.full((32, 48, 1), 51, np.uint8)
BRIGHT = np.full((32, 48, 1), 204, np.uint8)


def opened(file, manifest, **settings):
    return OpenVinoExecutor(file, manifest, FRAME.shape, **{"precision": "fp32", "threads": 2, **settings})


def test_a_frame_is_answered_with_100_rows(plain_model, manifest):
    """boxes float32 (100, 4), scores float32 (100,), classes int32 (100,)."""
    with opened(plain_model(), manifest()) as executor:
        boxes, scores, classes = executor.infer(FRAME, None, NO_DEADLINE)
        assert "openvino 20" in executor.name and "fp32, plain.onnx" in executor.name
        assert (boxes.shape, boxes.dtype) == ((100, 4), np.float32)
        assert (scores.shape, scores.dtype) == ((100,), np.float32)
        assert (classes.shape, classes.dtype) == ((100,), np.int32)
        assert scores[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("task", "settings", "output", "graph", "expected"),
    OTHER_TASKS,
)
def test_a_model_of_another_task_is_answered_with_detections(tmp_path, manifest, task, settings, output, graph, expected):
    """As ONNX Runtime answers it, in tests/unit/infer/onnx/test_executor.py."""
    file = other_task_model(tmp_path, task, output, graph)
    with opened(file, manifest(task=task, **settings)) as executor:
        found = executor.infer(FRAME, None, NO_DEADLINE)
    boxes, scores = expected
    assert found.boxes[0].tolist() == pytest.approx(boxes[0], abs=1e-5)
    assert found.scores[0] == pytest.approx(scores[0], abs=1e-5)
    assert set(found.classes.tolist()) == {0}


def test_each_run_reads_the_slot_anew_and_in_place(plain_model, manifest):
    """What is written to the slot after the first run is what the second one sees; the pixels are not copied."""
    slots = np.zeros((2, 32 * 48), np.uint8)
    with opened(plain_model(), manifest()) as executor:
        image = slots[1].reshape(32, 48, 1)
        assert executor.infer(image, None, NO_DEADLINE).scores[0] == 0
        slots[1, 7] = 255
        assert executor.infer(image, None, NO_DEADLINE).scores[0] == 1
        assert np.shares_memory(executor._compiled[FRAME.shape].request.get_input_tensor(0).data, slots)


@pytest.mark.parametrize("kind", ["read-only", "cut-out", "every second row"])
def test_pixels_that_openvino_does_not_take_in_place_are_read_as_they_are(plain_model, manifest, kind):
    """A picture from a file may be read-only, a part of one may have gaps between its rows."""
    larger = np.random.default_rng(1).integers(0, 200, (64, 96, 1), np.uint8)
    frame = {"read-only": larger[:32, :48].copy(), "cut-out": larger[:32, :48], "every second row": larger[::2, ::2]}[kind]
    frame.flags.writeable = kind != "read-only"
    with opened(plain_model(), manifest()) as executor:
        for _ in range(20):
            assert executor.infer(frame, None, NO_DEADLINE).scores[0] == pytest.approx(frame.max() / 255)


def test_the_decoder_may_be_replaced_between_two_parts(plain_model, manifest):
    """A recipe is swapped so; the model stays."""

    class Nothing:
        def decode(self, outputs, shape):
            assert [output.shape for output in outputs] == [(1, 100, 4), (1, 100), (1, 100)]
            assert shape == FRAME.shape
            return Detections(*(output[0, :0] for output in outputs))

    with opened(plain_model(), manifest()) as executor:
        assert len(executor.infer(FRAME, None, NO_DEADLINE).scores) == 100
        executor.decoder = Nothing()
        assert len(executor.infer(FRAME, None, NO_DEADLINE).scores) == 0


def test_whenever_a_part_s_time_ends_the_next_part_gets_its_own_answer(chain_model, manifest):
    """Deadlines at random moments of a run, before and behind its end too: ended or answered, never something else."""
    rng = np.random.default_rng(7)
    with opened(chain_model(60), manifest()) as executor:
        run_ns = int(np.median(warm_up(executor, FRAME.shape, runs=5)))
        ended = 0
        for _ in range(30):
            given_ns = int(rng.uniform(0, 1.3) * run_ns)
            begun_ns = time.monotonic_ns()
            try:
                assert executor.infer(FRAME, None, begun_ns + given_ns).scores[0] == pytest.approx(0.2, abs=1e-3)
            except InferenceTimeoutError:
                ended += 1
                assert time.monotonic_ns() - begun_ns >= given_ns
            assert executor.infer(BRIGHT, None, NO_DEADLINE).scores[0] == pytest.approx(0.8, abs=1e-3)
    assert ended > 3, "no deadline fell inside a run: this has shown nothing"


def test_a_run_that_takes_longer_than_the_part_has_is_ended(chain_model, manifest):
    """Between two of its nodes, not at its end: in processor time, which a loaded machine does not stretch."""
    with opened(chain_model(300), manifest()) as executor:
        run_ns = min(warm_up(executor, FRAME.shape, runs=2))
        used_ns = time.process_time_ns()
        executor.infer(FRAME, None, NO_DEADLINE)
        full_ns = time.process_time_ns() - used_ns
        used_ns, deadline_ns = time.process_time_ns(), time.monotonic_ns() + max(run_ns // 8, 3 * MS)
        with pytest.raises(InferenceTimeoutError, match="inside the model"):
            executor.infer(FRAME, None, deadline_ns)
        assert time.monotonic_ns() >= deadline_ns
        assert time.process_time_ns() - used_ns < 0.7 * full_ns


class FakeRequest:
    """In an InferRequest's place: `infer` does what the test says."""

    def __init__(self, infer):
        self._infer = infer
        self.cancelled = threading.Event()
        self.cancels = 0

    def set_input_tensor(self, place, tensor):
        assert place == 0 and tensor.shape == [1, 32, 48, 1]

    def infer(self, *_, **__):
        self._infer(self)

    def cancel(self):
        self.cancels += 1
        self.cancelled.set()


@contextlib.contextmanager
def with_fake(file, manifest, infer):
    with opened(file, manifest) as executor:
        real = executor._compiled[FRAME.shape]
        fake = FakeRequest(infer)
        executor._compiled[FRAME.shape] = Compiled(fake, real.inputs, real.outputs)
        yield executor, fake, real


def test_a_cancel_that_came_before_the_run_began_is_said_again(plain_model, manifest):
    """OpenVINO forgets it: the run would go on to its end, and hold up every part behind it."""

    came = []

    def begins_late(request):
        for _ in range(2):
            came.append(request.cancelled.wait(5))
            request.cancelled.clear()
        raise RuntimeError("Infer Request was canceled")

    with with_fake(plain_model(), manifest(), begins_late) as (executor, fake, _):
        with pytest.raises(InferenceTimeoutError):
            executor.infer(FRAME, None, time.monotonic_ns() + MS)
        assert came == [True, True], "nobody cancels the run that has begun since"
        cancels = fake.cancels
        assert not threading.Event().wait(0.02) and fake.cancels == cancels, "it is cancelled after its end"


def test_a_driver_that_fails_in_the_middle_of_a_run_is_an_engine_fault_that_names_it(plain_model, manifest):
    """No time-out, though a deadline was set; the next part is judged where the driver works again."""

    def fails(request):
        raise RuntimeError("Exception from ocl_stream.cpp:1\nclFinish, error code: -36 CL_INVALID_COMMAND_QUEUE")

    with with_fake(plain_model(), manifest(), fails) as (executor, _, real):
        with pytest.raises(InferenceError, match=r"openvino 20.* cpu.*plain\.onnx: .*CL_INVALID_COMMAND_QUEUE") as caught:
            executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS)
        assert not isinstance(caught.value, InferenceTimeoutError)
        executor._compiled[FRAME.shape] = real
        assert executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS).scores[0] == pytest.approx(0.2)


def test_a_part_without_time_left_is_not_begun(plain_model, manifest):
    """It would hold up the next one."""
    with opened(plain_model(), manifest()) as executor, pytest.raises(InferenceTimeoutError, match="no time was left"):
        executor.infer(FRAME, None, time.monotonic_ns())


def test_a_closed_executor_says_so_and_leaves_no_thread_of_ours(plain_model, manifest, thread_count):
    """OpenVINO keeps its pool, one for the process, whose threads come as they are needed; none comes with each opening."""
    counts = []
    for _ in range(12):
        executor = opened(plain_model(), manifest())
        executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS)
        executor.close()
        executor.close()
        counts.append(thread_count())
    assert counts[-1] - counts[1] < len(counts) // 2
    with pytest.raises(InferenceError, match="is closed"):
        executor.infer(FRAME, None, NO_DEADLINE)


@pytest.mark.parametrize("content", [None, b"", b"no model", b"\x08\x08\x12\x07" * 100])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, manifest, content):
    """Missing, empty, foreign or damaged."""
    file = tmp_path / "some.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"some\.onnx"):
        opened(file, manifest())


def test_a_model_of_another_contract_or_with_a_foreign_operator_is_refused(plain_model, manifest):
    """With what was found and what is expected; OpenVINO's own message is part of ours."""
    half = plain_model(edit=lambda text: text.replace("uint8[1,H,W,1]", "float16[1,H,W,1]"))
    with pytest.raises(ModelError, match=r"input is image float16 \[1, any, any, 1\]; expected image uint8"):
        opened(half, manifest())
    with pytest.raises(ModelError, match="takes frames of 64 x 32 px alone, the recipe's are 48 x 32 px"):
        opened(plain_model(h=32, w=64), manifest())
    with pytest.raises(ModelError, match=r"plain\.onnx: OpenVINO .*Divide"):
        opened(plain_model(edit=lambda text: text.replace("Div (top, scale)", "Divide (top, scale)")), manifest())


@pytest.mark.parametrize("frame", [FRAME.astype(np.float32), FRAME[..., 0], np.zeros((32, 48, 3), np.uint8)])
def test_a_frame_of_another_type_is_an_error(plain_model, manifest, frame):
    with opened(plain_model(), manifest()) as executor, pytest.raises(InferenceError, match="the frame is"):
        executor.infer(frame, None, NO_DEADLINE)


def test_a_template_that_is_missing_or_of_another_size_is_an_error(plain_model, manifest):
    both = "(uint8[1,H,W,1] template, uint8[1,H,W,1] image)"
    file = plain_model(edit=lambda text: text.replace("(uint8[1,H,W,1] image)", both).replace(
        "classes = Cast <to = 6> (zeros)", "other = Cast <to = 1> (template) dark = ReduceMin <keepdims = 0> (other) "
        "far = Sub (dark, dark) moved = Add (zeros, far) classes = Cast <to = 6> (moved)"
    ))  # fmt: skip
    with opened(file, manifest(has_template=True)) as executor:
        assert executor.infer(FRAME, BRIGHT, NO_DEADLINE).scores[0] == pytest.approx(0.2), "the two are swapped"
        for wrong in (None, BRIGHT[:16], BRIGHT.astype(np.int8)):
            with pytest.raises(InferenceError, match="the template is"):
                executor.infer(FRAME, wrong, NO_DEADLINE)


def test_frames_of_other_sizes_are_answered_and_few_of_them_are_kept_compiled(plain_model, manifest):
    """Golden parts and boards may be of many sizes; the recipe's stays."""
    with opened(plain_model(), manifest()) as executor:
        for side in range(16, 26):
            assert executor.infer(np.full((side, side, 1), side, np.uint8), None, NO_DEADLINE).boxes[0, 0] == side
        assert FRAME.shape in executor._compiled and len(executor._compiled) == 9


def test_between_parts_no_thread_spins(chain_model, manifest):
    """A tenth of a second after a run that both threads worked on costs next to no processor time."""
    asleep = threading.Event()
    with opened(chain_model(60), manifest()) as executor:
        used_ns = 0
        for _ in range(5):
            executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS)
            before = time.process_time_ns()
            asleep.wait(0.1)
            used_ns += time.process_time_ns() - before
    assert used_ns < 50 * MS
