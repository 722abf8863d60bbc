"""Brokers that refuse, keep silent or are none: what the publisher says, and that it comes back by itself."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import trustme

from tests.unit.publisher.mosquitto import Mosquitto, Subscriber, needs_mosquitto
from tests.unit.publisher.recording import record

pytestmark = [
    needs_mosquitto,
    # paho drops the socket of a handshake that failed; it is closed with its last reference.
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]


@pytest.fixture
def publisher(tmp_path, publisher):
    """The same, with ten parts to publish."""
    record(tmp_path / "records", range(1, 11))
    return publisher


def password_file(folder: Path, **users: str) -> Path:
    path = folder / "users"
    path.touch(mode=0o600)
    for user, password in users.items():
        subprocess.run(["mosquitto_passwd", "-b", str(path), user, password], check=True, capture_output=True)
    return path


def with_users(folder: Path, *more: str) -> Mosquitto:
    return Mosquitto(folder / "broker", "allow_anonymous false", f"password_file {password_file(folder, line='right', watcher='watch')}", *more)


def test_a_wrong_password_is_said_and_mended_without_a_restart(tmp_path, publisher):
    secret = tmp_path / "secret"
    with with_users(tmp_path) as broker, Subscriber(broker.port, "aoi/#", username="watcher", password="watch") as subscriber:
        running = publisher(broker.port, username="line", password_file=str(secret))
        running.until(state=f"publisher.password_file: {secret}: No such file")
        secret.write_text("wrong\n")
        running.until(state="not authorized", backlog=10, published=0, remedy="publisher.password_file")
        secret.write_text("right\n")
        running.until(state="ok", backlog=0)
        running.until_parts(subscriber, set(range(1, 11)))


def test_a_password_can_be_a_credential_of_systemd(tmp_path, publisher, monkeypatch):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mqtt").write_text("right")
    with with_users(tmp_path) as broker:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
        publisher(broker.port, username="line", password_file="mqtt").until(state="ok", backlog=0)


def test_a_result_that_the_broker_does_not_take_is_not_taken_for_sent(tmp_path, publisher):
    """Over MQTT 5 a broker says that it threw a message away."""
    rights = tmp_path / "rights"
    rights.write_text("user line\ntopic write aoi/line-1/state\ntopic write aoi/line-1/alarms\nuser watcher\ntopic read #\n")
    (tmp_path / "secret").write_text("right")
    with with_users(tmp_path, f"acl_file {rights}") as broker, Subscriber(broker.port, "aoi/#", username="watcher", password="watch") as subscriber:
        running = publisher(broker.port, username="line", password_file="secret")
        running.until(state="the broker refused a message: not authorized", backlog=10, published=0, remedy="ACL")
        rights.write_text("user line\ntopic write aoi/line-1/#\nuser watcher\ntopic read #\n")
        broker.stop()
        broker.start()
        running.until(state="ok", backlog=0)
        running.until_parts(subscriber, set(range(1, 11)))


@pytest.fixture
def tls(tmp_path):
    """PEM files of a CA, of a broker that it signed, of a client that it signed, and of a CA that nobody knows."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "stranger.pem"))
    for name, issuer, host in (("broker", authority, "127.0.0.1"), ("own", authority, "line-1"), ("false", stranger, "line-1")):
        issuer.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    return tmp_path


def tls_broker(folder: Path, *more: str) -> Mosquitto:
    files = [f"cafile {folder}/ca.pem", f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.pem"]
    return Mosquitto(folder / "broker", "allow_anonymous true", *files, *more)


def test_tls_with_a_ca_of_the_plant(tls, publisher):
    with tls_broker(tls) as broker:
        publisher(broker.port, tls={"ca": "ca.pem"}).until(state="ok", backlog=0)


def test_a_broker_that_wants_our_certificate_gets_it(tls, publisher):
    with tls_broker(tls, "require_certificate true") as broker:
        publisher(broker.port, tls={"ca": "ca.pem", "certificate": "own.pem"}).until(state="ok", backlog=0)


@pytest.mark.parametrize(
    ("keys", "broker_lines", "told", "remedy"),
    [
        ({"tls": {"ca": "stranger.pem"}}, (), "certificate is not accepted", "publisher.tls.ca must be the CA"),
        ({"tls": {}}, (), "certificate is not accepted", "publisher.tls.ca must be the CA"),
        ({"tls": {"ca": "ca.pem"}, "host": "localhost"}, (), "certificate is not accepted: Hostname mismatch", "a name that stands in it"),
        ({"tls": {"ca": "none.pem"}}, (), "publisher.tls.ca: ", "name the PEM file"),
        ({}, (), "before it answered", "expects TLS"),
        ({"tls": {"ca": "ca.pem"}}, ("require_certificate true",), "refused this line's certificate", "publisher.tls.certificate"),
        ({"tls": {"ca": "ca.pem", "certificate": "false.pem"}}, ("require_certificate true",), "refused this line's certificate", "publisher.tls.certificate"),
    ],
)
def test_tls_that_does_not_fit_is_said_with_the_key_to_mend(tls, publisher, keys, broker_lines, told, remedy):
    with tls_broker(tls, *broker_lines) as broker:
        running = publisher(broker.port, **keys)
        running.until(state=told, remedy=remedy, backlog=10, published=0)


def test_tls_to_a_port_that_speaks_none_is_said(tmp_path, tls, publisher):
    with Mosquitto(tmp_path / "broker") as broker:
        running = publisher(broker.port, tls={"ca": "ca.pem"})
        running.until(state="127.0.0.1:", remedy="8883 by custom")


def test_nobody_there_is_said_until_somebody_is(tmp_path, publisher):
    broker = Mosquitto(tmp_path / "broker")
    running = publisher(broker.port)
    running.until(state="nobody listens there", backlog=10)
    with broker:
        running.until(state="ok", backlog=0)


def test_a_host_that_has_no_address_is_said(publisher):
    publisher(1883, host="no-such-host.invalid").until(state="the name is not known")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x01"])
def test_something_that_is_no_broker_of_this_version_is_said(publisher, answer):
    """Silence, another protocol, and the answer of a broker that knows MQTT 3.1.1 alone."""
    told = {b"": "does not answer as an MQTT broker", b"\x20\x02\x00\x01": "does not speak this MQTT version"}.get(answer, "does not answer as an MQTT broker")
    with socket.create_server(("127.0.0.1", 0)) as server:
        clients: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    clients.append(client)
                    if answer:
                        client.recv(4096)
                        client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        publisher(server.getsockname()[1]).until(state=told, published=0)
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for client in clients:
            client.close()


def test_a_broker_that_hangs_up_is_not_stormed(publisher):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        attempts: list[float] = []

        def three_times() -> bool:
            with contextlib.suppress(BlockingIOError):
                client, _ = server.accept()
                client.close()
                attempts.append(time.monotonic())
            return len(attempts) == 3

        publisher(server.getsockname()[1], reconnect_max_s=30.0).until_true(three_times)
    assert attempts[2] - attempts[0] > 0.4 + 0.8, "0.5 s, then 1 s, each less a fifth at most"


def test_a_broker_that_stops_answering_is_left_and_come_back_to(tmp_path, publisher):
    """It accepts what it is sent, and confirms nothing: a process that hangs, a disk that is full."""
    with Mosquitto(tmp_path / "broker") as broker, Subscriber(broker.port, "aoi/#") as subscriber:
        running = publisher(broker.port)
        running.until_parts(subscriber, set(range(1, 11)))
        running.until(state="ok", backlog=0)
        broker.freeze()
        record(tmp_path / "records", range(11, 21))
        running.until(state="does not confirm", backlog=10, remedy="publisher.answer_s")
        broker.thaw()
        running.until(state="ok", backlog=0)
        running.until_parts(subscriber, set(range(1, 21)))


def test_two_lines_of_one_name_are_told_so(tmp_path, publisher):
    with Mosquitto(tmp_path / "broker") as broker:
        running = publisher(broker.port)
        running.until(state="ok", backlog=0)
        with Subscriber(broker.port, "x/y", client_id="aoi-line-1"):
            running.until(remedy="give each line its own publisher.client_id")
        running.until(state="ok")


def test_records_that_were_moved_are_said_and_waited_for(tmp_path, publisher, monkeypatch):
    monkeypatch.setattr("aoi_daemon.publisher.backlog._PATIENCE_S", 0.0)
    records, moved = tmp_path / "records", tmp_path / "moved"
    with Mosquitto(tmp_path / "broker") as broker, Subscriber(broker.port, "aoi/#") as subscriber:
        running = publisher(broker.port)
        running.until_parts(subscriber, set(range(1, 11)))
        records.rename(moved)
        running.until(state="records.sqlite: No such file")
        moved.rename(records)
        record(records, range(11, 21))
        running.until_parts(subscriber, set(range(1, 21)))
        running.until(state="ok", backlog=0, lost=0)
