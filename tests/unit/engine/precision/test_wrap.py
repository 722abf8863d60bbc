"""Float models behind the camera's uint8 frames."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from aoi_daemon.engine.precision.wrap import IMAGENET, Pixels, wrap_float_model
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tests.unit.infer.manifests import manifest_of

# As exporters make them: free names, one of them `image`. What comes out tells what went in.
_FLOAT = """
<ir_version: 8, opset_import: ["" : 17]>
exported (float[{batch},{depth},{height},{width}] image) => (float[{batch},{depth},{height},{width}] output0)
{{
    one = Constant <value_float = 1.0> ()
    output0 = Mul (image, one)
}}
"""


@pytest.fixture
def exported(tmp_path):
    """A float model that gives its own input back; `edit` changes its source."""

    def make(batch="N", depth=3, height="H", width="W", edit=lambda text: text):
        file = tmp_path / "exported.onnx"
        text = edit(_FLOAT.format(batch=batch, depth=depth, height=height, width=width))
        file.write_bytes(onnx.parser.parse_model(text).SerializeToString())
        return file

    return make


def run(file, image):
    (output,) = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"image": image[None]})
    return output


def frame(channels, height=6, width=8):
    return np.random.default_rng(channels).integers(0, 256, (height, width, channels), np.uint8)


def test_a_colour_model_sees_rgb_from_0_to_1_plane_by_plane(exported, tmp_path):
    """From BGR bytes, pixel by pixel."""
    image = frame(3)
    wrap_float_model(exported(), tmp_path / "w.onnx", "segment", channels=3)
    expected = image[:, :, ::-1].transpose(2, 0, 1)[None] / np.float32(255)
    assert np.allclose(run(tmp_path / "w.onnx", image), expected, atol=1e-6)


def test_a_colour_model_sees_a_mono_frame_three_times(exported, tmp_path):
    """Most detectors are trained in colour."""
    image = frame(1)
    wrap_float_model(exported(), tmp_path / "w.onnx", "segment", channels=1)
    expected = np.repeat(image.transpose(2, 0, 1), 3, axis=0)[None] / np.float32(255)
    assert np.allclose(run(tmp_path / "w.onnx", image), expected, atol=1e-6)


def test_a_mono_model_sees_a_mono_frame(exported, tmp_path):
    image = frame(1)
    wrap_float_model(exported(depth=1), tmp_path / "w.onnx", "anomaly", channels=1, pixels=Pixels(scale=0.5))
    assert np.allclose(run(tmp_path / "w.onnx", image), image.transpose(2, 0, 1)[None] * 0.5)


def test_mean_and_deviation_are_those_of_the_models_channels(exported, tmp_path):
    """Red first, where the model is RGB."""
    image = frame(3)
    wrap_float_model(exported(), tmp_path / "w.onnx", "segment", channels=3, pixels=IMAGENET)
    expected = (image[:, :, ::-1] / 255 - IMAGENET.mean) / IMAGENET.deviation
    assert np.allclose(run(tmp_path / "w.onnx", image), expected.transpose(2, 0, 1)[None], atol=1e-5)


def test_a_bgr_model_sees_bgr(exported, tmp_path):
    image = frame(3)
    wrap_float_model(exported(), tmp_path / "w.onnx", "segment", channels=3, pixels=Pixels(scale=1.0, is_rgb=False))
    assert np.array_equal(run(tmp_path / "w.onnx", image), image.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_maps_of_logits_become_probabilities(exported, tmp_path, activation):
    """Over the classes, or each by itself."""
    image = frame(3)
    wrap_float_model(exported(), tmp_path / "w.onnx", "segment", channels=3, activation=activation)
    logits = image[:, :, ::-1].transpose(2, 0, 1)[None] / 255
    powers = np.exp(logits)
    expected = powers / powers.sum(axis=1) if activation == "softmax" else powers / (1 + powers)
    assert np.allclose(run(tmp_path / "w.onnx", image), expected, atol=1e-5)


def test_a_yolo_export_becomes_a_bundles_model(exported, tmp_path):
    """Here one whose single candidate is the frame, as bright as it scores."""

    def heads(text):
        return text.replace("float[1,3,64,64] output0", "float[1,6,1] output0").replace(
            "output0 = Mul (image, one)",
            """bright = ReduceMean <keepdims = 0> (image)
            shape = Constant <value_ints = [1, 2, 1]> ()
            scores = Expand (bright, shape)
            box = Constant <value = float[1,4,1] {32.0, 32.0, 64.0, 64.0}> ()
            unused = Mul (image, one)
            output0 = Concat <axis = 1> (box, scores)""",
        )

    source = exported(batch=1, height=64, width=64, edit=heads)
    wrap_float_model(source, tmp_path / "w.onnx", "yolo", channels=1)
    manifest = manifest_of("yolo", ("open", "short"))
    with OnnxExecutor(tmp_path / "w.onnx", manifest, threads=1, shape=(64, 64, 1)) as executor:
        found = executor.infer(np.full((64, 64, 1), 204, np.uint8), None, NO_DEADLINE)
    assert found.boxes.tolist() == [[0, 0, 64, 64]] * 2
    assert found.scores.tolist() == pytest.approx([0.8, 0.8], abs=1e-5)
    assert found.classes.tolist() == [0, 1]


def test_the_same_model_gives_the_same_file(exported, tmp_path):
    """Its hash is the bundle's proof."""
    for name in ("a.onnx", "b.onnx"):
        wrap_float_model(exported(), tmp_path / name, "segment", channels=3)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def half_on_gpu(text):
    """Traced in half precision: its input and output are float16 too."""
    return text.replace("float[", "float16[")


def half_on_cpu(text):
    """Converted once exported: input and output keep their type, and a cast stands behind what needs it."""
    # 15360: the bits of 1.0, as ONNX's text has float16.
    return """
<ir_version: 8, opset_import: ["" : 17]>
exported (float[N,3,H,W] image) => (float[N,3,H,W] output0)
<float16[1] weight = {15360}>
{
    product = Mul (half_image, weight)
    output0 = Cast <to = 1> (product)
    half_image = Cast <to = 10> (image)
}
"""


@pytest.mark.parametrize(("edit", "which"), [(half_on_gpu, "its input image"), (half_on_cpu, "its weight weight")])
def test_an_export_in_half_precision_is_refused_with_how_to_export_it(exported, tmp_path, edit, which):
    """Not with what ONNX's checker finds in it: nodes in a wrong order say nothing of half=True."""
    wanted = rf"exported\.onnx: is float16 already \({which}\); export it in float32 .*half=False"
    with pytest.raises(ModelError, match=wanted):
        wrap_float_model(exported(edit=edit), tmp_path / "w.onnx", "segment", channels=3)
    assert not (tmp_path / "w.onnx").exists()


@pytest.mark.parametrize(
    ("make", "settings", "problem"),
    [
        ({"depth": 4}, {}, r"input image is FLOAT \['N', 4, 'H', 'W'\]; expected FLOAT \[1, 1 or 3"),
        ({"batch": 8}, {}, r"input image is FLOAT \[8, 3"),
        ({"edit": lambda text: text.replace("float[", "double[")}, {}, "input image is DOUBLE"),
        ({"depth": 1}, {}, "takes 1 channel; frames of 3 have more to show"),
        ({}, {"pixels": Pixels(mean=(0.5,))}, r"takes 3 channels; mean \(0.5,\) has 1"),
        ({}, {"output": "output1"}, r"has no output output1 \(there: output0\)"),
        (
            {"edit": lambda text: text.replace("image) =>", "image, float[1] size) =>")},
            {},
            "inputs are image, size; expected one",
        ),
        (
            {"edit": lambda text: text.replace(" output0)\n", " output0, float[1] more)\n").replace("}", "more = Identity (one) }")},
            {},
            "has outputs output0, more; say which one is meant",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_wrapped_is_refused_with_what_was_found(exported, tmp_path, make, settings, problem):
    """And nothing is written."""
    with pytest.raises(ModelError, match=rf"exported\.onnx: {problem}"):
        wrap_float_model(exported(**make), tmp_path / "w.onnx", "segment", channels=3, **settings)
    assert not (tmp_path / "w.onnx").exists()


# -- what the exporter says -------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["obb", "pose", "segment", "classify"])
def test_a_model_that_says_that_it_is_of_another_task_is_not_wrapped(exported, tmp_path, task):
    file = said(exported(), task=task)
    with pytest.raises(ModelError, match=rf"exported\.onnx: it says of itself that its task is {task}"):
        wrap_float_model(file, tmp_path / "w.onnx", "yolo", channels=3)
    assert not (tmp_path / "w.onnx").exists()


def test_what_the_exporter_says_stays_with_the_model(exported, tmp_path):
    """It is checked against the manifest where the model is opened."""
    words = {"task": "detect", "names": "{0: 'open', 1: 'short'}"}
    wrap_float_model(said(exported(), **words), tmp_path / "w.onnx", "yolo", channels=3)
    assert {entry.key: entry.value for entry in onnx.load(tmp_path / "w.onnx").metadata_props} == words


@pytest.mark.parametrize("kind", ["Softmax", "Sigmoid"])
def test_no_activation_is_put_behind_one(exported, tmp_path, kind):
    file = exported(edit=lambda text: text.replace("output0 = Mul (image, one)", f"raw = Mul (image, one) output0 = {kind} (raw)"))
    with pytest.raises(ModelError, match=f"its output comes out of a {kind} already; leave activation at 'none'"):
        wrap_float_model(file, tmp_path / "w.onnx", "segment", channels=3, activation="sigmoid")
    wrap_float_model(file, tmp_path / "w.onnx", "segment", channels=3)


def said(file, **words):
    """`file`, which says so of itself."""
    model = onnx.load(file)
    onnx.helper.set_model_props(model, words)
    onnx.save(model, file)
    return file
