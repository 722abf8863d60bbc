"""A real Mosquitto with a configuration and a port of its own, and a subscriber that misses nothing."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.kit.line.page import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="Mosquitto is not installed (Debian: apt-get install mosquitto; it need not run as a service)"
)


class Mosquitto:
    """A broker in `folder`. It keeps its sessions over `stop` and `start`; `lines` are of mosquitto.conf."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port(0)
        self.folder = folder
        folder.mkdir(parents=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                [
                    "per_listener_settings false",
                    f"listener {self.port} 127.0.0.1",
                    f"user {pwd.getpwuid(os.getuid()).pw_name}",
                    "persistence true",
                    f"persistence_location {folder}/",
                    "max_queued_messages 100000",
                    "log_dest stderr",
                    *(lines or ("allow_anonymous true",)),
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._config)], stdout=log, stderr=log)
        wait_for(self._listens, 10, f"the broker to listen:\n{self.log()}")

    def _listens(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log()
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """In order: what it holds for its subscribers is kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Message(NamedTuple):
    topic: str
    body: dict[str, Any]
    retained: bool


class Subscriber:
    """Subscribed to `topics`, with a session that the broker keeps while it, or we, are away."""

    def __init__(
        self, port: int, *topics: str, username: str | None = None, password: str | None = None, client_id: str | None = None
    ) -> None:
        self.messages: list[Message] = []
        self._topics = topics
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id or f"watcher-{id(self)}", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set(username, password)
        self._client.on_connect = lambda *_: self._client.subscribe([(topic, paho.SubscribeOptions(qos=1)) for topic in topics])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.messages.append(Message(message.topic, json.loads(message.payload), message.retain))

    def bodies(self, end: str) -> list[dict[str, Any]]:
        """Bodies of the messages so far whose topic ends with `end`."""
        return [message.body for message in list(self.messages) if message.topic.endswith("/" + end)]

    def results(self) -> list[int]:
        """Numbers of the parts whose results came, in the order in which they came."""
        return [body["part"] for body in self.bodies("result")]

    def wait_parts(self, parts: set[int], timeout_s: float = 20.0) -> None:
        wait_for(lambda: parts <= set(self.results()), timeout_s, f"{len(parts)} results; {len(set(self.results()))} came")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that runs."""
    with Mosquitto(tmp_path / "broker") as found:
        yield found


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    """Of all that the publisher sends to `broker` under its own topic."""
    with Subscriber(broker.port, "aoi/#") as found:
        yield found
