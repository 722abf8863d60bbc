"""How fast a training goes, what is left of it, and whether the time that was asked for can do anything."""

from __future__ import annotations

from typing import Final

from aoi_daemon.kit.boards.labels import BoardsError

# The first steps choose kernels, compile and fill caches: they say nothing of the pace.
SETTLE_STEPS: Final = 3
MEASURED_STEPS: Final = 4


class Pace:
    """Refuses a training that its time cuts short of `least` steps, as soon as its pace is known.

    Args:
        seconds: the time asked for; 0: the training goes by steps, and nothing is refused.
        least: steps below which nothing is learnt.
    """

    def __init__(self, seconds: float, least: int) -> None:
        self._seconds, self._least = seconds, least
        self._seen = 0
        self._settled_s = 0.0

    @property
    def has_settled(self) -> bool:
        """Whether the slow steps of the beginning have just ended."""
        return self._seen == SETTLE_STEPS

    @property
    def is_known(self) -> bool:
        """Whether the training is known to be worth its time, or goes by steps."""
        return not self._seconds or self._seen >= SETTLE_STEPS + MEASURED_STEPS

    def is_due(self) -> bool:
        """Count a step; whether `at` wants to know the time now."""
        self._seen += 1
        return self._seen in (SETTLE_STEPS, SETTLE_STEPS + MEASURED_STEPS)

    def at(self, now_s: float) -> bool:
        """Take the time, seconds of training, at which the device has done all steps so far; whether the pace is known.

        Raises:
            BoardsError: too few steps fit; says how many minutes would do.
        """
        if self._seen == SETTLE_STEPS:
            self._settled_s = now_s
            return False
        if self._seconds:
            self._hold((now_s - self._settled_s) / MEASURED_STEPS, self._settled_s)
        return True

    def end(self, elapsed_s: float) -> None:
        """The time is over.

        Raises:
            BoardsError: it was over before the pace was known.
        """
        if self._seconds and self._seen < min(self._least, SETTLE_STEPS + MEASURED_STEPS):
            self._hold(elapsed_s / max(1, self._seen), 0.0)

    def _hold(self, step_s: float, before_s: float) -> None:
        fit = int(max(0.0, self._seconds - before_s) / max(step_s, 1e-9)) + (SETTLE_STEPS if before_s else 0)
        if fit < self._least:
            needed = (before_s + self._least * step_s) / 60
            raise BoardsError(
                f"minutes: {self._seconds / 60:.2g} are {fit} steps of {step_s:.2g} s here, and below {self._least} "
                f"nothing is learnt; allow {needed * 1.05 + 0.05:.1f} minutes, or make steps shorter by a smaller "
                "--batch or --crop"
            )


def left_s(done: float, elapsed_s: float, seconds: float) -> float:
    """Seconds until the training ends, validations included as far as they were met.

    Args:
        done: which part of it is over, 0 to 1.
        elapsed_s: so far.
        seconds: the time asked for; 0: it goes by steps.
    """
    if seconds:
        return max(0.0, seconds - elapsed_s)
    return elapsed_s * (1 - done) / done if done > 0 else 0.0
