"""Two lines of one user have two sockets, and a command finds the one that is meant."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from aoi_daemon.cli import main
from aoi_daemon.config.schema import LineSection
from aoi_daemon.errors import AoiError
from aoi_daemon.stage import control_path
from aoi_daemon.stage.control import MOST_PATH_BYTES, PathTooLongError, connect
from aoi_daemon.stage.control_path import DEFAULT_LINE, find_socket, old_socket_path, socket_path
from aoi_daemon.supervisor.control import ControlServer
from aoi_daemon.supervisor.product import state_file

NOWHERE = Path("/nonexistent/line.toml")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A user's runtime folder, and no service's."""
    for variable in ("RUNTIME_DIRECTORY", "STATE_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(control_path, "_SERVICE", tmp_path / "service")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for name in ("run", "service", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def listening():
    """`listening(path)`: a daemon there."""
    with ExitStack() as owned:

        def start(path: Path) -> Path:
            owned.callback(ControlServer(path).close)
            return path

        yield start


def line_toml(place: Path, name: str | None, **section: str) -> Path:
    file = place / f"{name}.toml"
    file.write_text(
        (f'[line]\nname = "{name}"\n' if name else "")
        + "[supervisor]\n"
        + "".join(f'{k} = "{v}"\n' for k, v in section.items())
    )
    return file


def test_two_lines_of_one_user_do_not_meet(place, listening):
    one, two = (listening(socket_path(None, name)) for name in ("left", "right"))
    assert one != two and one.parent == place / "run"
    assert find_socket(None, line_toml(place, "left"), NOWHERE) == one
    assert find_socket(None, line_toml(place, "right"), NOWHERE) == two
    with pytest.raises(AoiError, match=r"several lines run here.*left.*right.*--config"):
        find_socket(None, None, NOWHERE)
    assert find_socket(None, None, line_toml(place, "right")) == two


def test_the_only_line_is_found_without_a_word_and_a_dead_socket_is_none(place, listening):
    left = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    left.bind(str(socket_path(None, "killed")))
    left.close()
    one = listening(socket_path(None, "left"))
    assert find_socket(None, None, NOWHERE) == one


def test_the_same_line_twice_is_refused(place, listening):
    listening(socket_path(None, "left"))
    with pytest.raises(AoiError, match="another daemon listens there"):
        ControlServer(socket_path(None, "left"))


@pytest.mark.parametrize("folder", ["run", "service", "tmp"])
@pytest.mark.parametrize("by_config", [True, False])
def test_a_daemon_of_the_former_version_is_found(place, listening, monkeypatch, folder, by_config):
    old = listening(place / folder / ("aoi-daemon.sock" if folder != "tmp" else f"aoi-daemon-{os.getuid()}.sock"))
    if folder == "tmp" and by_config:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert find_socket(None, line_toml(place, "left") if by_config else None, NOWHERE) == old


def test_what_is_configured_or_told_is_taken(place):
    assert find_socket(Path("/x.sock"), line_toml(place, "left", socket="/y.sock"), NOWHERE) == Path("/x.sock")
    assert find_socket(None, line_toml(place, "left", socket="/y.sock"), NOWHERE) == Path("/y.sock")
    assert socket_path(Path("/y.sock"), "left") == Path("/y.sock")


def test_a_line_without_a_name_has_the_one_of_the_configuration(place, listening):
    assert LineSection.model_fields["name"].default == DEFAULT_LINE
    one = listening(socket_path(None, DEFAULT_LINE))
    assert find_socket(None, line_toml(place, None), NOWHERE) == one


def test_only_the_lines_name_needs_to_be_right_in_a_file_that_is_being_edited(place, listening):
    one = listening(socket_path(None, "left"))
    file = line_toml(place, "left")
    file.write_text(file.read_text() + "nonsense = 7\n[cameras]\nx = 1\n")
    assert find_socket(None, file, NOWHERE) == one


@pytest.mark.parametrize("text", ["[line\n", "[line]\nname = 7\n", '[line]\nname = "../x"\n', "line = 7\n", "\udcff"])
def test_a_file_that_names_no_line_is_said_with_the_way_out(place, text, capsys):
    file = place / "line.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert main(["status", "--config", str(file)]) == 1
    assert "--socket PATH needs no file" in capsys.readouterr().err
    assert main(["status", "--config", str(place / "none.toml")]) == 1


def test_a_path_that_is_too_long_is_said_by_both_ends_with_the_key(place):
    path = place / ("x" * (MOST_PATH_BYTES - len(os.fsencode(place))))  # one byte too many, with its slash
    for use in (lambda: ControlServer(path), lambda: connect(path).__enter__()):
        with pytest.raises(PathTooLongError, match=r"at most 107 bytes, this one 108; give supervisor\.socket"):
            use()
    fits = path.with_name(path.name[:-1])
    ControlServer(fits).close()


def test_a_socket_that_another_user_has_put_into_tmp_is_not_asked(place, listening, monkeypatch):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    path = listening(socket_path(None, "left"))
    assert path.parent == place / "tmp"
    assert find_socket(None, None, NOWHERE) == path
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    path.rename(path.with_name(f"aoi-daemon-{uid + 1}-left.sock"))
    assert find_socket(None, None, NOWHERE) != path.with_name(f"aoi-daemon-{uid + 1}-left.sock")


def test_the_product_in_use_outlives_the_sockets_new_name(place):
    path = socket_path(None, "left")
    (place / "run" / "aoi-daemon.product").write_text("kept")
    assert state_file(None, path, "left").read_text() == "kept"
    assert state_file(None, path, "left").name == "aoi-daemon-left.product"
    assert not (place / "run" / "aoi-daemon.product").exists()
    assert old_socket_path(path).name == "aoi-daemon.sock"


def test_a_folder_that_this_user_may_not_look_into_is_not_looked_into(place, monkeypatch):
    """/etc/aoi-daemon is the service's alone: whoever else asks is told that no line is found, in one line."""
    file, stat = place / "closed/line.toml", Path.stat

    def closed(path, **how):
        if path == file:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", closed)
    assert find_socket(None, None, file) == place / "run/aoi-daemon-LINE.sock"
