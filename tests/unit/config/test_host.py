"""A host is read as it was meant, or refused with what was probably meant."""

import pytest
from pydantic import TypeAdapter, ValidationError

from aoi_daemon.config.host import Host, HostPort, Peer, is_host, meant, problem, shown, split_port

GOOD = [
    "plc", "PLC-7", "my_plc", "_plc.hall_2", "a", "7up", "plc.hall2.example", "x" * 63, "1a.2b", "10.0.0.5a", "localhost", "xn--mnchen-3ya.example",
    "x." * 126 + "x",  # 253 characters
    "0.0.0.0", "10.0.0.5", "255.255.255.255", "192.168.100.1",
    "::", "::1", "fd00::1", "FE80::1", "fe80::1%eth0", "fe80::1%br-lan.7", "2001:db8:0:0:0:0:0:1", "::ffff:10.0.0.5",
]  # fmt: skip

WRONG = [
    ("127.000.000.010", "leading zeros, which are octal to the resolver (it would be taken for 127.0.0.8)", ("127.0.0.10", None)),
    ("192.168.008.009", "leading zeros", ("192.168.8.9", None)),
    ("10.0.0.00", "leading zeros", ("10.0.0.0", None)),
    ("10,0,0,5", "is no name", ("10.0.0.5", None)),
    ("plc,hall", "is no name", None),
    ("-." + "x." * 125 + "x", "is no name", None),
    ("10.5", "has 2 groups, an IPv4 address has four (it would be taken for 10.0.0.5)", None),
    ("10", "has 1 group,", None),
    ("2130706433", "has 1 group, an IPv4 address has four (it would be taken for 127.0.0.1)", None),
    ("1.2.3.4.5", "has 5 groups", None),
    ("0x7f000001", "hexadecimal in it (it would be taken for 127.0.0.1)", None),
    ("127.0.0.0x1", "hexadecimal", None),
    ("0x", "hexadecimal", None),
    ("10.0.0.256", "each of its four groups is 0 to 255", None),
    ("plc.0x10", "ends with a number", None),
    ("plc.7", "ends with a number", None),
    ("10.0.0.1,10.0.0.2", "ends with a number", None),
    ("[::1]", "brackets", ("::1", None)),
    ("[::1]:502", "brackets", ("::1", 502)),
    ("::1]", "brackets", None),
    ("host:502", "has a port in it", ("host", 502)),
    ("010.0.0.1:502", "has a port in it", ("10.0.0.1", 502)),
    ("host:99999", "has a port in it", None),
    ("host:", "colon at its end", ("host", None)),
    ("tcp://10.0.0.5:1883", "has a scheme in it", ("10.0.0.5", 1883)),
    ("http://[fe80::1%25eth0]:80/", "has a scheme in it", ("fe80::1%eth0", 80)),
    ("mqtts://anna:secret@broker.example:8883/x", "has a scheme in it", ("broker.example", 8883)),
    ("anna@host", "has a user in it", ("host", None)),
    ("host/page", "has a path in it", ("host", None)),
    ("\\\\host", "has a path in it", None),
    (" 10.0.0.1", "has a blank", ("10.0.0.1", None)),
    ("10.0.0.1 ", "has a blank", ("10.0.0.1", None)),
    ("10.0.0.1\n", "has a blank", ("10.0.0.1", None)),
    ("10.0.0.1 plc", "has a blank", None),
    ("plc\0", "has a blank or a control character", None),
    ("１０.0.0.1", "not ASCII", ("10.0.0.1", None)),
    ("münchen", "not ASCII", None),
    ("plc\u200b", "not ASCII", None),
    ("", "is empty", None),
    ("plc.", "has a dot at its end", ("plc", None)),
    (".plc", "is no name", None),
    ("a..b", "is no name", None),
    ("-plc", "is no name", None),
    ("plc-", "is no name", None),
    ("x" * 64, "is no name", None),
    ("x." * 126 + "xx", "has 254 characters, of at most 253", None),
    ("1::2::3", "is no IPv6 address", None),
    ("::1%eth0", "may name its interface where it begins with fe80", ("::1", None)),
    ("fe80::1%", "is no IPv6 address", ("fe80::1", None)),
    ("fe80::1%eth 0", "has a blank", ("fe80::1", None)),
    ("::ffff:010.0.0.5", "is no IPv6 address", None),
]  # fmt: skip


@pytest.mark.parametrize("host", GOOD)
def test_a_host_is_taken_as_it_is_written(host):
    assert TypeAdapter(Host).validate_python(host) == host


@pytest.mark.parametrize(("text", "says", "probably"), WRONG)
def test_what_is_no_host_is_refused_with_what_was_probably_meant(text, says, probably):
    with pytest.raises(ValidationError, match="Value error") as caught:
        TypeAdapter(Host).validate_python(text)
    said = caught.value.errors()[0]["msg"]
    assert says in said and "\n" not in said and len(said) < 300
    assert meant(text) == probably
    if probably is None:
        assert "write a name, an IPv4 address of four plain decimal groups or an IPv6 address" in said
    else:
        assert f'"{probably[0]}"' in said and ("port" in said) == (probably[1] is not None or "port" in says)


def test_what_was_meant_is_looked_for_in_a_text_of_1000_characters():
    assert meant("https://plc/".ljust(1000, "x")) == ("plc", None)
    assert meant("https://plc/".ljust(1001, "x")) is None


def test_a_password_in_an_address_is_not_told_on():
    assert "secret" not in str(problem("mqtts://anna:secret@broker:8883"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:0.0.0.0"])
def test_what_stands_for_this_pc_is_nothing_to_connect_to(host):
    """The system would connect to this PC: a daemon with a PLC's server on it would drive that one."""
    assert is_host(host)
    with pytest.raises(ValidationError, match="stands for every address of this PC"):
        TypeAdapter(Peer).validate_python(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "plc", "fe80::1%eth0", "0.example"])
def test_what_can_be_connected_to_is_taken(host):
    assert TypeAdapter(Peer).validate_python(host) == host


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("127.0.0.1", "has no port"),
        ("[::1]", "has no port"),
        ("::1:9", "brackets around an IPv6 address"),
        ("[10.0.0.1]:9", "brackets around an IPv6 address alone"),
        ("[::1:9", "brackets"),
        ("127.0.0.1:0", "'0' for its port"),
        ("127.0.0.1:65536", "'65536' for its port"),
        ("127.0.0.1:09", "'09' for its port"),
        ("127.0.0.1:", "'' for its port"),
        ("127.0.0.1:９", "'９' for its port"),
        ("127.0.0.010:9", 'write "127.0.0.10"'),
        (":9", "is empty"),
        ("udp://host:9", "brackets"),
    ],
)
def test_host_and_port_together_are_refused_where_one_is_wrong(text, says):
    with pytest.raises(ValidationError, match="Value error") as caught:
        TypeAdapter(HostPort).validate_python(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [("plc:9", ("plc", "9")), ("[::1]:65535", ("::1", "65535")), ("10.0.0.1", ("10.0.0.1", None)), ("[::1]", ("::1", None))],
)
def test_host_and_port_come_apart(text, parts):
    assert split_port(text) == parts


@pytest.mark.parametrize("text", ["plc:9", "[::1]:65535"])
def test_host_and_port_are_kept_as_they_are_written(text):
    assert TypeAdapter(HostPort).validate_python(text) == text


@pytest.mark.parametrize(("text", "quoted"), [("a" * 80, "a" * 80), ("a" * 50 + "b" * 31, "a" * 40 + "..." + "b" * 20)])
def test_a_text_is_shown_in_80_characters_at_most(text, quoted):
    assert shown(text) == f"'{quoted}'"
