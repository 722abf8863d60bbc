"""Take in what the line did: frames, verdicts and events, into the inbox.

Process: recorder, its reader thread. Blocks: nowhere. Memory: reads the rings in place, copies what it needs.
Called every few ms: the frame ring holds a handful of frames, and acquire does not wait for a reader.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.recorder.flight import Context, FlightRecorder, Frame
from aoi_daemon.recorder.inbox import BEFORE_START, LEFT_THE_RING, Inbox, Job, Moment, Row
from aoi_daemon.recorder.triage import has_frame, why_keep
from aoi_daemon.records.parts import Why
from aoi_daemon.ring.events import EventReader
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import Board, CameraCell, camera_cell

_ROWS_AT_ONCE: Final = 256
_MOST_MOMENTS: Final = 4096
_OWN_ALARMS: Final = ("RECORDER_DISK", "CLOCK_DOUBT")
"""Of the records themselves: no picture shows what was wrong."""
_STALE_NS: Final = 2_000_000_000
_RAISED: Final = AlarmState.UNACKNOWLEDGED.value
"""The state into which an alarm comes when its condition comes, and in no other way."""


class _Decided(NamedTuple):
    """A part that is kept, for the views of other cameras that are yet to come."""

    stamp_ns: int
    camera: int
    part: int
    recipe: int
    why: Why


class Reader:
    """Reads the rings of one line.

    Args:
        flights: one for each camera.
        run: of the daemon.
        around: frames to keep before and after a fault.
        sampled_percent: share of good parts whose picture is kept.
        views_ns: frames of several cameras that are so near belong to one part.
        since_ns: when this process began; frames from before it may be gone.
    """

    def __init__(
        self,
        board: Board,
        verdicts: VerdictReader,
        events: EventReader,
        flights: list[FlightRecorder],
        inbox: Inbox,
        *,
        run: str,
        around: int,
        sampled_percent: float,
        views_ns: int,
        since_ns: int,
    ) -> None:
        self._board = board
        self._verdicts = verdicts
        self._events = events
        self._flights = flights
        self._inbox = inbox
        self._run = run
        self._around = around
        self._sampled_percent = sampled_percent
        self._views_ns = views_ns
        self._since_ns = since_ns
        self._after = [0] * len(flights)  # frames still to be kept after a fault, by camera
        self._after_of = [Context("", 0)] * len(flights)
        self._decided: deque[_Decided] = deque(maxlen=16)

    def look(self, now_ns: int, wall_s: float) -> int:
        """Take in what is new; how many parts there were.

        Args:
            now_ns: CLOCK_MONOTONIC.
            wall_s: the time at the same moment, Unix seconds.
        """
        began_s = wall_s - now_ns / 1e9
        # Verdicts first: the frame of whatever has one is in the ring, or has been.
        outcomes = self._verdicts.read(min(_ROWS_AT_ONCE, max(0, self._inbox.room())))
        for flight in self._flights:
            newest = self._board[camera_cell(flight.camera, CameraCell.FRAME)]
            for frame in flight.copy_new(newest):
                self._new_frame(frame, began_s)
        if self._inbox.moments_waiting < _MOST_MOMENTS:
            for event in self._events.read():
                self._inbox.put_moment(Moment(event, began_s + event.at_ns / 1e9))
                if now_ns - event.at_ns < _STALE_NS:  # one from before our start has no frames any more
                    self._alarm(event.kind, event.body, began_s)
        for outcome in outcomes:
            self._part(outcome, began_s + outcome.sent_ns / 1e9)
        for flight in self._flights:
            for frame in flight.forget_old():
                self._leaves(frame, began_s)
        return len(outcomes)

    def finish(self, now_ns: int, wall_s: float) -> None:
        """The end: frames that wait for a verdict go as they are."""
        for flight in self._flights:
            for frame in flight.recent:
                self._leaves(frame, wall_s - now_ns / 1e9)

    # -- frames --------------------------------------------------------------

    def _new_frame(self, frame: Frame, began_s: float) -> None:
        if self._after[frame.camera]:
            self._after[frame.camera] -= 1
            frame.context = self._after_of[frame.camera]
        for decided in self._decided:
            if decided.camera != frame.camera and abs(decided.stamp_ns - frame.stamp_ns) <= self._views_ns:
                frame.part, frame.recipe = decided.part, decided.recipe
                self._keep(frame, decided.why, began_s + frame.ready_ns / 1e9)

    def _leaves(self, frame: Frame, began_s: float) -> None:
        """A frame is recent no longer. Where it lay beside a fault and no verdict came of it, it goes as it is."""
        if frame.context is not None:
            self._keep_context(frame, began_s)

    # -- parts ---------------------------------------------------------------

    def _part(self, outcome: Outcome, at: float) -> None:
        # Of a view that never came there is none; the stamps are those of another.
        frame = self._flights[outcome.camera].find(outcome.ready_ns) if outcome.sequence else None
        why = why_keep(outcome, self._run, self._sampled_percent)
        lost = ""
        if why in ("reject", "fault") and frame is None and has_frame(outcome):
            lost = BEFORE_START if outcome.ready_ns < self._since_ns else LEFT_THE_RING
        # The row before its pictures: the disk takes them in this order.
        self._inbox.put_row(Row(outcome, at, lost))
        if frame is not None:
            frame.part, frame.recipe = outcome.part, outcome.recipe
            if why is not None:
                self._keep(frame, why, at)
            elif frame.context is not None:
                self._keep_context(frame, at - outcome.sent_ns / 1e9)
        if why is not None and len(self._flights) > 1:
            self._other_views(outcome, why, at)
        if why == "fault" and self._around:
            self._keep_around(outcome, Context(Reason(outcome.reason).name, outcome.part), at)

    def _other_views(self, outcome: Outcome, why: Why, at: float) -> None:
        stamp_ns = outcome.trigger_ns or outcome.ready_ns
        self._decided.append(_Decided(stamp_ns, outcome.camera, outcome.part, outcome.recipe, why))
        for flight in self._flights:
            if flight.camera != outcome.camera:
                for frame in flight.recent:
                    if abs(frame.stamp_ns - stamp_ns) <= self._views_ns:
                        frame.part, frame.recipe = outcome.part, outcome.recipe
                        self._keep(frame, why, at)

    # -- around faults and alarms --------------------------------------------

    def _alarm(self, kind: str, body: dict[str, Any], began_s: float) -> None:
        if kind != "alarm" or body.get("state") != _RAISED or not self._around or body.get("name") in _OWN_ALARMS:
            return
        context = Context(f"alarm {body.get('name')}", 0)
        for flight in self._flights:
            self._mark(flight.camera, list(flight.recent)[-self._around :], context, began_s)

    def _keep_around(self, outcome: Outcome, context: Context, at: float) -> None:
        recent = self._flights[outcome.camera].recent
        before = [frame for frame in recent if frame.ready_ns < outcome.ready_ns]
        after = [frame for frame in recent if frame.ready_ns > outcome.ready_ns]
        self._mark(
            outcome.camera, before[-self._around :] + after[: self._around], context, at - outcome.sent_ns / 1e9,
            already_after=len(after),
        )  # fmt: skip

    def _mark(self, camera: int, frames: list[Frame], context: Context, began_s: float, already_after: int = 0) -> None:
        for frame in frames:
            if frame.context is None:
                frame.context = context
            if frame.part:
                self._keep_context(frame, began_s)
        self._after[camera] = max(self._after[camera], self._around - already_after)
        self._after_of[camera] = context

    # -- to the disk ---------------------------------------------------------

    def _keep(self, frame: Frame, why: Why, at: float) -> None:
        if not frame.spoken_for:
            self._put(Job(frame, why, at, frame.part, frame.recipe), at)

    def _keep_context(self, frame: Frame, began_s: float) -> None:
        if frame.spoken_for or frame.context is None:
            return
        at = began_s + frame.ready_ns / 1e9
        cause, around = frame.context
        self._put(Job(frame, "around", at, frame.part, frame.recipe, cause, around), at)

    def _put(self, job: Job, at: float) -> None:
        job.frame.spoken_for = True
        dropped = self._inbox.put_picture(job)
        if dropped is None:
            return
        self._inbox.lose_picture(dropped, at=at, why="the disk does not keep up")
        if dropped is not job:
            self._flights[dropped.frame.camera].released.append(dropped.frame)
