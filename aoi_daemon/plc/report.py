"""What the register profile says of one verdict. Pure but for reading cells."""

from __future__ import annotations

from typing import Final

from aoi_daemon.decide.rules import ProcessFeedback
from aoi_daemon.messages import Judgement, Reason
from aoi_daemon.plc.parts import Part
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Flag, Report, encode_report
from aoi_daemon.stage.board import Board, Cell

NO_JUDGEMENT: Final = Judgement(False, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
_TENTH_MS: Final = 100_000


def flags_of(board: Board, *, ready: bool, overrun: bool, stopping: bool) -> Flag:
    """The register `flags`."""
    flags = Flag.READY if ready else Flag(0)
    if board[Cell.ALARMS]:
        flags |= Flag.ALARM
    if not board[Cell.STOPPED_BY_RULE] and not stopping:
        flags |= Flag.RUN_PERMIT
    if overrun:
        flags |= Flag.OVERRUN
    return flags


def registers_of(
    part: Part, result: Result, reason: Reason, board: Board, *, flags: Flag, feedback: ProcessFeedback, now_ns: int
) -> list[int]:
    """The registers that go with the verdict on `part`."""
    judgement = part.judgement or NO_JUDGEMENT
    stamp_ns = part.first.trigger_ns or part.first.ready_ns
    return encode_report(
        Report(
            heartbeat=board[Cell.HEARTBEATS],
            trigger_id=part.trigger_id,
            verdict=result,
            defect_class=judgement.worst_class,
            defect_count=judgement.defect_count,
            latency=(now_ns - stamp_ns) // _TENTH_MS,
            recipe=recipe_of(judgement, board),
            error_code=reason,
            flags=flags,
            offset_x=judgement.offset_x,
            offset_y=judgement.offset_y,
            reject_rate=feedback.reject_per_mille,
            frequent_class=feedback.most_frequent_class,
            sequence=part.number,
        )
    )


def recipe_of(judgement: Judgement, board: Board) -> int:
    """What the part was judged by; of one that was not judged, what is in use."""
    return judgement.recipe or board[Cell.RECIPE]
