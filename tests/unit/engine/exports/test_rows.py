"""Rows of any number and order, as candidates of which none is lost unseen."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aoi_daemon.engine.exports.rows import CANDIDATES, fixed
from aoi_daemon.engine.exports.told import Told
from aoi_daemon.engine.exports.yolo.heads import finished
from aoi_daemon.errors import InferenceError
from tests.unit.engine.exports.answering import adapted, described, detections, export

CLASSES = ("a", "b", "c")


def rows_of(scores, seed=0):
    """Outputs of rows with these scores: boxes in px, labels 0 to 2."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, 20, (len(scores), 2))
    boxes = np.concatenate((starts, starts + rng.uniform(4, 12, (len(scores), 2))), 1).astype(np.float32)
    labels = rng.integers(0, 3, len(scores)).astype(np.int64)
    return {"boxes": boxes, "scores": np.array(scores, np.float32), "labels": labels}


def served(tmp_path, outputs):
    """What the line's executor says of a file that answers `outputs`, and leaves open how many rows it has."""
    file = export(
        tmp_path / "m.onnx", outputs, sizes={"boxes": ["n", 4], "scores": ["n"], "labels": ["n"]}
    )  # fmt: skip

    def adapt(sewn, about, told):
        heads = fixed(sewn, *(sewn.output(name) for name in ("boxes", "scores", "labels")), 3)
        return finished(sewn, about, Told(classes=CLASSES), heads, (3, CANDIDATES + 1))

    return detections(adapted(adapt, file, described(file)), tmp_path)


@settings(max_examples=10, deadline=None)
@given(
    count=st.one_of(st.integers(0, 420), st.sampled_from((0, 1, 99, 100, 101, 299, 300, 301))), seed=st.integers(0, 99)
)
@example(count=99, seed=0)
@example(count=100, seed=0)
@example(count=301, seed=0)
def test_all_rows_are_found_and_a_speck_where_some_may_have_been_dropped(tmp_path_factory, count, seed):
    """Whatever their number and order. From a hundred on the export, beyond CANDIDATES rows the graph has cut."""
    outputs = rows_of(np.random.default_rng(seed).permutation(count) / 512 + 0.0625, seed)
    boxes, found, labels = served(tmp_path_factory.mktemp("rows"), outputs)
    order = np.argsort(-outputs["scores"], kind="stable")[:CANDIDATES]
    is_speck = (boxes[:, 0] == boxes[:, 2]) & (boxes[:, 1] == boxes[:, 3])
    assert found[~is_speck].tolist() == pytest.approx(outputs["scores"][order].tolist(), abs=1e-6)
    assert np.allclose(boxes[~is_speck], outputs["boxes"][order], atol=1e-4)
    assert labels[~is_speck].tolist() == outputs["labels"][order].tolist()
    if count < 100:
        assert not is_speck.any()
    else:
        assert sorted(labels[is_speck]) == [0, 1, 2], "of each class"
        assert found[is_speck].tolist() == pytest.approx([outputs["scores"][order[-1]]] * 3, abs=1e-6)


@pytest.mark.parametrize("place", ["boxes", "scores"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_in_any_row_is_no_answer(tmp_path, place, value):
    """The last of 400 rows: sorting would cut it off, and the part would pass."""
    outputs = rows_of(np.linspace(0.9, 0.1, 400))
    outputs[place][399] = value
    with pytest.raises(InferenceError, match="not finite"):
        served(tmp_path, outputs)
