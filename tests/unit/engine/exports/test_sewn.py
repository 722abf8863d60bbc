"""The frame in front of an exported graph, and what is put behind it."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from aoi_daemon.engine.exports.sewn import Sewn
from aoi_daemon.engine.precision.wrap import IMAGENET, UNIT, Pixels
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports.answering import described


def write(tmp_path, body="out = Relu (image)", given="1,3,6,8", out="1,3,6,8", more=""):
    """A float model with an input `image`, as ours is called too."""
    file = tmp_path / "exported.onnx"
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[{given}] image{more}) => (float[{out}] out) {{ {body} }}'
    file.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return file


def sewn_of(file, channels=3, pixels=UNIT, **settings):
    about = described(file, **settings)
    return Sewn(onnx.load(str(file)), about, file, channels=channels, pixels=pixels)


def finished(sewn, sizes):
    return sewn.finished({"seen": (sewn.output("out"), TensorProto.FLOAT, sizes)})


def run(model, image):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["seen"], {"image": image[None]})[0]


def frame(channels=3):
    return np.random.default_rng(channels).integers(0, 256, (6, 8, channels), np.uint8)


NORMAL = (frame()[:, :, ::-1] / 255 - IMAGENET.mean) / IMAGENET.deviation


def test_a_picture_of_planes_is_made_of_the_frame(tmp_path):
    file = write(tmp_path, "out = Identity (image)")
    seen = run(finished(sewn_of(file, pixels=IMAGENET), (1, 3, 6, 8)), frame())
    assert np.allclose(seen, NORMAL.transpose(2, 0, 1)[None], atol=1e-5)


def test_a_picture_of_channels_last_is_made_of_the_frame(tmp_path):
    """As Keras has it: mean, deviation and order are those of the last dimension."""
    file = write(tmp_path, "out = Identity (image)", "1,6,8,3", "1,6,8,3")
    seen = run(finished(sewn_of(file, pixels=IMAGENET, layout="NHWC"), (1, 6, 8, 3)), frame())
    assert np.allclose(seen, NORMAL[None], atol=1e-5)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_colour_model_sees_a_mono_frame_three_times(tmp_path, layout):
    sizes = "1,3,6,8" if layout == "NCHW" else "1,6,8,3"
    file = write(tmp_path, "out = Identity (image)", sizes, sizes)
    seen = run(finished(sewn_of(file, 1, layout=layout), [int(size) for size in sizes.split(",")]), frame(1))
    expected = np.repeat(frame(1) / 255, 3, axis=2)[None]
    assert np.allclose(seen, expected if layout == "NHWC" else expected.transpose(0, 3, 1, 2), atol=1e-6)


def test_a_picture_without_a_batch_is_made_of_the_frame(tmp_path):
    """As torchvision's detectors take it."""
    file = write(tmp_path, "out = Identity (image)", "3,6,8", "3,6,8")
    seen = run(finished(sewn_of(file), (3, 6, 8)), frame())
    assert np.allclose(seen, (frame()[:, :, ::-1] / 255).transpose(2, 0, 1), atol=1e-6)


def test_a_file_of_two_pictures_is_shown_the_frame_twice_and_answers_once(tmp_path):
    """As anomalib's PatchCore is exported: a batch of two, fixed."""
    body = "half = Constant <value = float[2,1,1,1] {1.0, 0.5}> () out = Mul (image, half)"
    file = write(tmp_path, body, "2,3,6,8", "2,3,6,8")
    sewn = sewn_of(file, pixels=Pixels(scale=1.0))
    assert "takes 2 pictures at once" in sewn.notes[0]
    seen = run(finished(sewn, (1, 3, 6, 8)), frame())
    assert np.array_equal(seen[0], frame()[:, :, ::-1].transpose(2, 0, 1))


def test_a_frame_of_more_channels_than_the_model_takes_is_refused(tmp_path):
    file = write(tmp_path, given="1,1,6,8", out="1,1,6,8")
    with pytest.raises(ModelError, match="takes 1 channel; frames of 3 have more to show"):
        sewn_of(file, 3)


def test_an_input_that_nothing_is_bound_to_is_refused(tmp_path):
    file = write(tmp_path, "out = Mul (image, scale)", more=", float[1] scale")
    with pytest.raises(ModelError, match="wants scale beside the picture; export it with the picture alone"):
        finished(sewn_of(file), (1, 3, 6, 8))


def test_a_bound_input_has_the_type_that_the_file_wants(tmp_path):
    body = "factor = Cast <to = 1> (scale) out = Mul (image, factor)"
    file = write(tmp_path, body, more=", int64[1] scale")
    sewn = sewn_of(file, pixels=Pixels(scale=1.0, is_rgb=False))
    assert sewn.others == ("scale",)
    sewn.bind("scale", np.array([3.0]))
    seen = run(finished(sewn, (1, 3, 6, 8)), frame())
    assert np.array_equal(seen[0], 3.0 * frame().transpose(2, 0, 1))


def test_an_answer_of_other_sizes_than_are_announced_is_refused(tmp_path):
    with pytest.raises(ModelError, match="ONNX's checker refuses it once adapted"):
        finished(sewn_of(write(tmp_path)), (1, 3, 6, 9))


@pytest.mark.parametrize(
    ("body", "maker"),
    [
        ("out = Sigmoid (image)", "Sigmoid"),
        ("a = Softmax <axis = 1> (image) out = Identity (a)", "Softmax"),
        (
            "a = Sigmoid (image) b = Transpose <perm = [0, 1, 3, 2]> (a) out = Transpose <perm = [0, 1, 3, 2]> (b)",
            "Sigmoid",
        ),
        ("a = Sigmoid (image) out = Relu (a)", "Relu"),
    ],
)
def test_the_operator_behind_an_output_is_found_through_what_changes_no_number(tmp_path, body, maker):
    assert sewn_of(write(tmp_path, body)).maker_of("out") == maker


def test_a_softmax_of_an_attention_tells_no_classes_apart(tmp_path):
    attention = "a = Softmax <axis = 3> (image) t = Transpose <perm = [0, 1, 3, 2]> (image) b = MatMul (a, t) "
    body = attention + "out = MatMul (b, image)"
    assert not sewn_of(write(tmp_path, body)).tells_classes_apart()
    assert sewn_of(write(tmp_path, "out = Softmax <axis = 1> (image)")).tells_classes_apart()


@pytest.mark.parametrize("given", ["1,3,6,8", "1,3,H,W"])
def test_the_frames_size_is_known_to_the_graph(tmp_path, given):
    """From the file where that fixes it, else from the frame."""
    file = write(tmp_path, given=given, out=given)
    sewn = sewn_of(file)
    model = sewn.finished({"seen": (sewn.frame_px(), TensorProto.FLOAT, (4,))})
    assert run(model, frame()).tolist() == [8, 6, 8, 6]
