"""Where outputs lie: one block for any task, and nothing of it that a run may leave out unnoticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.infer.executor import TensorInfo, outputs_of
from aoi_daemon.infer.trt.outputs import NOTHING, lay_out
from tests.unit.infer.manifests import manifest_of
from tests.unit.infer.trt.conftest import OF_TASK

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)
OTHERS = st.lists(st.tuples(st.sampled_from(("float32", "int32")), SIZES), max_size=4)


def blocks(outputs):
    infos = [TensorInfo(f"o{number}", dtype, sizes) for number, (dtype, sizes) in enumerate(outputs)]
    layout = lay_out(infos, [sizes for _, sizes in outputs])
    return layout, np.zeros(layout.size_bytes, np.uint8)


@given(OTHERS, SIZES, st.randoms())
def test_outputs_share_a_block_and_none_overlaps_another_or_the_mark_of_another(others, sizes, order):
    """Filled one by one, each keeps its own; 256 bytes is what TensorRT asks of an address."""
    outputs = [*others, ("float32", sizes)]
    order.shuffle(outputs)
    layout, block = blocks(outputs)
    arrays = layout.arrays(block)
    for number, array in enumerate(arrays, 1):
        array[...] = number
    assert [(array.dtype.name, array.shape) for array in arrays] == outputs
    assert all((array == number).all() for number, array in enumerate(arrays, 1))
    assert all(offset % 256 == 0 for offset in layout.offsets)
    last = max(range(len(outputs)), key=layout.offsets.__getitem__)
    assert outputs[last][0] == "float32"
    layout.mark(block)[0] = np.nan
    assert np.isnan(arrays[last].reshape(-1)[-1])
    assert sum(int(np.isnan(array).sum()) for array in arrays if array.dtype == np.float32) == 1


@given(OTHERS, SIZES, st.data())
def test_an_output_that_was_not_written_from_end_to_end_is_named(others, sizes, data):
    """From memory that held NOTHING before: one that was left out, one that was cut off at either end."""
    layout, block = blocks([*others, ("float32", sizes)])
    block[:] = NOTHING
    arrays = layout.arrays(block)
    number = data.draw(st.integers(0, len(arrays) - 1))
    for array in arrays:
        array[...] = 0
    assert layout.unwritten(arrays) == []
    place = data.draw(st.sampled_from((0, -1, slice(None))))
    arrays[number].reshape(-1).view(np.uint32)[place] = 0xFFFFFFFF
    assert layout.unwritten(arrays) == [f"o{number}"]


@pytest.mark.parametrize("task", ["top100", "yolo", "classify", "segment", "anomaly"])
def test_a_size_that_follows_from_the_frames_content_is_refused_by_the_outputs_name(task):
    """As suppression in the graph makes it. Memory for it cannot be taken before READY."""
    expected = outputs_of(manifest_of(task, **OF_TASK.get(task, {})))
    for output in expected:
        found = [[size or 8 for size in one.shape] for one in expected]
        lay_out(expected, found)
        found[expected.index(output)][-1] = -1
        with pytest.raises(
            ValueError, match=rf"size of output {output.name} .*any\] follows from what the model sees.*without"
        ):
            lay_out(expected, found)


@pytest.mark.parametrize(("found", "said"), [((1, 7, 8400), r"\[1, 7, 8400\]"), ((1, 6, 0), r"\[1, 6, 0\]")])
def test_a_size_that_is_not_the_tasks_is_refused(found, said):
    """A file may leave it open until the engine has a frame size."""
    with pytest.raises(ValueError, match=rf"output is heads float32 {said}; expected heads float32 \[1, 6, any\]"):
        lay_out(outputs_of(manifest_of("yolo", ("a", "b"))), [found])
