"""Raw YOLO heads become detections."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.decide.overlap import suppress_overlaps
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode import decode
from aoi_daemon.infer.decode_yolo import MAX_CANDIDATES, YoloHeads
from tests.unit.infer.manifests import manifest_of

SHAPE = (480, 640, 1)
CLASSES = ("open", "short", "spur")


def heads_of(candidates, classes=3):
    """(1, 4 + classes, n) from rows of (x, y, width, height, probability...)."""
    table = np.array(candidates, np.float32).reshape(-1, 4 + classes)
    return np.ascontiguousarray(table.T[None])


def decoded(heads, *, least_score=0.25, **settings):
    return YoloHeads(manifest_of("yolo", CLASSES, **settings), least_score=least_score).decode([heads], SHAPE)


def random_heads(seed, count=400, classes=3):
    """Things in the frame, some candidates around each, and background that scores next to nothing."""
    rng = np.random.default_rng(seed)
    things = rng.uniform((40, 40, 20, 20), (600, 440, 80, 80), (12, 4))
    boxes = things[rng.integers(0, 12, count)] + rng.normal(0, 3, (count, 4))
    scores = rng.uniform(0, 1, (count, classes)) * (rng.random((count, 1)) < 0.4)
    return heads_of(np.hstack((np.abs(boxes), scores)), classes)


def slow_nms(heads, least_score, overlap):
    """As it is written in the paper: one class after the other, the best first, leaving out what overlaps it more."""
    kept = []
    for label in range(heads.shape[1] - 4):
        rest = [
            (float(column[4 + label]), column[0] - column[2] / 2, column[1] - column[3] / 2,
             column[0] + column[2] / 2, column[1] + column[3] / 2)
            for column in heads[0].T if column[4 + label] >= least_score
        ]  # fmt: skip
        rest.sort(reverse=True)
        while rest:
            best, *rest = rest
            kept.append((label, *best))

            def iou(other, best=best):
                width = min(best[3], other[3]) - max(best[1], other[1])
                height = min(best[4], other[4]) - max(best[2], other[2])
                shared = max(width, 0) * max(height, 0)
                area = sum((box[3] - box[1]) * (box[4] - box[2]) for box in (best, other))
                return shared / (area - shared)

            rest = [other for other in rest if iou(other) <= overlap]
    return sorted(kept)


def nms(found, overlap):
    """What the judgement makes of the rows."""
    kept = suppress_overlaps(found.boxes, found.scores, found.classes, overlap)
    rows = zip(found.classes[kept].tolist(), found.scores[kept].tolist(), *found.boxes[kept].T.tolist(), strict=True)
    return sorted(rows)


def test_a_candidate_becomes_a_box_with_its_corners():
    """From centre, width and height."""
    found = decoded(heads_of([(100, 60, 40, 20, 0.1, 0.9, 0.0)]))
    assert found.boxes.tolist() == [[80, 50, 120, 70]]
    assert found.classes.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.9])
    assert [array.dtype for array in found] == [np.float32, np.float32, np.int32]


def test_every_class_of_a_candidate_counts_by_itself():
    """The recipe may tolerate the likeliest of them."""
    found = decoded(heads_of([(100, 60, 40, 20, 0.6, 0.3, 0.2)]))
    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == pytest.approx([0.6, 0.3])


def test_the_threshold_itself_is_handed_on():
    """The judgement counts it, too."""
    heads = heads_of([(100, 60, 40, 20, 0.25, 0.2499, 0.0)])
    assert decoded(heads).classes.tolist() == [0]


def test_classes_that_are_no_defect_are_left_out():
    """However sure the model is of them."""
    heads = heads_of([(100, 60, 40, 20, 0.9, 0.5, 0.8)])
    assert decoded(heads, good_classes=("open",)).classes.tolist() == [2, 1]


def test_no_candidate_gives_no_row():
    """Neither of none nor of many."""
    for heads in (heads_of([]), heads_of([(9, 9, 9, 9, 0, 0, 0)] * 50)):
        found = decoded(heads)
        assert [array.shape for array in found] == [(0, 4), (0,), (0,)]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.01, 0.25, 0.6)), st.sampled_from((0.3, 0.5, 0.7)))
def test_with_the_judgements_suppression_it_is_yolos_own_decoding(seed, least_score, overlap):
    """Held against the algorithm, written out plainly."""
    heads = random_heads(seed, count=120)
    found = decoded(heads, least_score=least_score)
    assert len(found.scores) <= MAX_CANDIDATES
    assert np.allclose(nms(found, overlap), slow_nms(heads, least_score, overlap), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_ultralytics(seed):
    """Where that package is installed; it is not one of ours."""
    pytest.importorskip("ultralytics")
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from ultralytics.utils.nms import non_max_suppression
        except ImportError:
            from ultralytics.utils.ops import non_max_suppression
    heads = random_heads(seed)
    theirs = non_max_suppression(
        torch.from_numpy(heads.copy()), conf_thres=0.25, iou_thres=0.5, multi_label=True, max_det=1000
    )[0]
    rows = sorted((int(row[5]), *(float(row[i]) for i in (4, 0, 1, 2, 3))) for row in theirs)
    assert np.allclose(nms(decoded(heads), 0.5), rows, atol=0.01)


def test_the_best_are_handed_on_when_there_are_too_many():
    """In falling order; the frame has more defects than any recipe tolerates."""
    rng = np.random.default_rng(0)
    heads = np.concatenate((rng.uniform(10, 400, (1, 4, 3000)), rng.uniform(0.3, 1, (1, 3, 3000))), axis=1)
    found = decoded(heads.astype(np.float32))
    best = np.sort(heads[0, 4:].astype(np.float32).ravel())[::-1][:MAX_CANDIDATES]
    assert np.array_equal(found.scores, best)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 3, 4, 6])
def test_what_is_not_finite_is_an_engine_fault(row, value):
    """Also where the candidate would not have counted: a NaN is below any threshold."""
    heads = random_heads(1)
    heads[0, row, 17] = value
    with pytest.raises(InferenceError, match="not finite"):
        decoded(heads)


def test_logits_are_an_engine_fault():
    """Exported without the last sigmoid."""
    with pytest.raises(InferenceError, match="is a sigmoid missing"):
        decoded(heads_of([(100, 60, 40, 20, 3.5, 0.1, -2)]))


def test_what_rounding_leaves_above_one_is_one():
    """Half precision does; `decode`, which qualification takes, bears no more than 1."""
    found = decoded(heads_of([(100, 60, 40, 20, 1.0005, 0.1, 0)]))
    assert decode(found, floor=0.0, class_count=3).scores.tolist() == [1.0]


def test_the_outputs_are_left_alone():
    """They are the engine's."""
    heads = random_heads(2)
    before = heads.copy()
    decoded(heads)
    assert np.array_equal(heads, before)
