"""Whether each rejected part was seen to be ejected: the PLC's word for it, part by part. Pure.

The PLC says which part was last at the gate (`acted_on`, of which the low byte is
compared) and whether that part was ejected. A reject is confirmed by a poll that
shows both, and by nothing else: a poll that skipped the part proves nothing.

What is decided where there is no such poll, and why. No bad part may go on unnoticed,
which outranks that a line goes on without a person:

- The part is past by so many parts, or the PLC has lost its place (`acted_on` went
  back, or is one that no part between camera and gate has): the line is asked to
  stop. The PLC has these parts in hand, and does not know, or say, what became of them.
- The part was past when a lost connection came back, and the PLC went on in step: a
  person is told, and the line goes on. It has the reject and nothing speaks against
  it, but nobody saw it ejected. To stop here would be a guess, after each pull of a cable.
- The PLC never had the verdict, for want of a connection: it has no number to confirm,
  and ejects by preset whatever comes without a heartbeat. Counted, for one line of log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

IN_FLIGHT: Final = 100
"""Parts between camera and gate at most: more could not be told apart by 8 bits and `confirm_parts`."""


class Seen(NamedTuple):
    """What became known: numbers of rejected parts, ascending, and a count."""

    unconfirmed: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()
    let_go: tuple[int, ...] = ()
    """The PLC said that it was bypassed when they were at the gate."""
    never_told: int = 0

    def __bool__(self) -> bool:
        """Whether anything has."""
        return bool(self.unconfirmed or self.unseen or self.let_go or self.never_told)


_NOTHING: Final = Seen()


class Confirmations:
    """The rejected parts that are still to be confirmed.

    Args:
        parts: a reject that is not confirmed when so many parts more have been at the gate never will be.
        last: number of the last part before the first that is entered.
    """

    def __init__(self, parts: int, last: int) -> None:
        self._parts = parts
        self._last = last
        self._open: dict[int, int] = {}  # part number, ascending: the connection that it was sent over
        self._never_told = 0
        self._connection: int | None = None
        self._acted_on: int | None = None
        # Which part is last at the gate. None: `acted_on` has not moved since we began, and may be of any past.
        self._position: int | None = None

    @property
    def oldest(self) -> int:
        """The oldest part that is still to be confirmed, 0 none."""
        return next(iter(self._open), 0)

    def entered(self, number: int, *, rejected: bool, connection: int | None) -> Seen:
        """Part `number` has its verdict.

        Args:
            number: one more than that of the part before.
            rejected: it is to be ejected, and the PLC is not bypassed.
            connection: number of the connection; None where there is none, so that the PLC never had it.
        """
        self._last = number
        if rejected:
            if connection is None:
                self._never_told += 1
            else:
                self._open[number] = connection
        # Not polled on this connection yet: how far the PLC has come is known by its first poll, not by our count.
        if connection is None or connection != self._connection:
            return _NOTHING
        return self._seen(unconfirmed=self._too_old())

    def polled(self, acted_on: int, *, confirmed: bool, bypass: bool, connection: int) -> Seen:
        """The PLC was read over connection number `connection`."""
        acted_on &= 0xFF
        before, anew = self._position, connection != self._connection
        self._connection = connection
        never_told, self._never_told = self._never_told, 0
        unseen: list[int] = []
        unconfirmed = self._resume(acted_on, connection, unseen) if anew else self._move(acted_on)
        self._acted_on = acted_on
        for number in (*unconfirmed, *unseen):
            del self._open[number]
        let_go: list[int] = []
        at = self._position
        if at is not None:
            if confirmed:
                self._open.pop(at, None)
            for number in [number for number in self._open if number <= at]:
                if bypass and (number == at or before is None or number > before):
                    let_go.append(number)
                elif number + self._parts <= at:
                    unconfirmed.append(number)
            if anew and self._last - at > IN_FLIGHT:
                # After a long outage the PLC knows none of the last parts by number: as at the beginning.
                self._position = None
        return self._seen(unconfirmed + self._too_old(), unseen, let_go, never_told)

    def _move(self, acted_on: int) -> list[int]:
        """Follow the PLC; the parts that it has lost."""
        before = self._position
        if acted_on == self._acted_on:
            lost = before is not None and self._last - before > IN_FLIGHT
        else:
            self._position = self._latest(acted_on)
            lost = before is not None and (self._position is None or self._position < before)
        if not lost:
            return []
        self._position = None
        return list(self._open)

    def _resume(self, acted_on: int, connection: int, unseen: list[int]) -> list[int]:
        """The first poll of a connection: the parts of the former ones that the PLC has lost; `unseen` are past."""
        former = [number for number, sent_over in self._open.items() if sent_over != connection]
        before = self._position
        if before is None:
            unseen.extend(former)
            return []
        # Eight bits: further ahead than parts can be in flight is a PLC that went back, or counts anew.
        ahead = (acted_on - before) & 0xFF
        at: int | None = before + ahead
        if ahead > IN_FLIGHT or before + ahead > self._last:
            at = self._latest(acted_on)
        if at is None or at < before:
            self._position = None
            return former
        # Not the one that is at the gate now: this very poll may confirm it.
        unseen.extend(number for number in former if number < at)
        self._position = at
        return []

    def _latest(self, acted_on: int) -> int | None:
        """The latest part with this low byte; None where it is too long ago."""
        behind = (self._last - acted_on) & 0xFF
        return self._last - behind if behind <= IN_FLIGHT else None

    def _too_old(self) -> list[int]:
        """Those that can be confirmed no more, though the PLC has not said that they were at the gate."""
        return [number for number in self._open if self._last - number > IN_FLIGHT + self._parts]

    def _seen(
        self, unconfirmed: list[int], unseen: Sequence[int] = (), let_go: Sequence[int] = (), never_told: int = 0
    ) -> Seen:
        found = Seen(tuple(sorted(set(unconfirmed))), tuple(unseen), tuple(let_go), never_told)
        for number in found.unconfirmed + found.unseen + found.let_go:
            self._open.pop(number, None)
        return found
