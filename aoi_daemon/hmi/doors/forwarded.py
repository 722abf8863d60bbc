"""Who a request comes from, where a reverse proxy passes it on: the proxy's word counts if `hmi.proxies` names it.

Process: hmi. Blocks: nowhere. Read are `X-Forwarded-For` and `-Proto`, and `Forwarded` (RFC 7239). Each proxy writes
who spoke to it at the right end, so the list is read from there, as long as who says it is named: what stands further
to the left may be anything that the client made up.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from aoi_daemon.hmi.doors.doors import Doors

_PAIR: Final = re.compile(r"""\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(;|,|$)""")
_MOST_HOPS: Final = 32
_SCHEMES: Final = ("http", "https")


class Told(NamedTuple):
    """What the headers say: who it was, and by which scheme they came (`""`: not said)."""

    address: str
    scheme: str = ""


class Proxies:
    """The addresses and networks whose word counts."""

    def __init__(self, named: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in named]

    def __contains__(self, address: str) -> bool:
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)


class Forwarded:
    """ASGI middleware around `app`: takes what named proxies say into the scope, and the headers out of every request.

    They are taken out of the others, too: libraries behind this one believe some of them.
    """

    def __init__(self, app: ASGIApp, proxies: Iterable[str], doors: Doors) -> None:
        self._app = app
        self._proxies = Proxies(proxies)
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if any(_is_forwarding(name) for name, _ in scope.get("headers", ())):
            scope = self._read(scope)
        await self._app(scope, receive, send)

    def _read(self, scope: Scope) -> Scope:
        left = [(name, value) for name, value in scope["headers"] if not _is_forwarding(name)]
        peer = scope["client"][0] if scope["client"] else ""
        if peer not in self._proxies:
            self._doors.note("forwarded_not_believed", peer)
            return {**scope, "headers": left}
        told = said(peer, scope["headers"], self._proxies)
        return {**scope, "headers": left, "client": (told.address, 0), "scheme": told.scheme or scope["scheme"]}


def said(peer: str, headers: Sequence[tuple[bytes, bytes]], proxies: Proxies) -> Told:
    """What `headers` (names in lower case) that came from the named proxy `peer` say.

    A client can add the header that its proxy does not write. Where both are there and differ, neither is believed:
    it is the proxy that asks, then.
    """
    old = _of_old_names(peer, headers, proxies)
    new = _of_forwarded(peer, headers, proxies)
    if old is None or new is None:
        return old or new or Told(peer)
    if old.address != new.address:
        return Told(peer)
    return old if old.scheme == new.scheme or not new.scheme else new if not old.scheme else Told(old.address)


def _of_old_names(peer: str, headers: Sequence[tuple[bytes, bytes]], proxies: Proxies) -> Told | None:
    hops, schemes = _list(headers, b"x-forwarded-for"), _list(headers, b"x-forwarded-proto")
    if not hops and not schemes:
        return None
    address, taken = _walk(peer, [_node(hop) for hop in hops], proxies)
    # A proxy that overwrites it leaves one; proxies that add to it leave one for each hop.
    scheme = schemes[-min(max(taken, 1), len(schemes))].lower() if schemes else ""
    return Told(address, scheme if scheme in _SCHEMES else "")


def _of_forwarded(peer: str, headers: Sequence[tuple[bytes, bytes]], proxies: Proxies) -> Told | None:
    text = ",".join(value.decode("latin-1") for name, value in headers if name == b"forwarded")
    if not text.strip():
        return None
    hops = _elements(text)
    address, taken = _walk(peer, [_node(hop.get("for", "")) for hop in hops], proxies)
    scheme = hops[-max(taken, 1)].get("proto", "").lower() if hops else ""
    return Told(address, scheme if scheme in _SCHEMES else "")


def _walk(peer: str, hops: Sequence[str | None], proxies: Proxies) -> tuple[str, int]:
    """The rightmost address that is no named proxy, and how many hops were read to it."""
    at, taken = peer, 0
    for hop in reversed(hops[-_MOST_HOPS:]):
        # `unknown`, or no address: what stands further left is nobody's word.
        if at not in proxies or hop is None:
            break
        at, taken = hop, taken + 1
    return at, taken


def _list(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    return [part.strip() for name, value in headers if name == wanted for part in value.decode("latin-1").split(",")]


def _elements(text: str) -> list[dict[str, str]]:
    """The hops of `Forwarded`; [] for one that cannot be read to its end, as the right end is what counts."""
    found: list[dict[str, str]] = [{}]
    at = 0
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return []
        name, value, end = pair.groups()
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found[-1][name.lower()] = value
        if end == ",":
            found.append({})
        at = pair.end()
    return found


def _node(text: str) -> str | None:
    """The address of `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1` or `[2001:db8::1]:5`; None for anything else."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    found = _parsed(text)
    return None if found is None else str(found)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket of both families has IPv4 peers as ::ffff:1.2.3.4.
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def _is_forwarding(name: bytes) -> bool:
    return name.startswith(b"x-forwarded-") or name in (b"forwarded", b"x-real-ip")
