"""anomalib's models, as the line reads them."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.exports.anomaly import adapt_anomaly
from aoi_daemon.errors import InferenceError, ModelError
from tests.unit.engine.exports.answering import HEIGHT, WIDTH, adapted, described, detections, export


def anomalib(folder, mapped, score, *, label=0.5, mask=0.5, names=("pred_score", "anomaly_map"), folded=True):
    """Score, label, map and mask as anomalib exports them, with these thresholds."""
    file = export(
        folder / "m.onnx",
        {names[0]: np.array([[score]], np.float32), names[1]: mapped.reshape(1, 1, HEIGHT, WIDTH)},
    )
    model = onnx.load(str(file))
    for of, limit, name in ((names[0], label, "pred_label"), (names[1], mask, "pred_mask")):
        if limit is None:
            continue
        if folded:
            model.graph.initializer.append(numpy_helper.from_array(np.array(limit, np.float32), f"{name}/limit"))
        else:
            model.graph.initializer.append(numpy_helper.from_array(np.array(1.0, np.float32), f"{name}/one"))
            model.graph.initializer.append(numpy_helper.from_array(np.array(1 - limit, np.float32), f"{name}/rest"))
            model.graph.node.append(helper.make_node("Sub", [f"{name}/one", f"{name}/rest"], [f"{name}/limit"]))
        model.graph.node.append(helper.make_node("Greater", [of, f"{name}/limit"], [name]))
        sizes = [1, 1] if name == "pred_label" else [1, 1, HEIGHT, WIDTH]
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.BOOL, sizes))
    file.write_bytes(model.SerializeToString())
    return file


def a_map(seed=0, low=0.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, (HEIGHT, WIDTH)).astype(np.float32)


def spots():
    """Two strange areas in a quiet map: rows 4 to 9, columns 8 to 15 of 0.75, and one place of 0.625."""
    mapped = np.full((HEIGHT, WIDTH), 0.1, np.float32)
    mapped[4:10, 8:16] = 0.75
    mapped[20, 30] = 0.625
    return mapped


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999), score=st.floats(0, 1, width=32), label=st.floats(0.125, 0.875, width=16),
    mask=st.floats(0.125, 0.875, width=16), high=st.sampled_from([0.1, 0.5, 1.0]),
)  # fmt: skip
def test_a_part_is_bad_where_its_own_label_says_so(tmp_path_factory, seed, score, label, mask, high):
    """Whatever its map: of the two, neither follows from the other. At the very threshold it is bad."""
    folder = tmp_path_factory.mktemp("m")
    made = adapted(adapt_anomaly, anomalib(folder, a_map(seed, high=high), score, label=label, mask=mask))
    _, scores, _ = detections(made, folder)
    assert bool(scores.size) == (np.float32(score) >= np.float32(label))
    if scores.size:
        assert scores[0] == pytest.approx(min(score / (2 * label), 1.0), abs=1e-6)
        assert scores[0] >= 0.5, "a recipe's limit of 0.5 counts it"


@pytest.mark.parametrize("score", [0.625, 0.75, 1.0])
def test_what_is_marked_in_a_bad_part_is_its_mask(tmp_path, score):
    boxes, scores, _ = detections(adapted(adapt_anomaly, anomalib(tmp_path, spots(), score)), tmp_path)
    assert sorted(boxes.tolist()) == [[8, 4, 16, 10], [30, 20, 31, 21]]
    assert scores.max() == pytest.approx(score)


def test_a_bad_part_without_a_mask_is_marked_where_it_is_strangest(tmp_path):
    boxes, scores, _ = detections(adapted(adapt_anomaly, anomalib(tmp_path, spots() / 2, 0.875)), tmp_path)
    assert boxes.tolist() == [[8, 4, 16, 10]]
    assert scores.tolist() == pytest.approx([0.875])


def test_a_mask_with_a_threshold_of_its_own_is_kept(tmp_path):
    """Label at 0.5, mask at 0.7: the place of 0.625 is none of it."""
    boxes, _, _ = detections(adapted(adapt_anomaly, anomalib(tmp_path, spots(), 0.75, mask=0.7)), tmp_path)
    assert boxes.tolist() == [[8, 4, 16, 10]]


def test_a_threshold_that_the_exporter_left_to_be_computed_is_read(tmp_path):
    made = adapted(adapt_anomaly, anomalib(tmp_path, spots(), 0.75, label=0.25, mask=0.7, folded=False))
    assert made.output.full_score == pytest.approx(0.5)
    assert detections(made, tmp_path)[0].tolist() == [[8, 4, 16, 10]]


def test_scores_that_are_no_shares_are_taken(tmp_path):
    """Exported without normalisation: distances, with a threshold among them."""
    made = adapted(adapt_anomaly, anomalib(tmp_path, spots() * 40, 29.0, label=24.0, mask=24.0))
    boxes, scores, _ = detections(made, tmp_path)
    assert sorted(boxes.tolist()) == [[8, 4, 16, 10], [30, 20, 31, 21]]
    assert scores.max() == pytest.approx(29 / 48)


def test_a_map_alone_takes_the_threshold_that_is_told(tmp_path):
    """As older exports are; nobody knows it else."""
    file = export(tmp_path / "m.onnx", {"output": spots().reshape(1, 1, HEIGHT, WIDTH) * 40})
    with pytest.raises(ModelError, match=r"from which value on a part is bad .*metadata\.json.* --threshold"):
        adapted(adapt_anomaly, file)
    boxes, scores, _ = detections(adapted(adapt_anomaly, file, threshold=28.0, classes=("strange",)), tmp_path)
    assert boxes.tolist() == [[8, 4, 16, 10]]
    assert scores.tolist() == pytest.approx([30 / 56])


def test_a_threshold_that_is_told_goes_before_the_files(tmp_path):
    made = adapted(adapt_anomaly, anomalib(tmp_path, spots(), 0.75), threshold=0.8)
    assert not detections(made, tmp_path)[1].size


def test_a_part_that_is_equally_strange_everywhere_is_marked_everywhere(tmp_path):
    boxes, _, _ = detections(adapted(adapt_anomaly, anomalib(tmp_path, spots() * 0, 0.75)), tmp_path)
    assert boxes.tolist() == [[0, 0, WIDTH, HEIGHT]]


@pytest.mark.parametrize("limit", [float("nan"), 0.0, -1.0, float("inf")])
def test_a_threshold_that_is_none_is_refused(tmp_path, limit):
    """NaN is what a model has that was never validated: its label would be good, always."""
    with pytest.raises(ModelError, match="which is no threshold; validate the model"):
        adapted(adapt_anomaly, anomalib(tmp_path, spots(), 0.75, label=limit))


@pytest.mark.parametrize("where", ["map", "score"])
def test_a_number_that_is_not_finite_is_no_answer(tmp_path, where):
    mapped = spots()
    mapped[3, 3] = np.nan if where == "map" else 0.0
    made = adapted(adapt_anomaly, anomalib(tmp_path, mapped, np.nan if where == "score" else 0.2))
    with pytest.raises(InferenceError, match="not finite"):
        detections(made, tmp_path)


def test_a_score_without_a_map_is_refused(tmp_path):
    file = export(tmp_path / "m.onnx", {"pred_score": np.ones((1, 1), np.float32)})
    with pytest.raises(ModelError, match="has no map of how strange each place is; expected anomaly_map"):
        adapted(adapt_anomaly, file, described(file, "anomaly", "anomaly"))


def test_an_anomaly_map_has_one_class(tmp_path):
    with pytest.raises(ModelError, match=r"an anomaly map has one class, not 2 \(a, b\)"):
        adapted(adapt_anomaly, anomalib(tmp_path, spots(), 0.75), classes=("a", "b"))
