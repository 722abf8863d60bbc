"""Each way not to have a broker has its words, and a remedy."""

import socket
import ssl

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from aoi_daemon.publisher.trouble import CLOSED_EARLY, LOST, closed, ended, not_connected, refused


def failures(packet: int) -> list[tuple[int, str]]:
    found = []
    for code in range(0x80, 0x100):
        try:
            found.append((code, str(ReasonCode(packet, identifier=code))))
        except (ValueError, KeyError):
            continue  # not a code of that packet
    return found


def answered_in_clear() -> ssl.SSLError:
    """What a TLS client meets on a port that speaks plain MQTT."""
    incoming = ssl.MemoryBIO()
    incoming.write(b" \x02\x00\x05 no TLS at all")
    client = ssl.create_default_context().wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="broker")
    with pytest.raises(ssl.SSLError) as met:
        client.do_handshake()
    return met.value


@pytest.mark.parametrize("packet", [PacketTypes.CONNACK, PacketTypes.PUBACK, PacketTypes.DISCONNECT])
def test_each_code_of_a_broker_has_words_and_a_remedy(packet):
    found = failures(packet)
    assert len(found) > 5
    for code, name in found:
        for trouble in (refused(code, name, what="the connection"), closed(code, name)):
            assert f"0x{code:02X}" in trouble.what and trouble.remedy


def test_a_taken_over_connection_is_two_lines_of_one_name():
    assert "same client id" in closed(0x8E, "Session taken over").what
    assert "publisher.client_id" in closed(0x8E, "Session taken over").remedy


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the name is not known", "publisher.host"),
        (ConnectionRefusedError(111, "Connection refused"), "nobody listens", "start the broker"),
        (TimeoutError("timed out"), "no answer", "firewall"),
        (OSError(113, "No route to host"), "No route to host", "network"),
        (ValueError("odd"), "odd", "network"),
        (answered_in_clear(), "TLS failed", "speak TLS"),
    ],
)
def test_a_connection_that_does_not_come_about_says_why(error, told, remedy):
    trouble = not_connected(error, "broker", 1883)
    assert told in trouble.what and "broker" in trouble.what and remedy in trouble.remedy


def test_a_broker_that_does_not_take_our_certificate_is_known_by_its_alert():
    assert "certificate" in ended("failed to receive on socket: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] alert", up=False).remedy
    reset = "failed to receive on socket: [Errno 104] Connection reset by peer"
    assert ended(reset, up=True) is LOST and ended(reset, up=False) is CLOSED_EARLY
