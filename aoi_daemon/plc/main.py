"""The plc stage: verdicts to coils, the deadline, the heartbeat.

Process: plc. Blocks: on its doorbells with the next deadline, heartbeat or
poll as time-out, and in one PLC request at a time. Whatever the other
processes do, each announced part has its verdict with the PLC by its deadline, or has
none: no request that carries a PASS begins when the PLC could take it later.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.messages import Reason
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.doorbells import read_doorbells
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plc.parts import Part
from aoi_daemon.plc.ports import Dial, Link
from aoi_daemon.plc.report import registers_of
from aoi_daemon.plc.upkeep import Upkeep
from aoi_daemon.plc.wire import Tcp, Wire
from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Report, encode_report
from aoi_daemon.ring.ports import DOORBELLS, MONOTONIC, Clock, Wait
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.stage.stage import Stage

_SEQUENCE: Final = 0xFF << coils.Coil.SEQ
_IDLE_S: Final = 0.05
"""Longest wait: the loop says that it moves at least this often, however slow heartbeat and reconnect are."""


class Plc(Upkeep):
    """The loop, and the verdicts. One request is out at a time: a verdict's before all others."""

    def __init__(self, stage: Stage, link: Link, clock: Clock, wait: Wait) -> None:
        super().__init__(stage, link, clock)
        # The port's own functions, as the clock's.
        self._select, self._read = wait.select, wait.read
        self.announcements = stage.fds["announcements_r"]
        self.judgements = stage.fds["judgements_r"]
        self.spin_ns = stage.config.realtime.spin_us * 1000

    def run(self) -> None:
        """Serve until stopped; what waits then is still answered, and the safe state is last."""
        control = self.stage.control.fileno()
        watched = [self.announcements, self.judgements, control]
        if not self.link.up:  # before it is ready: a line does not begin with the alarm that there is no connection
            self._reconnect()
        self.stage.ready()
        self.board[Cell.PLC_STATE] = StageState.READY
        # Parts that wait when the stop comes still have their verdicts, a REJECT each, for READY is 0 by then: the PLC
        # stays in step, and each has a record of what became of it.
        while not (self.stage.stopping and not self.parts.waiting):
            self.board[Cell.PLC_NS] = self._now_ns()
            ready = self._wait(watched)
            if control in ready:
                self._obey()
                if self.stage.stopping and control in watched:
                    watched.remove(control)  # its end would wake us for ever
            if not self.link.up and self._now_ns() >= self.link.retry_ns:
                self._reconnect()
            line_ready: bool | None = self._line_ready()
            self._take_in(ready, bool(line_ready))
            # The time is asked anew for each: the verdict before it took a request or two.
            while (part := self.parts.take(self._now_ns())) is not None:
                self._deliver(part, self._line_ready() if line_ready is None else line_ready)
                line_ready = None  # that took its time
            self._spare(line_ready)
        # The last word is the safe state. Registers only where the coils were taken: else the connection is reset.
        if self.link.up and self.link.write(self.face.safe_word() & ~_SEQUENCE) and self.section.registers is not None:
            self.link.write_registers(self.section.registers.base, encode_report(Report()))
        self.board[Cell.READY] = 0
        self.link.close()

    def _take_in(self, ready: list[int], line_ready: bool) -> None:
        """What the other stages say of parts."""
        announced, judged = read_doorbells(
            ready, self.announcements, self.judgements, self.parts.knows, self._read
        )
        if announced:
            self.forcing.announced_ns = self._now_ns()
            live_ns = self.parts.live_ns = self.board[Cell.LIVE_NS]
            for announcement in announced:
                # What was ready before this inspection took the line, it never sees.
                self.parts.announce(announcement, ready=line_ready and announcement.ready_ns >= live_ns)
        if judged:
            self.parts.live_ns = self.board[Cell.LIVE_NS]
        for judgement in judged:
            self.parts.judge(judgement)
        # After the judgements: what was judged before inspection left, or was lost, still counts.
        inspection = self.board[Cell.INSPECTION_STATE]
        if inspection != StageState.READY:
            self.parts.reject_all(Reason.NOT_READY if inspection == StageState.CHANGEOVER else Reason.ENGINE_FAULT)
        if self.forcing.word is not None:
            self.forcing.look()

    def _wait(self, watched: list[int]) -> list[int]:
        """Which doorbells have rung, once one has or something is due; awake for a while where a part is judged."""
        wait_s = self._wait_s()
        if self.spin_ns and self.parts.waiting:
            until_ns = self._now_ns() + min(self.spin_ns, int(wait_s * 1e9))
            while self._now_ns() < until_ns:
                ready = self._select(watched, 0)
                if ready:
                    return ready
            wait_s = self._wait_s()
        return self._select(watched, wait_s)

    def _wait_s(self) -> float:
        """Until the next thing that has to be done without being told to."""
        if self.busy:
            return 0.0
        due = [] if self.link.up else [self.link.retry_ns]
        cutoff_ns = self.parts.cutoff_ns()
        if cutoff_ns is not None:
            due.append(cutoff_ns)
        if self.link.up and self._is_free(self._now_ns()):  # else they wait for the verdict, and it is in the list
            due.append(self.face.beat_ns)
            if self.polling is not None:
                due.append(self.polling.due_ns)
        if self.forcing.word is not None:
            due.append(self.forcing.until_ns)
        return min(_IDLE_S, max(0.0, (min(due) - self._now_ns()) / 1e9))

    # -- verdicts -----------------------------------------------------------

    def _deliver(self, part: Part, line_ready: bool) -> None:
        """Put the verdict on the wire, verify the answer, and record what became of the part."""
        # A part that left without a verdict is told first: this verdict would be taken for that part's.
        self._settle()
        line_ready = line_ready and self.link.up
        reason = part.reason if part.reason is not None else Reason.LATE
        # A PASS needs READY as it is now, not as it was when the part came.
        if reason is Reason.NONE and not line_ready:
            reason = Reason.NOT_READY
        sent_ns = self._now_ns()
        outcome = self.account.outcome(part, reason, sent_ns)
        # Enough for every request of the verdict, one answer_ms each (decision 2): one that was begun with less could
        # reach the PLC when the next part is in front of it.
        if self.link.up and part.deadline_ns - sent_ns >= self.verdict_ns:
            self.face.verdict(Result.PASS if reason is Reason.NONE else Result.REJECT, part.number)
            self._beat(sent_ns)
            # Before the first byte is out: whatever ends this process from here on, its successor finds the record of a
            # verdict that the PLC may have.
            self.account.outcomes.prepare(outcome)
            if self._send(part, reason, line_ready):
                outcome = outcome._replace(answered_ns=self._now_ns())
        else:
            # A verdict that the PLC could take after the deadline is none: the PLC has rejected the part by preset,
            # and what comes then could be taken for the next part's, now or with the next heartbeat's write.
            self._gives_none(part.number)
            if outcome.passed:  # of a link that is up: without one the part is NOT_READY by now
                outcome = outcome._replace(passed=False, reason=Reason.LATE)
        self.account.enter(part, outcome)

    def _gives_none(self, number: int) -> None:
        self.face.nothing(number)
        self.owes_nothing = True

    def _send(self, part: Part, reason: Reason, line_ready: bool) -> bool:
        """The requests of one verdict, each with the time that is left then. What is out at the deadline is reset."""
        registers = self.section.registers
        if registers is not None:
            report = registers_of(
                part, self.face.result, reason, self.board, flags=self._flags(line_ready),
                feedback=self.account.feedback, now_ns=self._now_ns(),
            )  # fmt: skip
            self.face.judged(report)
            if not self._write_report(registers.base, report, (part.deadline_ns - self._now_ns()) / 1e9):
                return False
        # Taken anew: the time left before the registers is no time left for the coils.
        left_ns = part.deadline_ns - self._now_ns()
        if left_ns < self.answer_ns:
            # The registers took longer than the PLC should need. Nothing is out, so there is nothing to reset.
            self._gives_none(part.number)
            return False
        return self._write(self._word(line_ready), left_ns / 1e9)

    # -- the supervisor -------------------------------------------------------

    def _obey(self) -> None:
        for command in self.stage.commands():
            if command["do"] == "reset":
                self.forcing.end("reset")
                self.account.reset()
            elif command["do"] == "recipe":
                self.account.use(Recipe.model_validate_json(command["recipe"]))
                self.parts.use(self.account.expected)
                self.readiness.views = self.account.expected.code
            elif command["do"] == "force":
                self.forcing.ask(command["word"], command["number"])
            elif command["do"] == "unforce":
                self.forcing.end("ended by a person")


def modbus_link(stage: Stage, clock: Clock, dial: Dial) -> PlcLink:
    """The link to the PLC of the stage's configuration."""
    section = stage.config.plc
    wire = Wire(stage.config.realtime.spin_us / 1e6, clock=clock, dial=dial)
    client = PlcClient(section.host, section.port, section.unit, wire=wire, clock=clock)
    return PlcLink(
        section, stage.board, stage.log, lambda what: stage.tell(tell="plc_refused", detail=what),
        client=client, clock=clock,
    )  # fmt: skip


def main(stage: Stage) -> None:
    """Entry of the process."""
    stage.prepare_realtime()
    plc = Plc(stage, modbus_link(stage, MONOTONIC, Tcp), MONOTONIC, DOORBELLS)
    stage.go_realtime()
    plc.run()
