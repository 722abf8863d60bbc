"""What the line is at this moment, for the retained messages: from the board and the event ring."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, Union

from aoi_daemon.decide.alarms import Alarm, AlarmState, alarms_in
from aoi_daemon.ring.events import EventReader
from aoi_daemon.stage.board import Board, Cell
from aoi_daemon.stage.lifecycle import Line

AlarmNow = tuple[str, Mapping[str, Any], Union[float, None]]  # noqa: UP007
"""Name of an alarm, body of its last event (empty: not known), and when that was (Unix s)."""
_NORMAL: Final = AlarmState.NORMAL.value


class Live:
    """The line's state and its alarms. `recipe` is the name of the recipe in use."""

    def __init__(self, board: Board, events: EventReader, recipe: str) -> None:
        self._board = board
        self._events = events
        self._alarms: dict[str, tuple[Mapping[str, Any], float]] = {}
        self.recipe = recipe

    def state(self) -> dict[str, Any]:
        """What a consumer wants to hear of at once when it changes."""
        board = self._board
        return {
            "ready": bool(board[Cell.READY]),
            "state": Line(board[Cell.LINE_STATE]).name,
            "stopped_by_rule": bool(board[Cell.STOPPED_BY_RULE]),
            "recipe": self.recipe,
            "recipe_id": board[Cell.RECIPE],
        }

    def counts(self) -> dict[str, int]:
        """Parts since the daemon's start."""
        board = self._board
        return {"parts": board[Cell.PARTS], "passed": board[Cell.PASSED], "rejected": board[Cell.REJECTED]}

    def alarms(self) -> list[AlarmNow]:
        """Every alarm that is not normal, in the order of the alarm list."""
        # Before the ring: an alarm that comes in between has its event, and is seen there.
        active = alarms_in(self._board[Cell.ALARMS])
        to_wall_s = time.time() - time.monotonic()
        for event in self._events.read():
            if event.kind == "alarm":
                self._alarms[str(event.body["name"])] = (event.body, event.at_ns / 1e9 + to_wall_s)
        found: dict[str, AlarmNow] = {
            name: (name, body, at_s) for name, (body, at_s) in self._alarms.items() if body["state"] != _NORMAL
        }
        # Its event may have been overwritten before it was read; the board has it still.
        for alarm in active:
            if alarm.name not in self._alarms:
                found[alarm.name] = (alarm.name, {}, None)
        return sorted(found.values(), key=lambda row: Alarm[row[0]] if row[0] in Alarm.__members__ else len(Alarm))
