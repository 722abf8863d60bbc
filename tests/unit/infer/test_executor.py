"""The model contract."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.errors import ModelError
from aoi_daemon.infer import executor as executor_module
from aoi_daemon.infer.executor import NO_DEADLINE, TensorInfo, check_model, frame_problems, warm_up

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
    for image, template, deadline_ns in seen:
        assert (image.shape, image.dtype, deadline_ns) == ((48, 64, 3), np.uint8, NO_DEADLINE)
        assert (template is not None) == has_template
        for noise in (image, template) if has_template else (image,):
            assert noise.shape == (48, 64, 3) and set(np.unique(noise)) == set(range(256))
