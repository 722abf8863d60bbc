"""The reference-difference model, on boards drawn here."""

import numpy as np
import onnx
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle, make_reference_model
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor

COPPER, SUBSTRATE = 60, 190


def board(height=160, width=208):
    """Traces of 12 px, 16 px apart, and pads of 24 px on every third."""
    image = np.full((height, width, 1), SUBSTRATE, np.uint8)
    for top in range(10, height - 12, 28):
        image[top : top + 12, 12 : width - 12] = COPPER
    for top in range(4, height - 24, 84):
        for left in range(20, width - 44, 60):
            image[top : top + 24, left : left + 24] = COPPER
    return image


@pytest.fixture(scope="module")
def executor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    make_reference_bundle(folder)
    bundle = load_bundle(folder)
    with OnnxExecutor(bundle.model_path("fp32"), bundle.manifest, threads=2) as executor:
        yield executor


def verdict(executor, image, template):
    recipe = Recipe(id=1, name="r", bundle="b", width_px=image.shape[1], height_px=image.shape[0])
    found = executor.infer(np.ascontiguousarray(image), template, NO_DEADLINE)
    return judge(found, Criteria.compile(recipe, ("difference",)), 0, slack_ns=0)


def test_a_board_like_its_template_passes(executor):
    """With no evidence at all."""
    assert executor.infer(board(), board(), NO_DEADLINE).scores.max() == 0


@pytest.mark.parametrize("at", [(54, 100), (40, 61), (12, 28), (0, 0), (152, 200), (98, 102)])
def test_a_defect_of_8_by_8_px_is_found(executor, at):
    """Surplus copper on the ground and missing copper on a trace or pad; a box over it is reported."""
    template, (y, x) = board(), at
    image = template.copy()
    there = image[y : y + 8, x : x + 8]
    there[:] = SUBSTRATE if there[4, 4, 0] == COPPER else COPPER
    got = verdict(executor, image, template)
    assert not got.passed
    worst = got.defects[0]
    assert worst.x1 < x + 8
    assert x < worst.x2
    assert worst.y1 < y + 8
    assert y < worst.y2


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (-1, 1), (2, -2), (-2, 0)])
def test_a_board_a_little_beside_its_template_gives_no_evidence(executor, shift):
    """Up to 2 px in each direction."""
    beside = np.roll(board(), shift, axis=(0, 1))
    assert executor.infer(beside, board(), NO_DEADLINE).scores.max() < 0.01


def test_a_board_far_beside_its_template_is_rejected(executor):
    """It cannot be judged, and must not pass."""
    assert not verdict(executor, np.roll(board(), (8, 0), axis=(0, 1)), board()).passed


def test_noise_and_a_change_of_light_pass(executor):
    """Deviation 6 gray levels, and 8 % more light."""
    noise = np.random.default_rng(0).normal(0, 6, board().shape)
    assert verdict(executor, np.clip(board() * 1.08 + noise, 0, 255).astype(np.uint8), board()).passed


def test_the_outputs_are_the_contract(executor):
    """100 rows, scores 0..1 falling, boxes inside the frame, class 0, whatever it looks at."""
    rng = np.random.default_rng(1)
    for height, width in ((16, 16), (17, 33), (100, 75), (160, 208)):
        pair = rng.integers(0, 256, (2, height, width, 1), np.uint8)
        boxes, scores, classes = executor.infer(pair[0], pair[1], NO_DEADLINE)
        assert np.isfinite(boxes).all()
        assert 0 <= scores.min() <= scores.max() <= 1
        assert (np.diff(scores) <= 0).all()
        assert boxes.min() >= 0
        assert boxes[:, [0, 2]].max() <= width
        assert boxes[:, [1, 3]].max() <= height
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert not classes.any()


@pytest.mark.parametrize("size", [(100, 75), (90, 203), (40, 24)])
def test_no_strip_at_the_border_is_left_out(executor, size):
    """A frame may be no multiple of 16 px: its last cells are smaller."""
    height, width = size
    template = np.full((height, width, 1), SUBSTRATE, np.uint8)
    image = template.copy()
    image[height // 16 * 16 :, width // 16 * 16 :] = COPPER
    assert (height, width) in {(d.y2, d.x2) for d in verdict(executor, image, template).defects}


def test_colour_is_looked_at_by_its_mean(tmp_path):
    """Three channels."""
    colour = np.repeat(board(), 3, axis=2)
    damaged = colour.copy()
    damaged[54:62, 100:108] = COPPER
    make_reference_bundle(tmp_path, [GoldenPair(damaged, colour, False)], channels=3)
    bundle = load_bundle(tmp_path)
    (part,) = bundle.golden()
    with OnnxExecutor(bundle.model_path("fp32"), bundle.manifest, threads=1, shape=colour.shape) as executor:
        assert verdict(executor, colour, colour).passed
        assert not verdict(executor, part.image, part.template).passed


def test_a_fixed_size_can_be_asked_for(tmp_path, manifest):
    """For back ends that build an engine for one."""
    file = tmp_path / "fixed.onnx"
    make_reference_model(file, size_px=(160, 208))
    with OnnxExecutor(file, manifest(has_template=True), threads=1, shape=(160, 208, 1)) as executor:
        assert verdict(executor, board(), board()).passed


def test_the_file_opens_with_old_runtimes(tmp_path):
    """onnxruntime 1.17 knows IR 9 and opset 20; TensorRT 8.6 opset 17."""
    make_reference_model(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    assert model.ir_version == 8
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
