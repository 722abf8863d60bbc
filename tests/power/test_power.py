"""Power cuts at random points of a line's recording: what was confirmed is there, and the line starts by itself."""

from __future__ import annotations

import random

import pytest

from tests.power.cuts import FAULTS, cut
from tests.power.disk import Disk, File, Record
from tests.power.recording import NoLogError, record


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    try:
        return record(tmp_path_factory.mktemp("power"), 2.5)
    except NoLogError as error:
        pytest.skip(str(error))


@pytest.mark.line
def test_whatever_the_moment_of_the_cut_all_that_was_confirmed_is_there_and_ready_comes_by_itself(recording, tmp_path):
    result = cut(recording, tmp_path / "cut", cuts=30, seed=11, ready_every=30)
    assert not result.wrong
    assert (result.cuts, result.started) == (30, 1) and result.confirmed_parts > 20


@pytest.mark.line
@pytest.mark.parametrize("fault", FAULTS)
def test_a_sync_that_is_left_out_is_found(recording, tmp_path, fault):
    """Else the test above would hold whatever the daemon does."""
    assert len(cut(recording, tmp_path / "cut", cuts=8, seed=12, fault=fault).wrong) >= 2


def call(kind, first="", second="", data=b"", inode=1, offset=0, ticket=0):
    return Record(kind, first, second, data, inode, offset, ticket)


def replaced(*, file=True, folder=True):
    """The calls of files.replace_file on "kept"; without one of the two syncs."""
    yield call("c", ".kept.x", inode=2, data=(0o600).to_bytes(4, "little"))
    yield call("w", inode=2, data=b"after")
    if file:
        yield from (call("s", inode=2, ticket=7), call("e", inode=2, ticket=7))
    yield call("r", ".kept.x", "kept")
    if folder:
        yield from (call("s", ".", ticket=8), call("e", ".", ticket=8))


def left(calls):
    """What "kept" may hold after a cut behind the last of these calls."""
    disk = Disk({"kept": (1, b"before", 0o644)}, set())
    for each in calls:
        disk.feed(each)
    found = set()
    for seed in range(300):
        files, _ = disk.after_cut(random.Random(seed))
        found.add(files["kept"][0])
    return found


def test_the_disk_keeps_what_is_synced_and_no_more():
    assert left(replaced()) == {b"after"}
    assert left(replaced(folder=False)) == {b"before", b"after"}
    assert left(replaced(file=False)) == {b"", b"after", b"\0" * 5}
    assert left(replaced(file=False, folder=False)) == {b"before", b"", b"after", b"\0" * 5}


def test_a_sync_promises_what_was_written_before_it_began():
    calls = [call("s", ticket=1), call("w", data=b"later", offset=6), call("e", ticket=1)]
    assert left(calls) > {b"before", b"beforelater"}


def test_pages_are_torn_at_sectors_and_come_in_any_order():
    file = File(bytearray(3 * 4096))
    file.since = [(1, 0, b"a" * 3 * 4096), (2, 0, b"b" * 3 * 4096)]
    seen = [file.after_cut(random.Random(seed)) for seed in range(200)]
    assert any(found[0] != found[4096] for found in seen), "one page new, another old"
    assert any(len(set(found[:4096])) > 1 for found in seen), "a page of two times"
    assert all(len(set(found[at : at + 512])) == 1 for found in seen for at in range(0, len(found), 512))
