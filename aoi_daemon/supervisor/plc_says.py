"""What the plc stage says of the PLC: its reset button, and that it refuses what it is asked."""

from __future__ import annotations

from collections.abc import Callable

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.decide.line_limit import LineLimit
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.supervisor.alarm_watch import AlarmWatch
from aoi_daemon.supervisor.chronicle import Chronicle


class PlcSays:
    """Obeys the PLC within reason. `reset` is called with who asked and by which way.

    A bit that flickers is no hand on a button: resets beyond what a hand does in a minute are not obeyed, for each
    would take back a stop that nobody has looked at. They are counted, and told like lines that were left out.
    """

    def __init__(
        self, plc: StageProcess, alarms: AlarmWatch, chronicle: Chronicle, reset: Callable[[str, str], None]
    ) -> None:
        self._plc = plc
        self._alarms = alarms
        self._chronicle = chronicle
        self._reset = reset
        self._resets = LineLimit()
        self._pid = 0

    def alarm_reset(self, now_ns: int) -> None:
        """The PLC's reset bit has come."""
        if self._resets.take("reset", now_ns):
            self._reset("PLC", "plc")

    def refused(self, detail: str) -> None:
        """The PLC refuses what `detail` says; "": no more."""
        if detail:
            self._alarms.plc_said[Alarm.PLC_REFUSED] = detail
            self._pid = self._plc.pid
        else:
            self._alarms.plc_said.pop(Alarm.PLC_REFUSED, None)

    def look(self, now_ns: int) -> None:
        """Write down what was left out; what a plc said that has ended since counts no longer."""
        if self._plc.pid != self._pid:
            self._alarms.plc_said.pop(Alarm.PLC_REFUSED, None)
        for lines in self._resets.due(now_ns).values():
            self._chronicle.left_out("reset", lines, "not obeyed")
        self._chronicle.look(now_ns)
