"""When a frame was taken, by its camera's clock, once that clock has been checked against the host's. Pure.

A stamp is believed no sooner than FRAMES frames agree on one of the rates that the camera's nodes allow. Until then,
and after a step of the camera's clock (PTP, a reset), the frame's arrival is its time: a part's deadline is then as
late as that of a camera without stamps, and never later.

A node's rate holds to TOLERANCE only. Until the true one has been measured, over 20 s and 80 frames, an offset between
the clocks may grow by as much; from then on by _DRIFT, and the rate is measured again and again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final

from aoi_daemon.acquire.stamps import ClockMap
from aoi_daemon.acquire.ticks import FRAMES, TOLERANCE, Rate, Survey, Trial

STEP_NS: Final = 20_000_000
"""A stamp that is off the host's clock by more is a step of the camera's clock, or a frame that was held up."""
HELD_UP_NS: Final = 10_000_000_000
"""Longest time for which a frame can have been held up on its way."""
_DRIFT: Final = 200e-6
"""A rate that was measured is off by no more; two quartz clocks drift apart by up to 100 ppm each."""
_GAIN: Final = 0.25
"""So much of what was measured within _DRIFT is believed: most of it is the frames' delays."""
_HASTE_NS: Final = 500_000_000
"""Frames that follow each other no slower show a small step; in more time it could as well be drift, of up to 5 ms."""
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
        self._stamp = self._wrapped = self._ticks = self._arrived_ns = 0
        # The rate as it was measured, and how far it may be off; at tick `_zero` the map's time is `_zero_ns`.
        self._ns_per_tick = 0.0
        self._slack = TOLERANCE
        self._zero = self._zero_ns = 0
        self._map = ClockMap()
        self._survey = Survey()
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
        paused_ns, self._arrived_ns = arrived_ns - self._arrived_ns, arrived_ns
        if self._rate is None:
            if ticks < before:
                self._trial.begin()
            if fresh:
                self._try(ticks, arrived_ns)
            return 0
        if ticks <= before:
            why = "it does not move" if ticks == before else "it went back"
            return self._stepped(ticks, arrived_ns, why, fresh=fresh)
        device_ns = self._device_ns(ticks)
        # A small step would be taken for drift before frames enough have agreed on it.
        self._map.slack = 0.0 if self._doubt.frames and paused_ns <= _HASTE_NS else self._slack
        late_ns = self._map.late_ns(device_ns, arrived_ns)
        # The map lets the offset grow; in a pause the clocks may have drifted apart the other way.
        if min(-STEP_NS, -2 * self._slack * paused_ns) <= late_ns <= STEP_NS:
            if self._doubt.frames:
                self._doubt.begin()
            if fresh:
                off = self._survey.off(device_ns, arrived_ns - device_ns)
                if off is not None:
                    self._correct(ticks, device_ns, off)
        elif late_ns < 0 or (fresh and late_ns > HELD_UP_NS):
            return self._stepped(ticks, arrived_ns, f"it stepped by {-late_ns / 1e9:+.3f} s", fresh=fresh)
        elif fresh and self._is_step(ticks, arrived_ns):
            device_ns = self._device_ns(ticks)
            why = f"it stepped by {-late_ns / 1e9:+.3f} s; {FRAMES} frames agree on its time anew"
            self._said(ClockEvent.STEPPED, why)
        return self._map.host_ns(device_ns, arrived_ns)

    def _try(self, ticks: int, arrived_ns: int) -> None:
        trial = self._trial
        index = trial.agreed(ticks, arrived_ns)
        if index is not None:
            rate = self._rate = trial.possible[index]
            self._ns_per_tick, self._slack = 1e9 / rate.hz, TOLERANCE
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
        self._zero, self._zero_ns = trial.first_ticks, 0
        self._map = ClockMap(slack=self._slack)
        self._survey = Survey()
        self._map.host_ns(0, trial.first_ns + trial.least_ns(index))
        self._map.host_ns(self._device_ns(self._ticks), self._arrived_ns)

    def _device_ns(self, ticks: int) -> int:
        return self._zero_ns + int((ticks - self._zero) * self._ns_per_tick)

    def _correct(self, ticks: int, device_ns: int, off: float) -> None:
        """Go on at the rate that was measured, from this frame on.

        What the map holds is good as it is: it has grown with the time to what the offset may be by now.
        """
        assert self._rate is not None
        said = 1e9 / self._rate.hz
        measured = self._ns_per_tick * (1 + (off if abs(off) > _DRIFT else off * _GAIN))
        self._ns_per_tick = min(max(measured, said * (1 - TOLERANCE)), said * (1 + TOLERANCE))
        self._slack = _DRIFT if measured == self._ns_per_tick else TOLERANCE
        self._zero, self._zero_ns = ticks, device_ns
        self._doubt = Trial((Rate(1e9 / self._ns_per_tick, self._rate.source),))

    def _stepped(self, ticks: int, arrived_ns: int, why: str, *, fresh: bool) -> int:
        self._rate = None
        self._trial.begin()
        if fresh:
            self._trial.agreed(ticks, arrived_ns)
        self._said(ClockEvent.STEPPED, f"{why}; its stamps are not used until {FRAMES} frames agree anew")
        return 0
