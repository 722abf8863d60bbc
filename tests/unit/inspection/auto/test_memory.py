"""What was measured outlasts a restart, and a file that is no good is as good as none."""

import json
import os

import pytest

from aoi_daemon.inspection.auto import memory
from aoi_daemon.inspection.auto.choice import Candidate, Row, Table
from aoi_daemon.inspection.auto.lane_choice import LaneRow, LaneTable
from aoi_daemon.inspection.auto.memory import MOST_TABLES, Memory

ROW = Row(name="onnx fp32", candidate=Candidate(backend="onnx", precision="fp32"), p95_ms=20.3)
TABLE = Table(rows=(ROW, Row(name="int8", why="not qualified in the bundle")))


class Log:
    def __init__(self):
        self.said = []

    def warning(self, event, **keys):
        self.said.append((event, keys))


@pytest.fixture
def kept(tmp_path):
    return Memory(tmp_path / "line.engines", Log())


def test_a_table_is_found_by_its_key_for_each_product_and_start(kept):
    assert kept.find("k", "demo", "run") is None
    kept.keep("k", "", TABLE)
    assert kept.find("k", "demo", "run") == kept.find("k", "lid", "") == TABLE
    assert kept.find("other bundle", "demo", "run") is None
    assert kept._log.said == []


def test_what_one_product_alone_was_measured_with_is_found_by_that_product(kept):
    mine = Table(rows=(ROW.model_copy(update={"p95_ms": 9.0}),))
    kept.keep("k", "", TABLE)
    kept.keep("k", "lid", mine)
    assert kept.find("k", "lid", "run") == mine
    assert kept.find("k", "demo", "run") == TABLE


def test_what_was_taken_beside_a_running_line_is_good_for_that_start_of_the_daemon(kept):
    """The next start measures with the PC to itself."""
    kept.keep("k", "", TABLE.model_copy(update={"run": "a", "beside": True}))
    assert kept.find("k", "demo", "a") is not None
    assert kept.find("k", "demo", "b") is None
    assert kept.find("k", "demo", "") is None


def test_what_was_measured_of_lanes_and_of_executors_does_not_take_each_others_place(kept):
    of_lanes = LaneTable(rows=(LaneRow(lanes=1, p95_ms=40.0), LaneRow(lanes=2, why="no")))
    kept.keep_lanes("k", of_lanes)
    kept.keep("k", "", TABLE)
    kept.keep_lanes("beside", of_lanes.model_copy(update={"run": "a"}))
    assert kept.find("k", "demo", "run") == TABLE
    assert kept.find_lanes("k", "run") == of_lanes and kept.find_lanes("other", "run") is None
    assert kept.find_lanes("beside", "a") is not None and kept.find_lanes("beside", "b") is None
    for number in range(MOST_TABLES):
        kept.keep_lanes(str(number), of_lanes)
    assert kept.find_lanes("k", "") is None and kept.find_lanes("0", "") == of_lanes, "the oldest makes room"


def valid():
    return json.loads(memory.Kept(tables={"k": TABLE}).model_dump_json())


def spoilt(change):
    found = valid()
    change(found)
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"tables": 3}', b'{"version": 9, "tables": {}}',
        spoilt(lambda found: found["tables"]["k"]["rows"][0].update(p95_ms=-1)),
        spoilt(lambda found: found["tables"]["k"]["rows"][0].update(p95_ms="quick")),
        spoilt(lambda found: found["tables"]["k"]["rows"][0]["candidate"].update(backend=7)),
        spoilt(lambda found: found["tables"]["k"].update(rows="none")),
        json.dumps(valid()).encode()[:-20],
    ],
)  # fmt: skip
def test_a_damaged_file_is_measured_anew_which_is_said_and_then_replaced(kept, content):
    kept._file.write_bytes(content)
    assert kept.find("k", "demo", "run") is None
    ((event, keys),) = kept._log.said
    assert (event, keys["file"], keys["action"]) == ("engines_not_read", str(kept._file), "measured anew")
    kept.keep("k", "", TABLE)
    assert kept.find("k", "demo", "run") == TABLE


def test_a_file_of_another_user_and_a_link_are_not_read(kept, tmp_path, monkeypatch):
    """Beside a socket in /tmp anybody may put one."""
    kept.keep("k", "", TABLE)
    monkeypatch.setattr(memory.os, "geteuid", lambda: os.getuid() + 1)
    assert kept.find("k", "demo", "run") == TABLE, "a command of an administrator, in the folder of the service"
    tmp_path.chmod(0o777)
    assert kept.find("k", "demo", "run") is None
    tmp_path.chmod(0o700)
    assert kept._log.said[0][1]["error"] == "belongs to another user"
    monkeypatch.undo()
    link = tmp_path / "link.engines"
    link.symlink_to(kept._file)
    other = Memory(link, Log())
    assert other.find("k", "demo", "run") is None
    assert other._log.said[0][0] == "engines_not_read"


def test_a_folder_that_takes_nothing_is_said_and_the_line_starts(tmp_path):
    kept = Memory(tmp_path / "gone" / "line.engines", Log())
    kept.keep("k", "", TABLE)
    ((event, keys),) = kept._log.said
    assert (event, keys["action"]) == ("engines_not_kept", "measured anew at each start of inspection")


def test_a_disk_that_hangs_holds_up_nothing_for_long(kept, monkeypatch):
    import threading

    free = threading.Event()
    monkeypatch.setattr(memory, "_WRITE_S", 0.01)
    monkeypatch.setattr(memory, "replace_file", lambda *_: free.wait(10))
    try:
        kept.keep("k", "", TABLE)
        assert not kept._file.exists()
    finally:
        free.set()


def test_the_file_stays_small_the_oldest_go(kept):
    for number in range(MOST_TABLES + 3):
        kept.keep(str(number), "", TABLE)
    assert len(kept._read().tables) == MOST_TABLES
    assert kept.find("2", "demo", "") is None
    assert kept.find(str(MOST_TABLES + 2), "demo", "") == TABLE
