"""The control socket's listening end answers each request once, and refuses what is none."""

from __future__ import annotations

import json
import os
import select
import stat

import pytest

from aoi_daemon.errors import AoiError
from aoi_daemon.stage.control import connect
from aoi_daemon.supervisor.control import ControlServer, answer


def serve(server: ControlServer, times: int = 2) -> list[dict]:
    found = []
    for _ in range(times):
        ready, _, _ = select.select(server.fds(), [], [], 5)
        for client, asked in server.requests(set(ready)):
            found.append(asked)
            answer(client, {"ok": True})
    return found


def test_a_request_is_answered(server):
    with connect(server.path) as client:
        client.send(b'{"do": "status"}')
        assert serve(server) == [{"do": "status"}]
        assert json.loads(client.recv(4096)) == {"ok": True}


@pytest.mark.parametrize("sent", [b"not json", b"[1]", b"\xff", b'"status"'])
def test_what_is_no_request_is_refused_and_the_server_lives(server, sent):
    with connect(server.path) as client:
        client.send(sent)
        assert serve(server) == []
        assert json.loads(client.recv(4096))["ok"] is False
        client.send(b'{"do": "status"}')
        assert serve(server, 1) == [{"do": "status"}]


def test_only_the_owner_may_command(server):
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600


def test_a_client_that_hangs_up_is_forgotten(server):
    with connect(server.path):
        serve(server, 1)
        assert len(server.fds()) == 2
    serve(server, 1)
    assert len(server.fds()) == 1


def test_a_second_daemon_is_refused(server):
    with pytest.raises(AoiError, match="another daemon listens there"):
        ControlServer(server.path)


def test_the_socket_of_a_killed_daemon_is_taken_over(tmp_path):
    first = ControlServer(tmp_path / "c.sock")
    first._listener.close()  # as a SIGKILL leaves it: the file is there, nobody listens
    second = ControlServer(tmp_path / "c.sock")
    second.close()
    first.close()
