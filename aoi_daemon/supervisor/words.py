"""What the line is doing, in words for `systemctl status`. Pure but for reading cells."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import Board, CameraCell, Cell, Link, StageState, Stopped, camera_cell
from aoi_daemon.stage.lifecycle import Line

_INSPECTION: Final[Mapping[int, str]] = MappingProxyType({
    StageState.STARTING: "the model is loaded and its golden parts are judged",
    StageState.REFUSED: "golden check failed: load another bundle, or have this one rebuilt",
    StageState.LOST: "inspection is started again",
    StageState.CHANGEOVER: "another engine takes the line",
})  # fmt: skip
_CAMERA: Final[Mapping[int, str]] = MappingProxyType({
    StageState.STARTING: "is opened",
    StageState.READY: "no picture",
    StageState.LOST: "is started again",
})  # fmt: skip


class Words(NamedTuple):
    """What is said at once when it changes, and the counts in its midst, which change all the time."""

    state: str
    counts: str = ""
    more: str = ""

    def __str__(self) -> str:
        return self.state + self.counts + self.more


def describe(board: Board, line: LineConfig, refused: str = "") -> Words:
    """The state of the line, and what it waits for. `refused`: the error of a reload that did not land."""
    end = f"; reload refused: {refused}" if refused else ""
    state = Line(board[Cell.LINE_STATE])
    if state is Line.STOPPING:
        return Words("stopping")
    if state is Line.FAULTED:
        # What the stages say then is the consequence; the cause is in the journal.
        return Words(f"faulted: a stage failed too often; read the journal, mend the cause, aoi-daemon reset{end}")
    if board[Cell.READY]:
        stop = _stop(Stopped(board[Cell.STOPPED_BY_RULE]))
        return Words("running", f": {board[Cell.PARTS]} parts, {board[Cell.REJECTED]} rejected", stop + end)
    name = "not ready" if state is Line.RUNNING else state.name.lower()
    return Words(f"{name}: {'; '.join(_waits(board, line)) or 'waits for the PLC to take READY'}{end}")


def _stop(stopped: Stopped) -> str:
    causes = {Stopped.RULE: "stop rule", Stopped.UNCONFIRMED: "a reject was not confirmed"}
    found = ", ".join(text for bit, text in causes.items() if bit in stopped)
    return f"; asks the line to stop ({found}): aoi-daemon reset" if found else ""


def _waits(board: Board, line: LineConfig) -> list[str]:
    waits: list[str] = []
    if board[Cell.PLC_STATE] != StageState.READY:
        waits.append("plc is started")
    elif board[Cell.LINK] != Link.UP:
        waits.append(f"waits for the PLC at {line.plc.host}:{line.plc.port}")
    for index, camera in enumerate(line.cameras):
        at = board[camera_cell(index, CameraCell.STATE)]
        if at != StageState.READY or not board[camera_cell(index, CameraCell.PRESENT)]:
            waits.append(f"camera {camera.name}: {_CAMERA.get(at, 'is not started')}")
    inspection = board[Cell.INSPECTION_STATE]
    if inspection == StageState.READY and board[Cell.PROVEN] == Proof.NOT_PROVEN:
        waits.append("the product is not proven: aoi-daemon golden add, then aoi-daemon reload")
    if inspection != StageState.READY:
        waits.append(_INSPECTION.get(inspection, "inspection is not started"))
    return waits
