"""Whether the times of [plc.poll] can do what is asked of them. Pure."""

from __future__ import annotations

from typing import Final, Protocol

PROGRAM_BEAT_MS: Final = 100
"""The PLC program that is handed out toggles its HEARTBEAT so often, and up to _BEAT_SCANS scans later."""
_BEAT_SCANS: Final = 3


class PollTimes(Protocol):
    """What is read of [plc.poll]. Times in ms; None: not watched."""

    @property
    def period_ms(self) -> float: ...  # noqa: D102
    @property
    def watch_ms(self) -> float | None: ...  # noqa: D102
    @property
    def confirm_parts(self) -> int | None: ...  # noqa: D102


def check_poll(poll: PollTimes, *, answer_ms: float, takt_ms: float, scan_ms: float) -> None:
    """Check `watch_ms` and `confirm_parts` against the period, the PLC's answer time, its longest scan and the takt.

    Raises:
        ValueError: naming the keys, their values and what to change.
    """
    # A poll may wait for one answer before it begins, and takes one itself.
    slowest_ms = poll.period_ms + 2 * answer_ms
    if poll.watch_ms is not None:
        _check_watch(poll, poll.watch_ms, slowest_ms, answer_ms, scan_ms)
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


def _check_watch(poll: PollTimes, watch_ms: float, slowest_ms: float, answer_ms: float, scan_ms: float) -> None:
    read = f"plc.poll.period_ms ({poll.period_ms:g}) + 2 x plc.answer_ms ({answer_ms:g}) = {slowest_ms:g}"
    if slowest_ms > PROGRAM_BEAT_MS:
        room_ms = PROGRAM_BEAT_MS - 2 * answer_ms
        way = f"lower period_ms to at most {room_ms:g}"
        if room_ms < 1:
            way = "have the PLC answer faster, and lower plc.answer_ms"
        raise ValueError(
            f"plc.poll.watch_ms needs to see each toggle of the PLC's HEARTBEAT: {read} must not be over the "
            f"{PROGRAM_BEAT_MS} ms at which the PLC program toggles it: of a beat that is read more slowly than that "
            f"two toggles look as if it had stopped. To change: {way}; or leave watch_ms out"
        )
    least_ms = PROGRAM_BEAT_MS + _BEAT_SCANS * scan_ms + slowest_ms
    if watch_ms < least_ms:
        raise ValueError(
            f"plc.poll.watch_ms ({watch_ms:g}) must be at least {least_ms:g}: the PLC program toggles its HEARTBEAT "
            f"each {PROGRAM_BEAT_MS} ms and {_BEAT_SCANS} scans of {scan_ms:g} ms at most, and {read} pass until it is "
            "read. Raise watch_ms"
        )
