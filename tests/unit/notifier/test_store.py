"""The file: what was written is read, times move on, and it is on the disk before anything is sent."""

import os
from collections import deque

import pytest

from aoi_daemon.notifier.budget import Budget
from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.outbox import Entry
from aoi_daemon.notifier.store import FILE, Kept, Store, StoreError, peek
from aoi_daemon.notifier.watch import Episode, Told


def kept():
    notice = Notice(Kind.RAISED, "people", 1.7e9, alarm="PLC_LINK", priority="HIGH", detail="没有连接\n", held={"OPTICS": 2}, standing=("OPTICS",), id="b" * 32)
    episode = Episode("PLC_LINK", 1.7e9, 90.0, 95.0, told={"people": Told(notice.id, 96.0)})
    entry = Entry(notice, ("a@plant.example",), 96.0, 111.0, tries=1, in_flight=True, refused=("b@plant.example",), what="451 no")
    budget = Budget(20, deque([96.0]), deque(), {"OPTICS": 3}, 97.0, 98.0)
    return Kept(run="a" * 32, number=7, episodes=[episode], budgets={"people": budget}, entries=[entry])


def test_what_was_written_is_read_again_with_its_times_moved_on(tmp_path):
    store = Store(tmp_path / "notices")
    store.read(0.0)
    store.write(kept(), 100.0)
    found, aside = store.read(1100.0)
    assert aside == ""
    wanted = kept()
    wanted.written_s = 100.0
    wanted.episodes[0].begun_s, wanted.episodes[0].changed_s = 1090.0, 1095.0
    wanted.episodes[0].told["people"].at_s = 1096.0
    wanted.budgets["people"].written, wanted.budgets["people"].held_first_s, wanted.budgets["people"].held_last_s = deque([1096.0]), 1097.0, 1098.0
    wanted.entries[0].born_s, wanted.entries[0].due_s = 1096.0, 1111.0
    assert found == wanted
    assert (tmp_path / "notices").stat().st_mode & 0o777 == 0o750
    assert store.path.stat().st_mode & 0o777 == 0o640


def test_the_file_and_its_place_are_on_the_disk_before_write_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    store = Store(tmp_path / "notices")
    store.read(0.0)
    store.write(kept(), 100.0)
    assert [os.path.dirname(path) if path != str(store.path.parent) else "the folder" for path in synced] == [str(store.path.parent), "the folder"]


def test_a_notice_is_on_the_disk_before_a_server_hears_of_it(line):
    from aoi_daemon.decide.alarms import Alarm
    from aoi_daemon.notifier.outcome import Outcome

    seen = []

    def deliver(receiver, notice, addresses, wording):
        found = peek(found_line.folder / "notices" / FILE, 0.0)
        seen.append([(entry.notice.id == notice.id, entry.in_flight, entry.tries) for entry in found.entries])
        return Outcome(done=addresses, said="ok")

    found_line = line(deliver=deliver)
    found_line.raised(Alarm.PLC_LINK)
    found_line.step()
    assert seen == [[(True, True, 1)]]


def test_two_lines_do_not_share_a_folder(tmp_path):
    """Each would tell the other's alarms as its own, and forget what waits of them."""
    first, second = Store(tmp_path / "notices"), Store(tmp_path / "notices")
    kept, _ = first.read(0.0)
    kept.counts["held"] = 7
    first.write(kept, 0.0)
    for use in (lambda: second.read(0.0), lambda: second.write(Kept(), 0.0)):
        with pytest.raises(StoreError, match=r"another line keeps its notices there; give each line a notices\.folder"):
            use()
    assert peek(first.path, 0.0).counts["held"] == 7
