"""The plc stage: verdicts to coils, the deadline, the heartbeat.

Process: plc. Blocks: on its doorbells with the next deadline, heartbeat or
poll as time-out, and in one PLC request at a time. Whatever the other
processes do, each announced part has a verdict on the wire by its deadline.
"""

from __future__ import annotations

import select
from typing import Final

from aoi_daemon.board import Cell, StageState
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import ANNOUNCEMENT, JUDGEMENT, Announcement, Judgement, Reason
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.forcing import Forcing
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plc.parts import Part, Parts
from aoi_daemon.plc.polling import Polling
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.plc.report import flags_of, registers_of
from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import RECIPE_OFFSET
from aoi_daemon.ring.doorbell import drain
from aoi_daemon.stage import Stage, now_ns

_MS: Final = 1_000_000
_IDLE_S: Final = 0.05
"""Longest wait: the loop says that it moves at least this often, however slow heartbeat and reconnect are."""


class Plc:
    """The loop and the state of the coils."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.board = stage.board
        self.log = stage.log
        config = stage.config
        self.section = config.plc
        self.readiness = Readiness(self.board, len(config.cameras), int(self.section.stall_ms * _MS))
        self.announcements = stage.fds["announcements_r"]
        self.judgements = stage.fds["judgements_r"]
        self.answer_ns = int(self.section.answer_ms * _MS)
        views_ns = int(config.views_ms * _MS)
        self.account = Account(stage)
        self.parts = Parts(len(config.cameras), self.answer_ns, views_ns, number=self.board[Cell.PARTS])
        self.spin_ns = config.realtime.spin_us * 1000
        self.link = PlcLink(self.section, self.board, self.log, spin_s=self.spin_ns / 1e9)
        # The last verdict stays on the coils until the next: state is latched, pulses are the PLC's.
        self.result = Result.NONE
        self.sequence = self.parts.number & 0xFF
        self.toggle = self.heartbeat = False
        self.written = -1
        self.heartbeat_ns = int(self.section.heartbeat_ms * _MS)
        self.beat_ns = 0
        poll = self.section.poll
        self.polling = Polling(poll, stage, self.link) if poll is not None else None
        self.forcing = Forcing(stage, self.link, self._release)
        self.recipe_shown = -1  # what the register `recipe` holds; -1: not known

    def run(self) -> None:
        """Serve until stopped; what waits then is still answered, and the safe state is last."""
        control = self.stage.control.fileno()
        watched = [self.announcements, self.judgements, control]
        self.board[Cell.PLC_STATE] = StageState.READY
        while not (self.stage.stopping and not self.parts.waiting):
            self.board[Cell.PLC_NS] = now_ns()
            ready = self._wait(watched)
            if control in ready:
                self._obey()
                if self.stage.stopping and control in watched:
                    watched.remove(control)  # its end would wake us for ever
            if not self.link.up and now_ns() >= self.link.retry_ns:
                self._reconnect()
            line_ready = self._line_ready()
            self._take_in(ready, line_ready)
            while (part := self.parts.take(now_ns())) is not None:
                self._deliver(part, line_ready)
            self._show_recipe()
            self._refresh()
            if self.polling is not None:
                self._poll(self.polling)
        if self.link.up:
            self.link.write(coils.SAFE)
        self.board[Cell.READY] = 0
        self.link.close()

    def _take_in(self, ready: list[int], line_ready: bool) -> None:
        """What the other stages say of parts.

        A part's announcement was written before its judgement: where this one is ready to be read, so is that.
        """
        if self.announcements in ready:
            self.forcing.announced_ns = now_ns()
            live_ns = self.board[Cell.LIVE_NS]
            for announcement in drain(self.announcements, Announcement.unpack, ANNOUNCEMENT.size):
                # What was ready before this inspection took the line, it never sees.
                self.parts.announce(announcement, ready=line_ready and announcement.ready_ns >= live_ns)
        if self.judgements in ready:
            for judgement in drain(self.judgements, Judgement.unpack, JUDGEMENT.size):
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
            until_ns = now_ns() + min(self.spin_ns, int(wait_s * 1e9))
            while now_ns() < until_ns:
                ready, _, _ = select.select(watched, [], [], 0)
                if ready:
                    return ready
            wait_s = self._wait_s()
        return select.select(watched, [], [], wait_s)[0]

    def _wait_s(self) -> float:
        """Until the next thing that has to be done without being told to."""
        due = [self.beat_ns if self.link.up else self.link.retry_ns]
        cutoff_ns = self.parts.cutoff_ns()
        if cutoff_ns is not None:
            due.append(cutoff_ns)
        if self.polling is not None and self.link.up:
            due.append(self.polling.due_ns)
        if self.forcing.word is not None:
            due.append(self.forcing.until_ns)
        return min(_IDLE_S, max(0.0, (min(due) - now_ns()) / 1e9))

    # -- readiness ----------------------------------------------------------

    def _line_ready(self) -> bool:
        """The link is good, nobody forces the coils, and the rest of the line is as it must be."""
        free = self.link.up and self.forcing.word is None and not self.stage.stopping
        return free and self.readiness.line(now_ns())

    # -- coils --------------------------------------------------------------

    def _word(self, line_ready: bool) -> int:
        return coils.pack(
            self.result,
            alarm=self.board[Cell.ALARMS] != 0,
            ready=line_ready,
            heartbeat=self.heartbeat,
            result_toggle=self.toggle,
            run_permit=not self.board[Cell.STOPPED_BY_RULE] and not self.stage.stopping,
            overrun=self._overrun(),
            sequence=self.sequence,
        )

    def _overrun(self) -> bool:
        poll = self.section.poll
        behind = poll is not None and self.board[Cell.ACK_BEHIND] > poll.ack_behind
        return behind or bool(self.board[Cell.ALARMS] & (1 << Alarm.OVERRUN))

    def _beat(self, now: int) -> None:
        """Toggle the heartbeat when it is due and everything moves."""
        if now < self.beat_ns:
            return
        self.beat_ns += self.heartbeat_ns
        if self.beat_ns <= now:
            self.beat_ns = now + self.heartbeat_ns  # after a gap: no catching up
        if self.readiness.all_move(now):
            self.heartbeat = not self.heartbeat
            self.board.add(Cell.HEARTBEATS)

    def _write(self, word: int, timeout_s: float | None = None) -> bool:
        done = self.link.write(word, timeout_s)
        if done:
            board, is_ready = self.board, word >> coils.Coil.READY & 1
            if is_ready and not self.written >> coils.Coil.READY & 1:
                board[Cell.READY_NS] = now_ns()
            self.written = word
            board[Cell.READY] = is_ready
        return done

    def _refresh(self) -> None:
        """Write the coils when the heartbeat is due or anything else has changed."""
        if not self.link.up:
            return
        now = now_ns()
        if self.forcing.word is not None:
            self._write_forced(self.forcing.word, now)
            return
        line_ready = self._line_ready()
        changed = self._word(line_ready) != self.written
        cutoff_ns = self.parts.cutoff_ns()
        if not changed and cutoff_ns is not None and cutoff_ns - now < self.answer_ns:
            return  # a verdict is due before this could be answered, and will carry the heartbeat
        self._beat(now)
        word = self._word(line_ready)
        if word != self.written:
            self._write(word)

    def _reconnect(self) -> None:
        """A new connection starts from the safe state: neither the last verdict nor a forced word is shown again."""
        self.forcing.end("the connection to the PLC was lost")
        self.result = Result.NONE
        safe = coils.pack(sequence=self.sequence)
        if self.link.connect(safe):
            self.written = safe
            self.beat_ns = now_ns()
            self.recipe_shown = -1

    def _show_recipe(self) -> None:
        """Acknowledge another product at once: the register `recipe` follows what inspection judges by."""
        registers, recipe = self.section.registers, self.board[Cell.RECIPE]
        if registers is None or recipe == self.recipe_shown or not recipe or not self.link.up:
            return
        cutoff_ns = self.parts.cutoff_ns()
        if cutoff_ns is not None and cutoff_ns - now_ns() < self.answer_ns:
            return  # the verdict that is due comes first, and carries a recipe of its own
        if self.link.write_registers(registers.base + RECIPE_OFFSET, [recipe], self.section.timeout_ms / 1e3):
            self.recipe_shown = recipe

    def _write_forced(self, word: int, now: int) -> None:
        """The heartbeat is whatever is forced; the word is written in its time, so that a lost link is noticed."""
        if word != self.written or now >= self.beat_ns:
            self.beat_ns = now + self.heartbeat_ns
            self._write(word)

    def _release(self) -> None:
        """After forced coils: the safe state, with the sequence that the PLC goes on from."""
        self.result = Result.NONE
        if self.link.up:
            self._write(coils.pack(sequence=self.sequence))

    # -- verdicts -----------------------------------------------------------

    def _deliver(self, part: Part, line_ready: bool) -> None:
        """Put the verdict on the wire, verify the answer, and record what became of the part."""
        line_ready = line_ready and self.link.up
        reason = part.reason if part.reason is not None else Reason.LATE
        if reason is Reason.NONE and not line_ready:
            reason = Reason.NOT_READY
        self.sequence = part.number & 0xFF
        sent_ns = now_ns()
        left_ns = part.deadline_ns - sent_ns
        outcome = self.account.outcome(part, reason, sent_ns)
        if self.link.up and left_ns > 0:
            self.result = Result.PASS if reason is Reason.NONE else Result.REJECT
            self.toggle = not self.toggle
            self._beat(sent_ns)
            self.account.outcomes.prepare(outcome)
            if self._send(part, reason, line_ready, left_ns / 1e9):
                outcome = outcome._replace(answered_ns=now_ns())
        else:
            # After its deadline a verdict says nothing to the PLC, which has rejected the part by preset, and could
            # be taken for the next part's: not now, and not by the next heartbeat's write either.
            self.result = Result.NONE
            if outcome.passed:
                outcome = outcome._replace(passed=False, reason=Reason.NOT_READY)
        self.account.enter(part, outcome)

    def _send(self, part: Part, reason: Reason, line_ready: bool, left_s: float) -> bool:
        # A PASS that the PLC takes after the deadline must not be: the connection is reset before.
        timeout_s = left_s if reason is Reason.NONE else None
        registers = self.section.registers
        if registers is not None:
            flags = flags_of(self.board, ready=line_ready, overrun=self._overrun())
            values = registers_of(
                part, self.result, reason, self.board, flags=flags, feedback=self.account.feedback, now_ns=now_ns()
            )
            if not self.link.write_registers(registers.base, values, left_s):
                return False
            self.recipe_shown = values[RECIPE_OFFSET]
        return self._write(self._word(line_ready), timeout_s)

    # -- the other direction -------------------------------------------------

    def _poll(self, polling: Polling) -> None:
        now = now_ns()
        cutoff_ns = self.parts.cutoff_ns()
        if not self.link.up or now < polling.due_ns:
            return
        if cutoff_ns is not None and cutoff_ns - now < self.answer_ns:
            return  # the verdict that is due comes first
        polling.look(now, self.parts.number)

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


def main(stage: Stage) -> None:
    """Entry of the process."""
    stage.prepare_realtime()
    plc = Plc(stage)
    stage.go_realtime()
    plc.run()
