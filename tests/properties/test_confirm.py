"""A rejected part is confirmed by a poll that shows it at the gate and ejected, and by nothing else."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.plc.confirm import IN_FLIGHT, Confirmations

seeds = st.integers(0, 2**32 - 1)


class Belt:
    """The oracle: parts by their full numbers, from the camera to the gate. It never sees a low byte."""

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.entered = self.at_gate = 0
        self.rejected: set[int] = set()
        self.ejected = False
        self.shown: set[int] = set()
        self.told: set[int] = set()

    def poll(self) -> set[int]:
        """What a poll now must alarm."""
        if self.ejected:
            self.shown.add(self.at_gate)
        missed = {n for n in self.rejected if self.at_gate >= n + self.parts} - self.shown - self.told
        self.told |= missed
        return missed


@settings(deadline=None, max_examples=150)
@given(seeds)
def test_what_is_alarmed_is_what_was_not_seen_ejected(seed):
    """An honest PLC whose ejector fails now and then; polls that miss parts; more parts than 8 bits can count."""
    random = Random(seed)
    belt, most = Belt(random.choice((1, 2, 5, 100))), random.choice((0, 3, 40, IN_FLIGHT - 1))
    first = random.randrange(1000)
    belt.entered = belt.at_gate = first
    found = Confirmations(belt.parts, first)
    # What an earlier life left, a part of the past: that of the next few would be told one poll late, as if not moved.
    stale = (first - random.randrange(128)) & 0xFFFF
    found.polled(stale, confirmed=random.random() < 0.5, bypass=False, connection=0)
    for _ in range(800):
        chance = random.random()
        if chance < 0.35 and belt.entered - belt.at_gate <= most:
            belt.entered += 1
            rejected = random.random() < 0.5
            if rejected:
                belt.rejected.add(belt.entered)
            assert not found.entered(belt.entered, rejected=rejected, connection=0)
        elif chance < 0.7 and belt.at_gate < belt.entered:
            belt.at_gate += 1
            belt.ejected = (belt.at_gate in belt.rejected) == (random.random() < 0.95)
        elif belt.at_gate > first:
            seen = found.polled(belt.at_gate, confirmed=belt.ejected, bypass=False, connection=0)
            assert set(seen.unconfirmed) == belt.poll()
            assert not (seen.unseen or seen.let_go or seen.never_told)


@settings(deadline=None, max_examples=150)
@given(seeds)
def test_no_reject_is_forgotten_whatever_the_plc_says(seed):
    """Random words over connections that come and go: a reject is alarmed, told, let go by bypass, confirmed, or open."""
    random = Random(seed)
    parts = random.choice((1, 3, 100))
    found = Confirmations(parts, 0)
    sent: set[int] = set()
    without_link = never_told = 0
    could_be: set[int] = set()
    ended: list[int] = []
    connection, number = 0, 0
    for _ in range(600):
        chance = random.random()
        if chance < 0.03:
            connection += 1
        elif chance < 0.5:
            number += 1
            rejected, up = random.random() < 0.6, random.random() < 0.9
            if rejected and up:
                sent.add(number)
            without_link += rejected and not up
            seen = found.entered(number, rejected=rejected, connection=connection if up else None)
            ended += seen.unconfirmed
        else:
            near = random.random() < 0.7
            acted_on = (number - random.randrange(6) if near else random.randrange(1 << 16)) & 0xFFFF
            confirmed = random.random() < 0.3
            if confirmed:
                could_be |= {n for n in sent if (n - acted_on) % 256 == 0}
            seen = found.polled(acted_on, confirmed=confirmed, bypass=random.random() < 0.05, connection=connection)
            ended += seen.unconfirmed + seen.unseen + seen.let_go
            never_told += seen.never_told
            assert not found.oldest or number - found.oldest <= IN_FLIGHT + parts
    assert len(ended) == len(set(ended)), "each is told once"
    still_open = set(found._open)
    assert not still_open & set(ended)
    assert sent - set(ended) - still_open <= could_be
    assert never_told <= without_link
