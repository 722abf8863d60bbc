"""kit/files.py: where the folders that come with the program are, in a checkout and in a wheel."""

from __future__ import annotations

import pytest

from aoi_daemon.kit import files


@pytest.fixture
def places(tmp_path, monkeypatch):
    """(the wheel's folder, a checkout's top), both not there yet."""
    monkeypatch.setattr(files, "_IN_THE_WHEEL", tmp_path / "shipped")
    monkeypatch.setattr(files, "_CHECKOUT", tmp_path / "top")
    return tmp_path / "shipped", tmp_path / "top"


def test_a_wheels_own_folder_comes_before_any_other(places):
    for place in places:
        (place / "config").mkdir(parents=True)
    assert files.shipped("config") == places[0] / "config"


def test_a_checkout_has_it_at_its_top(places):
    (places[1] / "systemd").mkdir(parents=True)
    (places[1] / "pyproject.toml").touch()
    assert files.shipped("systemd") == places[1] / "systemd"


def test_a_folder_of_that_name_among_other_packages_is_not_taken(places):
    (places[1] / "config").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="install aoi-daemon again from its wheel"):
        files.shipped("config")


def test_drawn_boards_are_kept_in_the_users_cache(places, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.kept_folder() == tmp_path / "cache/aoi-daemon"
    assert files.kept_folder().is_dir()


def test_where_nothing_can_be_kept_there_is_a_folder_of_this_call(places, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    found = files.kept_folder()
    assert found.is_dir() and found.name.startswith("aoi-boards-")


def test_a_user_without_name_and_home_has_boards_of_this_call(places, tmp_path, monkeypatch):
    """As a container's --user 31337."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(files.os, "getuid", lambda: 31337)
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    assert files.kept_folder().name.startswith("aoi-boards-")
