"""Each frame id that was taken is announced once, in its order, whatever became of the frames on their way."""

from __future__ import annotations

from random import Random

import pytest

from aoi_daemon.acquire.camera import Dropped
from aoi_daemon.acquire.stamps import FrameIds

FRAMES = 1000
SEEDS = 200
PLACES = 3
COUNTERS = {"1 to 65535": (1, 0xFFFF), "0 to 65535": (0, 0xFFFF), "32 bit": (1, 2**32 - 1), "64 bit": (1, 2**64 - 1)}


def numbers(first, end, begin, count):
    """`count` ids of a counter that goes from `first` to `end` and starts over, from `begin` on."""
    found = []
    for _ in range(count):
        found.append(begin)
        begin = first if begin == end else begin + 1
    return found


def on_their_way(random, sent):
    """The places (0, 1, 2 ...) in the order in which they come: permuted within PLACES, doubled and missing at random."""
    kept = [place for place in range(1, sent) if random.random() > 0.05]
    doubled = [place for place in kept for _ in range(2 if random.random() < 0.05 else 1)]
    mixed = sorted(doubled, key=lambda place: place + random.uniform(0, PLACES))
    return [0, *mixed]


def announced(ids, came, number_of):
    """What is announced, as (place, with its image); places follow one another. And the counts of late and doubled."""
    found, late, doubled = [], 0, 0
    for place in came:
        missed = ids.missed_before(number_of[place])
        if missed == Dropped.LATE:
            late += 1
        elif missed == Dropped.DOUBLED:
            doubled += 1
        else:
            begin = found[-1][0] + 1 if found else place
            found += [(begin + number, False) for number in range(missed)]
            found.append((place, True))
    return found, late, doubled


@pytest.mark.parametrize("counter", COUNTERS)
def test_each_id_from_the_first_to_the_last_is_announced_once_and_in_order(counter):
    first, end = COUNTERS[counter]
    for seed in range(SEEDS // 4 if counter != "1 to 65535" else SEEDS):
        random = Random(f"{counter} {seed}")
        begin = random.choice((first, 7, end - random.randrange(FRAMES)))
        ids = FrameIds()
        # A counter that has a 0 has shown it before its end.
        for frame_id in range(begin) if first == 0 else ():
            ids.missed_before(frame_id)
        number_of = numbers(first, end, begin, FRAMES)
        came = on_their_way(random, FRAMES)
        found, late, doubled = announced(ids, came, number_of)
        assert [place for place, _ in found] == list(range(max(came) + 1)), (counter, seed)
        with_image = [place for place, seen in found if seen]
        assert len(with_image) + late + doubled == len(came)
        assert late == len(set(came)) - len(with_image)
        overtaken = {place for number, place in enumerate(came) if place < max(came[: number + 1])}
        assert set(range(max(came) + 1)) - set(with_image) <= overtaken | (set(range(FRAMES)) - set(came))
