"""The plc stage: verdicts to coils, the deadline, the heartbeat.

Process: plc. Blocks: on its doorbells with the next deadline, heartbeat or
poll as time-out, and in one PLC request at a time. Whatever the other
processes do, each announced part has a verdict on the wire by its deadline.
"""

from __future__ import annotations

import os
import select
from typing import Final

from aoi_daemon.board import CameraCell, Cell, StageState, camera_cell, reason_cell
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import PollSection
from aoi_daemon.config.tasks import MAX_CLASSES
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.decide.rules import ProcessFeedback, StopWatch
from aoi_daemon.lifecycle import Line
from aoi_daemon.messages import ANNOUNCEMENT, JUDGEMENT, TRIGGER, Announcement, Judgement, Outcome, Reason
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plc.parts import Part, Parts
from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import POLL_WORDS, Flag, Poll, Report, Status, decode_poll, encode_report
from aoi_daemon.ring.doorbell import drain
from aoi_daemon.ring.verdicts import SIZE_BYTES, VerdictWriter
from aoi_daemon.stage import Stage, now_ns

_NO_JUDGEMENT: Final = Judgement(False, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, b"")
_MS: Final = 1_000_000
_TENTH_MS: Final = 100_000


class Plc:
    """The loop and the state of the coils."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.board = stage.board
        self.log = stage.log
        config = stage.config
        self.section = config.plc
        self.cameras = range(len(config.cameras))
        self.announcements = stage.fds["announcements_r"]
        self.judgements = stage.fds["judgements_r"]
        self.answer_ns = int(self.section.answer_ms * _MS)
        self.parts = Parts(len(self.cameras), self.answer_ns, int(config.views_ms * _MS), number=self.board[Cell.PARTS])
        self.outcomes = VerdictWriter(stage.memory("verdicts", SIZE_BYTES))
        self.link = PlcLink(self.section, self.board, self.log)
        self.recipe = stage.setup.recipe
        self.rules = StopWatch(self.recipe.stop, self.recipe.px_per_unit)
        self.feedback = ProcessFeedback(self.recipe.stop.window, MAX_CLASSES)
        # The last verdict stays on the coils until the next: state is latched, pulses are the PLC's.
        self.result = Result.NONE
        self.sequence = self.parts.number & 0xFF
        self.toggle = self.heartbeat = False
        self.written = -1
        self.heartbeat_ns = int(self.section.heartbeat_ms * _MS)
        self.beat_ns = 0
        self.poll_ns = 0
        self.polled: Poll | None = None

    def run(self) -> None:
        """Serve until stopped; what waits then is still answered, and the safe state is last."""
        control = self.stage.control.fileno()
        watched = [self.announcements, self.judgements, control]
        self.board[Cell.PLC_STATE] = StageState.READY
        while not (self.stage.stopping and not self.parts.waiting):
            self.board[Cell.PLC_NS] = now_ns()
            ready, _, _ = select.select(watched, [], [], self._wait_s())
            if control in ready:
                self._obey()
                if self.stage.stopping and control in watched:
                    watched.remove(control)  # its end would wake us for ever
            if not self.link.up and now_ns() >= self.link.retry_ns:
                self._reconnect()
            line_ready = self._line_ready()
            # A part's announcement was written before its judgement: where this one is ready to be read, so is that.
            if self.announcements in ready:
                for announcement in drain(self.announcements, Announcement.unpack, ANNOUNCEMENT.size):
                    self.parts.announce(announcement, ready=line_ready)
            if self.judgements in ready:
                for judgement in drain(self.judgements, Judgement.unpack, JUDGEMENT.size):
                    self.parts.judge(judgement)
            if self.board[Cell.INSPECTION_STATE] != StageState.READY:
                self.parts.reject_all(Reason.ENGINE_FAULT)
            while (part := self.parts.take(now_ns())) is not None:
                self._deliver(part, line_ready)
            self._refresh()
            if self.section.poll is not None:
                self._poll(self.section.poll)
        if self.link.up:
            self.link.write(coils.SAFE)
        self.board[Cell.READY] = 0
        self.link.close()

    def _wait_s(self) -> float:
        """Until the next thing that has to be done without being told to."""
        due = [self.beat_ns if self.link.up else self.link.retry_ns]
        cutoff_ns = self.parts.cutoff_ns()
        if cutoff_ns is not None:
            due.append(cutoff_ns)
        if self.section.poll is not None and self.link.up:
            due.append(self.poll_ns)
        return max(0.0, (min(due) - now_ns()) / 1e9)

    # -- readiness ----------------------------------------------------------

    def _line_ready(self) -> bool:
        """Camera, engine, recipe and link are good, and the golden check has passed."""
        board = self.board
        return (
            self.link.up
            and not self.stage.stopping
            and board[Cell.LINE_STATE] == Line.RUNNING
            and board[Cell.INSPECTION_STATE] == StageState.READY
            and board[Cell.GOLDEN_PASSED] == 1
            and all(self._camera_ready(camera) for camera in self.cameras)
            and self._all_move()
        )

    def _camera_ready(self, camera: int) -> bool:
        state = self.board[camera_cell(camera, CameraCell.STATE)]
        return state == StageState.READY and self.board[camera_cell(camera, CameraCell.PRESENT)] == 1

    def _all_move(self) -> bool:
        """Whoever says that it works has moved lately; without that the heartbeat stops.

        A stage that is known to be down, or a camera that is being opened, does not stop it: READY=0
        says so already. The heartbeat is for what nobody would notice otherwise.
        """
        board = self.board
        since_ns = now_ns() - int(self.section.stall_ms * _MS)
        if board[Cell.INSPECTION_STATE] == StageState.READY and board[Cell.INSPECTION_NS] < since_ns:
            return False
        return not any(
            self._camera_ready(camera) and board[camera_cell(camera, CameraCell.PROGRESS_NS)] < since_ns
            for camera in self.cameras
        )

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
        if self._all_move():
            self.heartbeat = not self.heartbeat
            self.board.add(Cell.HEARTBEATS)

    def _write(self, word: int, timeout_s: float | None = None) -> bool:
        done = self.link.write(word, timeout_s)
        if done:
            self.written = word
            self.board[Cell.READY] = word >> coils.Coil.READY & 1
        return done

    def _refresh(self) -> None:
        """Write the coils when the heartbeat is due or anything else has changed."""
        if not self.link.up:
            return
        now = now_ns()
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
        """A new connection starts from the safe state: the last verdict is not shown again."""
        self.result = Result.NONE
        safe = coils.pack(sequence=self.sequence)
        if self.link.connect(safe):
            self.written = safe
            self.beat_ns = now_ns()

    # -- verdicts -----------------------------------------------------------

    def _deliver(self, part: Part, line_ready: bool) -> None:
        """Put the verdict on the wire, verify the answer, and record what became of the part."""
        line_ready = line_ready and self.link.up
        reason = part.reason if part.reason is not None else Reason.LATE
        if reason is Reason.NONE and not line_ready:
            reason = Reason.NOT_READY
        self.result = Result.PASS if reason is Reason.NONE else Result.REJECT
        self.toggle = not self.toggle
        self.sequence = part.number & 0xFF
        sent_ns = now_ns()
        left_ns = part.deadline_ns - sent_ns
        outcome = self._outcome(part, reason, sent_ns)
        # After its deadline a verdict says nothing to the PLC, which has rejected the part by preset,
        # and could be taken for the next part's.
        if self.link.up and left_ns > 0:
            self._beat(sent_ns)
            self.outcomes.prepare(outcome)
            if self._send(part, reason, line_ready, left_ns / 1e9):
                outcome = outcome._replace(answered_ns=now_ns())
        elif outcome.passed:
            outcome = outcome._replace(passed=False, reason=Reason.NOT_READY)
        self._record(outcome)

    def _send(self, part: Part, reason: Reason, line_ready: bool, left_s: float) -> bool:
        # A PASS that the PLC takes after the deadline must not be: the connection is reset before.
        timeout_s = left_s if reason is Reason.NONE else None
        registers = self.section.registers
        if registers is not None:
            values = self._registers(part, reason, line_ready)
            if not self.link.write_registers(registers.base, values, left_s):
                return False
        return self._write(self._word(line_ready), timeout_s)

    def _registers(self, part: Part, reason: Reason, line_ready: bool) -> list[int]:
        judgement = part.judgement or _NO_JUDGEMENT
        flags = Flag.READY if line_ready else Flag(0)
        if self.board[Cell.ALARMS]:
            flags |= Flag.ALARM
        if not self.board[Cell.STOPPED_BY_RULE]:
            flags |= Flag.RUN_PERMIT
        if self._overrun():
            flags |= Flag.OVERRUN
        stamp_ns = part.first.trigger_ns or part.first.ready_ns
        return encode_report(
            Report(
                heartbeat=self.board[Cell.HEARTBEATS],
                trigger_id=part.first.trigger_id or part.number,
                verdict=self.result,
                defect_class=judgement.worst_class,
                defect_count=judgement.defect_count,
                latency=(now_ns() - stamp_ns) // _TENTH_MS,
                recipe=self.recipe.id,
                error_code=reason,
                flags=flags,
                offset_x=judgement.offset_x,
                offset_y=judgement.offset_y,
                reject_rate=self.feedback.reject_per_mille,
                frequent_class=self.feedback.most_frequent_class,
                sequence=part.number,
            )
        )

    def _outcome(self, part: Part, reason: Reason, sent_ns: int) -> Outcome:
        view = part.views.get(part.decided_by, part.first)
        judgement = part.judgement or _NO_JUDGEMENT
        return Outcome(
            part.number, reason is Reason.NONE, reason, view.camera, judgement.worst_class,
            judgement.defect_count, self.recipe.id, view.fov, view.sequence, judgement.bundle,
            judgement.offset_x, judgement.offset_y, view.trigger_ns, view.ready_ns, part.deadline_ns,
            judgement.picked_ns, judgement.inferred_ns, judgement.judged_ns, sent_ns, 0, judgement.defects,
        )  # fmt: skip

    def _record(self, outcome: Outcome) -> None:
        """What became of a part: the ring, the counts, the stop rules."""
        self.outcomes.append(outcome)
        board = self.board
        answered_ns = outcome.answered_ns
        board[Cell.PARTS] = outcome.part
        board.add(Cell.PASSED if outcome.passed else Cell.REJECTED)
        board.add(reason_cell(outcome.reason))
        board.add(Cell.UNDELIVERED, not answered_ns)
        board.add(Cell.DEADLINE_MISSES, not answered_ns or answered_ns > outcome.deadline_ns)
        self.feedback.add(passed=outcome.passed, worst_class=outcome.worst_class)
        stop = self.rules.saw(Reason(outcome.reason), outcome.found, fov=outcome.fov, camera=outcome.camera)
        if stop is not None:
            board[Cell.STOPPED_BY_RULE] = 1
            self.log.error("stop_rule", cause=stop.cause.value, part=outcome.part, parts=stop.parts)

    # -- the other direction -------------------------------------------------

    def _poll(self, section: PollSection) -> None:
        now = now_ns()
        cutoff_ns = self.parts.cutoff_ns()
        if not self.link.up or now < self.poll_ns:
            return
        if cutoff_ns is not None and cutoff_ns - now < self.answer_ns:
            return  # the verdict that is due comes first
        self.poll_ns = now + int(section.period_ms * _MS)
        values = self.link.read_registers(section.base, POLL_WORDS)
        if values is None:
            return
        polled, before = decode_poll(values), self.polled
        self.polled = polled
        self.board[Cell.PLC_STATUS] = polled.status
        self.board[Cell.LINE_RUNNING] = Status.LINE_RUNNING in polled.status
        self.board[Cell.ACK_BEHIND] = (self.parts.number - polled.acted_on) & 0xFF
        if before is None:
            return  # the first read is where we begin, not an edge
        if (polled.status ^ before.status) & Status.TRIGGER:
            try:
                os.write(self.stage.fds["triggers_w"], TRIGGER.pack(now, polled.trigger_id))
            except BlockingIOError:
                pass  # acquire is down; a part without an announcement is rejected by preset
        if Status.ALARM_RESET in polled.status and Status.ALARM_RESET not in before.status:
            self.stage.tell(tell="alarm_reset")

    def _obey(self) -> None:
        for command in self.stage.commands():
            if command["do"] == "reset":
                self.rules.reset()
                self.board[Cell.STOPPED_BY_RULE] = 0
            elif command["do"] == "recipe":
                self.recipe = Recipe.model_validate_json(command["recipe"])
                self.rules = StopWatch(self.recipe.stop, self.recipe.px_per_unit)


def main(stage: Stage) -> None:
    """Entry of the process."""
    stage.prepare_realtime()
    plc = Plc(stage)
    stage.go_realtime()
    plc.run()
