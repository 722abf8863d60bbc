"""The readiness protocol, against a real datagram socket."""

import socket

import pytest

from aoi_daemon.service import Notifier


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener, str(tmp_path / "notify")


def test_fields_go_in_one_datagram(manager):
    listener, address = manager
    notifier = Notifier(address)
    notifier.send(ready=1, status="running")
    assert listener.recv(4096) == b"READY=1\nSTATUS=running"
    notifier.close()


def test_an_abstract_socket_is_reached():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0aoi-test-notify")
        listener.settimeout(5)
        notifier = Notifier("@aoi-test-notify")
        notifier.send(stopping=1)
        assert listener.recv(4096) == b"STOPPING=1"
        notifier.close()


def test_a_manager_that_is_gone_costs_nothing(tmp_path):
    notifier = Notifier(str(tmp_path / "nobody"))
    notifier.send(ready=1)
    notifier.close()


def test_without_a_manager_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().send(ready=1)
