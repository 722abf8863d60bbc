"""How often: the growing delay after wrong passwords, and the rate of actions. Pure: times passed in, ns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_FREE: Final = 3
_FIRST_NS: Final = 1_000_000_000
_LONGEST_NS: Final = 30_000_000_000
_FORGET_NS: Final = 900_000_000_000
_MOST: Final = 4096


@dataclass
class _Failures:
    count: int = 0
    last_ns: int = 0

    def wait_ns(self, now_ns: int) -> int:
        if self.count < _FREE or now_ns - self.last_ns >= _FORGET_NS:
            return 0
        delay_ns = min(_FIRST_NS << min(self.count - _FREE, 10), _LONGEST_NS)
        return max(0, self.last_ns + delay_ns - now_ns)


class LoginDelay:
    """Wrong passwords make the next try wait: 1, 2, 4 ... 30 s from the third on, forgotten after 15 minutes.

    Counted for each address, against one that tries many names, and for each
    user over all addresses, against many that try one name. A try that comes too
    early counts for nothing, so hammering does not make it longer. The user's
    delay is not for an address that this user has logged in from, nor for the
    line's own PC: whoever tries names elsewhere cannot keep the real user out.
    """

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()
        self._by_user: OrderedDict[str, _Failures] = OrderedDict()
        self._by_both: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_ns(self, user: str, address: str, now_ns: int, *, local: bool = False) -> int:
        """How long `user` at `address` has to wait before a password is looked at; 0: not at all."""
        wait_ns = self._by_address.get(address, _Failures()).wait_ns(now_ns)
        if not local and (user, address) not in self._known:
            wait_ns = max(wait_ns, self._by_user.get(user, _Failures()).wait_ns(now_ns))
        return wait_ns

    def failed(self, user: str, address: str, now_ns: int) -> None:
        """A wrong password, or a name that nobody has."""
        _count(self._by_address, address, now_ns)
        _count(self._by_user, user, now_ns)
        _count(self._by_both, (user, address), now_ns)

    def succeeded(self, user: str, address: str) -> None:
        """The right password: what this user mistyped is forgotten, and what others tried at this address is not."""
        self._by_user.pop(user, None)
        mistyped = self._by_both.pop((user, address), _Failures()).count
        if address in self._by_address:
            entry = self._by_address[address]
            entry.count = max(0, entry.count - mistyped)
        self._known[user, address] = None
        _bound(self._known, (user, address))


def _count(table: OrderedDict[K, _Failures], key: K, now_ns: int) -> None:
    entry = table.setdefault(key, _Failures())
    if now_ns - entry.last_ns >= _FORGET_NS:
        entry.count = 0
    entry.count += 1
    entry.last_ns = now_ns
    _bound(table, key)


def _bound(table: OrderedDict[K, V], key: K) -> None:
    """The newest keys are kept: made-up names and addresses cannot fill the memory."""
    table.move_to_end(key)
    while len(table) > _MOST:
        table.popitem(last=False)


class Rate:
    """A bucket of `burst` tries that fills again by `per_s` each second, for each key."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._ns_each = 1e9 / per_s
        self._burst_ns = burst * self._ns_each
        self._full_ns: OrderedDict[Hashable, float] = OrderedDict()

    def wait_ns(self, key: Hashable, now_ns: int) -> int:
        """Take one try of `key`: 0, or how long until there is one again (then none is taken)."""
        # The time at which the bucket is full again; one try moves it on by what one try takes to come back.
        full_ns = max(self._full_ns.get(key, 0.0), float(now_ns)) + self._ns_each
        over_ns = full_ns - now_ns - self._burst_ns
        if over_ns > 0:
            return int(over_ns) + 1
        self._full_ns[key] = full_ns
        _bound(self._full_ns, key)
        return 0
