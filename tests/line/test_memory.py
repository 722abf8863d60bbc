"""A line that has run for a while takes no more memory: nothing piles up part by part."""

from itertools import pairwise
from pathlib import Path

import pytest

from aoi_daemon.kit.line.daemon import wait_for

WINDOW_PARTS = 400
WINDOWS = 4
MOST_BYTES_PER_PART = 16  # between one page and two a window


def anonymous_bytes(pid: int) -> int:
    """Anonymous memory by a walk over the pages: the sums in `status` are off by up to 32 pages a core on some kernels."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Anonymous:"))


@pytest.mark.long
def test_no_process_grows_with_the_parts_that_pass(line):
    running = line(takt_ms=5.0)
    pids = {**running.daemon.status()["stages"], "supervisor": running.daemon.process.pid}

    def after(parts: int) -> dict[str, int]:
        wait_for(lambda: running.daemon.status()["parts"] >= parts, 30, f"{parts} parts")
        return {name: anonymous_bytes(pid) for name, pid in pids.items()}

    # The first window is the warm-up: buffers that grow to the size that they keep.
    seen = [after(WINDOW_PARTS * (1 + window)) for window in range(WINDOWS + 1)]
    status = running.daemon.status()
    assert status["restarts"] == 0
    assert status["passed"] and status["rejected_for"].get("DEFECT"), "both kinds of verdict have been given"
    for name in pids:
        growth = [late[name] - early[name] for early, late in pairwise(seen)]
        # What grows now and then reaches its size; a leak grows in every window.
        assert min(growth) <= MOST_BYTES_PER_PART * WINDOW_PARTS, (name, growth)
