"""The line that a publisher speaks for, with its memory in the test's hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aoi_daemon.ring import events
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.stage import now_ns


class PublishedLine:
    """Board and events of a line that runs, is READY, and has product 7 in use."""

    def __init__(self) -> None:
        self._board_memory = SharedMemory.create("board", SIZE_BYTES)
        self._event_memory = SharedMemory.create("events", events.SIZE_BYTES)
        self.board = Board(self._board_memory)
        self.board[Cell.LINE_STATE] = Line.RUNNING
        self.board[Cell.READY] = 1
        self.board[Cell.RECIPE] = 7
        self._events = events.EventWriter(self._event_memory)

    def alarm(self, **body: str) -> None:
        """An alarm moves, as the supervisor says it."""
        whole = {
            "name": "CAMERA_LOST",
            "was": "normal",
            "event": "the condition came",
            "priority": "HIGH",
            "detail": "",
            "by": "",
            **body,
        }
        self._events.append("alarm", whole, now_ns())

    def close_memory(self) -> None:
        del self.board
        self._board_memory.close()
        self._event_memory.close()


def as_wanted(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether each fact is as wanted; a text: contains it."""
    return all(value in facts[key] if isinstance(value, str) else facts[key] == value for key, value in wanted.items())
