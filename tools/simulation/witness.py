"""What must hold in every run, whatever happens: the invariants of the design, checked from outside.

What was seen (`sightings`) is checked against the records, once they are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.plcmap.coils import Result
from tools.simulation.life import Life
from tools.simulation.sightings import Sightings, VerdictSeen
from tools.simulation.timeline import MS, SECOND

_POLL_ROUNDS_NS: Final = MS
"""The system's poll rounds a time-out up to whole milliseconds."""
CONNECTIONS_A_SECOND: Final = 12
"""In any second: the first at once, then 50, 100, 200, 300 ms and so on; and again after a link that was up."""
LINES_A_MINUTE: Final = 6
"""Of one kind of what the PLC brings about; see `LineLimit`."""
_PLC_EVENTS: Final = {
    "plc_connected": 4, "plc_link_down": 4, "reject_unconfirmed": LINES_A_MINUTE, "reject_unseen": LINES_A_MINUTE,
    "reject_bypassed": LINES_A_MINUTE, "reject_undelivered": LINES_A_MINUTE,
}  # fmt: skip
_ALARMS_A_MINUTE: Final = 60


class Witness(Sightings):
    """Watches one run, and says at its end which invariants did not hold."""

    def end_of_life(self, life: Life, records: Sequence[Outcome], *, cut_off: bool = False) -> None:
        """The records of one start of the daemon: 5, and with them 2. `cut_off`: its power went, and its memory."""
        self.records += len(records)
        answer_ns = self._plan.shape.answer
        by_number: dict[int, Outcome] = {}
        expected = records[0].part if records else 1
        for record in records:
            if record.part != expected:
                self.break_("5", f"after part {expected - 1} part {record.part} is recorded")
            expected = record.part + 1
            by_number[record.part] = record
            self.reasons[Reason(record.reason).name] += 1
            self._check_record(life, record)
        for (of_life, number), verdict in self._verdicts.items():
            if of_life != self._lives:
                continue
            found = by_number.get(number)
            if found is not None:
                self._check_times(verdict, found, answer_ns)
            elif verdict.begun and not (cut_off and number >= expected):
                self.break_("5", f"the verdict of part {number} was begun, and no record has it")

    def _check_record(self, life: Life, record: Outcome) -> None:
        frame = life.frames.get((record.camera, record.sequence))
        if not record.sequence:
            self._check_missing(life, record)
            return
        if frame is None:
            self.break_("5", f"part {record.part} is recorded with view {record.sequence}, which never was")
            return
        said = frame.said
        if (record.trigger_ns, record.ready_ns) != (said.trigger_ns, said.ready_ns):
            self.break_("5", f"part {record.part} is recorded with the times of another view than {record.sequence}")
        had_ns = life.doors.read_ns.get((record.camera, record.sequence))
        in_time = record.deadline_ns - record.sent_ns >= self._verdict_ns and self._plan.shape.views == 1
        if record.reason == Reason.LATE and had_ns is not None and had_ns < record.sent_ns and in_time:
            self.break_("5", f"part {record.part} is recorded as late, and plc had its judgement", frame.part)
        part = self._parts.get(frame.part)
        if record.passed and (part is None or part.bad):
            self.break_("5", f"part {record.part} is recorded as good, of a picture that is bad or none", frame.part)
        if record.passed != (record.reason == Reason.NONE):
            self.break_("5", f"part {record.part}: passed and reason {record.reason} at once")
        if record.reason == Reason.DEFECT and (part is None or not part.bad):
            self.break_("5", f"part {record.part} is recorded as bad, of a picture that is good", frame.part)
        if part is not None and record.passed and record.answered_ns:
            part.delivered = True
        if record.answered_ns:
            expected = Result.PASS if record.passed else Result.REJECT
            taken = self._took.get((self._lives, record.part), [])
            shown = [what for when, what, how in taken if how == 15 and record.sent_ns <= when <= record.answered_ns]
            # A word that is written again while another verdict is out shows the same.
            if expected not in shown and not (record.passed and Result.NONE in shown):
                self.break_("5", f"part {record.part} is recorded as {expected.name}, and the PLC took {shown}")
        if part is not None and part.ejected is False and not record.passed and record.answered_ns:
            about = [one for one in life.frames.values() if one.part == frame.part]
            if len(about) == self._plan.shape.views:
                self.break_("5", f"part {record.part} is recorded as rejected, and was let go", frame.part)

    def _check_missing(self, life: Life, record: Outcome) -> None:
        """A part that is told by a view which never came: it is no PASS, and has the times of one that did."""
        if record.passed or record.reason != Reason.NO_IMAGE:
            self.break_("5", f"part {record.part} is recorded as {record.reason} of a view that never came")
        times = record.trigger_ns, record.ready_ns
        if not any((frame.said.trigger_ns, frame.said.ready_ns) == times for frame in life.frames.values()):
            self.break_("5", f"part {record.part} is recorded with times that no view has")

    def _check_times(self, verdict: VerdictSeen, record: Outcome, answer_ns: int) -> None:
        deadline = record.deadline_ns
        for when, function, passes in verdict.begun:
            if passes and deadline - when < answer_ns:
                left = (deadline - when) / MS
                self.break_("2a", f"part {record.part}: FC{function} with PASS begun {left:.3f} ms before its deadline")
        for when, answered in verdict.ended:
            if when > deadline + _POLL_ROUNDS_NS:
                how = "answered" if answered else "reset"
                self.break_("2a", f"part {record.part}: {how} {(when - deadline) / MS:.3f} ms after its deadline")
        for when, how in verdict.again:
            if not how.startswith("taken"):
                self.break_("2a", f"part {record.part}: PASS shown again {how}")
                continue
            begun_ns = int(how.split()[2])
            late = when > deadline
            self.passed_late += late
            if late and when - begun_ns <= answer_ns:
                by_ms = (when - deadline) / MS
                self.break_("2b", f"part {record.part}: PASS taken {by_ms:.3f} ms after its deadline, within answer_ms")

    def end(self) -> None:
        """4: what is bounded."""
        self._bounded("connections", self.connects_ns, SECOND, CONNECTIONS_A_SECOND)
        for event, most in _PLC_EVENTS.items():
            self._bounded(f"log lines {event}", self.lines_ns.get(event, []), 60 * SECOND, most * self.processes)
        by_alarm: dict[str, list[int]] = {}
        for when, alarm in self.raised:
            by_alarm.setdefault(alarm, []).append(when)
        for alarm, times in by_alarm.items():
            self._bounded(f"alarm {alarm}", times, 60 * SECOND, _ALARMS_A_MINUTE)

    def _bounded(self, what: str, times: Sequence[int], within: int, most: int) -> None:
        for first, last in zip(times, times[most:], strict=False):
            if last - first < within:
                self.break_("4", f"more than {most} {what} within {within / SECOND:g} s")
                return

    def must_pass(self, calm: Sequence[int], in_step: Sequence[int]) -> None:
        """3: of the parts in `calm`, by number, each good one is let go; of those `in_step` each that had its PASS."""
        for number in in_step:
            part = self._parts[number]
            if part.delivered and part.ejected and not part.leapt:
                self.break_("3", f"part {number} had its PASS in time, and is ejected", number)
                return
        for number in calm:
            part = self._parts[number]
            if not part.bad and part.ejected:
                self.break_("3", f"part {number} is good and ejected, long after the last fault", number)
                return
