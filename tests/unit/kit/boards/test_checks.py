"""The judge of defects, on drawings small enough to see."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.kit.boards.checks import holds
from aoi_daemon.kit.boards.options import DefectClass

# Two traces, 12 px wide, 10 px apart.
TRACES = np.zeros((42, 40), np.uint8)
TRACES[4:16], TRACES[26:38] = 1, 1
NETS = np.zeros((42, 40), np.int32)
NETS[4:16], NETS[26:38] = 1, 2


def changed(rows, columns, value):
    after = TRACES.copy()
    after[rows, columns] = value
    return after


DRAWINGS = {
    DefectClass.OPEN: changed(slice(2, 18), slice(18, 23), 0),
    DefectClass.SHORT: changed(slice(14, 28), slice(18, 22), 1),
    DefectClass.MOUSEBITE: changed(slice(2, 10), slice(15, 22), 0),
    DefectClass.SPUR: changed(slice(14, 21), slice(15, 22), 1),
    DefectClass.COPPER: changed(slice(19, 23), slice(15, 22), 1),
    DefectClass.PIN_HOLE: changed(slice(8, 12), slice(15, 22), 0),
}


@pytest.mark.parametrize("drawn", list(DefectClass))
@pytest.mark.parametrize("asked", list(DefectClass))
def test_each_drawing_is_its_own_class_and_no_other(drawn, asked):
    """Six drawings, six answers."""
    assert holds(asked, TRACES, DRAWINGS[drawn], NETS) == (asked is drawn)


@pytest.mark.parametrize("kind", list(DefectClass))
def test_a_change_too_small_to_see_is_no_defect(kind):
    """A speck of 3 by 3 px, or a line of one pixel, is refused."""
    for rows, columns in ((slice(20, 23), slice(20, 23)), (slice(21, 22), slice(2, 38))):
        assert not holds(kind, TRACES, changed(rows, columns, 1), NETS)


@pytest.mark.parametrize(
    ("rows", "columns", "value"),
    [
        (slice(2, 15), slice(18, 23), 0),  # a cut that leaves a thread of one pixel
        (slice(16, 25), slice(15, 22), 1),  # a spur one pixel short of the other trace
        (slice(5, 12), slice(15, 22), 0),  # a hole with a rim of one pixel
        (slice(17, 23), slice(15, 21), 1),  # a blob one pixel off a trace
    ],
)
@pytest.mark.parametrize("kind", list(DefectClass))
def test_a_defect_on_the_brink_of_another_class_is_refused(rows, columns, value, kind):
    """What a pixel more or less would turn into something else has no one right label."""
    assert not holds(kind, TRACES, changed(rows, columns, value), NETS)


def test_a_bridge_within_one_net_is_neither_short_nor_spur():
    """Two traces that are one net elsewhere."""
    one_net = (NETS > 0).astype(np.int32)
    for kind in DefectClass:
        assert not holds(kind, TRACES, DRAWINGS[DefectClass.SHORT], one_net)
