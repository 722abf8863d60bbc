"""Does a process grow, or take page faults, while parts pass?"""

from __future__ import annotations

import os
from pathlib import Path


class Memory:
    """Resident memory, KiB, and page faults of each process over the run, from /proc (proc_pid_stat(5))."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._seen: dict[str, list[tuple[int, int, int]]] = {name: [] for name in pids}

    def look(self, parts: int) -> None:
        """Take a sample at `parts`."""
        for name, pid in self._pids.items():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            minor, major, pages = (int(fields[number - 3]) for number in (10, 12, 24))
            self._seen[name].append((parts, pages * os.sysconf("SC_PAGE_SIZE") // 1024, minor + major))

    def figures(self) -> dict[str, dict[str, int]]:
        """By process: KiB at a tenth of the run, at its end, and the most; page faults from that tenth to the end."""
        found = {}
        for name, samples in self._seen.items():
            last = samples[-1]
            early = next(sample for sample in samples if sample[0] >= last[0] // 10)
            most = max(kib for _, kib, _ in samples)
            found[name] = {"early": early[1], "end": last[1], "most": most, "faults": last[2] - early[2]}
        return found
