"""When a frame was taken, by its camera's clock, once that clock has been checked against the host's. Pure.

A stamp is believed no sooner than FRAMES frames agree on one of the rates that the camera's nodes allow. Until then,
and after a step of the camera's clock (PTP, a reset), the frame's arrival is its time: a part's deadline is then as
late as that of a camera without stamps, and never later.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final

from aoi_daemon.acquire.stamps import ClockMap
from aoi_daemon.acquire.ticks import FRAMES, Rate, Trial

STEP_NS: Final = 20_000_000
"""A stamp that is off the host's clock by more is a step of the camera's clock, or a frame that was held up."""
HELD_UP_NS: Final = 10_000_000_000
"""Longest time for which a frame can have been held up on its way."""
_WRAP: Final = 1 << 32
_HALF: Final = _WRAP >> 1


class ClockEvent(enum.Enum):
    """What became of a camera's clock."""

    AGREED = "its stamps are used from now on"
    REFUSED = "its rate is none that its nodes say"
    STEPPED = "it stepped"


class CameraClock:
    """One opened camera's clock.

    Args:
        possible: the rates that it may have; see `ticks.rates`.
        said: called with what became of it, and a sentence for the log; REFUSED once, until frames agree.
    """

    def __init__(self, possible: Sequence[Rate], said: Callable[[ClockEvent, str], None]) -> None:
        self._said = said
        self._trial = Trial(possible)
        self._rate: Rate | None = None
        self._refused = False
        self._stamp = self._wrapped = self._ticks = 0
        # Of the rate that frames agreed on; `_zero` is the tick at which the map's time begins.
        self._ns_per_tick = 0.0
        self._zero = 0
        self._map = ClockMap()
        self._doubt = Trial(())

    def told_ns(self, stamp: int, arrived_ns: int, *, fresh: bool) -> int:
        """When the frame of `stamp` was taken, never after `arrived_ns`; 0: not known by its stamp.

        Of frames in the order in which they were taken.

        Args:
            stamp: in ticks; 0: the frame has none.
            arrived_ns: CLOCK_MONOTONIC.
            fresh: the frame came just now. One that waited for this process says nothing of the clocks.
        """
        if not stamp:
            return 0
        if stamp < self._stamp < _WRAP and self._stamp - stamp > _HALF:
            self._wrapped += _WRAP  # a counter of 32 bits has started over
        self._stamp = stamp
        ticks = stamp + self._wrapped
        before, self._ticks = self._ticks, ticks
        if self._rate is None:
            if ticks < before:
                self._trial.begin()
            if fresh:
                self._try(ticks, arrived_ns)
            return 0
        if ticks <= before:
            why = "it stands still" if ticks == before else "it went back"
            return self._stepped(ticks, arrived_ns, why, fresh=fresh)
        device_ns = int((ticks - self._zero) * self._ns_per_tick)
        late_ns = self._map.late_ns(device_ns, arrived_ns)
        if -STEP_NS <= late_ns <= STEP_NS:
            if self._doubt.frames:
                self._doubt.begin()
        elif late_ns < 0 or (fresh and late_ns > HELD_UP_NS):
            return self._stepped(ticks, arrived_ns, f"it stepped by {-late_ns / 1e9:+.3f} s", fresh=fresh)
        elif fresh and self._is_step(ticks, arrived_ns):
            device_ns = int((ticks - self._zero) * self._ns_per_tick)
            why = f"it stepped by {-late_ns / 1e9:+.3f} s; {FRAMES} frames agree on its time anew"
            self._said(ClockEvent.STEPPED, why)
        return self._map.host_ns(device_ns, arrived_ns)

    def _try(self, ticks: int, arrived_ns: int) -> None:
        trial = self._trial
        index = trial.agreed(ticks, arrived_ns)
        if index is not None:
            rate = self._rate = trial.possible[index]
            self._doubt = Trial((rate,))
            self._follow(trial, index)
            self._refused = False
            self._said(ClockEvent.AGREED, f"its clock ticks at {rate}")
        elif trial.over():
            if trial.refuted() and not self._refused:
                self._refused = True
                says = ", ".join(str(rate) for rate in trial.possible)
                self._said(
                    ClockEvent.REFUSED,
                    f"its clock ticks at {trial.measured_hz:.6g} Hz, that is none of: {says}; its stamps are not used, "
                    "frames count from their arrival",
                )
            trial.begin()

    def _is_step(self, ticks: int, arrived_ns: int) -> bool:
        """Whether frames that come late by their stamps go on to, all alike: then it was the clock that stepped.

        Until that is certain they are told as their stamps say, which is early: a frame that was held up belongs to
        a part that has gone on.
        """
        if self._doubt.agreed(ticks, arrived_ns) is None:
            if self._doubt.over():
                self._doubt.begin()
            return False
        self._follow(self._doubt, 0)
        self._doubt.begin()
        return True

    def _follow(self, trial: Trial, index: int) -> None:
        """Tell the time by what the frames of `trial` agree on."""
        self._ns_per_tick = 1e9 / trial.possible[index].hz
        self._zero = trial.first_ticks
        self._map = ClockMap()
        self._map.host_ns(0, trial.first_ns + trial.least_ns(index))

    def _stepped(self, ticks: int, arrived_ns: int, why: str, *, fresh: bool) -> int:
        self._rate = None
        self._trial.begin()
        if fresh:
            self._trial.agreed(ticks, arrived_ns)
        self._said(ClockEvent.STEPPED, f"{why}; its stamps are not used until {FRAMES} frames agree anew")
        return 0
