"""Programs whose wall clock, and whose files' times, are moved: a library that is preloaded, built by the system's cc."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from tests.preload import build as build_library

SOURCE = Path(__file__).with_name("moved_clock.c")


class NoMovedClockError(Exception):
    """The clock cannot be moved on this machine; the text says what is missing and how to get it."""


def build(folder: Path) -> Path:
    """The library, built in `folder`.

    Raises:
        NoMovedClockError: there is no C compiler, or it has no C library to build against.
    """
    return build_library(SOURCE, folder, "moved clock", NoMovedClockError)


def environment(library: Path, offset_s: int, zone: str = "", base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`base` for a program whose clock is moved by `offset_s`, in `zone` where one is named.

    Its byte code goes into a folder of its own: that of the checkout and of .venv is kept by the true times of the
    sources, and each would throw the other's away.
    """
    preload = " ".join(filter(None, (str(library), base.get("LD_PRELOAD", ""))))
    own = {"LD_PRELOAD": preload, "MOVED_CLOCK_S": str(offset_s), "PYTHONPYCACHEPREFIX": str(library.parent / f"pycache{offset_s:+d}")}
    kept = {name: value for name, value in base.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **own, **({"TZ": zone} if zone else {})}


class MovingClock:
    """The wall clock of programs that are started with `environment`, set by a test while they run."""

    def __init__(self, library: Path, file: Path) -> None:
        file.write_bytes(bytes(16))
        others = [word for word in os.environ.get("LD_PRELOAD", "").split() if Path(word).name != library.name]
        moved = environment(library, 0, base={**os.environ, "LD_PRELOAD": " ".join(others)})
        # The tests themselves may run under a moved clock: theirs is what counts as the true one.
        self._own_s = int(os.environ.get("MOVED_CLOCK_S", "0"))
        # Byte code of the true clock is right until the clock is moved, and never written by one that may be.
        del moved["PYTHONPYCACHEPREFIX"]
        self.environment = {**moved, "MOVED_CLOCK_FILE": str(file), "PYTHONDONTWRITEBYTECODE": "1"}
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), 16)
        self.set(0)

    def set(self, offset_s: int, *, synchronised: bool = False) -> None:
        """So many seconds ahead of the test's own time from now on, and what the kernel says of it."""
        struct.pack_into("=qq", self._shared, 0, self._own_s + offset_s, synchronised)

    def close(self) -> None:
        """Let go of the file."""
        self._shared.close()
