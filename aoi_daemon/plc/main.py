"""The plc stage: verdicts to coils, the deadline, the heartbeat.

Process: plc. Blocks: on its doorbells with the next deadline, heartbeat or
poll as time-out, and in one PLC request at a time. Whatever the other
processes do, each announced part has its verdict with the PLC by its deadline, or has
none: no request that carries a PASS begins when the PLC could take it later.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.timing import timing_of
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Reason
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.client import PlcClient
from aoi_daemon.plc.doorbells import read_doorbells
from aoi_daemon.plc.face import Face
from aoi_daemon.plc.forcing import Forcing
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plc.parts import Part, Parts
from aoi_daemon.plc.polling import Polling, forget
from aoi_daemon.plc.ports import Dial, Link
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.plc.report import flags_of, registers_of
from aoi_daemon.plc.wire import Tcp, Wire
from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Flag, Report, encode_report
from aoi_daemon.ring.ports import DOORBELLS, MONOTONIC, Clock, Wait
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.stage.stage import Stage

_MS: Final = 1_000_000
_SEQUENCE: Final = 0xFF << coils.Coil.SEQ
_HEARTBEAT: Final = 1 << coils.Coil.HEARTBEAT
_TURNS: Final = ((0, 1, 2), (1, 2, 0), (2, 0, 1))
_IDLE_S: Final = 0.05
"""Longest wait: the loop says that it moves at least this often, however slow heartbeat and reconnect are."""


class Plc:
    """The loop. One request is out at a time: a verdict's before all others. `clock`: that of `link`."""

    def __init__(self, stage: Stage, link: Link, clock: Clock, wait: Wait) -> None:
        self.stage = stage
        self.link = link
        # The port's own functions: asked for some dozen times a part.
        self._now_ns, self._select, self._read = clock.now_ns, wait.select, wait.read
        self.board = stage.board
        config = stage.config
        self.section = config.plc
        self.readiness = Readiness(self.board, len(config.cameras), int(self.section.stall_ms * _MS))
        self.announcements = stage.fds["announcements_r"]
        self.judgements = stage.fds["judgements_r"]
        timing = timing_of(config.line, self.section)
        self.answer_ns = int(self.section.answer_ms * _MS)
        self.verdict_ns = int(timing.verdict_ms * _MS)
        self.account = Account(stage)
        self.parts = Parts(
            len(config.cameras), self.verdict_ns, int(timing.cutoff_ms * _MS), int(config.views_ms * _MS),
            number=self.board[Cell.PARTS],
        )  # fmt: skip
        self.spin_ns = config.realtime.spin_us * 1000
        self.face = Face(self.board, int(self.section.heartbeat_ms * _MS))
        self.written = -1  # the coils that the PLC has; -1: not known
        self.written_report: list[int] = []
        self.owes_nothing = False
        """A part has left without a verdict, and the PLC does not know yet."""
        self.busy = False
        poll = self.section.poll
        self._has_more = poll is not None or self.section.registers is not None
        self._turn = 0
        """Whose turn it is: coils 0, registers 1, poll 2."""
        self.polling = Polling(poll, stage, link, self.account.gate, clock) if poll is not None else None
        if poll is None:
            forget(self.board)
        self.forcing = Forcing(stage, link, self._release, clock)

    def run(self) -> None:
        """Serve until stopped; what waits then is still answered, and the safe state is last."""
        control = self.stage.control.fileno()
        watched = [self.announcements, self.judgements, control]
        if not self.link.up:  # before it is ready: a line does not begin with the alarm that there is no connection
            self._reconnect()
        self.stage.ready()
        self.board[Cell.PLC_STATE] = StageState.READY
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
            while (part := self.parts.take(self._now_ns())) is not None:
                self._deliver(part, self._line_ready() if line_ready is None else line_ready)
                line_ready = None  # that took its time
            self._spare(line_ready)
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
            live_ns = self.board[Cell.LIVE_NS]
            for announcement in announced:
                # What was ready before this inspection took the line, it never sees.
                self.parts.announce(announcement, ready=line_ready and announcement.ready_ns >= live_ns)
        for judgement in judged:
            self.parts.judge(judgement)
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

    # -- readiness ----------------------------------------------------------

    def _line_ready(self) -> bool:
        """The link is good, nobody forces the coils, and the rest of the line is as it must be."""
        free = self.link.up and self.forcing.word is None and not self.stage.stopping
        return free and self.readiness.line(self._now_ns())

    # -- coils and registers -------------------------------------------------

    def _word(self, line_ready: bool) -> int:
        return self.face.word(
            alarm=self.board[Cell.ALARMS] != 0, ready=line_ready, overrun=self._overrun(),
            run_permit=not self.board[Cell.STOPPED_BY_RULE] and not self.stage.stopping,
        )  # fmt: skip

    def _flags(self, line_ready: bool) -> Flag:
        return flags_of(self.board, ready=line_ready, overrun=self._overrun(), stopping=self.stage.stopping)

    def _overrun(self) -> bool:
        poll = self.section.poll
        behind = poll is not None and self.board[Cell.ACK_BEHIND] > poll.ack_behind
        return behind or bool(self.board[Cell.ALARMS] & (1 << Alarm.OVERRUN))

    def _write(self, word: int, timeout_s: float | None = None) -> bool:
        done = self.link.write(word, timeout_s)
        if done:
            board, is_ready = self.board, word >> coils.Coil.READY & 1
            if is_ready and not self.written >> coils.Coil.READY & 1:
                board[Cell.READY_NS] = self._now_ns()
            self.written = word
            board[Cell.READY] = is_ready
        return done

    def _write_report(self, base: int, report: list[int], timeout_s: float | None = None) -> bool:
        done = self.link.write_registers(base, report, timeout_s)
        if done:
            self.written_report = report.copy()
        return done

    def _is_free(self, now: int) -> bool:
        """Another request than a verdict's may begin: it is answered before the next part must have been judged."""
        cutoff_ns = self.parts.cutoff_ns()
        return cutoff_ns is None or now + self.answer_ns <= cutoff_ns

    def _spare(self, line_ready: bool | None = None) -> None:
        """One request that is no verdict's, where one is due and there is time; `busy` while more may be due.

        `line_ready` as it was found a moment ago; None: to be asked.
        """
        self.busy = False
        self._settle()
        now = self._now_ns()
        self.link.look(now)
        if self.link.up and self._is_free(now):
            self.busy = self._one_request(now, line_ready) and self.link.up and self._has_more

    def _one_request(self, now: int, line_ready: bool | None) -> bool:
        """The first that is due: what the coils show, what the registers show, what the PLC says. False: none was."""
        if line_ready is None:
            line_ready = self._line_ready()
        face = self.face
        if not line_ready and face.result is Result.PASS:
            face.nothing(face.number)  # READY that returns shows no PASS of before
        if self.forcing.word is not None:
            # The heartbeat is whatever is forced; written in its time, so that a lost link is noticed.
            word, is_due = self.forcing.word, now >= face.beat_ns
            face.beat(now, moves=False)
        else:
            self._beat(now)
            word, is_due = self._word(line_ready), False
        shows = is_due or word != self.written
        if shows and (word ^ self.written) & ~_HEARTBEAT:
            if self._turn == 1 and self._show_registers(line_ready):
                # One change of the coils behind another, each with a slow answer, would keep the registers' heartbeat
                # from a PLC that reads them alone for longer than it is patient: the next part would have no PASS.
                self._turn = 2
                return True
            self._turn = 1
            self._write(word)
            return True
        # Nothing but a beat: coils, registers and poll take turns. With a PLC whose answers take as long as a heartbeat
        # the next beat is due by then, and the registers would never be written, the PLC never read.
        for kind in _TURNS[self._turn]:
            if kind == 0:
                done = shows
                if shows:
                    self._write(word)
            else:
                done = self._show_registers(line_ready) if kind == 1 else self._poll(now)
            if done:
                self._turn = (kind + 1) % 3
                return True
        return False

    def _show_registers(self, line_ready: bool) -> bool:
        registers = self.section.registers
        if registers is None:
            return False
        report = self.face.report(self._flags(line_ready))
        if report == self.written_report:
            return False
        self._write_report(registers.base, report)
        return True

    def _poll(self, now: int) -> bool:
        if self.polling is None or now < self.polling.due_ns:
            return False
        self.polling.look(now, self.board[Cell.PARTS])
        return True

    def _beat(self, now: int) -> None:
        # A beat that the coils have not shown yet is not taken back by the next: the PLC would see none of the two.
        shown = self.written < 0 or bool(self.written & _HEARTBEAT) == self.face.heartbeat
        face = self.face
        if now >= face.count_ns or (shown and now >= face.beat_ns):
            moves = self.readiness.all_move(now)
            if shown:
                face.beat(now, moves=moves)
            # Registers that are read alone do not wait for the coils to show a beat: any other count is one.
            face.count(now, moves=moves)

    def _settle(self) -> None:
        """The PLC hears at once that a part has no verdict: before the next part's, or this would be out of step."""
        if not self.owes_nothing or not self.link.up:
            return
        self.owes_nothing = False
        line_ready, registers = self._line_ready(), self.section.registers
        if self._write(self._word(line_ready)) and registers is not None:
            self._write_report(registers.base, self.face.report(self._flags(line_ready)))

    def _reconnect(self) -> None:
        """A new connection starts from the safe state: neither the last verdict nor a forced word is shown again."""
        self.forcing.end("the connection to the PLC was lost")
        report = self.face.safe_report()
        safe = self.face.safe_word()
        if self.link.connect(safe, report):
            self.written, self.written_report = safe, report.copy()
            self.owes_nothing = False
            self.face.beat_ns = self._now_ns()

    def _release(self) -> None:
        """After forced coils: the safe state, with the sequence that the PLC goes on from."""
        self.face.nothing(self.face.number)
        if self.link.up:
            self._write(self.face.safe_word())

    # -- verdicts -----------------------------------------------------------

    def _deliver(self, part: Part, line_ready: bool) -> None:
        """Put the verdict on the wire, verify the answer, and record what became of the part."""
        self._settle()
        line_ready = line_ready and self.link.up
        reason = part.reason if part.reason is not None else Reason.LATE
        if reason is Reason.NONE and not line_ready:
            reason = Reason.NOT_READY
        sent_ns = self._now_ns()
        outcome = self.account.outcome(part, reason, sent_ns)
        if self.link.up and part.deadline_ns - sent_ns >= self.verdict_ns:
            self.face.verdict(Result.PASS if reason is Reason.NONE else Result.REJECT, part.number)
            self._beat(sent_ns)
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
