"""A training that begins with a trained detector: a checkpoint, or the model that a bundle holds."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from aoi_daemon.kit.boards.labels import BoardsError  # noqa: E402  # after the skips
from tools.detector import start  # noqa: E402
from tools.detector.data import empty_tiles  # noqa: E402
from tools.detector.decoder import Decoder, fused  # noqa: E402
from tools.detector.export import export_onnx  # noqa: E402
from tools.detector.model import Detector, Shape  # noqa: E402
from tools.detector.plan import Plan  # noqa: E402
from tools.detector.pool import Pool  # noqa: E402
from tools.detector.train import Trainer  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    """A detector with statistics and scales that differ by channel."""
    torch.manual_seed(1)
    torch.set_num_threads(1)
    detector = Detector()
    for _ in range(3):
        detector.train()(torch.rand(2, 1, 96, 96) * 2 - 1, torch.rand(2, 1, 96, 96) * 2 - 1)
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.2)
    return detector.eval()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """Its file."""
    path = tmp_path_factory.mktemp("start") / "model.onnx"
    export_onnx(Decoder(fused(trained)), path)
    return path


def boards(count=8):
    """Random boards and templates, [count, 1, 96, 96]."""
    torch.manual_seed(2)
    return torch.rand(count, 1, 96, 96) * 2 - 1, torch.rand(count, 1, 96, 96) * 2 - 1


def test_an_exported_model_learns_on_from_what_it_computes(trained, exported):
    """Unfolded, it computes the same; in training as well, on the boards whose statistics it has."""
    folded = start.read(exported)
    assert start.is_folded(folded)
    unfolded = start.unfold(folded, *boards())
    assert not start.is_folded(unfolded)
    with torch.no_grad():
        wanted = trained(*boards())
        for network in (unfolded, unfolded.train(), fused(unfolded)):
            for mine, theirs in zip(network(*boards()), wanted, strict=True):
                assert torch.allclose(mine, theirs, atol=2e-3)


def pool():
    """Four boards of noise."""
    tiles = empty_tiles(4)
    tiles.images[:] = np.random.default_rng(3).integers(0, 256, tiles.images.shape)
    return Pool(tiles, 0, torch.device("cpu"))


def test_other_classes_keep_all_but_the_last_layer(trained, exported, tmp_path):
    """A detector of boards is a start for parts of one's own."""
    trainer = Trainer(Plan(minutes=1), tmp_path, pool(), Shape(classes=("scratch", "dent")))
    fresh = trainer.detector.class_out.weight.clone()
    trainer.start(start.read(exported))
    assert torch.allclose(trainer.detector.stem[0].weight, fused(trained).stem[0].weight)
    assert torch.equal(trainer.detector.class_out.weight, fresh)
    assert torch.equal(trainer.average.mix[0].weight, trainer.detector.mix[0].weight)


def test_a_detector_without_template_is_no_start_for_one_with(tmp_path):
    """Its first layer sees something else."""
    trainer = Trainer(Plan(minutes=1), tmp_path, pool())
    with pytest.raises(BoardsError, match=r"start: weights of shape .*template=False"):
        trainer.start(Detector(Shape(template=False)))


def test_files_that_are_no_start_are_refused_by_name(exported, tmp_path):
    """Missing, damaged, another's model, and one in half precision."""
    with pytest.raises(BoardsError, match=r"none.onnx: cannot be read"):
        start.read(tmp_path / "none.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(exported.read_bytes()[:1000])
    with pytest.raises(BoardsError, match=r"damaged.onnx: is not an ONNX file"):
        start.read(damaged)
    model = onnx.load(str(exported))
    for value in model.graph.initializer:
        if value.name.startswith(start.PREFIX):
            half = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(value).astype(np.float16), value.name)
            value.CopyFrom(half)
    onnx.save(model, str(tmp_path / "half.onnx"))
    with pytest.raises(BoardsError, match=r"take the bundle's fp32\.onnx"):
        start.read(tmp_path / "half.onnx")
    for value in model.graph.initializer:
        value.name = f"model.{value.name}"
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(BoardsError, match="does not hold this detector's"):
        start.read(tmp_path / "other.onnx")
