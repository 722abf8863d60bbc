"""What the demo's command line takes, and the page that it opens."""

from __future__ import annotations

import socket

import pytest

from aoi_daemon.hmi.access.password import matches
from aoi_daemon.hmi.access.users import read_users
from aoi_daemon.kit.line import page
from aoi_daemon.kit.line.demo import arguments


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--parts", "-1"], "--parts -1: at least 0"),
        (["--page", "70000"], "--page 70000: 0 to 65535"),
        (["--takt-ms", "1"], "--takt-ms 1: 2 to 60000"),
        (["--boards", "/nowhere"], "--boards /nowhere: no such folder"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(words, says, capsys):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_the_page_takes_a_free_port_where_the_wanted_one_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        assert page.free_port(wanted) not in (0, wanted)


def test_the_demo_has_a_user_for_each_role_with_one_password(tmp_path):
    password = page.make_users(tmp_path / "line")
    users = read_users(tmp_path / "line" / "users.toml")
    assert {user.role.value for user in users.values()} == set(users) == {"operator", "quality", "maintenance"}
    assert all(matches(password, user.password) for user in users.values())
