"""When the line is asked to stop, and what the PLC is told of the process.

Pure state machines over verdicts: no clock, nothing read, nothing written.
A part that was not judged (LATE, NO_IMAGE, ENGINE_FAULT, NOT_READY, ...) says
nothing of the process and is left out here; such faults have their alarms.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from aoi_daemon.config.recipe import StopRules
from aoi_daemon.messages import Defect, Reason

BAD_PART_REASONS: Final = frozenset({Reason.DEFECT, Reason.REGISTRATION})
"""Rejects for what the part is; with NONE the parts that count for the rate."""


class StopCause(enum.Enum):
    """Which stop rule was met."""

    SAME_PLACE = "the same defect at the same place again and again"
    REJECT_RATE = "too many bad parts"


class Stop(NamedTuple):
    """Why the line is asked to stop.

    `parts`: SAME_PLACE: parts in a row. REJECT_RATE: bad parts within the
    window. `label`, `x_px` and `y_px` (the latest box's centre) are SAME_PLACE's.
    """

    cause: StopCause
    parts: int
    camera: int = 0
    fov: int = 0
    label: int = -1
    x_px: float = math.nan
    y_px: float = math.nan


class _Place(NamedTuple):
    """Where a defect was on the last part of its field of view, and for how many in a row."""

    label: int
    x_px: float
    y_px: float
    in_a_row: int


class StopWatch:
    """Says when the line must stop; only a person takes that back.

    A part is told once with `saw_part`, and each of its judged views with `saw_view`.

    Same place: more than `same_place` views of one camera and field of view in
    a row have a defect of one class within `same_place_radius` of where the
    view before had it (a place may drift). A good view ends the rows of its
    camera and field of view, whatever another view of the part rejects it for;
    a view that was not judged neither ends nor lengthens one.

    Rate: the last `window` judged parts hold more than `reject_percent` bad
    ones. Right after a reset the missing parts are taken as good, so the rule
    is met as soon as it is certain and never for the first bad part alone
    (unless one part in the window is already too many).

    `scales`: pixels in a `unit` of views, by camera and field of view, that have another than `px_per_unit`.
    """

    def __init__(
        self, rules: StopRules, px_per_unit: float, scales: Mapping[tuple[int, int], float] | None = None
    ) -> None:
        self._rules = rules
        self._radius_px = rules.same_place_radius * px_per_unit
        self._radii_px = {view: rules.same_place_radius * scale for view, scale in (scales or {}).items()}
        self._window = bytearray(rules.window)
        self._places: dict[tuple[int, int], list[_Place]] = {}
        self.stop: Stop | None
        self.reset()

    @property
    def permitted(self) -> bool:
        """RUN_PERMIT."""
        return self.stop is None

    def reset(self) -> None:
        """A person has looked at the line: forget everything, permit the run."""
        self.stop = None
        self._places.clear()
        self._window[:] = bytes(len(self._window))
        self._next = 0
        self._bad = 0

    def saw_part(self, reason: Reason) -> Stop | None:
        """Take in one part's verdict, once for each part; the stop that it caused by the rate, else None.

        Args:
            reason: NONE for a PASS.
        """
        if reason is not Reason.NONE and reason not in BAD_PART_REASONS:
            return None
        stop = self._rate(bad=reason is not Reason.NONE)
        return self._first(stop) if stop is not None else None

    def saw_view(self, fov: int, camera: int, defects: Sequence[Defect]) -> Stop | None:
        """Take in what was found on one view of a part; the stop that it caused by the same place, else None.

        Args:
            fov: the field of view.
            camera: its camera's number.
            defects: worst first, MAX_DEFECTS of them at most are expected; none: the view is good, and ends its
                row though another view rejects the part.
        """
        if not defects:
            self._places.pop((camera, fov), None)
            return None
        if not self._rules.same_place:
            return None
        before = self._places.get((camera, fov), ())
        radius_px = self._radii_px.get((camera, fov), self._radius_px)
        places = [self._follow(defect, before, radius_px) for defect in defects]
        self._places[camera, fov] = places
        longest = max(places, key=lambda place: place.in_a_row)
        if longest.in_a_row <= self._rules.same_place:
            return None
        return self._first(
            Stop(StopCause.SAME_PLACE, longest.in_a_row, camera, fov, longest.label, longest.x_px, longest.y_px)
        )

    def _first(self, stop: Stop) -> Stop | None:
        """`stop` where it is the first since the reset: what comes after it does not replace its cause."""
        if self.stop is not None:
            return None
        self.stop = stop
        return stop

    @staticmethod
    def _follow(defect: Defect, before: Sequence[_Place], radius_px: float) -> _Place:
        x_px, y_px = (defect.x1 + defect.x2) / 2, (defect.y1 + defect.y2) / 2
        in_a_row = 0
        for place in before:
            near = math.hypot(place.x_px - x_px, place.y_px - y_px) <= radius_px
            if place.label == defect.label and near and place.in_a_row > in_a_row:
                in_a_row = place.in_a_row
        return _Place(defect.label, x_px, y_px, in_a_row + 1)

    def _rate(self, *, bad: bool) -> Stop | None:
        self._bad += bad - self._window[self._next]
        self._window[self._next] = bad
        self._next = (self._next + 1) % len(self._window)
        percent = self._rules.reject_percent
        if percent and self._bad * 100 > percent * len(self._window):
            return Stop(StopCause.REJECT_RATE, self._bad)
        return None


class ProcessFeedback:
    """What the register profile tells of the last parts. Everything is allocated when it is made.

    Each part costs the same, however long the window.
    """

    _NOTHING: Final = -1

    def __init__(self, window: int, class_count: int) -> None:
        self._labels = np.full(window, self._NOTHING, np.int32)
        self._rejected = bytearray(window)
        self._counts = np.zeros(class_count, np.int64)
        self._next = 0
        self._rejects = 0
        self.parts = 0
        """Parts seen, at most the window."""

    def add(self, *, passed: bool, worst_class: int = -1) -> None:
        """Take in one part, whatever it was rejected for; `worst_class` -1: no defect was found."""
        at = self._next
        leaving = self._labels[at]
        if leaving != self._NOTHING:
            self._counts[leaving] -= 1
        known = 0 <= worst_class < len(self._counts)
        self._labels[at] = worst_class if known else self._NOTHING
        if known:
            self._counts[worst_class] += 1
        self._rejects += (not passed) - self._rejected[at]
        self._rejected[at] = not passed
        self._next = (at + 1) % len(self._rejected)
        self.parts = min(self.parts + 1, len(self._rejected))

    @property
    def reject_per_mille(self) -> int:
        """Rejected parts among those of the window, in 0.1 %, rounded up: a reject is never 0."""
        return -(-1000 * self._rejects // self.parts) if self.parts else 0

    @property
    def most_frequent_class(self) -> int:
        """The class that was the worst of most parts of the window (the lowest of equals), else -1."""
        top = int(self._counts.argmax())
        return top if self._counts[top] else self._NOTHING
