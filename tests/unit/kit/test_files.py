"""kit/files.py: where the folders that come with the program are, in a checkout and in a wheel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aoi_daemon.infer.openvino.blobs import FOLDER
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


def test_among_other_packages_a_pyproject_of_somebody_else_makes_no_checkout(places, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places[0].mkdir()
    places[1].mkdir()
    (places[1] / "pyproject.toml").touch()
    assert files.kept_folder() == tmp_path / "cache/aoi-daemon"


def test_what_a_line_has_beside_the_files_of_a_start_stays_where_it_is(tmp_path):
    """Users, passwords, records, own products: they belong into no wheel, no image and no new folder."""
    start = ["README.md", "bundles/demo/golden/1.png", "bundles/demo/manifest.json", "line.toml", "recipes/demo.golden/1.png", "recipes/demo.toml"]
    others = ["users.toml", "mail-password", "records/records.db", "recipes/own.toml", "recipes/own.golden/1.png", "bundles/own/fp32.onnx", "line.toml.old"]
    for name in (*start, *others):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [file.relative_to(tmp_path).as_posix() for file in files.starting_files(tmp_path)] == start


def test_what_a_run_compiled_beside_the_bundle_is_no_file_of_a_start(tmp_path):
    """It is of that machine; the folder's name is the back end's, which the wheel's build does not have."""
    folder = tmp_path / "bundles" / "demo"
    for name in ("fp32.onnx", f"{FOLDER}/fp32.cpu.64x64x1.blob"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert files.starting_files(tmp_path) == [folder / "fp32.onnx"]


def test_the_files_of_a_start_are_those_that_the_repository_has():
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        pytest.skip("no repository here")
    kept = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "config"], check=True, capture_output=True, text=True).stdout
    assert {str(file.relative_to(root)) for file in files.starting_files(root / "config")} == set(kept.split("\0")) - {""}


def test_a_user_without_name_and_home_has_boards_of_this_call(places, tmp_path, monkeypatch):
    """As a container's --user 31337."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(files.os, "getuid", lambda: 31337)
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    assert files.kept_folder().name.startswith("aoi-boards-")
