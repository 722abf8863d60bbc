"""Of which parts a picture is kept."""

import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.recorder.triage import has_frame, why_keep
from tests.unit.records.conftest import make_outcome

RUN = "f" * 32


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NONE])
def test_every_reject_and_every_fault_is_kept(reason):
    assert why_keep(make_outcome(1, reason), RUN, 0.0) == ("reject" if reason is Reason.DEFECT else "fault")


@pytest.mark.parametrize(("percent", "least", "most"), [(0.0, 0, 0), (1.0, 60, 140), (50.0, 4800, 5200), (100.0, 10_000, 10_000)])
def test_so_many_good_parts_are_sampled(percent, least, most):
    kept = sum(why_keep(make_outcome(part), RUN, percent) == "sample" for part in range(1, 10_001))
    assert least <= kept <= most


def test_no_place_in_a_cycle_is_preferred():
    """Replayed sets and carriers come round: each place of twelve is sampled about as often."""
    by_place = [0] * 12
    for part in range(24_000):
        by_place[part % 12] += why_keep(make_outcome(part), RUN, 10.0) is not None
    assert min(by_place) > 140 and max(by_place) < 260


def test_a_part_that_was_sampled_once_is_so_after_a_restart():
    assert [why_keep(make_outcome(part), RUN, 5.0) for part in range(99)] == [why_keep(make_outcome(part), RUN, 5.0) for part in range(99)]


@pytest.mark.parametrize(("reason", "there"), [(Reason.NO_IMAGE, False), (Reason.INCOMPLETE, False), (Reason.LATE, True), (Reason.OVERRUN, True)])
def test_where_no_frame_came_none_is_missed(reason, there):
    assert has_frame(make_outcome(1, reason)) is there
