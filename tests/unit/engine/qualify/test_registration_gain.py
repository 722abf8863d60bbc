"""What registration gains on boards that lie beside their templates."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import BoardsError, read_pairs
from aoi_daemon.engine.qualify.qualify import boards_of
from aoi_daemon.engine.qualify.registration_gain import as_json, measure_gain
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions

COUNT = 16


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The reference model: whatever lies beside its template is a defect to it."""
    folder = tmp_path_factory.mktemp("bundle")
    make_reference_bundle(folder)
    return load_bundle(folder)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, bundle):
    """Some boards, half of them good; all defects of the one class that the reference model has."""
    folder = tmp_path_factory.mktemp("boards") / "set"
    write_boards(folder, COUNT, 5, BoardOptions(width_px=320, height_px=320, good_fraction=0.5))
    pairs = [replace(pair, classes=np.zeros_like(pair.classes)) for pair in read_pairs(folder)]
    return boards_of(pairs, bundle.manifest)


def test_boards_that_lie_beside_their_templates_are_called_falsely_unless_they_are_aligned(bundle, labelled):
    """And no bad board escapes for it; where they lie right, nothing is lost."""
    calls = []
    gain = measure_gain(bundle, labelled, [(0.0, 0.0), (5.0, 5.0)], threads=1, advance=lambda: calls.append(1))
    right, beside = gain.shifts
    good = right.aligned.agreement.false_calls.of
    assert 0 < good < COUNT
    assert right.aligned.agreement.false_calls.count <= right.as_it_comes.agreement.false_calls.count
    assert beside.as_it_comes.agreement.false_calls.count > good / 2
    assert beside.aligned.agreement.false_calls.count < good / 2
    assert beside.aligned.agreement.escapes.count <= right.as_it_comes.agreement.escapes.count
    assert len(calls) == 2 * COUNT
    assert (gain.boards, gain.max_offset_px) == (COUNT, pytest.approx(5 * 2**0.5 + 6))
    assert 0 < gain.median_ms <= gain.p99_ms


def test_boxes_are_compared_with_the_labels_where_they_lie_on_the_board(bundle, labelled):
    """So a shift that is known to the pixel changes no figure of boards that are aligned, but for the border."""
    gain = measure_gain(bundle, labelled, [(0.0, 0.0), (4.0, -2.0)], threads=1)
    right, beside = gain.shifts
    assert right.aligned.best.f_score > 0
    assert beside.aligned.best.f_score == pytest.approx(right.aligned.best.f_score, rel=0.25)


def test_what_is_found_on_a_frame_as_it_comes_is_moved_back_to_its_label(bundle, tmp_path):
    """The reference model's cells are 16 px: the defect fills one, and one shift further it fills the next."""
    template = np.full((320, 320), 220, np.uint8)
    cv2.putText(template, "AOI", (40, 250), cv2.FONT_HERSHEY_SIMPLEX, 4, 40, 20)
    test = template.copy()
    test[32:48, 160:176] = 40
    cv2.imwrite(str(tmp_path / "a_temp.png"), template)
    cv2.imwrite(str(tmp_path / "a_test.png"), test)
    (tmp_path / "a.txt").write_text("160 32 176 48 1\n")
    boards = boards_of(read_pairs(tmp_path), bundle.manifest)
    for row in measure_gain(bundle, boards, [(0.0, 0.0), (16.0, 0.0)], threads=1).shifts:
        assert int(row.as_it_comes.matches.right.sum()) == 1
        assert int(row.aligned.matches.right.sum()) == 1


def test_a_board_that_is_not_aligned_is_rejected_and_counted(bundle, labelled):
    """Here each is compared with the next one's template."""
    others = [
        replace(board, pair=replace(board.pair, template_path=other.pair.template_path))
        for board, other in zip(labelled, [*labelled[1:], labelled[0]], strict=True)
    ]
    (row,) = measure_gain(bundle, others, [(0.0, 0.0)], threads=1).shifts
    assert row.unaligned == COUNT
    assert row.aligned.agreement.escapes.count == 0
    assert row.aligned.agreement.false_calls.count == row.aligned.agreement.false_calls.of


def test_the_record_is_json(bundle, labelled):
    """Each figure beside the shift it is of."""
    record = json.loads(json.dumps(as_json(measure_gain(bundle, labelled[:2], [(1.0, 2.0)], threads=1))))
    assert record["shifts"][0]["shift_px"] == [1.0, 2.0]
    assert set(record["shifts"][0]["aligned"]) == set(record["shifts"][0]["as_it_comes"])
    assert record["cost_ms"]["median"] > 0


def test_nothing_to_measure_with_is_one_clear_error(bundle, labelled):
    """Nor are shifts that a frame is too small for."""
    with pytest.raises(BoardsError, match="no board, or no shift"):
        measure_gain(bundle, [], [(0.0, 0.0)])
    with pytest.raises(BoardsError, match="320x320 px, too small to be looked for 96 px around"):
        measure_gain(bundle, labelled, [(90.0, 0.0)])
