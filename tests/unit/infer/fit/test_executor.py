"""An executor for frames that the model does not take as they are."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, warm_up
from aoi_daemon.infer.fit import executor as fit_executor
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor, runs_of
from aoi_daemon.infer.fit.geometry import Takes, plan_fit
from aoi_daemon.infer.open import open_executor, open_fitted
from aoi_daemon.inspection.gauge import Gauge
from tests.unit.infer.fit.seeing import Seeing
from tests.unit.infer.manifests import manifest_of

FRAME = (96, 112, 1)
TILES = Fit(kind="tiles", width_px=48, height_px=48, overlap_px=16)


def fitted(fit=TILES, frame=FRAME, manifest=None, templates=(), **keys):
    plan = plan_fit(fit, frame, Takes(None, None))
    model = Seeing(plan.model, **keys)
    cutting = Cutting(plan, templates, has_template=model.has_template)
    return FittedExecutor(model, plan, manifest or manifest_of(), cutting, least_score=0.5), model


def test_each_tile_is_shown_to_the_model_beside_the_same_tile_of_the_template():
    frame, template = (np.random.default_rng(seed).integers(0, 200, FRAME, np.uint8) for seed in (0, 1))
    executor, model = fitted(has_template=True)
    executor.infer(frame, template, 2**60)
    assert len(model.seen) == 9
    assert set(model.deadlines) == {2**60}
    for (image, beside), (y, x) in zip(model.seen, [(y, x) for y in (0, 24, 48) for x in (0, 32, 64)], strict=True):
        np.testing.assert_array_equal(image, frame[y : y + 48, x : x + 48])
        np.testing.assert_array_equal(beside, template[y : y + 48, x : x + 48])


@pytest.mark.parametrize("after", range(9))
def test_time_that_runs_out_between_two_tiles_ends_the_part(monkeypatch, after):
    """After each number of tiles: there is no verdict by those that were seen, and the next part has all its time."""
    executor, model = fitted()
    frame = np.zeros(FRAME, np.uint8)
    monkeypatch.setattr(fit_executor, "time", SimpleNamespace(monotonic_ns=lambda: 100 * len(model.seen)))
    if after:
        with pytest.raises(InferenceTimeoutError, match=f"{after} of 9"):
            executor.infer(frame, None, 100 * after)
        assert len(model.seen) == after
    model.seen.clear()
    executor.infer(frame, None, 900)
    assert len(model.seen) == 9


def test_time_that_runs_out_in_a_tile_and_an_engine_that_fails_in_one_end_the_part():
    for error in (InferenceTimeoutError("over"), InferenceError("broken")):
        executor, model = fitted()
        model.infer = lambda *_, error=error: (_ for _ in ()).throw(error)
        with pytest.raises(type(error), match=str(error)):
            executor.infer(np.zeros(FRAME, np.uint8), None, NO_DEADLINE)


def test_frames_of_the_models_size_go_to_it_as_they_are():
    """So do golden parts of the bundle, which prove the engine."""
    executor, model = fitted()
    part = np.zeros((48, 48, 1), np.uint8)
    part[4:9, 5:11] = 201
    assert executor.infer(part, None, NO_DEADLINE).boxes.tolist() == [[5, 4, 11, 9]]
    assert len(model.seen) == 1
    with pytest.raises(InferenceError, match="the frame is"):
        executor.infer(np.zeros((96, 113, 1), np.uint8), None, NO_DEADLINE)
    with pytest.raises(InferenceError):
        fitted(has_template=True)[0].infer(np.zeros(FRAME, np.uint8), np.zeros((48, 48, 1), np.uint8), NO_DEADLINE)


def test_a_decoder_that_is_put_in_reads_each_piece():
    executor, model = fitted()
    heard = []
    executor.decoder = SimpleNamespace(decode=lambda outputs, shape: heard.append(shape) or model.decode(outputs, shape))
    executor.infer(np.zeros(FRAME, np.uint8), None, NO_DEADLINE)
    assert heard == [(48, 48, 1)] * 9


@pytest.mark.parametrize(("runs", "frames"), [(50, 6), (100, 12), (9, 3), (2, 2), (1, 1)])
def test_a_frame_in_tiles_warms_up_as_many_pictures_of_the_model_do(runs, frames):
    """Else the start of a line with 42 tiles would take 42 times as long."""
    executor, model = fitted()
    assert runs_of(executor, runs) == frames
    assert runs_of(model, runs) == runs


def test_it_is_closed_with_what_it_wraps_and_names_both():
    executor, model = fitted()
    assert executor.name == "seeing, fit tiles, 3 x 3 of 48 x 48 px"
    with executor:
        assert not model.is_closed
    assert model.is_closed


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    make_reference_bundle(folder)
    return load_bundle(folder)


def parts(shape=(400, 600, 1)):
    """A template, and a frame whose defect lies where four tiles of 320 x 320 px meet."""
    template = np.random.default_rng(0).integers(60, 200, (shape[0] // 20, shape[1] // 20, 1), np.uint8)
    template = np.kron(template, np.ones((20, 20, 1), np.uint8))
    frame = template.copy()
    frame[170:230, 270:330] = 255 - frame[170:230, 270:330]
    return frame, template


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("fit", [TILES.model_copy(update={"width_px": 320, "height_px": 320}), Fit(kind="resize", width_px=320, height_px=320)])
def test_each_back_end_runs_a_fit_and_finds_the_defect_where_it_is(reference, backend, fit):
    frame, template = parts()
    section = InspectionSection(backend=backend, precision="fp32")
    with open_fitted(reference, section, frame.shape, fit, templates=[template]) as executor:
        executor.decoder = decoder_for(reference.manifest)
        assert len(warm_up(executor, frame.shape, runs=2)) == 2
        found = executor.infer(frame, template, time.monotonic_ns() + 20_000_000_000)
        boxes = found.boxes[found.scores >= 0.5]
        assert len(boxes)
        around = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
        assert around == pytest.approx((270, 170, 330, 230), abs=40)
        assert not (executor.infer(template, template, NO_DEADLINE).scores >= 0.5).any()
        # Over before it began: no tile is looked at.
        with pytest.raises(InferenceTimeoutError):
            executor.infer(frame, template, time.monotonic_ns())


def test_an_exact_fit_is_the_back_end_itself(reference):
    section = InspectionSection(backend="onnx")
    with open_fitted(reference, section, (64, 64, 1), Fit()) as one, open_executor(reference, section, (64, 64, 1)) as other:
        assert type(one) is type(other)


def test_a_fit_that_does_not_come_out_is_refused_when_it_is_opened(reference):
    with pytest.raises(ModelError, match=r"fit\.height_px: missing"):
        open_fitted(reference, InspectionSection(backend="onnx"), (400, 600, 1), Fit(kind="tiles"))


@pytest.mark.parametrize("fit", [TILES, Fit(kind="resize", width_px=64, height_px=64), Fit()])
def test_whoever_reads_the_outputs_again_finds_what_lies_below_the_limits_in_all_pieces(reference, tmp_path, fit):
    """As `qualify` does: the same frame, read with the recipe's limit and without."""
    recipe = Recipe(
        id=1, name="r", bundle=reference.folder, width_px=128, height_px=96, fit=fit,
        limits=({"name": "*", "score": 1.0},),
    )  # fmt: skip
    template = np.full((96, 128, 1), 100, np.uint8)
    template[::2] = 180
    frame = template.copy()
    for x, y in ((16, 16), (96, 64)):
        frame[y : y + 16, x : x + 16] = 255 - frame[y : y + 16, x : x + 16] // 2
    with Gauge(recipe, InspectionSection(backend="onnx"), reference) as gauge:
        for _ in range(2):
            found = gauge.found(gauge.see(frame, template, 0))
            centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
            for x, y in ((24, 24), (104, 72)):
                assert (np.abs(centres - (x, y)).max(axis=1) <= 16).any()
        assert len(gauge._heard.pieces) == (12 if fit.kind == "tiles" else 1)
