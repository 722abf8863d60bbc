"""The connection to the broker: this module and `opening` are the ones that know paho.

Blocks: in `wait`, for as long as it is told. Names, TCP and TLS, which may take
much longer than a supervisor waits for a word, are a thread's; once the
connection is there, the thread is gone and all else is the caller's.

Each connection is a new paho client and a new MQTT session: what was not
confirmed is sent again from the records, never from somebody's memory.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from typing import Any, Final, NamedTuple, Union

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from aoi_daemon.publisher.access import Access
from aoi_daemon.publisher.opening import Opening, hang_up
from aoi_daemon.publisher.trouble import (
    NO_QOS,
    SILENT,
    SILENT_CONNECT,
    Trouble,
    closed,
    ended,
    not_connected,
    refused,
)

_MOST_IN_FLIGHT: Final = 65_535
_NO_SUBSCRIBERS: Final = 0x10


class Will(NamedTuple):
    """What the broker says in our name when the connection ends without a word. Retained."""

    topic: str
    payload: bytes


class Up(NamedTuple):
    """Connected; the broker takes so many messages unconfirmed."""

    in_flight: int


class Confirmed(NamedTuple):
    """The broker has the message; `heard` is False where it says that nobody subscribes to it."""

    message: int
    heard: bool


class Down(NamedTuple):
    """Not connected any more; it had confirmed messages for `held_s` (0: none)."""

    trouble: Trouble
    held_s: float


Happening = Union[Up, Confirmed, Down]  # noqa: UP007


class Broker:
    """At most one connection at a time: `open`, then `wait` again and again until it says Down."""

    def __init__(self, access: Access, will: Will) -> None:
        self._access = access
        self._will = will
        self._opening: Opening | None = None
        self._client: paho.Client | None = None
        self._dead: paho.Client | None = None
        self._happened: list[Happening] = []
        self._opened_s = self._up_s = self._proven_s = 0.0
        self._unconfirmed: dict[int, float] = {}
        self._last_error = ""
        self.address = ""
        """What the broker's host was resolved to, for the last connection; "" before the first."""

    @property
    def unconfirmed(self) -> int:
        """Messages sent on this connection that the broker has not confirmed."""
        return len(self._unconfirmed)

    @property
    def up(self) -> bool:
        """Whether messages can be sent."""
        return self._client is not None and self._up_s > 0

    def open(self) -> None:
        """Begin to connect; `wait` says what came of it."""
        self._last_error = ""
        self._opening = Opening(self._access, self._make_client)

    def wait(self, timeout_s: float) -> list[Happening]:
        """What has happened; waits up to `timeout_s` for something to happen."""
        if self._opening is not None:
            self._finish_opening(self._opening, timeout_s)
        elif self._client is not None:
            self._turn(self._client, timeout_s)
            self._look_at_clock()
        else:
            time.sleep(timeout_s)
        self._bury()
        happened, self._happened = self._happened, []
        return happened

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Send a message, QoS 1; its number, by which it is confirmed. Only while `up`.

        A connection that ends over it is said by the next `wait`.
        """
        assert self._client is not None
        properties = self._properties(PacketTypes.PUBLISH)
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if self.up:
            self._unconfirmed[info.mid] = time.monotonic()
        return info.mid

    def close(self, *, with_leave: bool) -> None:
        """End the connection. With leave the broker drops the will; without, it gives it out."""
        if self._opening is not None:
            self._opening.abandon()
            self._opening = None
        if self._client is not None:
            client, self._client = self._client, None
            if with_leave:
                client.disconnect()
            hang_up(client)
        self._bury()

    def _finish_opening(self, opening: Opening, timeout_s: float) -> None:
        if not opening.wait(timeout_s):
            return
        self._opening = None
        if opening.error is not None:
            section = self._access.section
            self._happened.append(Down(not_connected(opening.error, section.host, section.broker_port), 0.0))
            return
        self._client = opening.client
        self.address = opening.address
        self._opened_s = time.monotonic()

    def _turn(self, client: paho.Client, timeout_s: float) -> None:
        found = client.socket()
        if found is None:
            self._end(ended(self._last_error, up=self.up))
            return
        # Bytes that TLS has decrypted and nobody has read are not in the socket any more.
        pending = isinstance(found, ssl.SSLSocket) and found.pending() > 0
        poll = select.poll()
        poll.register(found, select.POLLIN | (select.POLLOUT if client.want_write() else 0))
        ready = poll.poll(0 if pending else timeout_s * 1000)
        if pending or any(event & ~select.POLLOUT for _, event in ready):
            client.loop_read()
        if client.want_write():
            client.loop_write()
        client.loop_misc()

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if not self._up_s:
            if now - self._opened_s > self._access.section.answer_s:
                self._end(SILENT_CONNECT)
        elif self._unconfirmed and now - next(iter(self._unconfirmed.values())) > self._access.section.answer_s:
            self._end(SILENT)

    def _end(self, trouble: Trouble) -> None:
        client, self._client = self._client, None
        if client is None:
            return  # it has been said
        held_s = time.monotonic() - self._proven_s if self._proven_s else 0.0
        self._up_s = self._proven_s = 0.0
        self._unconfirmed.clear()
        self._happened.append(Down(trouble, held_s))
        # paho may be in the middle of a call: its socket stays until it has come back.
        self._dead = client

    def _bury(self) -> None:
        if self._dead is not None:
            hang_up(self._dead)
            self._dead = None

    def _make_client(self) -> paho.Client:
        access, section = self._access, self._access.section
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=access.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if section.protocol == "5" else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = min(section.answer_s, 10.0)
        client.max_inflight_messages = 0  # no limit of its own: the caller keeps to the broker's
        if section.username is not None:
            # paho's annotation says text; bytes, of which a password consists, it sends as they are.
            client.username_pw_set(section.username, access.password())  # type: ignore[arg-type]
        context = access.context()
        if context is not None:
            client.tls_set_context(context)
        properties = self._properties(PacketTypes.WILLMESSAGE)
        client.will_set(self._will.topic, self._will.payload, qos=1, retain=True, properties=properties)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_log = self._on_log
        return client

    def _properties(self, packet: int) -> Properties | None:
        if self._access.section.protocol != "5":
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        properties.PayloadFormatIndicator = 1
        properties.ContentType = "application/json"
        return properties

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._end(refused(reason.value, str(reason), what="the connection"))
        elif getattr(properties, "MaximumQoS", 1) < 1:
            self._end(NO_QOS)
        else:
            self._up_s = time.monotonic()
            self._happened.append(Up(getattr(properties, "ReceiveMaximum", _MOST_IN_FLIGHT)))

    def _on_publish(self, _client: Any, _data: Any, message: int, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._end(refused(reason.value, str(reason), what="a message"))
        elif self._unconfirmed.pop(message, None) is not None:
            self._proven_s = self._proven_s or time.monotonic()
            self._happened.append(Confirmed(message, reason.value != _NO_SUBSCRIBERS))

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(closed(reason.value, str(reason)))
        else:
            self._end(ended(self._last_error, up=self.up))

    def _on_log(self, _client: Any, _data: Any, level: Any, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._last_error = text


def _send_at_once(_client: Any, _data: Any, found: Any) -> None:
    # A message is a small write; Nagle would keep it back until the one before is confirmed.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
