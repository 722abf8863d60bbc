"""What a recorded part says as a label."""

import pytest

from aoi_daemon.messages import Defect, Reason
from aoi_daemon.recorder.export.labelling import Labelled, class_order, label
from aoi_daemon.records import queries
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import NOON

SIZE = (64, 48)


@pytest.fixture
def labelled(records):
    """Label a part of `reason` with `verdict` of a person."""

    def make(reason=Reason.DEFECT, verdict=None, unreviewed=False, image=True, **fields):
        row = records.add(1, reason, **fields)
        if image:
            records.add_image(row)
        if verdict is not None:
            review(records.writer, row, verdict, by="a", at=NOON)
        return label(queries.part(records.reader, row), SIZE, unreviewed=unreviewed)

    return make


def boxes(found):
    return [(box.name, box.x1, box.y1, box.x2, box.y2) for box in found.boxes]


def test_a_confirmed_defect_has_the_models_boxes(labelled):
    found = labelled(verdict="defect")
    assert boxes(found) == [("short", 1.0, 2.0, 30.0, 40.0), ("open", 5.0, 6.0, 7.0, 8.0)]
    assert found.image == "images/a.png"


@pytest.mark.parametrize("reason", [Reason.DEFECT, Reason.OPTICS, Reason.LATE])
def test_a_false_call_is_a_good_board(labelled, reason):
    assert labelled(reason, verdict="false_call").boxes == ()


@pytest.mark.parametrize(("reason", "unreviewed", "count"), [(Reason.DEFECT, True, 2), (Reason.NONE, True, 0), (Reason.DEFECT, False, None), (Reason.NONE, False, None)])
def test_what_nobody_reviewed_is_left_out_unless_asked_for(labelled, reason, unreviewed, count):
    found = labelled(reason, unreviewed=unreviewed)
    assert found == "not reviewed" if count is None else len(found.boxes) == count


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"reason": Reason.REGISTRATION, "verdict": "defect"}, "rejected for no defect"),
        ({"reason": Reason.LATE, "unreviewed": True}, "rejected for no defect"),
        ({"verdict": "defect", "image": False}, "without a picture"),
        ({"verdict": "defect", "defect_count": 17, "defects": (Defect(0, 0.9, 1.0, 1.0, 9.0, 9.0),) * 16}, "more than 16 defects"),
        ({"verdict": "defect", "defects": (Defect(0, 0.9, 70.0, 1.0, 90.0, 9.0),)}, "outside the picture"),
    ],
)
def test_what_would_teach_something_wrong_is_left_out(labelled, fields, why):
    """A bad board without its boxes would be learned as a good one."""
    assert why in labelled(**fields)


def test_boxes_of_an_aligned_part_are_moved_onto_its_frame(labelled):
    """The board lay 5 px right and 3 px up beside its template; boxes never leave the picture."""
    found = labelled(verdict="defect", offset_x=10, offset_y=-6)
    assert boxes(found) == [("short", 6.0, 0.0, 35.0, 37.0), ("open", 10.0, 3.0, 12.0, 5.0)]


def test_classes_are_in_the_models_order(labelled, records):
    found = labelled(verdict="defect")
    assert class_order([found]) == ("open", "short")
    assert class_order([]) == ()
    assert isinstance(found, Labelled)
