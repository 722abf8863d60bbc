"""Which executor judges parts, for `status`, page and records; and what of `auto`'s picks crashes inspection.

A back end may pass its trial and die on the line. By itself the choice would be the same again, until the budget of
restarts is spent: so one that was lost `IN_A_ROW` times is left out until a person resets, or the daemon is restarted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.logs import logger
from aoi_daemon.supervisor.chronicle import Chronicle

IN_A_ROW: Final = 3
STEADY_NS: Final = 600_000_000_000
"""An executor that has judged for so long since it was lost is not lost in a row."""


class Engines:
    """Hears what inspection says of its executor. `file`: where that keeps what it has measured."""

    def __init__(self, chronicle: Chronicle, clock: Clock, file: Path) -> None:
        self.file = file
        self._chronicle = chronicle
        self._clock = clock
        self._log = logger()
        self._step = ""
        self._at_work = ""
        self._auto = False
        self._lost: dict[str, list[int]] = {}
        self._now: dict[str, Any] = {}

    def heard(self, message: dict[str, Any]) -> None:
        """An inspection measures, opens (`step`), or has taken the line (`engine`)."""
        if "step" in message and not message["standby"]:
            # One that is lost while it measures is lost with none of them.
            self._step, self._at_work, self._auto = message["step"], message.get("opening", ""), True
        if "engine" not in message:
            return
        self._step, self._now = "", message["engine"]
        self._at_work, self._auto = self._now["name"], self._now["auto"]
        # Each time: the last such event before a part, in its run, says what judged it.
        self._chronicle.event("engine", **self._now)

    def event(self, kind: str, **body: Any) -> None:
        """The keeper's events on their way: the loss of an inspection is one of its executor."""
        self._chronicle.event(kind, **body)
        if kind != "stage" or body.get("which") != "inspection":
            return
        self._step = ""
        if not (self._auto and self._at_work):
            return
        now = self._clock.now_ns()
        before = [then for then in self._lost.get(self._at_work, ()) if now - then <= STEADY_NS]
        self._lost[self._at_work] = [*before, now]
        if len(before) + 1 == IN_A_ROW:
            self._log.error("engine_left_out", engine=self._at_work, why=self.left_out()[self._at_work])

    def left_out(self) -> dict[str, str]:
        """What inspection must not take, by name, and why."""
        return {
            name: f"inspection was lost {len(times)} times in a row with it; a reset tries it again"
            for name, times in self._lost.items()
            if len(times) >= IN_A_ROW
        }

    def reset(self) -> None:
        """A person has looked at the line: the next start may take any."""
        self._lost.clear()

    def status(self) -> dict[str, Any]:
        """For the status JSON: `engine` and `engines`."""
        step = {"step": self._step} if self._step else {}
        shown = {name: self._now[name] for name in ("name", "why") if name in self._now}
        if lanes := self._now.get("lanes"):
            step["lanes"] = lanes
        return {"engine": {**shown, **step}, "engines": self._now.get("others", [])}
