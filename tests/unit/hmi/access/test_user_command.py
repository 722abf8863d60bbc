"""`aoi-daemon user`: what it changes, what it refuses, and its exit codes."""

import argparse
import io
import stat
import sys

import pytest

from aoi_daemon.hmi.access import command as users_command
from aoi_daemon.hmi.access.password import matches
from aoi_daemon.hmi.access.users import Role, read_users

from .conftest import PASSWORD

ANOTHER = "drei grosse Fenster im Hof"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def command(tmp_path, monkeypatch):
    """`command(*words, typed=...)`: run it with `typed` at standard input, or at a terminal; its exit code."""

    def run(*words: str, typed: str = "", terminal: bool = False) -> int:
        top = argparse.ArgumentParser()
        users_command.add_parsers(top.add_subparsers(dest="command"))
        monkeypatch.setattr(sys, "stdin", Terminal() if terminal else io.StringIO(typed))
        return users_command.run(top.parse_args(["user", *words]))

    return run


@pytest.fixture
def file(tmp_path):
    return tmp_path / "users.toml"


@pytest.fixture
def quick(monkeypatch, kept_password):
    """No hashing: a quarter of a second each is for one test alone."""
    monkeypatch.setattr("aoi_daemon.hmi.access.password.keep", lambda _: kept_password[1])


def test_a_user_is_added_and_can_log_in(command, file, capsys):
    assert command("add", "anna", "--role", "maintenance", "--password-stdin", "--file", str(file), typed=PASSWORD + "\n") == 0
    user = read_users(file)["anna"]
    assert user.role is Role.MAINTENANCE and matches(PASSWORD, user.password)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text() and capsys.readouterr().out == f"anna: added as maintenance to {file}\n"


def test_list_and_remove(command, users_file, capsys, quick):
    assert command("list", "--file", str(users_file)) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["Anna", "maintenance"], ["leo", "operator"], ["mei", "quality"]]
    assert command("remove", "LEO", "--file", str(users_file)) == 0
    assert set(read_users(users_file)) == {"anna", "mei"}


def test_a_new_password_is_another(command, users_file, people, monkeypatch):
    monkeypatch.setattr("aoi_daemon.hmi.access.password.keep", lambda password: people["leo"].password[:-4] + "AAA=")
    assert command("password", "leo", "--password-stdin", "--file", str(users_file), typed=ANOTHER) == 0
    found = read_users(users_file)
    assert found["leo"].password != people["leo"].password and found["leo"].role is Role.OPERATOR
    assert found["mei"] == people["mei"]


def test_no_user_is_no_fault(command, file, capsys):
    assert command("list", "--file", str(file)) == 0
    assert "there is no user yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "typed", "code", "problem"),
    [
        (("add", "anna", "--role", "operator", "--password-stdin"), PASSWORD, 1, "there is a user 'Anna'"),
        (("add", "new", "--role", "operator", "--password-stdin"), "short", 1, "the password has 5 characters, at least 15"),
        (("add", "new", "--role", "operator", "--password-stdin"), "", 1, "the password has 0 characters"),
        (("add", "new", "--role", "operator"), PASSWORD, 1, "give --password-stdin"),
        (("add", "a b", "--role", "operator", "--password-stdin"), PASSWORD, 2, "name 'a b'"),
        (("add", "x" * 33, "--role", "operator", "--password-stdin"), PASSWORD, 2, "1 to 32 letters"),
        (("remove", "nobody"), "", 1, "there is no user 'nobody' (there: Anna, leo, mei)"),
        (("password", "nobody", "--password-stdin"), PASSWORD, 1, "there is no user 'nobody'"),
    ],
)
def test_what_is_refused_changes_nothing(command, users_file, people, capsys, quick, words, typed, code, problem):
    assert command(*words, "--file", str(users_file), typed=typed) == code
    assert problem in capsys.readouterr().err
    assert read_users(users_file) == people


@pytest.mark.parametrize("words", [("add", "anna"), ("add", "anna", "--role", "king"), ("add",), (), ("list", "--file", "a", "--config", "b")])
def test_a_wrong_command_line_is_2(command, words):
    with pytest.raises(SystemExit) as ended:
        command(*words)
    assert ended.value.code == 2


@pytest.mark.parametrize("words", [("list",), ("remove", "leo"), ("add", "new", "--role", "operator", "--password-stdin")])
def test_a_file_that_others_can_read_is_2_and_stays(command, users_file, capsys, quick, words):
    before = users_file.read_bytes()
    users_file.chmod(0o644)
    assert command(*words, "--file", str(users_file), typed=PASSWORD) == 2
    assert "chmod 0600" in capsys.readouterr().err and users_file.read_bytes() == before


def test_a_folder_that_is_not_there_is_2(command, tmp_path, capsys, quick):
    assert command("add", "anna", "--role", "operator", "--password-stdin", "--file", str(tmp_path / "no" / "u.toml"), typed=PASSWORD) == 2
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_the_file_is_where_line_toml_says(command, tmp_path, capsys):
    config = tmp_path / "line.toml"
    line = '[[cameras]]\nkind = "genicam"\nproducer = "x.cti"\n'
    config.write_text(line)
    command("list", "--config", str(config))
    config.write_text(line + '[hmi]\nusers = "people.toml"\n')
    command("list", "--config", str(config))
    assert capsys.readouterr().err == f"{tmp_path}/users.toml: there is no user yet\n{tmp_path}/people.toml: there is no user yet\n"
    assert command("list", "--config", str(tmp_path / "gone.toml")) == 2
    assert "the file does not exist" in capsys.readouterr().err


def test_at_a_terminal_the_password_is_asked_for_twice(command, users_file, people, monkeypatch, capsys, quick):
    typed = iter([PASSWORD, ANOTHER, PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    assert command("add", "new", "--role", "quality", "--file", str(users_file), terminal=True) == 1
    assert "the two passwords differ" in capsys.readouterr().err
    assert command("add", "new", "--role", "quality", "--file", str(users_file), terminal=True) == 0
    assert read_users(users_file)["new"].role is Role.QUALITY


def test_an_interrupt_changes_nothing_and_says_so(command, users_file, people, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", interrupt)
    assert command("password", "leo", "--file", str(users_file), terminal=True) == 1
    assert "nothing was changed" in capsys.readouterr().err and read_users(users_file) == people


def test_the_command_loads_nothing_before_it_is_run():
    """Every command of aoi-daemon loads this module."""
    import subprocess

    code = "import aoi_daemon.hmi.access.command, sys; sys.exit('pydantic' in sys.modules or 'starlette' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_roles_of_the_command_line_are_all_there_are():
    assert set(users_command.ROLES) == {role.value for role in Role}


def test_a_file_that_root_makes_goes_to_the_user_who_runs_the_service(command, file, monkeypatch, quick):
    import os
    import pwd
    from types import SimpleNamespace

    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=12_345, pw_gid=12_346) if name == "aoi" else None)
    monkeypatch.setattr(os, "fchown", lambda fd, uid, gid: given.append((uid, gid)))
    assert command("add", "anna", "--role", "operator", "--password-stdin", "--file", str(file), typed=PASSWORD) == 0
    assert given == [(12_345, 12_346)]
