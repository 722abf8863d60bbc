"""Anonymous shared memory, handed over as a file descriptor.

A memfd instead of a name in /dev/shm: the kernel frees it with its last user,
so no crash and no SIGKILL of anybody leaves a segment behind, nothing has to
be cleaned at start, and the resource tracker of multiprocessing, which below
Python 3.13 unlinks a segment when a mere reader ends, is not involved.
"""

from __future__ import annotations

import mmap
import os
from types import TracebackType

from aoi_daemon.errors import RingError


class SharedMemory:
    """`size_bytes` of shared memory, page aligned, zeroed when made.

    The supervisor creates it and keeps the descriptor; a stage attaches to the
    descriptor that it was sent. Closing unmaps; the memory itself lives as
    long as any process holds it.
    """

    def __init__(self, fd: int, size_bytes: int, *, read_only: bool = False) -> None:
        actual = os.fstat(fd).st_size
        if actual < size_bytes:
            raise RingError(f"shared memory has {actual} bytes, {size_bytes} are expected")
        self.fd = fd
        self.size_bytes = size_bytes
        prot = mmap.PROT_READ if read_only else mmap.PROT_READ | mmap.PROT_WRITE
        self.map = mmap.mmap(fd, size_bytes, flags=mmap.MAP_SHARED, prot=prot)
        if not read_only:
            # A byte of each page is read, so that none is faulted in while parts pass. MAP_POPULATE would do
            # nothing in a stage: the kernel passes over what mlockall locks on fault. Whoever only reads is off the
            # critical path, and has the pages that it looks at.
            _ = self.map[:: mmap.PAGESIZE]

    @classmethod
    def create(cls, name: str, size_bytes: int) -> SharedMemory:
        """New memory; `name` shows in /proc/PID/fd. Raises OSError when there is not enough."""
        fd = os.memfd_create(f"aoi-{name}", os.MFD_CLOEXEC)
        try:
            # Reserved now: a page that cannot be had is an error at start, not a SIGBUS on the line.
            os.posix_fallocate(fd, 0, size_bytes)
            return cls(fd, size_bytes)
        except OSError:
            os.close(fd)
            raise

    def read_only_fd(self) -> int:
        """A new descriptor of this memory that cannot be mapped for writing; the caller closes it."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Unmap and close. Views of the map must be gone, else the kernel keeps it until exit."""
        if self.fd < 0:
            return
        try:
            self.map.close()
        except BufferError:
            # A reader still holds an array of it; the mapping goes with the process.
            pass
        os.close(self.fd)
        self.fd = -1

    def __enter__(self) -> SharedMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
