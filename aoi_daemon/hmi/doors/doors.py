"""The page's doors: how much one address may have of it, and what was turned away. Pure but for its log lines.

Process: hmi, in its event loop alone. What is counted here is small and bounded, whoever comes: made-up addresses
push out the oldest, and an IPv6 network of 64 bits, which is what one subscriber has, counts as one address.
"""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from aoi_daemon.hmi.access.limits import Rate

MOST_EACH: Final = 64
"""Connections of one address. A browser opens six; the tab in front has one of them for its stream."""
MOST: Final = 512
"""Connections of all; the line's own PC has some more, so that whoever stands there gets in."""
OWN_MORE: Final = 64

TAPS_PER_S: Final = 10
TAPS_BURST: Final = 40
"""What is tapped on a page: more than the fingers of a hand, and what a forced coil renews."""

WHYS: Final = ("connections", "half_sent", "too_large", "look_ups", "invalid")
"""What is turned away for: too many connections, a request that does not come to its end, one that is too large,
too many requests, and what is no HTTP."""
_MINUTE_LINES: Final = 30
_ADDRESS_LINES: Final = 2


def one_address(address: str) -> str:
    """What counts as one: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(found) if found.is_loopback else str(ipaddress.ip_network((found, 64), strict=False))


class Lines:
    """How many log lines whoever comes can cause: some for each address a minute, and some in all."""

    def __init__(self, each: int = _ADDRESS_LINES, most: int = _MINUTE_LINES) -> None:
        self._each = Rate(each / 60, each)
        self._all = Rate(most / 60, most)
        self._left_out = 0

    def take(self, key: tuple[str, ...], now_ns: int) -> int | None:
        """How many lines were left out before this one; None: it is left out, and counted."""
        if self._each.wait_ns(key, now_ns) or self._all.wait_ns("", now_ns):
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        return left_out


class Doors:
    """Who is in, and what was turned away. `proxies` hold the connections of many, and are bounded by the sum alone."""

    def __init__(
        self, log: Any, is_proxy: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:  # fmt: skip
        self._log = log
        self._is_proxy = is_proxy
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._lines = Lines()
        self._taps = Rate(TAPS_PER_S, TAPS_BURST)
        self.refused: Counter[str] = Counter()

    @property
    def connections(self) -> int:
        """How many there are."""
        return self._open.total()

    def enter(self, address: str) -> bool:
        """A connection from `address` has come; False: it is one too many, and has to go."""
        key = one_address(address)
        own = address in ("127.0.0.1", "::1")
        if self.connections >= MOST + OWN_MORE * own or (self._open[key] >= MOST_EACH and not self._is_proxy(address)):
            self.turned_away("connections", address)
            return False
        self._open[key] += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that had entered has ended."""
        key = one_address(address)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def tap(self, address: str) -> bool:
        """Something is tapped on a page of `address`; False: too often, and it gets nothing."""
        if self._taps.wait_ns(one_address(address), self._clock()):
            self.turned_away("look_ups", address)
            return False
        return True

    def turned_away(self, why: str, address: str) -> None:
        """Count it; said for some of them."""
        self.refused[why] += 1
        self.note("page_turned_away", address, why=why)

    def note(self, event: str, address: str, **more: Any) -> None:
        """A line about `address` in the log, unless there are enough of them."""
        left_out = self._lines.take((event, one_address(address)), self._clock())
        if left_out is not None:
            more = {**more, "left_out": left_out} if left_out else more
            self._log.warning(event, address=address, **more)
