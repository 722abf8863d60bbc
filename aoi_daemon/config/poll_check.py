"""Whether the times of [plc.poll] can do what is asked of them. Pure."""

from __future__ import annotations

from typing import Protocol


class PollTimes(Protocol):
    """What is read of [plc.poll]. Times in ms; None: not watched."""

    @property
    def period_ms(self) -> float: ...  # noqa: D102
    @property
    def watch_ms(self) -> float | None: ...  # noqa: D102
    @property
    def confirm_parts(self) -> int | None: ...  # noqa: D102


def check_poll(poll: PollTimes, *, answer_ms: float, takt_ms: float) -> None:
    """Check `watch_ms` and `confirm_parts` against the period, the PLC's answer time and the takt.

    Raises:
        ValueError: naming the keys, their values and what to change.
    """
    # A poll may wait for one answer before it begins, and takes one itself.
    slowest_ms = poll.period_ms + 2 * answer_ms
    least_ms = 2 * poll.period_ms + 2 * answer_ms
    if poll.watch_ms is not None and poll.watch_ms < least_ms:
        raise ValueError(
            f"plc.poll.watch_ms ({poll.watch_ms:g}) must be at least 2 x plc.poll.period_ms + 2 x plc.answer_ms = "
            f"{least_ms:g}: a heartbeat that moves between two polls would be taken for one that has stopped. "
            "Raise watch_ms, or lower period_ms"
        )
    if poll.confirm_parts is not None and slowest_ms > takt_ms:
        room_ms = takt_ms - 2 * answer_ms
        way = f"lower period_ms to at most {room_ms:g}"
        if room_ms < 1:
            way = "raise line.takt_ms, or have the PLC answer faster and lower plc.answer_ms"
        raise ValueError(
            f"plc.poll.confirm_parts needs to see each part at the gate: plc.poll.period_ms ({poll.period_ms:g}) + "
            f"2 x plc.answer_ms ({answer_ms:g}) = {slowest_ms:g} must not be over line.takt_ms ({takt_ms:g}). "
            f"To change: {way}; or leave confirm_parts out"
        )
