"""What the kernel knows of time: its clocks, its boot, and whether it says that the wall clock is synchronised."""

from __future__ import annotations

import ctypes
import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

SAID: Final = {True: "yes", False: "no", None: "unknown"}
"""What `synchronised` is called for people."""
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# <linux/timex.h>; the states are what adjtimex returns.
_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
_SPARE: Final = 512
"""More than any struct timex has: 208 bytes on 64 bit, 128 on 32."""


class Reading(NamedTuple):
    """One look at all clocks.

    Attributes:
        wall_s: CLOCK_REALTIME, Unix seconds; anybody may set it to anything.
        boot_s: CLOCK_BOOTTIME: since the PC was switched on, sleep counted; never set.
        awake_s: CLOCK_MONOTONIC: the same without sleep.
        boot: another for each boot; "": not known.
        synchronised: as `synchronised` says.
    """

    wall_s: float
    boot_s: float
    awake_s: float
    boot: str
    synchronised: bool | None


class _Timex(ctypes.Structure):
    # Up to `status`, which is all that is read; `modes` 0 asks and sets nothing.
    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * _SPARE),
    )  # fmt: skip


def synchronised() -> bool | None:
    """Whether the kernel says that the wall clock is kept right by NTP or PTP; None: it does not answer.

    Who keeps it (chrony, timesyncd, ntpd, phc2sys) clears STA_UNSYNC; the kernel sets it again when the possible
    error has grown beyond 16 s.
    """
    ask = _adjtimex()
    if ask is None:
        return None
    found = _Timex()
    state = ask(ctypes.byref(found))
    if state < 0:  # refused, in a container with a seccomp filter
        return None
    return state != _TIME_ERROR and not found.status & _STA_UNSYNC


@cache
def boot_id() -> str:
    """The kernel's name for this boot; "" where it does not tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def read() -> Reading:
    """All of it, now."""
    return Reading(time.time(), boottime_s(), time.monotonic(), boot_id(), synchronised())


def boottime_s() -> float:
    """CLOCK_BOOTTIME in seconds."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _adjtimex() -> ctypes._NamedFuncPointer | None:
    try:
        found = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    found.argtypes = (ctypes.c_void_p,)
    found.restype = ctypes.c_int
    return found
