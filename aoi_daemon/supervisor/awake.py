"""Cores that wake at once: the kernel's bound on how long that may take, held while the daemon runs.

A core without work sleeps, the deeper the longer it takes to wake: up to some 100 us on a PC, and on a virtual machine
until the host gives it back. https://docs.kernel.org/admin-guide/pm/cpuidle.html: whoever holds
/dev/cpu_dma_latency open with a number of us written to it bounds that for every core, until the file is closed.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import Final

_DEVICE: Final = Path("/dev/cpu_dma_latency")
_DRIVER: Final = Path("/sys/devices/system/cpu/cpuidle/current_driver")


class CpuLatency:
    """The bound, from here to `close` or the end of the process, however that comes."""

    def __init__(self, latency_us: int | None, device: Path = _DEVICE, driver: Path = _DRIVER) -> None:
        """Ask for it.

        Args:
            latency_us: at most so long to wake, us; 0: cores do not sleep. None: nothing is asked for.
            device: where the kernel is asked.
            driver: where it says which cpuidle driver it has.

        `refused` says why the bound does not hold and what would help; empty where it holds.
        """
        self._fd = -1
        self.refused = ""
        if latency_us is None:
            return
        try:
            self._fd = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
            os.write(self._fd, struct.pack("=i", latency_us))  # an s32 in the machine's own byte order
        except OSError as error:
            self.close()
            self.refused = f"{device} ({error.strerror}; DeviceAllow= in the unit and a mode by tmpfiles.d open it)"
            return
        found = ""
        with contextlib.suppress(OSError):  # a kernel without cpuidle has no such file
            found = driver.read_text().strip()
        if found in ("", "none"):
            self.refused = f"{device} (no cpuidle driver: only idle=poll on the kernel's command line would help)"

    def close(self) -> None:
        """Give the bound up."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
