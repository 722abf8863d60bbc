"""Whether a process that has not said anything yet gets on: by what the kernel counts of it.

Blocks: nowhere; /proc is memory. A loaded PC, or a cold disk, takes minutes for what else takes two seconds; to kill a
process in the midst of that only makes it begin again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

START_NS: Final = 60_000_000_000
"""So long without a step and it hangs."""
LONGEST_START_NS: Final = 600_000_000_000
"""However many steps: one that runs in a circle takes steps too."""
_LOOK_NS: Final = 1_000_000_000
_MAJOR_FAULTS, _USER, _SYSTEM = 9, 11, 12  # fields of proc_pid_stat(5) behind the name


def work_done(pid: int, proc: Path = Path("/proc")) -> int:
    """Grows with what `pid` does: ticks of CPU, pages it had to wait for, bytes read. 0: not known, or gone."""
    try:
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        done = sum(int(fields[which]) for which in (_MAJOR_FAULTS, _USER, _SYSTEM))
    except (OSError, ValueError, IndexError):
        return 0
    try:
        return done + int((proc / str(pid) / "io").read_text().partition("rchar:")[2].split()[0])
    except (OSError, ValueError, IndexError):
        return done  # a sandbox hides it


class Progress:
    """Of one start: `look` now and then, and `stuck` says whether it is over."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._pid = 0
        self._began_ns = self._stepped_ns = self._looked_ns = 0
        self._done = 0

    def stuck(self, pid: int, started_ns: int, now_ns: int) -> bool:
        """Whether process `pid`, started at `started_ns` and silent since, does not get on."""
        if (pid, started_ns) != (self._pid, self._began_ns):
            self._pid, self._began_ns = pid, started_ns
            self._stepped_ns, self._looked_ns, self._done = started_ns, 0, 0
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            done = work_done(pid, self._proc)
            if done > self._done:
                self._done, self._stepped_ns = done, now_ns
        return now_ns - self._stepped_ns > START_NS or now_ns - started_ns > LONGEST_START_NS
