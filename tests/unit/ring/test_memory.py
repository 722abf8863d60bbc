"""Shared memory is there when parts begin to pass."""

import os
import subprocess
import sys

import pytest

from aoi_daemon.errors import RingError
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


def test_it_is_closed_at_the_end_of_its_block_and_closing_it_again_does_nothing():
    with SharedMemory.create("closed", 4096) as memory:
        fd = memory.fd
        assert os.fstat(fd).st_size == 4096
    assert memory.map.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert memory.fd < 0, "no number of a descriptor, which could be another's by now"
    memory.close()


def test_an_array_that_is_still_held_keeps_the_mapping_and_not_the_descriptor():
    memory = SharedMemory.create("held", 4096)
    fd, view = memory.fd, memoryview(memory.map)
    memory.close()
    assert view[0] == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    view.release()
    memory.map.close()


def test_what_one_writes_the_other_reads():
    with SharedMemory.create("shared", 8192) as memory, SharedMemory(os.dup(memory.fd), 8192) as other:
        memory.map[8191] = 7
        assert other.map[8191] == 7
        assert (other.size_bytes, len(other.map)) == (8192, 8192)


def test_memory_that_cannot_be_had_leaves_no_descriptor(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        SharedMemory.create("none", 4096)
    assert os.listdir("/proc/self/fd") == before


def test_no_process_that_is_started_by_chance_holds_the_memory():
    with SharedMemory.create("ours", 4096) as memory:
        reader = memory.read_only_fd()
        assert not os.get_inheritable(memory.fd) and not os.get_inheritable(reader)
        os.close(reader)


def test_memory_of_just_the_size_that_is_expected_is_taken():
    with SharedMemory.create("exact", 8192) as memory, SharedMemory(os.dup(memory.fd), 8192) as other:
        assert other.size_bytes == 8192
        with pytest.raises(RingError, match="shared memory has 8192 bytes, 8193 are expected"):
            SharedMemory(memory.fd, 8193)
