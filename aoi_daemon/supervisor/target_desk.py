"""Targets that stay in view, as the recorder sees them: the alarm, and a person who has them looked for now."""

from __future__ import annotations

import socket

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.supervisor.attendants import Attendant
from aoi_daemon.supervisor.control import answer


class TargetDesk:
    """`recorder` is the attendant that looks for them; its word counts until it has looked again."""

    def __init__(self, recorder: Attendant) -> None:
        self._recorder = recorder
        self._last: dict[str, str] = {}

    def alarms(self) -> dict[Alarm, str]:
        """The alarm, while any target has moved or is not found."""
        wrong = [said for said in self._told().values() if said]
        return {Alarm.TARGET_MOVED: "; ".join(wrong)} if wrong else {}

    def look(self, client: socket.socket) -> None:
        """Have all of them looked for in the next frames. Nothing is changed by it, so it is not in the audit."""
        error = self._refused()
        if not error and not self._recorder.process.tell(do="targets"):
            error = "the recorder cannot be told now; try again in a moment"
        told = {"ok": False, "error": error} if error else {"ok": True, "message": "looked for in the next frames"}
        answer(client, told)

    def _refused(self) -> str:
        if not self._told():
            return "no camera of this line has [cameras.calibration.watch], or the recorder has not started yet"
        return "" if self._recorder.process.pid else "the recorder does not run; it looks for targets"

    def _told(self) -> dict[str, str]:
        """By camera why it does not hold; "" where it does.

        Of a recorder that has started again and has not looked yet, what was said before.
        """
        if not self._recorder.wanted:
            return {}
        told = self._recorder.facts.get("targets")
        if isinstance(told, dict):
            self._last = {name: self._last.get(name, "") if said is None else str(said) for name, said in told.items()}
        return self._last
