"""What is read by the GPU's peaks is what is read of all values: the same rows in the same order, the same errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.tasks import MapReading
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.decode.maps import Maps
from aoi_daemon.infer.decode.peaks import head_peaks, is_true, map_peaks, peaks_of
from aoi_daemon.infer.decode.yolo import YoloHeads
from aoi_daemon.infer.executor import TensorInfo
from tests.unit.infer.manifests import manifest_of

CLASSES = ("open", "short", "spur")
SEGMENT = manifest_of("segment", CLASSES, good_classes=("open",))
ANOMALY = manifest_of("anomaly", full_score=200.0)
THRESHOLDS = (0.0, 0.001, 0.3, 0.4, 1.0)  # half precision rounds 0.4 down
ODD = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1.0008, 1.002, -0.0008, -0.002, 70000.0)
"""What no model should say, or only just may."""
FEW = st.lists(st.tuples(st.integers(0, 2**31), st.sampled_from(ODD)), max_size=2)


def gpu_peaks(values, *, half):
    """Peaks (1, ...) of heads or maps as a GPU makes them: maximum and minimum pass over NaN. `half`: rounded by FP16."""
    with np.errstate(all="ignore"):
        if values.ndim == 2:
            scores = values[4:]
            found = np.stack((np.fmax.reduce(scores, axis=0), np.fmin.reduce(scores, axis=0), values.mean(axis=0)))
        else:
            tops = np.fmax.reduce(values, axis=2), np.fmax.reduce(values, axis=1)
            found = np.concatenate((*tops, np.fmin.reduce(values, axis=2), values.mean(axis=2)), axis=1)
        return (found.astype(np.float16) if half else found).astype(np.float32)[None]


def said(decoder, outputs, shape):
    """The rows, or the error's words."""
    try:
        return [(column.dtype, column.shape, column.tolist()) for column in decoder.decode(outputs, shape)]
    except InferenceError as error:
        return str(error)


def with_odd(values, odd):
    for place, value in odd:
        values.reshape(-1)[place % values.size] = value
    return values


def crowded(rng, size, dense, threshold):
    """Values 0 to 1: few, many or all near the threshold and at it to the last bit, the others below 0.2 of it."""
    exact = np.float32(threshold)
    near = [exact, np.nextafter(exact, np.float32(0)), np.float32(0.8), np.float32(threshold * 0.9995), np.float32(1)]
    return np.where(rng.random(size) < dense, rng.choice(near, size), rng.random(size) * threshold * 0.2).astype(
        np.float32
    )


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 2**31), st.integers(1, 40), st.sampled_from((0.0, 0.02, 0.3, 1.0)), st.sampled_from(THRESHOLDS),
    st.sampled_from(((), ("open",), ("short", "spur"))), FEW, st.booleans(),
)  # fmt: skip
def test_heads_are_read_by_peaks_as_without(seed, count, dense, least, good, odd, half):
    """Floor 0 too, at which everything counts."""
    rng = np.random.default_rng(seed)
    heads = np.concatenate((rng.uniform(0, 400, (4, count)), crowded(rng, (3, count), dense, least)))
    heads = with_odd(heads.astype(np.float32), odd)
    decoder = YoloHeads(manifest_of("yolo", CLASSES, good_classes=good), least_score=least)
    peaks = gpu_peaks(heads, half=half)
    assert said(decoder, [heads[None], peaks], (480, 640, 1)) == said(decoder, [heads[None]], (480, 640, 1))


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 2**31), st.tuples(st.integers(1, 30), st.integers(1, 30)), st.sampled_from((0.0, 0.01, 0.1, 1.0)),
    st.sampled_from(THRESHOLDS[1:]), st.sampled_from(("max", "mean")), st.sampled_from((0.0, 3.0)), FEW, st.booleans(),
    st.sampled_from((SEGMENT, ANOMALY)),
)  # fmt: skip
def test_maps_are_read_by_peaks_as_without(seed, size, dense, threshold, score, least_area, odd, half, manifest):
    """Areas, their order among equals and their scores."""
    full = 1.0 if manifest is SEGMENT else manifest.full_score
    rng = np.random.default_rng(seed)
    values = crowded(rng, (len(manifest.classes), *size), dense, threshold * full)
    values = with_odd(values if full != 1.0 else np.minimum(values, 1), odd)
    decoder = Maps(manifest, MapReading(threshold=threshold, score=score), min_area_px=least_area)
    peaks = gpu_peaks(values, half=half)
    assert said(decoder, [values[None], peaks], (*size, 1)) == said(decoder, [values[None]], (*size, 1))


@pytest.mark.parametrize("manifest", [manifest_of("yolo", CLASSES), SEGMENT, ANOMALY], ids=lambda one: one.task)
def test_a_nan_that_the_gpus_maximum_passes_over_is_an_engine_fault(manifest):
    """One place of thousands; the mean of its line hands it on."""
    values = np.full((7, 900) if manifest.task == "yolo" else (len(manifest.classes), 30, 30), 0.1, np.float32)
    values.reshape(-1)[-31] = np.nan
    with pytest.raises(InferenceError, match="not finite"):
        decoder_for(manifest).decode([values[None], gpu_peaks(values, half=False)], (480, 480, 1))


def test_what_cannot_reach_the_threshold_is_not_looked_at():
    """What it is all for: a candidate and a row that the peaks rule out are not read."""
    heads = np.full((7, 50), 0.1, np.float32)
    peaks = gpu_peaks(heads, half=False)
    heads[:4], heads[4, 7] = 50, 0.9
    decoder = YoloHeads(manifest_of("yolo", CLASSES), least_score=0.5)
    assert len(decoder.decode([heads[None], peaks], (480, 640, 1)).scores) == 0
    maps = np.full((1, 40, 30), 10, np.float32)
    peaks = gpu_peaks(maps, half=False)
    maps[0, 7, 7] = 190
    decoder = Maps(ANOMALY, MapReading(), min_area_px=0.0)
    assert len(decoder.decode([maps[None], peaks], (40, 30, 1)).scores) == 0
    assert len(decoder.decode([maps[None]], (40, 30, 1)).scores) == 1


@pytest.mark.parametrize("threshold", [0.4, 0.9])
def test_a_peak_that_half_precision_rounded_below_the_threshold_is_looked_at(threshold):
    """The value itself is at it."""
    assert np.float16(threshold) < np.float32(threshold)
    heads = np.full((7, 50), 0.1, np.float32)
    heads[:4], heads[4, 7] = 50, threshold
    decoder = YoloHeads(manifest_of("yolo", CLASSES), least_score=threshold)
    assert len(decoder.decode([heads[None], gpu_peaks(heads, half=True)], (480, 640, 1)).scores) == 1
    maps = np.zeros((3, 40, 30), np.float32)
    maps[1, 7, 9] = threshold
    decoder = Maps(SEGMENT, MapReading(threshold=threshold), min_area_px=0.0)
    assert len(decoder.decode([maps[None], gpu_peaks(maps, half=True)], (40, 30, 1)).scores) == 1


@pytest.mark.parametrize("shape", [(3, 49), (2, 50), (3, 51)])
def test_peaks_of_another_size_are_not_read(shape):
    """They are of another frame."""
    heads = np.full((7, 50), 0.1, np.float32)
    heads[:4], heads[4, 7] = 50, 0.9
    decoder = YoloHeads(manifest_of("yolo", CLASSES), least_score=0.5)
    assert len(decoder.decode([heads[None], np.zeros((1, *shape), np.float32)], (480, 640, 1)).scores) == 1


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (manifest_of("yolo", CLASSES), TensorInfo("peaks", "float32", (1, 3, None))),
        (SEGMENT, TensorInfo("peaks", "float32", (1, 3, None))),
        (ANOMALY, TensorInfo("peaks", "float32", (1, 1, None))),
        (manifest_of("classify", activation="sigmoid"), None),
        (manifest_of(), None),
    ],
)
def test_tasks_of_small_outputs_have_none(manifest, expected):
    assert peaks_of(manifest) == expected


@pytest.mark.parametrize(
    "values", [np.random.default_rng(0).random(size, np.float32) for size in ((7, 90), (2, 20, 30))]
)
def test_true_peaks_are_told_from_those_of_something_else(values):
    """Line by line: whichever of them is another's. Rounding to half precision is none."""
    true = head_peaks(values) if values.ndim == 2 else map_peaks(values)
    assert is_true(true[None], [values[None]])
    assert is_true(gpu_peaks(values, half=True), [values[None]])
    assert not is_true(true[None, :, :-1], [values[None]])
    for place in range(true.size):
        other = true.copy()
        other.reshape(-1)[place] += 0.02
        assert not is_true(other[None], [values[None]])
