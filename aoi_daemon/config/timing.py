"""What of a part's time belongs to the PLC, and whether that can work. Pure.

plc has one request out at a time, and the PLC answers each within `plc.answer_ms`. A verdict takes one request for
the coils and one for the registers. Another one may be out when a part is judged: a heartbeat, a poll.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from aoi_daemon.config.schema import LineSection, PlcSection, SupervisorSection

LEAST_SHARE: Final = 0.1
"""Of the deadline, that must be left to judge in."""
LEAST_MS: Final = 0.5
_ROUNDING_MS: Final = 1e-6
CONNECT_MS: Final = 200.0
"""Longest wait for a connection."""
REPORT_WORDS: Final = 16
POLL_WORDS: Final = 8
"""The lengths of `plcmap.registers`, which stands above this; a test compares them."""


class Timing(NamedTuple):
    """Of one part, in ms.

    `verdict_ms` before its deadline its verdict must have begun; `cutoff_ms` before it, it must have been judged.
    `judge_ms` is what is left from its frame to that.
    """

    requests: int
    verdict_ms: float
    cutoff_ms: float
    judge_ms: float


def requests_of(plc: PlcSection) -> int:
    """The requests of one verdict: coils, and registers where they are on."""
    return 1 + (plc.registers is not None)


def timing_of(line: LineSection, plc: PlcSection, late_ms: float = 0.0) -> Timing:
    """The times of the line's parts, whose frames come `late_ms` after the part sensor."""
    requests = requests_of(plc)
    cutoff_ms = (requests + 1) * plc.answer_ms
    return Timing(requests, requests * plc.answer_ms, cutoff_ms, line.deadline_ms - cutoff_ms - late_ms)


def scan_ms(line: LineSection, plc: PlcSection) -> float:
    """The longest scan of a PLC on this line: its program must see each part, and each toggle of the heartbeat."""
    return min(line.takt_ms / 5, plc.heartbeat_ms / 2)


def problems(
    line: LineSection, plc: PlcSection, supervisor: SupervisorSection, late_ms: float = 0.0
) -> Iterator[str]:
    """What cannot work, and what would. `late_ms`: from the part sensor to the frame."""
    timing = timing_of(line, plc, late_ms)
    if line.deadline_ms > line.takt_ms:
        yield (
            f"line.deadline_ms ({line.deadline_ms:g}) is over line.takt_ms ({line.takt_ms:g}): two parts would wait at "
            "a time, and the PLC program tells them apart by one window each; "
            f"set deadline_ms to {line.takt_ms:g} at most"
        )
    if not _is_enough(timing.judge_ms, line):
        yield _too_short(line, plc, timing, late_ms)
    if plc.timeout_ms < plc.answer_ms:
        yield (
            f"plc.timeout_ms ({plc.timeout_ms:g}) is below plc.answer_ms ({plc.answer_ms:g}): the connection would be "
            f"reset before the PLC has answered; set timeout_ms to {plc.answer_ms:g} or more"
        )
    # Connecting, each kind of request answered once, and the loop has not moved meanwhile.
    connect_ms = max(CONNECT_MS, plc.timeout_ms) + (timing.requests + (plc.poll is not None)) * plc.timeout_ms
    if connect_ms >= supervisor.hang_ms:
        yield (
            f"plc.timeout_ms ({plc.timeout_ms:g}): connecting to a slow PLC may take {connect_ms:g} ms, which must be "
            f"below supervisor.hang_ms ({supervisor.hang_ms:g}): plc would be taken for a process that hangs"
        )
    if plc.registers is not None and plc.poll is not None:
        yield from _overlap(plc.registers.base, plc.poll.base)


def _too_short(line: LineSection, plc: PlcSection, timing: Timing, late_ms: float) -> str:
    taken_ms = timing.cutoff_ms + late_ms
    deadline_ms = _up(max(taken_ms / (1 - LEAST_SHARE), taken_ms + LEAST_MS))
    more = _down((line.deadline_ms - late_ms - _least_ms(line)) / (timing.requests + 1))
    takt = "deadline" if deadline_ms <= line.takt_ms else "deadline and takt"
    others = [f"a {takt} of {deadline_ms:g} ms"]
    if more > 0:
        others.append(f"plc.answer_ms = {more:g}")
    if plc.registers is not None and _is_enough(line.deadline_ms - late_ms - 2 * plc.answer_ms, line):
        others.append("coils alone (no [plc.registers])")
    late = f", {late_ms:g} ms after the sensor" if late_ms else ""
    requests = f"{timing.requests} request{'s' * (timing.requests > 1)}"
    return (
        f"plc.answer_ms ({plc.answer_ms:g}) leaves {max(timing.judge_ms, 0):g} ms of line.deadline_ms "
        f"({line.deadline_ms:g}) to judge a part in{late}: its verdict takes {requests}, and one more may be out; "
        f"possible would be {' or '.join(others)}"
    )


def _is_enough(judge_ms: float, line: LineSection) -> bool:
    return judge_ms >= _least_ms(line) - _ROUNDING_MS


def _least_ms(line: LineSection) -> float:
    return max(LEAST_MS, LEAST_SHARE * line.deadline_ms)


def _up(value_ms: float) -> float:
    return -(-value_ms * 10 // 1) / 10


def _down(value_ms: float) -> float:
    return value_ms * 10 // 1 / 10


def _overlap(report: int, poll: int) -> Iterator[str]:
    if report < poll + POLL_WORDS and poll < report + REPORT_WORDS:
        yield (
            f"plc.registers.base ({report}, {REPORT_WORDS} registers) and plc.poll.base ({poll}, {POLL_WORDS}) overlap"
            f", and the daemon would read what it wrote; set plc.poll.base to {report + REPORT_WORDS} or more"
        )
