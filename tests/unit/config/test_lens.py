"""A target that is watched: it has corners to be told by, and somebody who looks."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from aoi_daemon.config.lens import Lens
from aoi_daemon.config.schema import LineConfig

MARKS = [{"id": number, "x_px": 10.0 * number, "y_px": 5.0} for number in range(4)]
LENS = {"width_px": 640, "height_px": 480, "px_per_mm": 4.0, "marks": MARKS, "watch": {"columns": 5, "rows": 4}}


def line(**more):
    camera = {"kind": "replay", "source": "b", "name": "top", "calibration": LENS}
    return LineConfig.model_validate({"line": {"name": "l", "recipe": "r", "takt_ms": 50.0}, "cameras": [camera], **more})


def test_a_watch_has_a_bound_of_two_px_and_looks_each_minute():
    watch = Lens.model_validate(LENS).watch
    assert (watch.most_px, watch.every_s, watch.fov) == (2.0, 60.0, None)


@pytest.mark.parametrize(
    ("lens", "said"),
    [
        ({**LENS, "marks": MARKS[:3]}, "watch: needs at least 4 marks; `aoi-daemon calibrate watch` prints them"),
        ({**LENS, "marks": [*MARKS, {"id": 12, "x_px": 1.0, "y_px": 1.0}]}, "has corners 0 to 11, and marks has 12"),
        ({**LENS, "watch": {"columns": 50, "rows": 41}}, "columns x rows = 2050: at most 2000 squares"),
        ({**LENS, "watch": {"columns": 3, "rows": 4}}, "greater than or equal to 4"),
        ({**LENS, "watch": {"columns": 5, "rows": 4, "most_px": 0.0}}, "greater than 0"),
        ({**LENS, "watch": {"columns": 5, "rows": 4, "every_s": -1.0}}, "greater than or equal to 0"),
    ],
)
def test_a_watch_by_which_nothing_could_be_told_is_refused(lens, said):
    with pytest.raises(ValidationError, match=re.escape(said)):
        Lens.model_validate(lens)


def test_a_target_that_nobody_would_look_for_is_refused_with_what_to_add():
    assert line(recorder={}).cameras[0].is_watched
    with pytest.raises(ValidationError, match=r"camera 'top', and there is none; add \[recorder\]"):
        line()
