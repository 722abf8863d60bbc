"""The ONNX Runtime back end."""

import threading
import time

import numpy as np
import pytest

from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.executor import NO_DEADLINE, Detections, warm_up
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tests.unit.infer.made_models import OTHER_TASKS, other_task_model

MS = 1_000_000
FRAME = np.full((32, 48, 1), 51, np.uint8)


def test_a_frame_is_answered_with_100_rows(plain_model, manifest):
    """boxes float32 (100, 4), scores float32 (100,), classes int32 (100,)."""
    with OnnxExecutor(plain_model(), manifest(), threads=2) as executor:
        boxes, scores, classes = executor.infer(FRAME, None, NO_DEADLINE)
    assert (boxes.shape, boxes.dtype) == ((100, 4), np.float32)
    assert (scores.shape, scores.dtype) == ((100,), np.float32)
    assert (classes.shape, classes.dtype) == ((100,), np.int32)
    assert scores[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("task", "settings", "output", "graph", "expected"),
    OTHER_TASKS,
)
def test_a_model_of_another_task_is_answered_with_detections(
    tmp_path, manifest, task, settings, output, graph, expected
):
    """One judgement for all of them: boxes in pixels of the frame, scores 0 to 1."""
    file = other_task_model(tmp_path, task, output, graph)
    with OnnxExecutor(file, manifest(task=task, **settings), threads=1) as executor:
        found = executor.infer(FRAME, None, NO_DEADLINE)
    boxes, scores = expected
    assert found.boxes[0].tolist() == pytest.approx(boxes[0], abs=1e-5)
    assert found.scores[0] == pytest.approx(scores[0], abs=1e-5)
    assert set(found.classes.tolist()) == {0}


def test_the_decoder_may_be_replaced_between_two_parts(plain_model, manifest):
    """A recipe is swapped so; the model stays."""

    class Nothing:
        def decode(self, outputs, shape):
            assert [output.shape for output in outputs] == [(1, 100, 4), (1, 100), (1, 100)]
            assert shape == FRAME.shape
            return Detections(*(output[0, :0] for output in outputs))

    with OnnxExecutor(plain_model(), manifest(), threads=1) as executor:
        assert len(executor.infer(FRAME, None, NO_DEADLINE).scores) == 100
        executor.decoder = Nothing()
        assert len(executor.infer(FRAME, None, NO_DEADLINE).scores) == 0


def test_each_run_reads_the_slot_anew(plain_model, manifest):
    """What is written to the slot after the first run is what the second one sees."""
    slots = np.zeros((2, 32 * 48), np.uint8)
    with OnnxExecutor(plain_model(), manifest(), threads=1) as executor:
        image = slots[1].reshape(32, 48, 1)
        assert executor.infer(image, None, NO_DEADLINE).scores[0] == 0
        slots[1, 7] = 255
        assert executor.infer(image, None, NO_DEADLINE).scores[0] == 1


def test_a_run_that_takes_longer_than_the_part_has_is_ended(slow_model, manifest):
    """It would take minutes; the error says why, and the line rejects that part alone."""
    with OnnxExecutor(slow_model(10_000_000), manifest(), threads=2) as executor:
        deadline_ns = time.monotonic_ns() + 20 * MS
        with pytest.raises(InferenceTimeoutError, match="inside the model"):
            executor.infer(FRAME, None, deadline_ns)
        assert time.monotonic_ns() >= deadline_ns


def test_the_part_after_one_that_was_ended_is_judged(slow_model, manifest):
    """The session goes on, several times over."""
    with OnnxExecutor(slow_model(2000), manifest(), threads=2) as executor:
        for _ in range(3):
            with pytest.raises(InferenceTimeoutError):
                executor.infer(FRAME, None, time.monotonic_ns() + 2 * MS)
            assert executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS).scores[0] == 0


def test_a_part_without_time_left_is_not_begun(slow_model, manifest):
    """It would hold up the next one."""
    executor = OnnxExecutor(slow_model(10_000_000), manifest(), threads=2)
    with executor, pytest.raises(InferenceTimeoutError, match="no time was left"):
        executor.infer(FRAME, None, time.monotonic_ns())


def test_no_thread_is_left_after_close(plain_model, manifest, thread_count):
    """Neither the watchdog's nor ONNX Runtime's; closing twice does nothing."""
    before = thread_count()
    executor = OnnxExecutor(plain_model(), manifest(), threads=3)
    assert thread_count() == before + 3
    executor.infer(FRAME, None, time.monotonic_ns() + 1000 * MS)
    executor.close()
    executor.close()
    assert thread_count() == before


def test_a_closed_executor_says_so(plain_model, manifest):
    """It does not crash the process."""
    executor = OnnxExecutor(plain_model(), manifest(), threads=1)
    executor.close()
    with pytest.raises(InferenceError, match="is closed"):
        executor.infer(FRAME, None, NO_DEADLINE)


def test_no_thread_is_left_by_a_model_that_is_refused(plain_model, manifest, thread_count):
    """A reload may refuse many."""
    before = thread_count()
    with pytest.raises(ModelError):
        OnnxExecutor(plain_model(c=3), manifest(), threads=3)
    assert thread_count() == before


@pytest.mark.parametrize("content", [None, b"", b"no model", b"\x08\x08\x12\x07" * 100])
def test_a_file_that_is_no_model_is_refused_by_name(tmp_path, manifest, content):
    """Missing, empty, foreign or damaged."""
    file = tmp_path / "some.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=r"some\.onnx"):
        OnnxExecutor(file, manifest(), threads=1)


def test_a_model_that_was_cut_off_is_refused_by_name(plain_model, manifest):
    """A copy that broke off."""
    file = plain_model()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"plain\.onnx"):
        OnnxExecutor(file, manifest(), threads=1)


def test_a_model_with_an_operator_from_elsewhere_is_refused_by_name(plain_model, manifest):
    """ONNX Runtime's own message is part of ours."""
    file = plain_model(edit=lambda text: text.replace("Div (top, scale)", "Divide (top, scale)"))
    with pytest.raises(ModelError, match=r"plain\.onnx: .*Divide"):
        OnnxExecutor(file, manifest(), threads=1)


def test_a_model_of_another_contract_is_refused(plain_model, manifest):
    """With what was found and what is expected."""
    half = plain_model(edit=lambda text: text.replace("uint8[1,H,W,1]", "float16[1,H,W,1]"))
    with pytest.raises(ModelError, match=r"input is image float16 \[1, any, any, 1\]; expected image uint8"):
        OnnxExecutor(half, manifest(), threads=1)
    with pytest.raises(ModelError, match=r"inputs are image uint8 .*; expected image .*, template uint8"):
        OnnxExecutor(plain_model(), manifest(has_template=True), threads=1)


def test_a_model_of_another_size_than_the_recipe_is_refused(plain_model, manifest):
    """A fixed size must be the recipe's; a free one takes any."""
    fixed = plain_model(h=32, w=48)
    OnnxExecutor(fixed, manifest(), threads=1, shape=(32, 48, 1)).close()
    with pytest.raises(ModelError, match="takes frames of 48 x 32 px alone, the recipe's are 48 x 64 px"):
        OnnxExecutor(fixed, manifest(), threads=1, shape=(64, 48, 1))


@pytest.mark.parametrize("frame", [FRAME[:16], FRAME.astype(np.float32), FRAME[..., 0]])
def test_a_frame_of_another_size_or_type_is_an_error(plain_model, manifest, frame):
    """What the executor was opened for is what it runs."""
    executor = OnnxExecutor(plain_model(), manifest(), threads=1, shape=(32, 48, 1))
    with executor, pytest.raises(InferenceError, match="the frame is"):
        executor.infer(frame, None, NO_DEADLINE)


def test_a_fault_inside_the_model_is_an_engine_fault(plain_model, manifest):
    """No time-out: the deadline was far away. Here it looks up the 51st of two numbers."""
    fault = """two = Constant <value_floats = [0.0, 0.0]> ()
        which = Cast <to = 7> (top)
        number = Gather (two, which)
        boxes = Expand (number, box_shape)"""
    file = plain_model(edit=lambda text: text.replace("boxes = Expand (top, box_shape)", fault))
    executor = OnnxExecutor(file, manifest(), threads=1)
    with executor, pytest.raises(InferenceError) as caught:
        executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS)
    assert not isinstance(caught.value, InferenceTimeoutError)


def test_the_warm_up_tells_how_long_each_run_took(plain_model, manifest):
    """In ns, one a run."""
    with OnnxExecutor(plain_model(), manifest(), threads=1) as executor:
        took_ns = warm_up(executor, FRAME.shape, runs=5)
    assert len(took_ns) == 5
    assert all(took > 0 for took in took_ns)


def test_the_watchdog_lets_go_of_a_part_that_is_done(plain_model, manifest, monkeypatch):
    """Answered or failed: its deadline must not end the next part."""
    with OnnxExecutor(plain_model(), manifest(), threads=1) as executor:
        calls = []
        monkeypatch.setattr(executor._watchdog, "arm", lambda deadline_ns: calls.append("arm"))
        monkeypatch.setattr(executor._watchdog, "disarm", lambda: calls.append("disarm"))
        executor.infer(FRAME, None, time.monotonic_ns() + 1000 * MS)
        executor._session = None
        monkeypatch.setattr(executor, "_feed", lambda image, template: {})
        with pytest.raises(InferenceError):
            executor.infer(FRAME, None, time.monotonic_ns() + 1000 * MS)
    assert calls == ["arm", "disarm"] * 2


def test_between_parts_no_thread_spins(slow_model, manifest):
    """A tenth of a second after a run that both threads worked on costs next to no processor time."""
    asleep = threading.Event()
    with OnnxExecutor(slow_model(200), manifest(), threads=2) as executor:
        used_ns = 0
        for _ in range(5):
            executor.infer(FRAME, None, time.monotonic_ns() + 60_000 * MS)
            before = time.process_time_ns()
            asleep.wait(0.1)
            used_ns += time.process_time_ns() - before
    assert used_ns < 50 * MS
