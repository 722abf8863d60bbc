"""What is said of who asks: believed of named proxies alone, read from the right, and never by chance."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi.access import roles as access
from aoi_daemon.hmi.doors.doors import Doors
from aoi_daemon.hmi.doors.forwarded import Proxies, Told, said
from aoi_daemon.kit.line.daemon import wait_for

PROXIES = Proxies(["10.0.0.5", "10.1.0.0/24", "2001:db8:1::/48"])
NEAR = "10.0.0.5"
OTHER = "192.0.2.7"


def headers(**named: str | list[str]) -> list[tuple[bytes, bytes]]:
    lines = {"for_": b"x-forwarded-for", "proto": b"x-forwarded-proto", "new": b"forwarded"}
    return [
        (lines[key], value.encode("latin-1")) for key, found in named.items() for value in (found if isinstance(found, list) else [found])
    ]


@pytest.mark.parametrize(("found", "expected"), [
    ({"for_": OTHER}, Told(OTHER)),
    ({"for_": f"6.6.6.6, {OTHER}"}, Told(OTHER)),
    ({"for_": ["6.6.6.6", OTHER]}, Told(OTHER)),
    ({"for_": f"6.6.6.6, {OTHER}, 10.1.0.9"}, Told(OTHER)),
    ({"for_": f"6.6.6.6, 10.1.0.8, {OTHER}"}, Told(OTHER)),
    ({"for_": f"{OTHER}:4711"}, Told(OTHER)),
    ({"for_": "[2001:db8::7]:80"}, Told("2001:db8::7")),
    ({"for_": "2001:db8::7"}, Told("2001:db8::7")),
    ({"for_": f"::ffff:{OTHER}"}, Told(OTHER)),
    ({"for_": "6.6.6.6, unknown"}, Told(NEAR)),
    ({"for_": "6.6.6.6, "}, Told(NEAR)),
    ({"for_": "6.6.6.6, 010.0.0.7"}, Told(NEAR)),
    ({"for_": "10.1.0.3, 10.1.0.9"}, Told("10.1.0.3")),
    ({"for_": OTHER, "proto": "https"}, Told(OTHER, "https")),
    ({"for_": f"6.6.6.6, {OTHER}, 10.1.0.9", "proto": "gopher, https, http"}, Told(OTHER, "https")),
    ({"for_": OTHER, "proto": "javascript"}, Told(OTHER)),
    ({"proto": "https"}, Told(NEAR, "https")),
    ({"new": f"for={OTHER};proto=https"}, Told(OTHER, "https")),
    ({"new": 'For="[2001:db8::7]:4711";by=_x, for="10.1.0.9";proto=http'}, Told("2001:db8::7")),
    ({"new": ["for=6.6.6.6;proto=https", f"for={OTHER};proto=http"]}, Told(OTHER, "http")),
    ({"new": "for=6.6.6.6, for=_hidden"}, Told(NEAR)),
    ({"new": 'for=6.6.6.6, for="' + OTHER}, Told(NEAR)),
    ({"for_": OTHER, "proto": "https", "new": "for=6.6.6.6;proto=https"}, Told(NEAR)),
    ({"for_": OTHER, "proto": "https", "new": f"for={OTHER};proto=http"}, Told(OTHER)),
    ({"for_": OTHER, "new": f"for={OTHER};proto=https"}, Told(OTHER, "https")),
])  # fmt: skip
def test_the_rightmost_address_that_is_no_named_proxy_asks(found, expected):
    assert said(NEAR, headers(**found), PROXIES) == expected


_NODE = st.one_of(st.ip_addresses().map(str), st.text(max_size=12), st.sampled_from(["unknown", "10.1.0.9", NEAR, "_x", '"', "[::1", "1.2.3.4:5"]))


@given(left=st.lists(_NODE, max_size=6), client=st.ip_addresses(), hops=st.lists(st.sampled_from(["10.1.0.1", "10.1.0.2"]), max_size=3))
def test_whatever_a_client_writes_the_address_that_the_nearest_proxy_saw_is_taken(left, client, hops):
    told = said(NEAR, headers(for_=", ".join([*left, str(client), *hops]).encode("latin-1", "replace").decode("latin-1")), PROXIES).address
    seen = getattr(client, "ipv4_mapped", None) or client
    if str(client) not in PROXIES:
        assert told == str(seen)


@given(st.lists(st.tuples(st.sampled_from([b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"]), st.binary(max_size=60)), max_size=5))
def test_no_header_makes_it_fail_nor_gives_what_is_no_address(found):
    told = said(NEAR, found, PROXIES)
    ipaddress.ip_address(told.address)
    assert told.scheme in ("", "http", "https")


@pytest.fixture
def looked(monkeypatch) -> list[str]:
    """The wrong passwords that were looked at, without the work of it."""
    found: list[str] = []
    monkeypatch.setattr(access, "matches", lambda password, _: found.append(password) and False)
    return found


def told_by_the_login(site, address: str = "127.0.0.1", **sent: str) -> list[int]:
    """What six wrong passwords get, each with another forged address."""
    found = []
    for last in range(6):
        more = {name.replace("_", "-"): value.format(last) for name, value in sent.items()}
        answer = site.http.post("/login", data={"name": "leo", "password": "wrong"}, headers={"origin": site.url, **more})
        found.append(answer.status_code)
    return found


@pytest.mark.parametrize("sent", [{"x_forwarded_for": "10.9.8.{}"}, {"forwarded": "for=10.9.8.{}"}, {"x_real_ip": "10.9.8.{}"}])
def test_nobody_is_believed_by_default_and_from_this_pc_either(site, daemon, looked, sent):
    assert told_by_the_login(site(), **sent) == [401, 401, 401, 429, 429, 429]
    assert len(looked) == 3


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/7", "128.0.0.0/1", "::/0", "fc00::/15", "10.0.0.0/8", "fd00::/16", "10.0.0.5"])
def test_a_network_of_half_the_world_is_no_proxy(network):
    fits = network.rpartition("/")[2] in ("8", "16", "10.0.0.5")
    try:
        assert HmiSection(proxies=[network]).proxies == (network,) and fits
    except ValidationError as error:
        assert not fits and "write the proxy's address" in str(error)


def test_a_named_proxy_is_believed(site, daemon, looked):
    found = site(proxies=["127.0.0.1"])
    assert told_by_the_login(found, x_forwarded_for="10.9.8.{}") == [401, 401, 401, 429, 429, 429]  # the same user, each from elsewhere
    answer = found.http.post("/login", data={"name": "mei", "password": "wrong"}, headers={"origin": found.url, "x-forwarded-for": "10.9.8.77"})
    assert answer.status_code == 401
    wait_for(lambda: "from 10.9.8.77" in [line["detail"] for line in daemon.of("audit")], 10, "the audit")


def test_the_scheme_that_a_named_proxy_tells_is_that_of_the_page(site):
    sent = {"origin": "https://aoi.local", "host": "localhost", "x-forwarded-proto": "https"}
    asked = {"origin": "https://localhost", "host": "localhost", "x-forwarded-proto": "https"}
    found = site(proxies=["127.0.0.1"])
    assert found.http.post("/api/reset", headers=asked).json()["why"] == "LOGIN"  # past the guard: it is our own page
    assert "another site" in found.http.post("/api/reset", headers=sent).json()["error"]
    assert "another site" in site().http.post("/api/reset", headers=asked).json()["error"]


def test_who_is_not_believed_is_said_but_not_for_each_request():
    lines: list[tuple[str, dict]] = []

    class Log:
        def warning(self, event: str, **more) -> None:
            lines.append((event, more))

    now = [0]
    doors = Doors(Log(), clock=lambda: now[0])
    for _ in range(1000):
        doors.note("forwarded_not_believed", "10.0.0.9")
    assert len(lines) == 2
    now[0] += 60_000_000_000
    doors.note("forwarded_not_believed", "10.0.0.9")
    assert lines[-1] == ("forwarded_not_believed", {"address": "10.0.0.9", "left_out": 998})
