"""A regular file is read within its bound, whatever stands in its place and whatever happens to it meanwhile."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aoi_daemon.files import regular
from aoi_daemon.files.regular import NotRegularError, TooLargeError, read_regular


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_all_of_it_is_read_up_to_its_bound(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert read_regular(tmp_path / "a", max(size, 1)) == content
    if size:
        with pytest.raises(TooLargeError) as refused:
            read_regular(tmp_path / "a", size - 1)
        assert refused.value.size_bytes == size


def test_what_is_no_file_is_refused_at_once_by_what_it_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path, "a folder"), (tmp_path / "pipe", "a pipe or device"), (Path("/dev/zero"), "a pipe or device")):
        with pytest.raises(NotRegularError) as refused:
            read_regular(path, 10)
        assert refused.value.what == what


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.setattr(regular.os, "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(TooLargeError):
        read_regular(tmp_path / "a", 1 << 20)


def test_a_file_that_grows_while_it_is_read_stays_within_the_bound(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"x")
    read = os.read

    def grow(fd, count):
        with (tmp_path / "a").open("ab") as file:
            file.write(bytes(100_000))
        return read(fd, count)

    monkeypatch.setattr(regular.os, "read", grow)
    with pytest.raises(TooLargeError) as refused:
        read_regular(tmp_path / "a", 300_000)
    assert refused.value.size_bytes < 500_000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_without_a_size_is_read_too():
    assert read_regular(Path("/proc/self/status"), 1 << 20).startswith(b"Name:")
