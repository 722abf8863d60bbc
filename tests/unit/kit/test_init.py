"""`aoi-daemon init`: a folder to start from, which leaves alone what is there."""

from __future__ import annotations

import os

import pytest

from aoi_daemon.cli import main
from aoi_daemon.kit import init
from aoi_daemon.kit.files import shipped
from aoi_daemon.preflight import check, proofs


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def came():
    """The starting configuration, without what a line that ran from this checkout has compiled beside its bundle."""
    return {name: data for name, data in files(shipped("config")).items() if "/compiled/" not in name}


def test_a_new_folder_is_complete_and_its_product_is_proven(tmp_path, capsys):
    assert main(["init", str(tmp_path / "a/line-3")]) == 0
    configuration = check(tmp_path / "a/line-3/line.toml")
    assert proofs(configuration) == ["recipe demo: 4 good and 3 bad golden parts (aoi-daemon golden list --check: do they hold here?)"]
    assert f"aoi-daemon run --config {tmp_path}/a/line-3/line.toml" in capsys.readouterr().out
    assert files(tmp_path / "a/line-3") == came()


def test_everything_that_the_line_names_lies_in_the_folder(tmp_path):
    """It can be taken elsewhere, and the program that it came from can go."""
    main(["init", str(tmp_path)])
    configuration = check(tmp_path / "line.toml")
    named = [configuration.line.cameras[0].source, *(recipe.bundle for recipe in configuration.recipes.values())]
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in named)


def test_a_folder_with_something_in_it_is_refused_with_the_way_out(tmp_path, capsys):
    (tmp_path / "line.toml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}: is not empty; name a new folder, or --add" in said and said.count("\n") == 1
    assert files(tmp_path) == {"line.toml": b"mine"}


def test_what_is_there_is_never_changed_when_told_to_add(tmp_path, capsys):
    (tmp_path / "recipes").mkdir()
    mine = {"line.toml": b"mine", "recipes/demo.toml": b"mine too"}
    for name, text in mine.items():
        (tmp_path / name).write_bytes(text)
    assert main(["init", str(tmp_path), "--add"]) == 0
    assert "line.toml: is there, and stays as it is" in capsys.readouterr().err
    assert files(tmp_path) == {**came(), **mine}


def test_a_file_is_no_folder(tmp_path, capsys):
    (tmp_path / "x").write_text("")
    assert main(["init", str(tmp_path / "x")]) == 2
    assert "is a file; name a folder" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: for another user to run")
def test_a_folder_that_may_not_be_written_is_one_line(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert main(["init", str(tmp_path / "x")]) == 1
    assert "Permission denied" in capsys.readouterr().err


def test_a_full_disk_is_one_line_and_exit_1(tmp_path, capsys, monkeypatch):
    def full(source, to):
        raise OSError(28, "No space left on device", str(to))

    monkeypatch.setattr(init, "copy_new", full)
    assert main(["init", str(tmp_path / "x")]) == 1
    assert capsys.readouterr().err == f"aoi-daemon init: {tmp_path / 'x'}: No space left on device\n"


def test_a_link_to_what_is_not_there_now_is_left_alone(tmp_path, capsys):
    (tmp_path / "line").mkdir()
    (tmp_path / "line/line.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert main(["init", str(tmp_path / "line"), "--add"]) == 0
    assert "line.toml: is there, and stays as it is" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere.toml").exists()


def test_a_link_that_leads_nowhere_is_no_folder_to_write_to(tmp_path, capsys):
    (tmp_path / "line-3").symlink_to(tmp_path / "disk-that-is-not-mounted")
    assert main(["init", str(tmp_path / "line-3")]) == 2
    assert capsys.readouterr().err == f"aoi-daemon init: {tmp_path}/line-3: is a link that leads nowhere; name a folder\n"
    assert not (tmp_path / "disk-that-is-not-mounted").exists()
