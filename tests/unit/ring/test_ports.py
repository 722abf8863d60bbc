"""ring/ports.py: the machine's own clock and wait."""

import os
import time

from aoi_daemon.ring.ports import DOORBELLS, MONOTONIC


def test_of_the_pipes_those_are_told_in_which_something_waits():
    pipes = [os.pipe() for _ in range(3)]
    reads = [read for read, _ in pipes]
    assert DOORBELLS.select(reads, 0) == []
    os.write(pipes[1][1], b"x")
    assert DOORBELLS.select(reads, 60) == [reads[1]]
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)


def test_the_clock_is_the_monotonic_one():
    before = time.monotonic_ns()
    assert before <= MONOTONIC.now_ns() <= time.monotonic_ns()
