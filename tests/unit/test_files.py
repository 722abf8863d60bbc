"""A file is written whole or not at all."""

import os

import pytest

from aoi_daemon.files import replace_file


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
