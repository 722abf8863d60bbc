"""Hosts as the configuration names them: the grammar, and what a text that is none was probably meant to be. Pure.

    host    = name | IPv4 | IPv6
    name    = label *("." label)     letters, digits and inner hyphens, 1 to 63 each, 253 in all (RFC 1123), and _,
                                     which hosts files have; the last label is no number, or a resolver takes the
                                     name for an address
    IPv4    = four decimal groups of 0 to 255, no leading zeros
    IPv6    = RFC 4291; a link-local one may name its interface: fe80::1%eth0

A resolver takes more than that, and reads it in its own way: `127.000.000.010` is 127.0.0.8 to it, `10.5` is 10.0.0.5.
So nothing else is taken, and nothing is mended: the error says what was probably meant, and a person writes it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator

_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MOST: Final = 253
_LONGEST_MEANT: Final = 1000
"""A text beyond this is no host with something around it; to read it would take its time."""
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_COMMAS: Final = re.compile(r"[0-9]+(?:,[0-9]+){3}")
_IPV4: Final = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_SHOWN: Final = 80
_WANTED: Final = "write a name, an IPv4 address of four plain decimal groups or an IPv6 address, and nothing else"


class Meant(NamedTuple):
    """What a text that is no host was probably meant to be. `port` is None where none was given."""

    host: str
    port: int | None = None


def is_host(text: str) -> bool:
    """Whether `text` is a host by the grammar above."""
    return _is_name(text) or _is_ipv4(text) or _is_ipv6(text)


def problem(text: str) -> str | None:
    """What keeps `text` from being a host, with what was probably meant; None: it is one."""
    if is_host(text):
        return None
    probably = meant(text)
    if probably is None:
        remedy = _WANTED
    elif probably.port is None:
        remedy = f'write "{probably.host}", if that was meant'
    else:
        remedy = f'write host = "{probably.host}" and port = {probably.port}, if that was meant'
    return f"{shown(_without_password(text))} {_fault(text)}; {remedy}"


def meant(text: str) -> Meant | None:
    """The host that `text` was probably meant to be, which is one by the grammar; None: there is no telling."""
    if len(text) > _LONGEST_MEANT:
        return None
    rest = unicodedata.normalize("NFKC", text).strip()
    rest = re.split(r"[/?#\\]", re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}", "", rest))[0]
    rest = rest.rpartition("@")[2].strip()
    found = re.fullmatch(r"\[(?P<six>[^\[\]]*)\](?::(?P<port>[0-9]*))?|(?P<name>[^:\[\]]*):(?P<after>[0-9]*)", rest)
    port = ""
    if found is not None:
        rest = found["six"] if found["name"] is None else found["name"]
        port = found["port"] or found["after"] or ""
        rest = rest.replace("%25", "%")  # as a URL has to write the % before an interface
    rest = rest.strip().removesuffix(".")
    if _COMMAS.fullmatch(rest):
        rest = rest.replace(",", ".")
    groups = rest.split(".")
    if len(groups) == 4 and all(re.fullmatch(r"[0-9]+", group) for group in groups):
        rest = ".".join(group.lstrip("0") or "0" for group in groups)
    elif "%" in rest and not is_host(rest):
        rest = rest.partition("%")[0]
    if rest == text or not is_host(rest) or (port and not is_port(port)):
        return None
    return Meant(rest, int(port) if port else None)


def is_port(text: str) -> bool:
    """Whether `text` is a TCP or UDP port in plain decimals: 1 to 65535."""
    return re.fullmatch(r"[1-9][0-9]{0,4}", text) is not None and int(text) <= 65_535


def split_port(text: str) -> tuple[str, str | None]:
    """The two parts of `HOST:PORT`; without the brackets that show where an IPv6 address ends.

    Raises:
        ValueError: the host or the port is none. None as the port stands for none given.
    """
    found = re.fullmatch(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[^:\[\]]*))?", text)
    if found is None or (found["six"] is not None) != (":" in (found["six"] or "")):
        raise ValueError(f"{shown(text)}: write HOST:PORT, with brackets around an IPv6 address alone: [::1]:502")
    host, port = found["six"] or found["host"], found["port"]
    if (wrong := problem(host)) is not None:
        raise ValueError(wrong)
    if port is not None and not is_port(port):
        raise ValueError(f"{shown(text)} has {shown(port)} for its port, which is 1 to 65535")
    return host, port


def _without_password(text: str) -> str:
    return re.sub(r":[^:/@]*@", ":...@", text)


def shown(text: str) -> str:
    """`text` quoted on one line, its middle left out where it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}...{text[-_SHOWN // 4 :]}")


def _address(text: str) -> str:
    _, port = split_port(text)
    if port is None:
        raise ValueError(f"{shown(text)} has no port; write HOST:PORT, an IPv6 address in brackets: [::1]:502")
    return text


def _host(text: str) -> str:
    if (wrong := problem(text)) is not None:
        raise ValueError(wrong)
    return text


def _peer(text: str) -> str:
    if not _is_name(text) and _stands_for_all(ipaddress.ip_address(text)):
        raise ValueError(
            f"{shown(text)} stands for every address of this PC; give the address or the name of what is connected to"
        )
    return text


Host = Annotated[str, AfterValidator(_host)]
"""A host by the grammar above, kept as it was written."""
Peer = Annotated[Host, AfterValidator(_peer)]
"""A host that is connected to: not 0.0.0.0 or ::, which the system takes for this PC."""

HostPort = Annotated[str, AfterValidator(_address)]
"""HOST:PORT, an IPv6 address in brackets."""


def _is_name(text: str) -> bool:
    labels = text.split(".")
    if len(text) > _MOST or _NUMBER.fullmatch(labels[-1]):
        return False
    return all(_LABEL.fullmatch(label) for label in labels)


def _is_ipv4(text: str) -> bool:
    return _IPV4.fullmatch(text) is not None


def _is_ipv6(text: str) -> bool:
    address, percent, interface = text.partition("%")
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    # Only of a link-local address does the system take an interface's name.
    return not percent or (found.is_link_local and _INTERFACE.fullmatch(interface) is not None)


def _stands_for_all(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_unspecified or (mapped is not None and mapped.is_unspecified)


def _fault(text: str) -> str:
    """What is wrong with `text`, which is no host, in words that follow it."""
    for pattern, words in _SIGNS:
        if pattern.search(text):
            return words
    if text.count(":") > 1:
        return "is no IPv6 address" + (", which may name its interface where it begins with fe80" * ("%" in text))
    if ":" in text:
        return "has a port in it, which is a key of its own" if text[-1:] != ":" else "has a colon at its end"
    if len(text) > _MOST:
        return f"has {len(text)} characters, of at most {_MOST}"
    if text.endswith("."):
        return "has a dot at its end"
    if all(_NUMBER.fullmatch(group) for group in text.split(".")):
        return _number_fault(text.split("."))
    if _NUMBER.fullmatch(text.rpartition(".")[2]):
        return "ends with a number, so that a resolver takes it for an address"
    return "is no name: between its dots are letters, digits, _ and inner hyphens, 1 to 63 of them"


_SIGNS: Final = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"\A\Z", "is empty"),
        (r"[\x00-\x20\x7f]", "has a blank or a control character in it"),
        (r"[^\x00-\x7f]", "has a character in it that is not ASCII"),
        (r"://", "has a scheme in it"),
        (r"@", "has a user in it"),
        (r"[/?#\\]", "has a path in it"),
        (r"[\[\]]", "has brackets in it"),
    )
)


def _number_fault(groups: list[str]) -> str:
    text = ".".join(groups)
    if any(re.match(r"0[xX]", group) for group in groups):
        fault = "has hexadecimal in it"
    elif any(re.match(r"0[0-9]", group) for group in groups):
        fault = "has leading zeros, which are octal to the resolver"
    elif len(groups) != 4:
        fault = f"has {len(groups)} group{'s' * (len(groups) > 1)}, an IPv4 address has four"
    else:
        return "is no IPv4 address: each of its four groups is 0 to 255"
    try:
        return f"{fault} (it would be taken for {socket.inet_ntoa(socket.inet_aton(text))})"
    except OSError:
        return fault
