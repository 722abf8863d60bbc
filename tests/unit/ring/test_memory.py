"""Shared memory is there when parts begin to pass."""

import os
import subprocess
import sys

import pytest

from aoi_daemon.ring.memory import SharedMemory

PAGES = 256
WRITE_EACH_PAGE = """
import ctypes, mmap, resource, sys
from aoi_daemon.ring.memory import SharedMemory

ON_FAULT = int(sys.argv[3])
if ON_FAULT and ctypes.CDLL(None).mlockall(ON_FAULT):
    sys.exit(3)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

fd, size = int(sys.argv[1]), int(sys.argv[2])
memory = SharedMemory(fd, size)
faults()
before = faults()
for at in range(0, size, mmap.PAGESIZE):
    memory.map[at] = 1
print(faults() - before)
"""
MCL_FUTURE_ONFAULT = 6


@pytest.mark.parametrize("lock", [0, MCL_FUTURE_ONFAULT], ids=["pageable", "locked on fault"])
def test_no_page_is_faulted_in_once_it_is_mapped(lock):
    """In a process that locks its memory on fault too, as the stages do before they map their rings."""
    size = PAGES * os.sysconf("SC_PAGE_SIZE")
    with SharedMemory.create("test", size) as memory:
        found = subprocess.run(
            [sys.executable, "-c", WRITE_EACH_PAGE, str(memory.fd), str(size), str(lock)],
            pass_fds=[memory.fd], check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    if found.returncode == 3:
        pytest.skip("this system does not let a process lock memory")
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) < PAGES // 10
