"""Which parts wait for a verdict, and when the waiting is over. Pure: time is passed in.

A part has one view for each camera; it passes when all of them pass, and is
rejected as soon as one is, or when its time is up. Verdicts leave in the order
in which the parts came, so that the sequence the PLC sees never jumps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from aoi_daemon.messages import Announcement, Arrival, Judgement, Reason

_REMEMBERED = 64


@dataclass(eq=False)
class Part:
    """An announced part. `reason` is None until it is decided, NONE when it passes."""

    number: int
    first: Announcement
    deadline_ns: int
    views: dict[int, Announcement] = field(default_factory=dict)
    judged: dict[int, Judgement] = field(default_factory=dict)
    reason: Reason | None = None
    decided_by: int = 0  # the camera whose view decided
    trigger_id: int = 0  # the PLC's number, from the first view that has one; 0: not known

    @property
    def judgement(self) -> Judgement | None:
        """The judgement of the view that decided, where there is one."""
        return self.judged.get(self.decided_by)


class Parts:
    """The parts that the PLC has no verdict of yet, oldest first.

    Args:
        cameras: views of a part.
        verdict_ns: the verdict of a part must have begun so long before its deadline.
        cutoff_ns: a part must have been judged so long before its deadline.
        views_ns: views whose stamps differ by no more belong to one part. Where the PLC's numbers
            of both are known, they alone decide.
        number: of the last part before this one.
    """

    def __init__(self, cameras: int, verdict_ns: int, cutoff_ns: int, views_ns: int, number: int = 0) -> None:
        self.cameras = cameras
        self._verdict_ns = verdict_ns
        self._cutoff_ns = cutoff_ns
        self.views_ns = views_ns
        self.number = number
        self.waiting: deque[Part] = deque()
        self._by_view: dict[tuple[int, int], Part] = {}
        # Parts that left before all of their views had come: a late view must not become a part of its own.
        self._left: deque[Part] = deque(maxlen=_REMEMBERED)

    def announce(self, view: Announcement, *, ready: bool) -> None:
        """A view has come. Parts that come while the line is not ready are rejected for it."""
        if view.arrival == Arrival.OVERRUN:
            self._reject_view(view.camera, view.sequence, Reason.OVERRUN)
            return
        part = self._part_of(view)
        part.views[view.camera] = view
        part.trigger_id = part.trigger_id or view.trigger_id
        if part in self._left:
            return
        part.deadline_ns = min(part.deadline_ns, view.deadline_ns)
        self._by_view[view.camera, view.sequence] = part
        if view.arrival != Arrival.FRAME:
            self._decide(part, Arrival(view.arrival).reason, view.camera)
        elif not ready:
            self._decide(part, Reason.NOT_READY, view.camera)

    def _part_of(self, view: Announcement) -> Part:
        if self.cameras > 1:
            for part in (*self._left, *self.waiting):
                if view.camera not in part.views and self._is_of(view, part):
                    return part
        self.number += 1
        part = Part(self.number, view, view.deadline_ns)
        self.waiting.append(part)
        return part

    def _is_of(self, view: Announcement, part: Part) -> bool:
        """Whether `view` shows `part`: the PLC's number says it where both are known, else the time."""
        stamp = view.trigger_ns or view.ready_ns
        other = part.first.trigger_ns or part.first.ready_ns
        if view.trigger_id and part.trigger_id:
            # A PLC that counts anew gives the number of a part that is long gone to another one.
            in_time = stamp <= part.deadline_ns and other <= view.deadline_ns
            return view.trigger_id == part.trigger_id and in_time
        return abs(stamp - other) <= self.views_ns

    def knows(self, judgement: Judgement) -> bool:
        """Whether the view that was judged waits here."""
        return (judgement.camera, judgement.sequence) in self._by_view

    def judge(self, judgement: Judgement) -> None:
        """A view has been judged; ignored where its part has left.

        The judgement of another view than the one that decided is kept, for the stop rules, and decides nothing.
        """
        part = self._by_view.get((judgement.camera, judgement.sequence))
        if part is None:
            return
        if part.reason is not None:
            if judgement.camera != part.decided_by:
                part.judged[judgement.camera] = judgement
            return
        part.judged[judgement.camera] = judgement
        if not judgement.passed or judgement.reason != Reason.NONE:
            # A judgement that says both is a fault of ours, and never a PASS.
            self._decide(part, Reason(judgement.reason) or Reason.ENGINE_FAULT, judgement.camera)
        elif len(part.judged) == self.cameras:
            self._decide(part, Reason.NONE, judgement.camera)

    def _reject_view(self, camera: int, sequence: int, reason: Reason) -> None:
        part = self._by_view.get((camera, sequence))
        if part is not None:
            self._decide(part, reason, camera)

    @staticmethod
    def _decide(part: Part, reason: Reason, camera: int) -> None:
        if part.reason is None or part.reason is Reason.NONE:  # a reject stays; a pass may still be taken back
            part.reason = reason
            part.decided_by = camera

    def reject_all(self, reason: Reason) -> None:
        """Nobody will judge what is waiting."""
        for part in self.waiting:
            if part.reason is None:
                self._decide(part, reason, part.first.camera)

    def cutoff_ns(self) -> int | None:
        """When the oldest part must be decided by; None when no part waits."""
        return self.waiting[0].deadline_ns - self._cutoff_ns if self.waiting else None

    def take(self, now_ns: int) -> Part | None:
        """The oldest part once it is decided or its time is up, and never a late PASS; else None."""
        if not self.waiting:
            return None
        part = self.waiting[0]
        # The oldest alone: verdicts leave in the order of their parts, or the PLC's sequence would jump.
        left_ns = part.deadline_ns - now_ns
        if part.reason is None and left_ns > self._cutoff_ns:
            return None
        # One that was judged in time may have waited for another request's answer: that much was kept for it.
        if part.reason is None or (part.reason is Reason.NONE and left_ns < self._verdict_ns):
            missing = [camera for camera in range(self.cameras) if camera not in part.views]
            part.reason = Reason.NO_IMAGE if missing else Reason.LATE
        self.waiting.popleft()
        # From here on a judgement of this part finds nothing to decide: the part has its outcome.
        for view in part.views.values():
            del self._by_view[view.camera, view.sequence]
        # A view that is still on its way must find this part, and not begin one of its own.
        if len(part.views) < self.cameras:
            self._left.append(part)
        return part
