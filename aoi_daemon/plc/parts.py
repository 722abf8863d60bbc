"""Which parts wait for a verdict, and when the waiting is over. Pure: time is passed in.

A part has the views of its recipe; it passes when all of them pass, and is
rejected as soon as one is, or when its time is up. Verdicts leave in the order
in which the parts came, so that the sequence the PLC sees never jumps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.config.views import Expected, Key
from aoi_daemon.messages import Announcement, Arrival, Judgement, Reason

_REMEMBERED: Final = 64
_COMPLETE: Final = 4
"""Parts with all of their views that are remembered: a picture that comes twice comes soon."""


@dataclass(eq=False, slots=True)
class Part:
    """An announced part. `reason` is None until it is decided, NONE when it passes."""

    number: int
    first: Announcement
    deadline_ns: int
    expected: Expected
    decided_by: Key  # the view that decided, also one that never came; until then the first
    views: dict[Key, Announcement] = field(default_factory=dict)
    judged: dict[Key, Judgement] = field(default_factory=dict)
    reason: Reason | None = None
    trigger_id: int = 0  # the PLC's number, from the first view that has one; 0: not known
    left: bool = False  # it has its verdict

    @property
    def judgement(self) -> Judgement | None:
        """The judgement of the view that decided, where there is one."""
        return self.judged.get(self.decided_by)

    @property
    def missing(self) -> list[Key]:
        """The views that have not come, in the recipe's order."""
        return [key for key in self.expected.keys if key not in self.views]


class Parts:
    """The parts that the PLC has no verdict of yet, oldest first.

    Args:
        views: that a part has from now on.
        verdict_ns: the verdict of a part must have begun so long before its deadline.
        cutoff_ns: a part must have been judged so long before its deadline.
        views_ns: views whose stamps differ by no more belong to one part. Where the PLC's numbers
            of both are known, they alone decide.
        again_ns: two pictures of one view that differ by no more are of one part, and one of them is too many.
        number: of the last part before this one.
    """

    def __init__(
        self, views: Expected, verdict_ns: int, cutoff_ns: int, views_ns: int, *, again_ns: int = 0, number: int = 0
    ) -> None:
        self._verdict_ns = verdict_ns
        self._cutoff_ns = cutoff_ns
        self.views_ns = views_ns
        self._again_ns = again_ns
        self.number = number
        self.live_ns = 0
        """When the inspection that is on the line took it. It judges no part of before."""
        self.waiting: deque[Part] = deque()
        # By camera and sequence, as judgements name a picture: its part, and which view it was announced as.
        self._by_view: dict[tuple[int, int], tuple[Part, Key]] = {}
        # Parts that left before all of their views had come: a late view must not become a part of its own.
        self._left: deque[Part] = deque(maxlen=_REMEMBERED)
        # And those that left complete: a picture that comes twice must not, either.
        self._complete: deque[Part] = deque(maxlen=_COMPLETE)
        self._joins = False  # parts have, or had, several views: which part is a view of?
        self.use(views)

    def use(self, views: Expected) -> None:
        """Parts that come from now on have these views; those that wait have theirs."""
        self.views = views
        self._joins = self._joins or len(views.keys) > 1

    def announce(self, view: Announcement, *, ready: bool) -> None:
        """A view has come. Parts that come while the line is not ready are rejected for it."""
        if view.arrival == Arrival.OVERRUN:
            if lost := self._by_view.get((view.camera, view.sequence)):
                self._decide(lost[0], Reason.OVERRUN, lost[1])
            return
        part, key = self._part_of(view)
        if key in part.views:
            # Which of the two is of this part, nobody knows.
            self._decide(part, Reason.DOUBLED, key)
            return
        part.views[key] = view
        part.trigger_id = part.trigger_id or view.trigger_id
        if part.left:
            return
        part.deadline_ns = min(part.deadline_ns, view.deadline_ns)
        self._by_view[view.camera, view.sequence] = part, key
        if view.arrival != Arrival.FRAME:
            self._decide(part, Arrival(view.arrival).reason, key)
        elif not ready:
            self._decide(part, Reason.NOT_READY, key)
        elif key not in part.expected.keys:
            self._decide(part, Reason.NO_RECIPE, key)

    def _part_of(self, view: Announcement) -> tuple[Part, Key]:
        """The part that `view` shows, begun where there is none, and which view of it this is."""
        if self._joins:
            for part in (*self._left, *self._complete, *self.waiting):
                key = part.expected.key(view.camera, view.fov)
                other = part.views.get(key)
                if self._is_of(view, part) if other is None else self._is_again(view, other, part):
                    return part, key
        self.number += 1
        key = self.views.key(view.camera, view.fov)
        part = Part(self.number, view, view.deadline_ns, self.views, key)
        self.waiting.append(part)
        return part, key

    def _is_of(self, view: Announcement, part: Part) -> bool:
        """Whether `view` shows `part`: the PLC's number says it where both are known, else the time."""
        stamp = view.trigger_ns or view.ready_ns
        other = part.first.trigger_ns or part.first.ready_ns
        if view.trigger_id and part.trigger_id:
            # A PLC that counts anew gives the number of a part that is long gone to another one.
            in_time = stamp <= part.deadline_ns and other <= view.deadline_ns
            return view.trigger_id == part.trigger_id and in_time
        return abs(stamp - other) <= self.views_ns

    def _is_again(self, view: Announcement, other: Announcement, part: Part) -> bool:
        """Whether `view` is another picture of what `other`, a view of `part` of several, shows.

        Without number and stamp it counts as the next part's: such pictures may have waited, and come at once.
        """
        if len(part.expected.keys) == 1:
            return False
        if view.trigger_id and other.trigger_id:
            return self._is_of(view, part)
        return bool(view.trigger_ns and other.trigger_ns) and abs(view.trigger_ns - other.trigger_ns) <= self._again_ns

    def knows(self, judgement: Judgement) -> bool:
        """Whether the view that was judged waits here."""
        return (judgement.camera, judgement.sequence) in self._by_view

    def judge(self, judgement: Judgement) -> None:
        """A view has been judged; ignored where its part has left.

        The judgement of another view than the one that decided is kept, for the stop rules, and decides nothing.
        """
        found = self._by_view.get((judgement.camera, judgement.sequence))
        if found is None:
            return
        part, key = found
        if part.reason is not None:
            if key != part.decided_by:
                part.judged[key] = judgement
            return
        part.judged[key] = judgement
        if not judgement.passed or judgement.reason != Reason.NONE:
            # A judgement that says both is a fault of ours, and never a PASS.
            self._decide(part, Reason(judgement.reason) or Reason.ENGINE_FAULT, key)
        elif judgement.fov != part.views[key].fov:
            # Judged as another view than it was announced as.
            self._decide(part, Reason.ENGINE_FAULT, key)
        elif judgement.picked_ns >= self.live_ns > part.first.ready_ns:
            # Some of its views are the former inspection's, of another recipe perhaps.
            self._decide(part, Reason.NOT_READY, key)
        elif len(part.judged) == len(part.expected.keys):
            self._decide(part, Reason.NONE, key)

    @staticmethod
    def _decide(part: Part, reason: Reason, key: Key) -> None:
        if not part.left and (part.reason is None or part.reason is Reason.NONE):
            # A reject stays; a pass may still be taken back.
            part.reason = reason
            part.decided_by = key

    def reject_all(self, reason: Reason) -> None:
        """Nobody will judge what is waiting."""
        for part in self.waiting:
            if part.reason is None:
                self._decide(part, reason, part.decided_by)

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
            self._late(part)
        self.waiting.popleft()
        part.left = True
        # From here on a judgement of this part finds nothing to decide: the part has its outcome.
        for view in part.views.values():
            del self._by_view[view.camera, view.sequence]
        if len(part.expected.keys) > 1:
            # A view that is still on its way, or comes twice, must find this part, and not begin one of its own.
            (self._left if part.missing else self._complete).append(part)
        return part

    @staticmethod
    def _late(part: Part) -> None:
        """Its time is up: told by the first view that never came, else by the first that nobody judged in time."""
        if missing := part.missing:
            part.reason, part.decided_by = Reason.NO_IMAGE, missing[0]
            return
        if part.reason is None:
            part.decided_by = next((key for key in part.expected.keys if key not in part.judged), part.decided_by)
        part.reason = Reason.LATE
