"""The PC's clock, as the recorder and the kernel see it: the alarm, the status, and a person who confirms it."""

from __future__ import annotations

import socket
from typing import Any, Final

from aoi_daemon import kernel_time
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.supervisor.attendants import Attendant
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.control import answer

_MOST: Final = 200


class ClockDesk:
    """`recorder` is the attendant that keeps the records' clock, and whose word on it counts."""

    def __init__(self, recorder: Attendant, chronicle: Chronicle) -> None:
        self._recorder = recorder
        self._chronicle = chronicle
        self._last: dict[str, Any] = {}

    def alarms(self) -> dict[Alarm, str]:
        """The alarm, while the clock is in doubt; a recorder that is down has not taken its word back."""
        doubt = self._told().get("doubt")
        return {Alarm.CLOCK_DOUBT: str(doubt)} if doubt else {}

    def status(self) -> dict[str, Any]:
        """For the status JSON; whether it is synchronised is told without a recorder, too.

        `believed`: yes, no, or unknown where no recorder has looked at it yet.
        """
        synchronised = kernel_time.SAID[kernel_time.synchronised()]
        return {"believed": "unknown", "doubt": "", **self._told(), "synchronised": synchronised}

    def confirm(self, client: socket.socket, by: str, reason: object, via: str) -> None:
        """`by` says that the clock is right, because of `reason`."""
        error = self._refused(reason)
        if not error and not self._recorder.process.tell(do="clock", by=by):
            error = "the recorder cannot be told now; try again in a moment"
        self._chronicle.audit("clock", by, via, ok=not error, detail=error or str(reason))
        told = {"ok": False, "error": error} if error else {"ok": True, "message": "confirmed; the alarm ends at once"}
        answer(client, told)

    def _refused(self, reason: object) -> str:
        if not isinstance(reason, str) or not reason.strip() or not reason.isprintable() or len(reason) > _MOST:
            return f"the reason must be 1 to {_MOST} printable characters in one line"
        if not self._recorder.wanted:
            return "line.toml has no [recorder]: no records depend on the clock"
        if not self._recorder.process.pid:
            return "the recorder does not run; it must, to take this in"
        if not self.alarms():
            return "the clock is not in doubt: there is nothing to confirm"
        return ""

    def _told(self) -> dict[str, Any]:
        if not self._recorder.wanted:
            return {}
        told = self._recorder.facts.get("clock")
        # One that has started again and has not opened the records knows nothing yet: what was said before counts.
        if isinstance(told, dict) and not (self._last and told.get("believed") == "unknown"):
            self._last = told
        return self._last
