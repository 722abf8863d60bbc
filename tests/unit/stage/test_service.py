"""The readiness protocol, against a real datagram socket."""

import errno
import os
import socket

import pytest

from aoi_daemon.stage.service import Notifier, give_up, take_environment

PID = 4711


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener, str(tmp_path / "notify")


def test_fields_go_in_one_datagram(manager):
    listener, address = manager
    with Notifier(address) as notifier:
        assert notifier.send(ready=1, status="running")
    assert listener.recv(4096) == b"READY=1\nSTATUS=running"


def test_an_abstract_socket_is_reached():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0aoi-test-notify")
        listener.settimeout(5)
        with Notifier("@aoi-test-notify") as notifier:
            assert notifier.send(stopping=1)
        assert listener.recv(4096) == b"STOPPING=1"


def test_a_manager_that_is_gone_costs_nothing(tmp_path):
    with Notifier(str(tmp_path / "nobody")) as notifier:
        assert notifier.send(ready=1)


def test_without_a_manager_nothing_is_sent():
    assert Notifier(None).send(ready=1)


def test_a_manager_whose_queue_is_full_is_tried_again_later(manager):
    listener, address = manager
    with Notifier(address) as notifier:
        sent = 0
        while notifier.send(watchdog=1):
            sent += 1
            assert sent < 100_000
        assert not notifier.send(ready=1), "the caller is told, and owes it"
        listener.recv(4096)
        assert notifier.send(ready=1)


def test_a_line_break_in_a_text_is_no_new_field(manager):
    listener, address = manager
    with Notifier(address) as notifier:
        notifier.send(status="line.toml: a\nREADY=1\r\nSTOPPING=1")
    assert listener.recv(4096) == b"STATUS=line.toml: a | READY=1 | STOPPING=1"


def test_a_long_text_is_cut_and_leaves_the_rest_of_the_datagram_whole(manager):
    """systemd ignores a datagram of more than 4096 bytes, and a text that is not UTF-8."""
    listener, address = manager
    with Notifier(address) as notifier:
        notifier.send(ready=1, status="x" + "\N{GREEK SMALL LETTER MU}" * 5000)
    found = listener.recv(65536)
    assert found.startswith(b"READY=1\nSTATUS=x") and len(found) < 1100
    assert found.decode().endswith("\N{GREEK SMALL LETTER MU}")


def test_a_name_of_a_file_that_is_not_text_is_sent_all_the_same(manager):
    listener, address = manager
    with Notifier(address) as notifier:
        notifier.send(status=os.fsdecode(b"caf\xe9"))
    assert listener.recv(4096) == b"STATUS=caf?"


# -- the environment -------------------------------------------------------------


def test_the_environment_is_taken_so_that_no_child_notifies():
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID), "HOME": "/"}
    found = take_environment(environment, PID)
    assert (found.address, found.watchdog_ns, found.problems) == ("/run/x", 30_000_000_000, ())
    assert environment == {"HOME": "/"}


def test_a_watchdog_of_another_process_is_not_fed():
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}
    assert take_environment(environment, PID).watchdog_ns == 0
    assert environment == {}


def test_a_watchdog_without_a_process_id_is_for_whoever_reads_it():
    assert take_environment({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1000"}, PID).watchdog_ns == 1_000_000


@pytest.mark.parametrize("usec", ["", "-1", "30s", "1.5", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_watchdog_time_that_is_no_number_is_named_and_there_is_none(usec):
    found = take_environment({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec}, PID)
    assert found.watchdog_ns == 0
    assert found.problems == (f"WATCHDOG_USEC={usec}: no number of microseconds",)


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative", "udp:1"])
def test_a_socket_of_another_kind_is_named_and_not_used(address):
    found = take_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"}, PID)
    assert found.address is None and found.watchdog_ns == 0
    assert address in found.problems[0]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}])
def test_without_a_service_manager_there_is_nothing_to_say(environment):
    assert take_environment(environment, PID) == (None, 0, ())


def test_who_gives_up_says_why(manager, monkeypatch):
    listener, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    give_up("line.toml: plc.port = 0: too small")
    assert listener.recv(4096) == f"STATUS=line.toml: plc.port = 0: too small\nERRNO={errno.EINVAL}".encode()
    assert "NOTIFY_SOCKET" not in os.environ
