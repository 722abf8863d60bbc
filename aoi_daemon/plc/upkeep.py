"""Between verdicts: the requests that keep the PLC's coils, registers and heartbeat up to date, and read what it says.

Process: plc. Blocks: in one PLC request at a time. A verdict goes before all of them: none is begun that could still
be out when a part must have been judged.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.config.timing import timing_of
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.face import Face
from aoi_daemon.plc.forcing import Forcing
from aoi_daemon.plc.parts import Parts
from aoi_daemon.plc.polling import Polling, forget
from aoi_daemon.plc.ports import Link
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.plc.report import flags_of
from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Flag
from aoi_daemon.ring.ports import Clock
from aoi_daemon.stage.board import Cell
from aoi_daemon.stage.stage import Stage

_MS: Final = 1_000_000
_HEARTBEAT: Final = 1 << coils.Coil.HEARTBEAT
_TURNS: Final = ((0, 1, 2), (1, 2, 0), (2, 0, 1))


class Upkeep:
    """What the PLC has been shown, and what is due of it. `clock`: that of `link`."""

    def __init__(self, stage: Stage, link: Link, clock: Clock) -> None:
        self.stage = stage
        self.link = link
        # The port's own function: asked for some dozen times a part.
        self._now_ns = clock.now_ns
        self.board = stage.board
        config = stage.config
        self.section = config.plc
        timing = timing_of(config.line, self.section)
        self.answer_ns = int(self.section.answer_ms * _MS)
        self.verdict_ns = int(timing.verdict_ms * _MS)
        self.account = Account(stage)
        views_ns = int(config.views_ms * _MS)
        self.parts = Parts(
            self.account.expected, self.verdict_ns, int(timing.cutoff_ms * _MS), views_ns,
            again_ns=min(views_ns, int(config.line.takt_ms * _MS) // 2), number=self.board[Cell.PARTS],
        )  # fmt: skip
        self.readiness = Readiness(self.board, len(config.cameras), int(self.section.stall_ms * _MS))
        self.readiness.views = self.account.expected.code
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
        # What the PLC is owed goes before any upkeep, and is not held up by the next part's cutoff.
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
            # The PLC has both: the next change is told from them. What a part without a verdict was owed is paid,
            # for the safe state carries its sequence.
            self.written, self.written_report = safe, report.copy()
            self.owes_nothing = False
            # A beat at once: without one the PLC's program takes no PASS.
            self.face.beat_ns = self._now_ns()

    def _release(self) -> None:
        """After forced coils: the safe state, with the sequence that the PLC goes on from."""
        # The last verdict too: it was on the coils before a person forced them, and its part is long past.
        self.face.nothing(self.face.number)
        if self.link.up:
            self._write(self.face.safe_word())
