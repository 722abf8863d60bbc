"""A file is written completely or not at all."""

import os

import pytest

from aoi_daemon import files
from aoi_daemon.files import make_folder, put_in_place, replace_file


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_replaced_whole_and_for_whom_it_is(tmp_path, mode):
    file = tmp_path / "kept"
    file.write_bytes(b"before, and longer")
    replace_file(file, b"after", mode)
    assert file.read_bytes() == b"after" and file.stat().st_mode & 0o777 == mode
    assert os.listdir(tmp_path) == ["kept"]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_was_there_stays_when_the_disk_fails_or_it_is_interrupted(tmp_path, monkeypatch, fault):
    def fails(_fd):
        raise fault

    file = tmp_path / "kept"
    file.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(type(fault)):
        replace_file(file, b"after")
    assert file.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["kept"]


def syncs(monkeypatch):
    """The paths that are synced from now on, in order."""
    seen, real = [], os.fsync

    def fsync(fd):
        seen.append(os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_a_replaced_file_is_named_on_the_disk_before_anybody_is_told(tmp_path, monkeypatch):
    seen = syncs(monkeypatch)
    replace_file(tmp_path / "kept", b"after")
    assert seen[0].startswith(f"{tmp_path}/.kept.") and seen[1:] == [str(tmp_path)]


def test_a_folder_is_made_with_all_above_it_and_each_is_named_on_the_disk(tmp_path, monkeypatch):
    seen = syncs(monkeypatch)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and sorted(seen) == [str(tmp_path), str(tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(seen) == 2


def test_what_is_put_in_place_is_on_the_disk_with_all_that_is_in_it_before_it_has_its_name(tmp_path, monkeypatch):
    (tmp_path / "partial" / "in").mkdir(parents=True)
    (tmp_path / "partial" / "in" / "file").write_text("x")
    seen = syncs(monkeypatch)
    monkeypatch.setattr(files, "_sync_disk", os.fsync)
    put_in_place(tmp_path / "partial", tmp_path / "whole")
    assert seen == [f"{tmp_path}/partial", str(tmp_path)]
    assert (tmp_path / "whole" / "in" / "file").read_text() == "x" and os.listdir(tmp_path) == ["whole"]
    put_in_place(tmp_path / "whole" / "in" / "file", tmp_path / "out")
    assert seen[2:] == [f"{tmp_path}/whole/in/file", str(tmp_path)]


def test_the_disk_is_synced_as_one_and_what_it_does_not_take_is_an_error(tmp_path):
    put_in_place(tmp_path_made(tmp_path / "partial"), tmp_path / "whole")
    with pytest.raises(OSError, match="Bad file descriptor"):
        files._sync_disk(-1)


def tmp_path_made(folder):
    folder.mkdir()
    return folder
