"""Forced coils, for commissioning: when a person may set them, and when that is over. Pure: time is passed in.

READY is never forced: a PLC takes a PASS with READY alone, so nothing that is
forced can let a part go on. PASS and REJECT together, which is a fault of the
coils, may be forced: that the PLC rejects by it is what a commissioning tries.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from aoi_daemon.plcmap.coils import Coil

RENEW_NS: Final = 2_000_000_000
"""Not renewed for so long: whoever forced the coils is gone."""
QUIET_NS: Final = 2_000_000_000
"""No part has been announced for so long: none is on its way to the ejector."""


class LineNow(NamedTuple):
    """What the line does now, as far as plc knows."""

    link_up: bool
    announced_ns: int
    """When a part was last announced, or plc began."""
    polls: bool
    running: int
    """What the PLC says where it is polled: 1 the line runs, 0 it is stopped, -1 nothing yet."""
    stopping: bool = False


class Force:
    """The word that is forced, None while there is none."""

    def __init__(self) -> None:
        self.word: int | None = None
        self.until_ns = 0
        self._begun_ns = 0

    def ask(self, word: int, line: LineNow, now_ns: int) -> str:
        """Force `word` (16 bits; READY is left out) or renew it; "", or why not, and then nothing has changed."""
        refused = _refused(line, now_ns)
        if refused:
            return refused
        if self.word is None:
            self._begun_ns = now_ns
        self.word = word & 0xFFFF & ~(1 << Coil.READY)
        self.until_ns = now_ns + RENEW_NS
        return ""

    def over(self, line: LineNow, now_ns: int) -> str:
        """Why what is forced must end now; "" while it may go on."""
        if line.stopping:
            return "plc stops"
        if not line.link_up:
            return "the connection to the PLC was lost"
        if line.announced_ns >= self._begun_ns:
            return "a part came"
        if line.polls and line.running != 0:
            return "the PLC says that the line runs"
        return "" if now_ns < self.until_ns else f"not renewed for {RENEW_NS / 1e9:g} s"

    def end(self) -> None:
        """Nothing is forced any more."""
        self.word = None


def _refused(line: LineNow, now_ns: int) -> str:
    if line.stopping:
        return "plc stops"
    if not line.link_up:
        return "there is no connection to the PLC"
    if line.polls and line.running < 0:
        return "whether the line is stopped is not known: the PLC has not been read yet"
    if line.polls and line.running:
        return "the PLC says that the line runs; stop it first"
    quiet_ns = now_ns - line.announced_ns
    if quiet_ns < QUIET_NS:
        return f"no part has come for {max(quiet_ns, 0) / 1e9:.1f} s only; {QUIET_NS / 1e9:g} s are needed"
    return ""
