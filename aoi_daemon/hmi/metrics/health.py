"""Is the daemon alive, is the line READY, and if not, why. Pure but for reading cells.

The board outlives who writes it, so a cell says nothing while its writer does
not move: what is stale is a problem, whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import Board, CameraCell, Cell, Link, StageState, camera_cell
from aoi_daemon.stage.lifecycle import Line

SUPERVISOR_NS: Final = 3_000_000_000
"""It ticks 20 times a second, and stands only while a reload reads the files and bundles."""

_SLACK_NS: Final = 1_000_000_000
"""What the supervisor may take to end a stage that it has found hanging."""


class Limits(NamedTuple):
    """After how many ns without progress a stage counts as stale; `cameras` one for each camera."""

    inspection_ns: int
    plc_ns: int
    cameras: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, config: LineConfig) -> Limits:
        """The bounds at which the supervisor ends a stage, and a second for doing so."""
        hang_ns = int(config.supervisor.hang_ms * 1e6) + _SLACK_NS
        cameras = tuple((camera.name, int(camera.open_s * 1e9) + _SLACK_NS) for camera in config.cameras)
        return cls(hang_ns, hang_ns, cameras)


class StageLook(NamedTuple):
    """One stage as the board has it: its state, how long ago it moved, and how long it may stand."""

    name: str
    state: StageState
    age_ns: int
    limit_ns: int


@dataclass(frozen=True)
class Health:
    """`problems`: why the daemon does not do its work; `missing`: what READY waits for, the problems first."""

    state: str
    problems: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Every process moves, and none is given up."""
        return not self.problems

    @property
    def ready(self) -> bool:
        """The PLC has verified READY, and who said so is alive."""
        return not self.missing

    def as_json(self, good: bool) -> dict[str, Any]:
        """The answer of `/healthz` or `/readyz`."""
        return {"ok": good, "state": self.state, "problems": list(self.problems), "missing": list(self.missing)}


def stages(board: Board, now_ns: int, limits: Limits) -> Iterator[StageLook]:
    """Every stage: inspection, plc, and acquire of each camera."""
    for name, state, moved, limit_ns in (
        ("inspection", Cell.INSPECTION_STATE, Cell.INSPECTION_NS, limits.inspection_ns),
        ("plc", Cell.PLC_STATE, Cell.PLC_NS, limits.plc_ns),
    ):
        yield StageLook(name, StageState(board[state]), now_ns - board[moved], limit_ns)
    for index, (_, limit_ns) in enumerate(limits.cameras):
        found = StageState(board[camera_cell(index, CameraCell.STATE)])
        yield StageLook(
            f"acquire-{index}", found, now_ns - board[camera_cell(index, CameraCell.PROGRESS_NS)], limit_ns
        )  # fmt: skip


def health(board: Board, now_ns: int, limits: Limits) -> Health:
    """The health at `now_ns` (CLOCK_MONOTONIC)."""
    state = Line(board[Cell.LINE_STATE])
    problems = [*_line_problems(board, now_ns, state), *_stage_problems(board, now_ns, limits, state)]
    return Health(state.name, tuple(problems), (*problems, *_missing(board, limits, state, problems)))


def _line_problems(board: Board, now_ns: int, state: Line) -> Iterator[str]:
    age_ns = now_ns - board[Cell.SUPERVISOR_NS]
    if age_ns > SUPERVISOR_NS:
        yield f"supervisor: has not moved for {_words(age_ns)}; it hangs, or is gone"
    if state is Line.FAULTED:
        yield "line: FAULTED, a stage failed too often; mend the cause, then reset"
    if state is Line.STOPPING:
        yield "line: STOPPING"


def _stage_problems(board: Board, now_ns: int, limits: Limits, state: Line) -> Iterator[str]:
    for stage in stages(board, now_ns, limits):
        if stage.state is StageState.LOST:
            yield f"{stage.name}: ended unasked"
        elif stage.state is StageState.DOWN:
            if state is not Line.STARTING:
                yield f"{stage.name}: does not run"
        elif stage.state is not StageState.STARTING and stage.age_ns > stage.limit_ns:
            # One that starts has not moved yet; for how long it may is the supervisor's to watch.
            yield f"{stage.name}: has not moved for {_words(stage.age_ns)}; it hangs"


def _missing(board: Board, limits: Limits, state: Line, problems: Sequence[str]) -> list[str]:
    found = []
    if state in (Line.STARTING, Line.RECOVERING):
        found.append(f"line: {state.name}")
    if board[Cell.INSPECTION_STATE] == StageState.REFUSED:
        found.append("inspection: refuses to run, a golden part got the wrong verdict")
    elif not board[Cell.GOLDEN_PASSED]:
        found.append("inspection: the golden parts have not passed")
    elif board[Cell.PROVEN] == Proof.NOT_PROVEN:
        found.append("inspection: the product is not proven by golden parts of its own")
    if board[Cell.LINK] != Link.UP:
        found.append("plc: no connection to the PLC")
    for index, (name, _) in enumerate(limits.cameras):
        if not board[camera_cell(index, CameraCell.PRESENT)]:
            found.append(f"camera {name}: gives no pictures")
    if not board[Cell.READY] and not found and not problems:
        found.append("plc: the PLC has not verified READY")
    return found


def _words(age_ns: int) -> str:
    # A cell that was never written reads as the age of the machine.
    return f"{age_ns / 1e9:.1f} s"
