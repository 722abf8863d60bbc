"""plc/doorbells.py: a wake-up costs no more reads than it needs; that no judgement is lost is in tests/properties."""

import os
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from aoi_daemon.messages import Announcement, Judgement, Reason
from aoi_daemon.plc.doorbells import read_doorbells

ANNOUNCED = Announcement(0, 0, 0, 1, 1, 5, 5, 50)
JUDGED = Judgement(True, Reason.NONE, 0, -1, 0, 1, 1, 0, 0, 0, 1, 2, 3, b"")


@pytest.fixture
def pipes():
    with ExitStack() as owned:
        found = SimpleNamespace(read=[])
        for name in ("announcements", "judgements"):
            ends = os.pipe2(os.O_NONBLOCK)
            setattr(found, name, ends[0])
            setattr(found, f"{name}_w", ends[1])
            for fd in ends:
                owned.callback(os.close, fd)

        def read(fd, size):
            if fd not in found.read:
                found.read.append(fd)
            return os.read(fd, size)

        found.reader = read
        yield found


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("judged", [True, False])
def test_the_judgements_first_and_announcements_where_they_rang_or_one_is_missing(pipes, announced, judged, known):
    if announced:
        os.write(pipes.announcements_w, ANNOUNCED.pack())
    if judged:
        os.write(pipes.judgements_w, JUDGED.pack())
    ready = [fd for fd, rang in ((pipes.announcements, announced), (pipes.judgements, judged)) if rang]
    found = read_doorbells(ready, pipes.announcements, pipes.judgements, lambda judgement: known, pipes.reader)
    assert [len(each) for each in found] == [announced, judged]
    assert pipes.read == [pipes.judgements] * judged + [pipes.announcements] * (announced or (judged and not known))
