"""Why a broker is not there, in words, and what to do about it. Pure."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Final, NamedTuple

from aoi_daemon.publisher.access import AccessError


class Trouble(NamedTuple):
    """What is wrong, and the remedy."""

    what: str
    remedy: str


CLOSED_EARLY: Final = Trouble(
    "the broker closed the connection before it answered",
    "its log says why; often the port expects TLS ([publisher.tls]), or another MQTT version (publisher.protocol)",
)
SILENT_CONNECT: Final = Trouble(
    "something listens there and does not answer as an MQTT broker",
    "check publisher.host and publisher.port; a port that expects TLS needs [publisher.tls]",
)
SILENT: Final = Trouble(
    "the broker does not confirm what it is sent",
    "look at the broker's log and disk; if it is only slow, raise publisher.answer_s",
)
LOST: Final = Trouble(
    "the connection was lost",
    "check network and broker; it is connected anew by itself. "
    "If it comes and goes, another client may use the same client id: give each line its own publisher.client_id",
)
NO_QOS: Final = Trouble(
    "the broker takes QoS 0 alone", "allow QoS 1 at the broker: without it nothing confirms that a result has arrived"
)

_CODES: Final[Mapping[int, tuple[str, str]]] = {
    0x81: ("malformed packet", "is it an MQTT broker, and of the version in publisher.protocol?"),
    0x82: ("protocol error", "is it an MQTT broker, and of the version in publisher.protocol?"),
    0x84: (
        "it does not speak this MQTT version",
        'set publisher.protocol = "3.1.1", or use a broker that knows MQTT 5 (Mosquitto 1.6 or later)',
    ),
    0x85: ("client id not accepted", "set publisher.client_id to one that the broker allows"),
    0x86: ("bad user name or password", "check publisher.username and the file publisher.password_file"),
    0x87: (
        "not authorized",
        "let this user connect and write to the topics below publisher.topic (the broker's ACL); "
        "a broker that wants a password needs publisher.username and publisher.password_file",
    ),
    0x88: ("server unavailable", "look at the broker"),
    0x89: ("server busy", "look at the broker"),
    0x8A: ("banned", "the broker's administrator has shut this client out"),
    0x8B: ("the broker is shutting down", "none: it is connected anew when the broker is back"),
    0x8D: ("keep alive time-out", "check the network"),
    0x8E: (
        "another client took the connection over by using the same client id",
        "give each line its own publisher.client_id",
    ),
    0x90: ("topic name not accepted", "set publisher.topic to one that the broker allows"),
    0x93: ("too many messages in flight", "lower publisher.in_flight"),
    0x95: ("packet too large", "raise the broker's greatest packet to 16 KiB at least"),
    0x97: ("quota exceeded", "raise the broker's limits for this client, or free its disk"),
    0x98: ("closed by the broker's administrator", "ask the broker's administrator"),
    0x9A: ("retained messages not allowed", "allow retained messages at the broker: the line's state is one"),
    0x9B: ("QoS not supported", NO_QOS.remedy),
    0x9C: ("use another server", "set publisher.host to the server that the broker's administrator names"),
    0x9D: ("server moved", "set publisher.host to the server that the broker's administrator names"),
    0x9F: ("too many connections in a short time", "none: it waits longer each time"),
}


def refused(code: int, name: str, *, what: str) -> Trouble:
    """The broker said MQTT 5 reason `code`, by the name `name`, to `what` (connection, message)."""
    return _with_reason(f"the broker refused {what}", code, name)


def closed(code: int, name: str) -> Trouble:
    """The broker ended the connection and said MQTT 5 reason `code`."""
    return _with_reason("the broker ended the connection", code, name)


def _with_reason(what: str, code: int, name: str) -> Trouble:
    words, remedy = _CODES.get(code, (name.lower(), "the broker's log says why"))
    return Trouble(f"{what}: {words} (0x{code:02X})", remedy)


def not_connected(error: Exception, host: str, port: int) -> Trouble:
    """`error` is what an attempt to connect ended with: a name, a port, TLS, or a file of the configuration."""
    at = f"{host}:{port}"
    if isinstance(error, AccessError):
        return Trouble(error.what, error.remedy)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Trouble(
            f"{at}: the broker's certificate is not accepted: {error.verify_message}",
            "publisher.tls.ca must be the CA that signed it, publisher.host a name that stands in it, "
            "and it must not be out of date",
        )
    if isinstance(error, ssl.SSLError):
        return Trouble(f"{at}: TLS failed: {error.reason or error}", "does that port speak TLS? It is 8883 by custom")
    if isinstance(error, socket.gaierror):
        return Trouble(f"{host}: the name is not known ({error.strerror})", "check publisher.host and the name service")
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return Trouble(
            f"{at}: the other end hung up",
            "its log says why; with [publisher.tls] the port must speak TLS (8883 by custom)",
        )
    if isinstance(error, ConnectionRefusedError):
        return Trouble(f"{at}: nobody listens there", "start the broker, or check publisher.host and publisher.port")
    if isinstance(error, TimeoutError):
        return Trouble(f"{at}: no answer", "check network, firewall, publisher.host and publisher.port")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Trouble(f"{at}: {reason or type(error).__name__}", "check network, publisher.host and publisher.port")


def ended(text: str, *, up: bool) -> Trouble:
    """The connection ended without a word from the broker; `text` is the error of the system or of TLS ("": none).

    `up`: it had been accepted before.
    """
    if "alert" in text.lower():
        return Trouble(
            f"the broker refused this line's certificate: {text}",
            "set publisher.tls.certificate and key to ones that the broker's CA has signed",
        )
    return LOST if up else CLOSED_EARLY
