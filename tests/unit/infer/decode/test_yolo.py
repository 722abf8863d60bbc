"""Raw YOLO heads become detections."""

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.decide.overlap import suppress_overlaps
from aoi_daemon.engine.precision.wrap import wrap_float_model
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.decode import decode
from aoi_daemon.infer.decode.yolo import YoloHeads
from aoi_daemon.infer.executor import NO_DEADLINE, Detections
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tests.unit.infer.manifests import manifest_of

SHAPE = (480, 640, 1)
CLASSES = ("open", "short", "spur")
MOST = 1000
"""That ultralytics may find."""
REAL_SIZE = (320, 416)
"""Height and width, px, of the frames that a real detector sees here."""


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


@pytest.mark.parametrize("good", CLASSES)
def test_of_many_candidates_each_is_left_out_by_its_own_class(good):
    """Whichever of them it is."""
    rows = [(100 + place, 60, 40, 20, *(0.5 + 0.1 * ((place + label) % 3) for label in range(3))) for place in range(7)]
    found = decoded(heads_of(rows), good_classes=(good,))
    expected = {(label, 100 + place) for place in range(7) for label in range(3) if CLASSES[label] != good}
    assert {(label, round(box[0]) + 20) for label, box in zip(found.classes.tolist(), found.boxes, strict=True)} == expected
    assert len(found.scores) == 14


def test_no_candidate_gives_no_row():
    """Neither of none nor of many."""
    for heads in (heads_of([]), heads_of([(9, 9, 9, 9, 0, 0, 0)] * 50)):
        found = decoded(heads)
        assert [array.shape for array in found] == [(0, 4), (0,), (0,)]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.01, 0.25, 0.6)), st.sampled_from((0.3, 0.5, 0.7)))
def test_with_the_judgements_suppression_it_is_yolos_own_decoding(seed, least_score, overlap):
    """Compared with the algorithm, written out plainly."""
    heads = random_heads(seed, count=120)
    found = decoded(heads, least_score=least_score)
    assert np.allclose(nms(found, overlap), slow_nms(heads, least_score, overlap), atol=1e-4)


@pytest.fixture(scope="module")
def ultralytics(tmp_path_factory):
    """That package, where it is installed: it is not one of ours. To run what needs it:

    python3 -m venv V && V/bin/pip install -e .[dev] ultralytics
    V/bin/python -m pytest tests/unit/infer/decode/test_yolo.py -k ultralytics
    """
    with pytest.MonkeyPatch.context() as patch:
        # It shall neither download nor install, nor leave its settings in the home.
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_AUTOINSTALL", "false")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("settings")))
        yield pytest.importorskip("ultralytics")


@pytest.fixture(scope="module", params=["yolov8n", "yolo11n"])
def exported(request, ultralytics, tmp_path_factory):
    """A detector of random weights, as `yolo export` writes it."""
    import torch
    import yaml
    from ultralytics.nn.tasks import yaml_model_load

    plan = tmp_path_factory.mktemp("exported") / f"{request.param}.yaml"
    plan.write_text(yaml.safe_dump({**yaml_model_load(plan.name), "nc": len(CLASSES)}))
    torch.manual_seed(0)
    detector = ultralytics.YOLO(plan)
    net, head = detector.model, detector.model.model[-1]
    # As they are drawn, no signal comes through, and all candidates are alike: two frames scale each layer.
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        net.train()(torch.from_numpy(np.concatenate([as_floats(noisy_frame(channels)) for channels in (1, 3)])))
        for boxes, scores in zip(head.cv2, head.cv3, strict=True):
            boxes[-1].weight *= 10  # of many sizes
            scores[-1].bias[:] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(plan.parent)
        return Path(detector.export(format="onnx", opset=17, imgsz=REAL_SIZE)).absolute()


def noisy_frame(channels):
    """Colours that run into each other."""
    rng = np.random.default_rng(7)
    height, width = REAL_SIZE
    image = cv2.resize(rng.integers(0, 200, (height // 8, width // 8, 3), np.uint8), (width, height))
    return np.ascontiguousarray((image + rng.integers(0, 56, image.shape, np.uint8))[..., :channels])


def as_floats(frame):
    """As a detector is trained: RGB, 0 to 1, channels first."""
    return np.ascontiguousarray(in_colour(frame)[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255


def in_colour(frame):
    """A mono frame is shown to each channel."""
    return np.repeat(frame, 3 // frame.shape[2], axis=2)


def heads_and_threshold(file, frame, count=450):
    """What the export says of `frame`, and a threshold that `count` of its candidates reach."""
    (heads,) = ort.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"images": as_floats(frame)})
    ranked = np.sort(heads[0, 4:].ravel())[::-1]
    return heads, float(ranked[count - 1 : count + 1].mean())


def their_nms(heads, least_score, overlap):
    """Rows as `nms` gives them. In float64, as they keep classes apart by some thousand px, and round IoUs by it."""
    import torch

    try:
        from ultralytics.utils.nms import non_max_suppression
    except ImportError:
        from ultralytics.utils.ops import non_max_suppression
    candidates = torch.from_numpy(heads.astype(np.float64))
    (found,) = non_max_suppression(candidates, least_score, overlap, multi_label=True, max_det=MOST)
    return sorted((int(row[5]), *(float(row[i]) for i in (4, 0, 1, 2, 3))) for row in found)


def assert_same(ours, theirs, *, least, score, px, strays=0):
    """Rows of (class, score, box), `least` of them: for each of one side one of the other, but for so many strays."""
    assert len(theirs) >= least
    assert abs(len(ours) - len(theirs)) <= strays
    far = np.abs(np.array(ours)[:, None] - np.array(theirs)) > (0, score, px, px, px, px)
    paired = ~far.any(axis=2)
    assert np.count_nonzero(~paired.any(axis=0)) <= strays
    assert np.count_nonzero(~paired.any(axis=1)) <= strays


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_ultralytics(ultralytics, seed):
    """On things with some candidates around each."""
    heads = random_heads(seed)
    assert_same(nms(decoded(heads), 0.5), their_nms(heads, 0.25, 0.5), least=30, score=1e-6, px=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.7])
def test_it_agrees_with_ultralytics_on_heads_of_their_own(exported, overlap):
    """Every class of a candidate by itself."""
    heads, least_score = heads_and_threshold(exported, noisy_frame(3))
    ours = nms(decoded(heads, least_score=least_score), overlap)
    assert_same(ours, their_nms(heads, least_score, overlap), least=50, score=1e-6, px=1e-3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("channels", [1, 3])
def test_a_wrapped_export_finds_what_ultralytics_predicts(ultralytics, exported, tmp_path, channels):
    """From the camera's frame to boxes in it. They leave to a candidate its likeliest class, and cut at the border."""
    frame = noisy_frame(channels)
    _, least_score = heads_and_threshold(exported, frame)
    (predicted,) = ultralytics.YOLO(exported, task="detect").predict(
        in_colour(frame), imgsz=REAL_SIZE, conf=least_score, iou=0.5, max_det=MOST, verbose=False
    )
    theirs = predicted.boxes.data[:, [5, 4, 0, 1, 2, 3]].tolist()

    wrap_float_model(exported, tmp_path / "w.onnx", "yolo", channels=channels)
    manifest = manifest_of("yolo", CLASSES, channels=channels)
    with OnnxExecutor(tmp_path / "w.onnx", manifest, threads=1, shape=frame.shape) as executor:
        executor.decoder = YoloHeads(manifest, least_score=least_score)
        found = executor.infer(frame, None, NO_DEADLINE)
    _, likeliest = np.unique(found.boxes, axis=0, return_index=True)
    ours = nms(Detections(*(column[np.sort(likeliest)] for column in found)), 0.5)
    height, width = REAL_SIZE
    ours = [(label, score, *np.clip(box, 0, (width, height) * 2)) for label, score, *box in ours]
    # Their pixels are divided by 255, ours multiplied: two that overlap by just 0.5 may be one here and two there.
    assert_same(ours, theirs, least=50, score=1e-4, px=0.1, strays=2)


def test_all_that_score_enough_are_handed_on():
    """In falling order, however many: which of them count is not known yet."""
    rng = np.random.default_rng(0)
    heads = np.concatenate((rng.uniform(10, 400, (1, 4, 3000)), rng.uniform(0.2, 1, (1, 3, 3000))), axis=1)
    found = decoded(heads.astype(np.float32))
    ranked = np.sort(heads[0, 4:].astype(np.float32).ravel())[::-1]
    assert np.array_equal(found.scores, ranked[ranked >= np.float32(0.25)])
    assert len(found.scores) > 8000


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


def test_logits_of_a_frame_with_nothing_on_it_are_an_engine_fault():
    """Nothing scores enough, and the part would pass; a defect of probability 0.6 would, too: its logit is 0.41."""
    with pytest.raises(InferenceError, match=r"probabilities -9\.2 to 0\.41; .*is a sigmoid missing"):
        decoded(heads_of([(100, 60, 40, 20, 0.41, -9.2, -3)]), least_score=0.5)


@pytest.mark.parametrize("whole", [1.0, 1.3])
def test_boxes_that_are_shares_of_the_frame_are_an_engine_fault(whole):
    """A region or a least size would drop all of them."""
    rows = [(0.5, 0.5, whole, whole, 0.9, 0, 0), (0.4, 0.1, 0.02, 0.03, 0.6, 0, 0), (300, 300, 9, 9, 0.1, 0, 0)]
    with pytest.raises(InferenceError, match=r"on a frame of 640 x 480 px: boxes seem normalised 0\.\.1"):
        decoded(heads_of(rows))


@pytest.mark.parametrize(
    "shape", [(1, 8400, 7), (1, 8, 8400), (1, 6, 8400), (1, 39, 8400), (1, 300, 6), (7, 8400), (2, 7, 8400)],
    ids=["transposed", "angle or objectness", "too few classes", "masks", "end to end", "rank", "batch"],
)  # fmt: skip
def test_heads_of_another_layout_are_an_engine_fault(shape):
    """A file may leave sizes open; nothing in them scores, and the part would pass."""
    with pytest.raises(InferenceError, match=r"the model gave heads float32 .*; expected heads float32 \[1, 7, any\]"):
        decoded(np.zeros(shape, np.float32))


@pytest.mark.parametrize(("score", "is_taken"), [(-0.0011, False), (-0.0009, True), (1.0009, True), (1.0011, False), (1.5, False)])
def test_a_thousandth_beyond_zero_and_one_is_rounding_and_more_is_no_probability(score, is_taken):
    heads = heads_of([(100, 60, 40, 20, 0.5, score, 0.1)])
    if is_taken:
        assert decoded(heads).scores.tolist() == ([1.0, 0.5] if score > 0.5 else [0.5])
    else:
        with pytest.raises(InferenceError, match="is a sigmoid missing"):
            decoded(heads)


def test_of_equal_scores_the_order_is_that_of_the_heads():
    """Class by class, and the same in every run."""
    scores = np.where(np.arange(600) % 3, 0.5, 0.75).reshape(2, 300)
    heads = np.concatenate((np.tile(np.arange(300.0) + 10, (4, 1)), scores, np.zeros((1, 300))))[None].astype(np.float32)
    found = decoded(heads)
    rows = list(zip((-found.scores).tolist(), found.classes.tolist(), found.boxes[:, 2].tolist(), strict=True))
    assert len(rows) == 600 and rows == sorted(rows)


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
