"""Raw heads become the task yolo, each class of each candidate with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import check_file
from tests.unit.engine.exports.exported import decoded, described, manifest, run, saved, write

F32 = np.float32
CLASSES = ("ink", "scratch", "crack")


def adapted_of(folder, family, table, *, classes=CLASSES, told=(), said=(), sizes=()):
    file = write(folder / "exported.onnx", {"output0": table}, said=said, sizes=sizes)
    what = described(family, {"output0": table}, classes=classes, sizes=sizes)
    return adapt(what, file, channels=3, classes=told)


@st.composite
def tables(draw):
    """Objectness and classes of some candidates, (n, 5 + classes) as YOLOv5 has them."""
    count, candidates = draw(st.integers(1, 4)), draw(st.integers(1, 20))
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = numbers.uniform(0, 1, (candidates, 5 + count))
    table[:, :4] *= 60
    table[:, :4] += 2
    return table.astype(F32)


@given(tables())
@settings(max_examples=25, deadline=None)
def test_a_class_scores_its_probability_times_that_of_any_thing(tmp_path_factory, table):
    """YOLOv5: [1, n, 5 + classes]."""
    count = table.shape[1] - 5
    names = ("a", "b", "c", "d")[:count]
    adapted = adapted_of(tmp_path_factory.mktemp("v5"), "yolov5", table[None], classes=names)
    (heads,) = run(adapted)
    assert heads.shape == (1, 4 + count, len(table))
    for i, (x, y, width, height, thing, *classes) in enumerate(table.tolist()):
        assert heads[0, :4, i].tolist() == pytest.approx([x, y, width, height])
        assert heads[0, 4:, i].tolist() == pytest.approx([thing * each for each in classes], abs=1e-6)


def test_raw_heads_stay_as_they_are(tmp_path):
    """YOLOv8 to 26: [1, 4 + classes, n]; and the bundle's checks take what comes out."""
    table = np.random.default_rng(1).uniform(0, 1, (1, 7, 30)).astype(F32)
    said = {"task": "detect", "names": str(dict(enumerate(CLASSES))), "stride": "32", "end2end": "False"}
    adapted = adapted_of(tmp_path, "yolo", table, said=said)
    assert np.array_equal(run(adapted)[0], table)
    assert (adapted.output.task, adapted.output.classes, adapted.stride_px) == ("yolo", CLASSES, 32)
    check_file(saved(adapted, tmp_path), manifest(adapted), (64, 64, 3))


def test_a_class_that_is_named_good_is_no_defect(tmp_path):
    table = np.full((1, 7, 2), 0.9, F32)
    table[0, :4] = np.array([[30, 30, 20, 20]] * 2, F32).T
    found = decoded(adapted_of(tmp_path, "yolo", table, told=("ok", "scratch", "crack")))
    assert sorted(found.classes.tolist()) == [1, 1, 2, 2]


def test_other_names_than_the_files_own_are_taken_and_stay_with_the_model(tmp_path):
    """A bundle is checked against the names in its file."""
    said = {"task": "detect", "names": str(dict(enumerate(CLASSES))), "stride": "32"}
    adapted = adapted_of(tmp_path, "yolo", np.zeros((1, 7, 2), F32), told=("Tinte", "Kratzer", "Riss"), said=said)
    check_file(saved(adapted, tmp_path), manifest(adapted), (64, 64, 3))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        ({"told": ("scratch", "ink", "crack")}, "its own classes are ink, scratch, crack, in that order; --classes names"),
        ({"told": ("ink", "scratch")}, "has 3 classes, --classes names 2"),
        ({"classes": ()}, "names no classes; name 3 with --classes"),
        ({"sizes": [(1, None, 2)]}, r"output output0 is \[1, any, 2\], which leaves no classes beside the 4 values of a"),
        ({"table": np.zeros((1, 4, 2), F32)}, r"output output0 is \[1, 4, 2\], which leaves no classes"),
        ({"table": np.zeros((7, 2), F32)}, "output output0 has 2 dimensions; expected 3"),
        ({"table": np.zeros((1, 2, 5), F32), "family": "yolov5"}, r"is \[1, 2, 5\], which leaves no classes beside the 5"),
        ({"told": ("ok", "good", "normal")}, "are not some, but not all of"),
        ({"family": "own"}, "is a bundle's model already"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(tmp_path, make, problem):
    wanted = {"family": "yolo", "table": np.zeros((1, 7, 2), F32), **make}
    with pytest.raises(ModelError, match=rf"exported\.onnx: .*{problem}"):
        adapted_of(tmp_path, **wanted)
