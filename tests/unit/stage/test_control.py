"""Who asks over the control socket has an answer, or hears why there is none."""

import select
import threading

import pytest

from aoi_daemon.stage.control import NotRunningError, request, request_and_wait
from aoi_daemon.supervisor.control import ControlServer, answer


@pytest.fixture
def server(tmp_path):
    server = ControlServer(tmp_path / "c.sock")
    yield server
    server.close()


def test_nobody_there_is_said_with_the_path(tmp_path):
    with pytest.raises(NotRunningError, match=r"no daemon listens at .*c\.sock"):
        request(tmp_path / "c.sock", {"do": "status"})


def test_a_daemon_that_does_not_answer_is_said(server):
    with pytest.raises(NotRunningError, match="no answer within"):
        request(server.path, {"do": "status"}, timeout_s=0.1)


def test_an_answer_that_takes_long_is_waited_for(server):
    """And whoever waits is told again and again that there is none yet."""
    waited = threading.Event()

    def still() -> None:
        waited.set()

    found = []
    asking = threading.Thread(
        target=lambda: found.append(request_and_wait(server.path, {"do": "reload"}, still, look_s=0.01))
    )
    asking.start()
    clients = []
    while not clients:
        ready, _, _ = select.select(server.fds(), [], [], 5)
        clients += [client for client, _ in server.requests(set(ready))]
    assert waited.wait(5)
    answer(clients[0], {"ok": True})
    asking.join(5)
    assert found == [{"ok": True}]


def test_a_daemon_that_ends_before_it_answers_is_said(server):
    errors = []

    def ask() -> None:
        try:
            request_and_wait(server.path, {"do": "reload"}, lambda: None, look_s=0.01)
        except NotRunningError as error:
            errors.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    asked = 0
    while not asked:
        ready, _, _ = select.select(server.fds(), [], [], 5)
        asked += len(list(server.requests(set(ready))))
    server.close()
    asking.join(5)
    assert "ended before it answered" in errors[0]


def test_what_is_found_while_waiting_ends_it(server):
    def gone() -> None:
        raise NotRunningError("gone")

    with pytest.raises(NotRunningError, match="gone"):
        request_and_wait(server.path, {"do": "reload"}, gone, look_s=0.01)
