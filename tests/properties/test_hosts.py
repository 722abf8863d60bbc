"""Whatever is written as a host: one by the grammar is kept, all else is refused, and a suggestion is a host."""

import ipaddress
import socket
import string

from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.host import is_host, meant, problem

INNER = string.ascii_letters + string.digits + "-"
labels = st.builds(
    lambda first, inner, last: first + inner + last,
    st.sampled_from(string.ascii_letters + string.digits),
    st.text(INNER, max_size=20),
    st.sampled_from(string.ascii_letters + string.digits),
)
last_labels = st.builds(lambda letter, rest: letter + rest, st.sampled_from(string.ascii_letters), st.sampled_from(["", "1", "a-b", "0x1"]))
names = st.builds(lambda before, last: ".".join([*before, last]), st.lists(labels, max_size=3), last_labels)
v4 = st.builds(str, st.ip_addresses(v=4))
v6 = st.builds(
    lambda address, form: form(address),
    st.ip_addresses(v=6),
    st.sampled_from([str, lambda a: a.exploded, lambda a: str(a).upper()]),
)
zoned = st.builds(lambda low, zone: f"{ipaddress.IPv6Address((0xFE80 << 112) + low)}%{zone}", st.integers(0, 2**64 - 1), st.sampled_from(["eth0", "1", "br-lan.7"]))
hosts = st.one_of(names, v4, v6, zoned)

# A number as a resolver reads it: decimal, octal, hexadecimal; one to four of them make an address.
numbers = st.builds(
    lambda value, form: form.format(value),
    st.one_of(st.integers(0, 300), st.integers(0, 2**32)),
    st.sampled_from(["{:d}", "0{:o}", "0x{:x}", "0X{:X}", "{:03d}", "000{:d}"]),
)
numeric = st.builds(".".join, st.lists(numbers, min_size=1, max_size=5))
wraps = st.sampled_from(
    ["{}", " {}", "{} ", "{}\n", "[{}]", "[{}]:502", "{}:502", "{}:", "{}:99999", "tcp://{}", "tcp://{}:1883/x", "u:p@{}", "{}/p", "{}.", "({})", "{}{}", "{},{}", "\uff11{}"]
)
texts = st.one_of(st.text(max_size=30), st.text(string.hexdigits + ".:x[]%@/ ", max_size=20), st.builds(lambda w, h: w.format(h, h), wraps, st.one_of(hosts, numeric)))


@given(hosts)
def test_a_host_by_the_grammar_is_taken(host):
    assert problem(host) is None


@given(st.one_of(numeric, texts))
def test_what_is_taken_for_an_address_is_that_address_as_it_is_written(text):
    """What inet_aton reads, getaddrinfo does: nothing may be taken that it reads as another address than written."""
    if not is_host(text):
        return
    try:
        read = socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return
    assert read == text


@given(texts)
def test_what_is_taken_has_nothing_in_it_but_a_host(text):
    if is_host(text):
        assert text and text.isascii() and not set(text) & set(" \t\n\0[]/@?#\\,()")
        assert text.count(":") != 1 and not text.endswith("%")


@given(texts)
def test_a_suggestion_is_a_host_and_another_text_than_what_was_refused(text):
    said = problem(text)
    assert (said is None) == is_host(text)
    if said is None:
        return
    assert "\n" not in said and len(said) < 400
    found = meant(text)
    if found is not None:
        assert is_host(found.host) and found.host != text and problem(found.host) is None
        assert found.port is None or 1 <= found.port <= 65_535
        assert found.host in said
