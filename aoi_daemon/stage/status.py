"""The status of the line as one JSON object, read from the board and the verdict ring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aoi_daemon.messages import Outcome, Proof, Reason
from aoi_daemon.stage.board import (
    Board,
    CameraCell,
    Cell,
    Link,
    StageState,
    bypassed,
    camera_cell,
    plc_address,
    reason_cell,
)
from aoi_daemon.stage.lifecycle import Line

QUANTILES = (("p50", 50.0), ("p99", 99.0), ("p999", 99.9), ("p9999", 99.99), ("max", 100.0))

STAGES = ("acquire", "queue", "infer", "decide", "handover", "plc")
"""The stages of a part's way, in order; `stage_times_ms` says from where to where."""


def quantiles(values_ms: Sequence[float]) -> dict[str, float]:
    """p50, p99, p999, p9999 and max of `values_ms`, in ms to the microsecond; zeros for no values."""
    if not len(values_ms):
        return {name: 0.0 for name, _ in QUANTILES}
    found = np.percentile(values_ms, [percent for _, percent in QUANTILES], method="higher")
    return {name: round(float(value), 3) for (name, _), value in zip(QUANTILES, found, strict=True)}


def stage_times_ms(part: Outcome) -> dict[str, float] | None:
    """How long each stage took of a part that went all the way; None for any other part.

    acquire: trigger to frame in the ring. queue: to the executor. infer,
    decide: as named. handover: judgement to the first byte to the PLC. plc:
    until its answer was verified.
    """
    if not (part.answered_ns and part.judged_ns and part.inferred_ns):
        return None
    stamps = (
        part.trigger_ns or part.ready_ns, part.ready_ns, part.picked_ns, part.inferred_ns, part.judged_ns,
        part.sent_ns, part.answered_ns,
    )  # fmt: skip
    return {name: (stamps[i + 1] - stamps[i]) / 1e6 for i, name in enumerate(STAGES)}


def latency_ms(part: Outcome) -> float:
    """From the frame in the ring to the PLC's verified answer; 0 when it was not delivered."""
    return (part.answered_ns - part.ready_ns) / 1e6 if part.answered_ns else 0.0


def snapshot(board: Board, cameras: Sequence[str]) -> dict[str, Any]:
    """What the board says, by names."""
    return {
        "state": Line(board[Cell.LINE_STATE]).name,
        "ready": bool(board[Cell.READY]),
        "parts": board[Cell.PARTS],
        "passed": board[Cell.PASSED],
        "rejected": board[Cell.REJECTED],
        "rejected_for": {
            reason.name: count for reason in Reason if (count := board[reason_cell(reason)]) and reason
        },
        "deadline_misses": board[Cell.DEADLINE_MISSES],
        "undelivered": board[Cell.UNDELIVERED],
        "recipe": board[Cell.RECIPE],
        "golden_passed": bool(board[Cell.GOLDEN_PASSED]),
        "proof": Proof(board[Cell.PROVEN]).name,
        "stopped_by_rule": bool(board[Cell.STOPPED_BY_RULE]),
        "inspection": StageState(board[Cell.INSPECTION_STATE]).name,
        "plc": {
            "stage": StageState(board[Cell.PLC_STATE]).name,
            "link": Link(board[Cell.LINK]).name,
            "address": plc_address(board),
            "addresses": board[Cell.PLC_ADDRESSES],
            "coils": f"{board[Cell.COILS]:016b}",
            "round_trip_ms": round(board[Cell.PLC_ROUND_TRIP_NS] / 1e6, 3),
            "heartbeats": board[Cell.HEARTBEATS],
            "reconnects": board[Cell.RECONNECTS],
            "bypass": bypassed(board),
        },
        "cameras": [
            {
                "name": name,
                "stage": StageState(board[camera_cell(index, CameraCell.STATE)]).name,
                "present": bool(board[camera_cell(index, CameraCell.PRESENT)]),
                **{
                    cell.name.lower(): board[camera_cell(index, cell)]
                    for cell in (
                        CameraCell.FRAMES, CameraCell.INCOMPLETE, CameraCell.MISSED,
                        CameraCell.OVERRUNS, CameraCell.REOPENED, CameraCell.LATE, CameraCell.DOUBLED,
                        CameraCell.CLOCK_STEPS,
                    )
                },
            }
            for index, name in enumerate(cameras)
        ],
        "reloads": board[Cell.RELOADS],
        "reloads_refused": board[Cell.RELOADS_REFUSED],
        "restarts": board[Cell.RESTARTS],
    }  # fmt: skip
