"""The model contract."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.infer import executor as executor_module
from aoi_daemon.infer.executor import (
    NO_DEADLINE,
    TensorInfo,
    check_model,
    check_outputs,
    check_px,
    frame_problems,
    warm_up,
)

FILE = Path("some.plan")
IMAGE = TensorInfo("image", "uint8", (1, None, None, 1))
TEMPLATE = TensorInfo("template", "uint8", (1, None, None, 1))
BOXES = TensorInfo("boxes", "float32", (1, 100, 4))
SCORES = TensorInfo("scores", "float32", (1, 100))
LABELS = TensorInfo("classes", "int32", (1, 100))
OUTPUTS = [BOXES, SCORES, LABELS]


def test_the_contract_is_met_in_any_order_and_with_free_sizes(manifest):
    """A back end may tell its tensors as it likes."""
    check_model(FILE, [TEMPLATE, IMAGE], OUTPUTS[::-1], manifest(has_template=True), (64, 64, 1))
    check_model(FILE, [IMAGE], [BOXES._replace(shape=(None, 100, 4)), SCORES, LABELS], manifest())


@pytest.mark.parametrize(
    ("inputs", "outputs", "problem"),
    [
        ([], OUTPUTS, r"inputs are none; expected image uint8 \[1, any, any, 1\]"),
        ([IMAGE, TEMPLATE], OUTPUTS, "inputs are image .* template .*; expected image"),
        ([IMAGE._replace(name="images")], OUTPUTS, "inputs are images"),
        ([IMAGE._replace(dtype="float32")], OUTPUTS, "input is image float32 .* expected image uint8"),
        ([IMAGE._replace(shape=(1, 1, None, None))], OUTPUTS, None),  # nothing of it contradicts (1, H, W, 1)
        ([IMAGE._replace(shape=(1, 3, 64, 64))], OUTPUTS, r"image uint8 \[1, 3, 64, 64\]; expected"),
        ([IMAGE._replace(shape=(None, None, 1))], OUTPUTS, "input is image"),
        ([IMAGE._replace(shape=(8, 64, 64, 1))], OUTPUTS, "input is image"),
        ([IMAGE], [BOXES, SCORES], "outputs are boxes .* scores .*; expected boxes"),
        ([IMAGE], [*OUTPUTS, SCORES._replace(name="more")], "outputs are"),
        (
            [IMAGE],
            [BOXES, SCORES, LABELS._replace(dtype="int64")],
            r"output is classes int64 .* expected classes int32",
        ),
        ([IMAGE], [BOXES._replace(shape=(1, 300, 4)), SCORES, LABELS], r"boxes float32 \[1, 300, 4\]; expected"),
    ],
)
def test_what_is_not_the_contract_is_told_with_what_is_expected(manifest, inputs, outputs, problem):
    """The error begins with the file."""
    if problem is None:
        check_model(FILE, inputs, outputs, manifest())
        return
    with pytest.raises(ModelError, match=f"^some.plan: .*{problem}"):
        check_model(FILE, inputs, outputs, manifest())


@pytest.mark.parametrize(
    ("task", "settings", "output"),
    [
        ("yolo", {}, TensorInfo("heads", "float32", (1, 6, 8400))),
        ("classify", {"good_classes": ("b",)}, TensorInfo("scores", "float32", (1, 2))),
        ("segment", {}, TensorInfo("maps", "float32", (1, 2, 160, 160))),
        ("anomaly", {"classes": ("a",)}, TensorInfo("maps", "float32", (1, 1, 160, 160))),
    ],
)
def test_each_task_has_an_output_of_its_own(manifest, task, settings, output):
    """By name, type and size; one of another task is refused with what is expected."""
    bundle = manifest(**{"task": task, "classes": ("a", "b"), **settings})
    check_model(FILE, [IMAGE], [output], bundle)
    with pytest.raises(ModelError, match=f"outputs are boxes .*; expected {output.name} float32"):
        check_model(FILE, [IMAGE], OUTPUTS, bundle)
    with pytest.raises(ModelError, match=f"output is {output.name} float16"):
        check_model(FILE, [IMAGE], [output._replace(dtype="float16")], bundle)
    wider = output._replace(shape=(1, output.shape[1] + 1, *output.shape[2:]))
    with pytest.raises(ModelError, match=rf"output is {output.name} float32 \[1, {wider.shape[1]}"):
        check_model(FILE, [IMAGE], [wider], bundle)


def test_all_differences_are_told_at_once(manifest):
    """A model is mended in one go."""
    with pytest.raises(ModelError, match=r"input is image float16.*; output is classes int64"):
        check_model(
            FILE, [IMAGE._replace(dtype="float16")], [BOXES, SCORES, LABELS._replace(dtype="int64")], manifest()
        )


def test_no_deadline_is_later_than_any_machine_runs():
    """A century, in ns."""
    assert NO_DEADLINE > 100 * 365 * 86_400 * 10**9


MAPS = TensorInfo("maps", "float32", (1, 2, None, None))


@pytest.mark.parametrize("shape", [(1, 2, 1, 1), (1, 2, 48, 64)])
def test_an_output_that_fits_the_sizes_that_are_open_is_taken(shape):
    check_outputs([np.zeros(shape, np.float32)], [MAPS])


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "wrong",
    [np.zeros(shape, np.float32) for shape in ((2, 2, 8, 8), (1, 3, 8, 8), (1, 2, 8), (1, 2, 8, 8, 1), ())]
    + [np.zeros((1, 2, 8, 8), dtype) for dtype in (np.float16, np.float64, np.int32)],
)
def test_an_output_of_another_size_or_type_is_refused_wherever_it_stands(wrong, place):
    outputs = [np.zeros((1, 2, 8, 8), np.float32)] * 2
    outputs[place] = wrong
    with pytest.raises(InferenceError, match=rf"the model gave maps {wrong.dtype} .*; expected maps float32"):
        check_outputs(outputs, [MAPS, MAPS])


@pytest.mark.parametrize("count", [0, 1, 3])
def test_outputs_that_are_too_few_or_too_many_are_never_taken(count):
    """The file was checked when it was opened: this would be a back end's own fault."""
    with pytest.raises(ValueError, match="zip"):
        check_outputs([np.zeros((1, 2, 8, 8), np.float32)] * count, [MAPS, MAPS])


@pytest.mark.parametrize("corner", range(4))
@pytest.mark.parametrize(("greatest", "is_refused"), [(0.0, True), (1.99, True), (-1.99, True), (2.0, False), (-2, False)])
def test_boxes_that_all_lie_below_two_pixels_are_shares_of_the_frame(corner, greatest, is_refused):
    """By the greatest corner of all boxes, whichever way it lies from 0."""
    boxes = np.zeros((3, 4), np.float32)
    boxes[1, corner] = greatest
    if is_refused:
        words = f"boxes of {abs(greatest):g} px at most on a frame of 64 x 48 px: boxes seem normalised"
        with pytest.raises(InferenceError, match=words):
            check_px(boxes, (48, 64, 1))
    else:
        check_px(boxes, (48, 64, 1))


def test_no_box_is_no_share_of_the_frame():
    check_px(np.zeros((0, 4), np.float32), (48, 64, 1))


@pytest.mark.parametrize(("shape", "problems"), [((64, 50, 1), 1), ((50, 64, 1), 1), ((64, 64, 3), 1), ((64, 64, 1), 0)])
def test_each_side_of_a_frame_and_its_channels_must_fit(manifest, shape, problems):
    assert len(frame_problems(shape, manifest(stride_px=16))) == problems


def test_frames_must_fit_the_bundle(manifest):
    """Its channels, and multiples of its stride."""
    bundle = manifest(stride_px=16)
    assert frame_problems((64, 48, 1), bundle) == []
    assert frame_problems((64, 50, 3), bundle) == [
        "frames have 3 channels, bundle t is for 1",
        "frames are 50 x 64 px, bundle t needs multiples of 16",
    ]
    with pytest.raises(ModelError, match="needs multiples of 16"):
        check_model(FILE, [IMAGE], OUTPUTS, bundle, (64, 50, 1))


@pytest.mark.parametrize("has_template", [False, True])
def test_warm_up_runs_as_often_as_it_is_told_on_frames_as_they_will_come(has_template, monkeypatch):
    """Noise of the frame's shape, a template where the model wants one, no deadline; each time that it took."""
    seen = []
    clock = iter([10, 15, 100, 107, 1000, 1001])
    monkeypatch.setattr(executor_module, "time", SimpleNamespace(monotonic_ns=lambda: next(clock)))
    executor = SimpleNamespace(has_template=has_template, infer=lambda *frame: seen.append(frame))
    assert warm_up(executor, (48, 64, 3), runs=3) == [5, 7, 1]
    assert len(seen) == 3
    for image, template, deadline_ns in seen:
        assert (image.shape, image.dtype, deadline_ns) == ((48, 64, 3), np.uint8, NO_DEADLINE)
        assert (template is not None) == has_template
        for noise in (image, template) if has_template else (image,):
            assert noise.shape == (48, 64, 3) and set(np.unique(noise)) == set(range(256))
