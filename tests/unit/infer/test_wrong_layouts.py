"""A part with a crack in the middle, told by models in layouts that are not the contract: none of them passes it.

Each is refused when it is opened, by what the file says, or at its first part, where the file leaves sizes open.
"""

from pathlib import Path

import numpy as np
import pytest

from aoi_daemon.config.limits import ClassLimit, Region
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.messages import Reason
from tests.unit.infer.made_models import fixed
from tests.unit.infer.manifests import manifest_of

SIZE = HEIGHT, WIDTH = 240, 320
F32 = np.float32
FRAME = np.full((HEIGHT, WIDTH, 1), 90, np.uint8)
# What a nonsense box is lost in: a least size, and a region in the middle.
RECIPE = Recipe(
    id=1, name="r", bundle=Path("b"), width_px=WIDTH, height_px=HEIGHT,
    limits=(ClassLimit(name="*", min_width=8.0, min_height=8.0),),
    regions=(Region(kind="inspect", corners=((100.0, 80.0), (220.0, 160.0))),),
)  # fmt: skip
MANIFESTS = {
    "top100": manifest_of("top100", ("open", "crack")),
    "yolo": manifest_of("yolo", ("open", "crack")),
    "classify": manifest_of("classify", ("good", "crack"), good_classes=("good",)),
    "softmax": manifest_of("classify", ("good", "crack"), good_classes=("good",), activation="softmax"),
    "sigmoid": manifest_of("classify", ("good", "crack"), good_classes=("good",), activation="sigmoid"),
    "segment": manifest_of("segment", ("good", "crack"), good_classes=("good",)),
    "anomaly": manifest_of("anomaly", ("crack",)),
}


def heads(classes=2, candidates=1575):
    """(1, 4 + classes, candidates), in float32: background, and one candidate that is the crack."""
    table = np.full((4 + classes, candidates), 0.01, F32)
    table[:4] = np.random.default_rng(0).uniform(20, 200, (4, candidates))
    table[:4, 40] = 160, 120, 40, 20
    table[5, 40] = 0.9
    return table[None]


def with_rows(*rows, at=6):
    """The heads, and more rows."""
    table = heads()
    return np.concatenate((table[:, :at], np.array(rows, F32)[None], table[:, at:]), axis=1)


def in_shares(of=heads):
    """As a detector says it that was trained on shares of the frame."""
    table = of()
    table[0, :4] /= np.array([[WIDTH], [HEIGHT], [WIDTH], [HEIGHT]], F32)
    return table


def logits(values):
    inner = np.clip(values.astype(np.float64), 1e-4, 1 - 1e-4)
    return np.log(inner / (1 - inner)).astype(F32)


def logit_heads():
    table = heads()
    table[0, 4:] = logits(table[0, 4:])
    table[0, 5, 40] = 0.41  # probability 0.6
    return table


def corners_first():
    table = heads()
    half = table[:, 2:4] / 2
    return np.concatenate((table[:, :2] - half, table[:, :2] + half, table[:, 4:]), axis=1)


def end_to_end():
    rows = np.zeros((1, 300, 6), F32)
    rows[0, 0] = 140, 110, 180, 130, 0.9, 1
    return rows


def rows_of(**changed):
    """The three outputs of top100: one row is the crack, 99 fill up."""
    boxes, scores, classes = np.zeros((1, 100, 4), F32), np.zeros((1, 100), F32), np.zeros((1, 100), np.int32)
    boxes[0, 0], scores[0, 0], classes[0, 0] = (140, 110, 180, 130), 0.9, 1
    return {**{"boxes": boxes, "scores": scores, "classes": classes}, **changed}


def first_row(*box):
    boxes = np.zeros((1, 100, 4), F32)
    boxes[0, 0] = box
    return boxes


def maps(scale=1, height=HEIGHT, width=WIDTH):
    """(1, 2, h, w): good, and 40 x 20 places of crack in the middle."""
    values = np.full((1, 2, height // scale, width // scale), 0.05, F32)
    values[0, 0] = 0.95
    place = (slice(110 // scale, 130 // scale), slice(140 // scale, 180 // scale))
    values[(0, slice(None), *place)] = np.array([0.1, 0.9], F32)[:, None, None]
    return values


def labels():
    return maps().argmax(axis=1).astype(np.int64)


RIGHT = {
    "top100": rows_of(),
    "yolo": {"heads": heads()},
    "classify": {"scores": np.array([[0.1, 0.9]], F32)},
    "softmax": {"scores": np.array([[-1.0, 2.0]], F32)},
    "sigmoid": {"scores": np.array([[-1.0, 2.0]], F32)},
    "segment": {"maps": maps()},
    "anomaly": {"maps": maps(4)[:, 1:]},
}
WRONG = {
    "yolo": {
        "transposed": {"heads": heads().transpose(0, 2, 1)},
        "shares of the frame": {"heads": in_shares()},
        "objectness": {"heads": with_rows(np.full(1575, 0.9), at=4)},
        "objectness, transposed": {"heads": with_rows(np.full(1575, 0.9), at=4).transpose(0, 2, 1)},
        "angle": {"heads": with_rows(np.full(1575, -0.3))},
        "mask coefficients": {"heads": with_rows(*np.full((32, 1575), -0.5))},
        "masks and prototypes": {"heads": with_rows(*np.full((32, 1575), -0.5)), "output1": np.zeros((1, 32, 60, 80), F32)},
        "key points": {"heads": with_rows(*np.full((51, 1575), 90.0))},
        "end to end": {"heads": end_to_end()},
        "logits": {"heads": logit_heads()},
        "percent": {"heads": heads() * np.array([1, 1, 1, 1, 100, 100], F32)[:, None]},
        "classes before boxes": {"heads": heads()[:, [4, 5, 0, 1, 2, 3]]},
        "corners": {"heads": corners_first()},
        "one class too few": {"heads": heads(3)[:, [0, 1, 2, 3, 5]]},
        "one class too many": {"heads": heads(3)},
        "two frames": {"heads": np.repeat(heads(), 2, axis=0)},
        "no batch": {"heads": heads()[0]},
        "a level for each stride": {"heads": heads()[..., :1200].reshape(1, 6, 30, 40)},
        "float16": {"heads": heads().astype(np.float16)},
        "float64": {"heads": heads().astype(np.float64)},
        "int32": {"heads": heads().round().astype(np.int32)},
        "another name": {"output0": heads()},
    },
    "classify": {
        "logits": {"scores": np.array([[-1.0, 2.0]], F32)},
        "logits of an uncertain one": {"scores": np.array([[0.3, 0.4]], F32)},
        "classes last of four": {"scores": np.array([[[[0.1, 0.9]]]], F32)},
        "no batch": {"scores": np.array([0.1, 0.9], F32)},
        "the label alone": {"scores": np.array([[1]], np.int64)},
        "the defect alone": {"scores": np.array([[0.9]], F32)},
        "one class too many": {"scores": np.array([[0.1, 0.9, 0.0]], F32)},
        "float16": {"scores": np.array([[0.1, 0.9]], np.float16)},
        "percent": {"scores": np.array([[10, 90]], F32)},
    },
    "segment": {
        "channels last": {"maps": np.ascontiguousarray(maps().transpose(0, 2, 3, 1))},
        "logits": {"maps": logits(maps())},
        "percent": {"maps": maps() * 100},
        "labels": {"maps": labels()},
        "labels as a map": {"maps": labels()[:, None].astype(F32)},
        "labels as two maps": {"maps": np.repeat(labels()[:, None], 2, axis=1).astype(np.int32)},
        "the defect alone": {"maps": maps()[:, 1:]},
        "no batch": {"maps": maps()[0]},
        "width before height": {"maps": np.ascontiguousarray(maps().transpose(0, 1, 3, 2))},
        "width before height, smaller": {"maps": np.ascontiguousarray(maps(4).transpose(0, 1, 3, 2))},
        "larger than the frame": {"maps": maps().repeat(2, axis=2).repeat(2, axis=3)},
        "float16": {"maps": maps().astype(np.float16)},
        "nothing": {"maps": maps()[:, :, :0]},
    },
    "anomaly": {
        "channels last": {"maps": maps(4)[0, 1][None, :, :, None]},
        "no channel": {"maps": maps(4)[:, 1]},
        "one score": {"maps": np.array([[0.9]], F32)},
        "float64": {"maps": maps(4)[:, 1:].astype(np.float64)},
        "bytes": {"maps": (maps(4)[:, 1:] * 255).astype(np.uint8)},
        "width before height": {"maps": np.ascontiguousarray(maps(4)[:, 1:].transpose(0, 1, 3, 2))},
    },
    "top100": {
        "shares of the frame": rows_of(boxes=first_row(140 / 320, 110 / 240, 180 / 320, 130 / 240)),
        "all of the frame, in shares of it": rows_of(boxes=first_row(0, 0, 1, 1)),
        "centre and size": rows_of(boxes=first_row(160, 120, 40, 20)),
        "logits": rows_of(scores=logits(rows_of()["scores"])),
        "percent": rows_of(scores=rows_of()["scores"] * 100),
        "labels as floats": rows_of(classes=rows_of()["classes"].astype(F32)),
        "labels of 64 bit": rows_of(classes=rows_of()["classes"].astype(np.int64)),
        "labels from 1": rows_of(classes=rows_of()["classes"] + 1),
        "scores with a channel": rows_of(scores=rows_of()["scores"][..., None]),
        "boxes and scores under each other's name": rows_of(boxes=rows_of()["scores"], scores=rows_of()["boxes"]),
        "300 rows": {name: np.repeat(values, 3, axis=1) for name, values in rows_of().items()},
        "no batch": {name: values[0] for name, values in rows_of().items()},
        "float16": rows_of(boxes=rows_of()["boxes"].astype(np.float16)),
    },
}
CASES = [(task, layout) for task, layouts in WRONG.items() for layout in layouts]


def judged(file, manifest):
    """The verdict of the first part, as inspection comes to it."""
    with OnnxExecutor(file, manifest, threads=1, shape=FRAME.shape) as executor:
        executor.decoder = decoder_for(manifest, recipe_for(manifest))
        found = executor.infer(FRAME, None, NO_DEADLINE)
    return judge(found, Criteria.compile(recipe_for(manifest), manifest.classes), 0, slack_ns=1)


def recipe_for(manifest):
    return RECIPE.model_copy(update={"regions": (), "limits": ()}) if manifest.task == "classify" else RECIPE


@pytest.mark.parametrize("open_sizes", [False, True], ids=["sizes", "open"])
@pytest.mark.parametrize("task", RIGHT)
def test_in_the_right_layout_the_crack_is_found(tmp_path, task, open_sizes):
    """So that what is below rejects for the layout alone."""
    got = judged(fixed(tmp_path / "m.onnx", RIGHT[task], open_sizes=open_sizes), MANIFESTS[task])
    assert (got.passed, got.reason, got.defect_count) == (False, Reason.DEFECT, 1)


@pytest.mark.parametrize("open_sizes", [False, True], ids=["sizes", "open"])
@pytest.mark.parametrize(("task", "layout"), CASES)
def test_in_no_other_layout_it_passes(tmp_path, task, layout, open_sizes):
    """Refused when it is opened, or at the first part, or the crack is found all the same."""
    file = fixed(tmp_path / "m.onnx", WRONG[task][layout], open_sizes=open_sizes)
    try:
        got = judged(file, MANIFESTS[task])
    except InferenceError as error:  # ModelError is one
        assert str(error)
    else:
        assert not got.passed
        assert layout == "corners"  # a box of another size, with its centre where the crack's corner is


@pytest.mark.parametrize(("task", "maker"), [("softmax", "Softmax"), ("softmax", "Sigmoid"), ("sigmoid", "Sigmoid")])
def test_probabilities_are_not_taken_for_logits(tmp_path, task, maker):
    """Squeezed together once more, no score of two classes is above 0.74."""
    file = fixed(tmp_path / "m.onnx", RIGHT[task], makers={"scores": maker})
    with pytest.raises(InferenceError, match=rf"scores come out of a {maker}.*say activation = 'none'"):
        judged(file, MANIFESTS[task])
