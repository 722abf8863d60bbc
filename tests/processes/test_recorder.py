"""The recorder as a process of its own: killed, with a full disk, a slow one, none, and a damaged database."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
from contextlib import ExitStack, closing

import cv2
import pytest

from aoi_daemon.messages import Reason
from aoi_daemon.records.audit import verify
from aoi_daemon.records.database import open_reader, open_writer, writing
from aoi_daemon.ring.verdicts import RECORDS
from tests.processes.recorder_feed import MS, RecorderFeed, fill, mounted, write_config


@pytest.fixture
def feed(tmp_path):
    """`feed(**recorder keys)`: a line's memory with a recorder that runs."""
    with ExitStack() as owned:

        def start(**keys):
            found = RecorderFeed(write_config(tmp_path / "line", **keys))
            owned.callback(found.close)
            found.start()
            return found

        yield start


@pytest.fixture
def small_disk(tmp_path):
    """`small_disk(megabytes)`: a folder on a disk of its own."""
    disks = []

    def make(megabytes: int):
        folder = tmp_path / "disk"
        if not mounted(folder, megabytes):
            pytest.skip("this process may mount no file system: run as root, or in `unshare -Urm`")
        disks.append(folder)
        return folder

    yield make
    for folder in disks:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def until_recorded(feed, count, timeout_s=20):
    feed.wait_for(lambda: feed.recorded_parts() >= count, timeout_s, f"{count} parts in the database")


def whole(folder):
    with closing(open_reader(folder)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def test_each_part_is_recorded_once_and_each_reject_with_its_frame(feed):
    run = feed()
    run.parts(40, every=4)
    until_recorded(run, 40)
    run.wait_for(lambda: len(run.images()) == 20, 10, "ten pictures with their templates")
    assert run.stop() == "exit code 0"
    assert run.recorded() == list(range(1, 41))
    frames = {part: file for part, kind, why, file, _ in run.images() if kind == "frame" and why == "reject"}
    assert sorted(frames) == list(range(4, 41, 4))
    for part, file in frames.items():
        image = cv2.imread(str(run.folder / file), cv2.IMREAD_UNCHANGED)
        assert int.from_bytes(image.reshape(-1)[:8].tobytes(), "little") == part, "its own frame, not a neighbour's"
    assert len({file for _, kind, _, file, _ in run.images() if kind == "template"}) == 1, "once, for all of them"
    assert run.gaps() == [] and whole(run.folder) == "ok"
    assert list((run.folder / "incoming").iterdir()) == [run.folder / "incoming" / "list"]


def modes(folder) -> dict[str, set[int]]:
    """Of the folder and all in it, by what it is."""
    found: dict[str, set[int]] = {"folder": {folder.stat().st_mode & 0o7777}, "file": set()}
    for path in folder.rglob("*"):
        found["folder" if path.is_dir() else "file"].add(path.stat().st_mode & 0o7777)
    return found


@pytest.fixture
def open_umask():
    """What most systems give: whatever is made can be read by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_records_can_be_read_by_their_user_and_its_group_alone(feed, open_umask):
    run = feed()
    run.parts(8, every=4)
    until_recorded(run, 8)
    run.wait_for(lambda: len(run.images()) == 4, 10, "the pictures")
    assert (run.folder / "records.sqlite-wal").exists()
    assert modes(run.folder) == {"folder": {0o750}, "file": {0o640}}


def test_records_that_an_older_version_left_open_are_closed_at_the_start(feed, open_umask):
    run = feed()
    run.parts(8, every=4)
    run.wait_for(lambda: len(run.images()) == 4, 10, "the pictures")
    run.kill()
    for path in (run.folder, *run.folder.rglob("*")):
        path.chmod(0o775 if path.is_dir() else 0o664)
    kept = run.folder / "images" / "kept.txt"
    kept.write_text("x")
    kept.chmod(0o600)  # closer than ours: as somebody wanted it
    run.start()
    run.parts(1)
    run.wait_for(lambda: modes(run.folder) == {"folder": {0o750}, "file": {0o640, 0o600}}, 10, str(modes(run.folder)))
    assert "records_closed_to_others" in run.log()


def test_the_audit_holds_over_kills(feed):
    """Each row has its link in the same transaction, and what is read again from the ring has it already."""
    run = feed()
    for number in range(1, 41):
        run.events.append("audit", {"what": "reset", "by": "anna", "number": number}, time.monotonic_ns())
        if number % 10 == 0:
            run.wait_for(lambda: run.read("SELECT 1 FROM audit_chain WHERE n >= ?", number - 5), 10, "links")  # noqa: B023
            run.kill()
            run.start()
    run.wait_for(lambda: run.read("SELECT 1 FROM audit_chain WHERE n = 40"), 10, "the last link")
    assert run.stop() == "exit code 0"
    with closing(open_reader(run.folder)) as connection:
        found = verify(connection)
    assert (found.rows, found.head.n, found.problems) == (40, 40, ())
    assert found.head.hash in run.log(), "the journal keeps the head"


def test_killed_again_and_again_no_part_is_missed(feed, request):
    """`--recorder-kills 50` is the proof. The parts that come while it is down wait in the verdict ring."""
    kills = request.config.getoption("--recorder-kills")
    rng = random.Random(kills)
    run = feed(passes_sampled_percent=50.0)
    for _ in range(kills):
        until = time.monotonic() + rng.uniform(0.05, 0.6)  # the moment is what is tried here
        while time.monotonic() < until:
            run.parts(3, every=3, takt_s=0.005)
        run.kill()
        run.parts(rng.randrange(20), every=3, takt_s=0.001)
        run.start()
    run.parts(20)
    last = run.part(Reason.DEFECT).part
    until_recorded(run, last)
    run.wait_for(lambda: run.read("SELECT 1 FROM images i JOIN parts p ON p.id = i.part_id WHERE p.part = ?", last), 10, "the last picture")
    assert run.stop() == "exit code 0"
    assert run.recorded() == list(range(1, last + 1))
    assert whole(run.folder) == "ok"
    assert [gap for gap in run.gaps() if gap.what == "rows"] == []
    listed = {file for (file,) in run.read("SELECT file FROM images")}
    there = {path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*.png")}
    pictured = {part for part, kind, *_ in run.images() if kind == "frame"}
    said = {part for gap in run.gaps() for part in range(gap.first_part, gap.last_part + 1)}
    rejects = {part for (part,) in run.read("SELECT part FROM parts WHERE passed = 0")}
    assert rejects <= pictured | said, "a reject has its picture, or it is said that it is lost"
    assert there == listed, "no picture without a row, no row without its picture"


def test_more_parts_than_the_ring_holds_leave_a_gap_that_says_so(feed):
    run = feed()
    run.part()
    until_recorded(run, 1)
    run.kill()
    for _ in range(RECORDS + 50):
        run.verdict(1)
    run.start()
    until_recorded(run, RECORDS)
    run.stop()
    recorded = run.recorded()
    gaps = [gap for gap in run.gaps() if gap.what == "rows"]
    lost = {part for gap in gaps for part in range(gap.first_part, gap.last_part + 1)}
    assert sorted([*recorded, *lost]) == list(range(1, RECORDS + 52))
    assert recorded[0] == 1 and 40 < len(lost) < 70


def test_on_a_full_disk_it_says_so_loses_no_row_and_goes_on_when_there_is_room(feed, small_disk):
    disk = small_disk(8)
    run = feed(folder=str(disk / "records"))
    run.parts(10)
    until_recorded(run, 10)
    filler = fill(disk)
    run.parts(60)
    run.wait_for(lambda: run.state() == "disk_full", 10, "the state disk_full")
    run.parts(60)
    assert run.facts["rows_waiting"] > 0
    filler.unlink()
    until_recorded(run, 130)
    last = run.part(Reason.DEFECT).part
    run.wait_for(lambda: any(part == last for part, *_ in run.images()), 10, "a picture again")
    assert run.stop() == "exit code 0"
    assert run.recorded() == list(range(1, 132))
    gaps = run.gaps()
    assert {gap.what for gap in gaps} <= {"images"} and all("full" in gap.why for gap in gaps)
    pictured = {part for part, kind, *_ in run.images() if kind == "frame"}
    rejects = {part for part in range(5, 131, 5)} | {131}
    assert sum(gap.parts for gap in gaps) == len(rejects - pictured), "each picture is there, or is said to be lost"
    assert whole(run.folder) == "ok"


def test_its_own_old_pictures_make_room(feed, small_disk):
    """A disk that the records themselves have filled is no trouble: the oldest pictures go."""
    disk = small_disk(3)
    run = feed(folder=str(disk / "records"), size=256, passes_sampled_percent=100.0, png_level=0)
    run.parts(80, takt_s=0.02)
    until_recorded(run, 80)
    assert run.stop() == "exit code 0"
    assert run.recorded() == list(range(1, 81))
    pictured = sorted(part for part, kind, *_ in run.images() if kind == "frame")
    assert pictured[-1] == 80 and pictured[0] > 10
    assert 5 < len(pictured) < 60
    assert [gap for gap in run.gaps() if gap.what == "rows"] == []


def test_with_too_little_room_left_for_others_it_keeps_rows_alone(feed, small_disk):
    disk = small_disk(8)
    run = feed(folder=str(disk / "records"), min_free_gb=0.5)
    run.wait_for(lambda: run.state() == "disk_full", 10, "the state disk_full")
    run.parts(20)
    until_recorded(run, 20)
    run.stop()
    assert run.recorded() == list(range(1, 21)) and run.images() == []
    assert sum(gap.parts for gap in run.gaps()) == 4


def test_a_read_only_disk_is_told_and_nothing_is_lost_by_it(feed, small_disk):
    """As a kernel makes it that has found errors on the disk."""
    disk = small_disk(8)
    run = feed(folder=str(disk / "records"))
    run.parts(5)
    until_recorded(run, 5)
    run.stop()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    run.start()
    run.parts(20)
    run.wait_for(lambda: run.state().startswith("failed: "), 10, "the state failed")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    until_recorded(run, 25)
    run.stop()
    assert run.recorded() == list(range(1, 26))


def test_a_disk_that_does_not_answer_is_slow_and_nothing_is_lost(feed):
    """Another process holds the database's lock: the write waits, as it does on a disk that hangs."""
    run = feed(slow_s=0.3)
    run.parts(5)
    until_recorded(run, 5)
    with closing(open_writer(run.folder)) as other, writing(other):
        run.parts(30)
        run.wait_for(lambda: run.state() == "slow", 10, "the state slow")
        seen = run.facts["rows_waiting"]
        assert seen > 0
    until_recorded(run, 35)
    run.stop()
    assert run.recorded() == list(range(1, 36))


def test_a_folder_that_is_taken_away_is_made_anew(feed):
    run = feed()
    run.parts(5)
    until_recorded(run, 5)
    run.folder.rename(run.folder.with_name("away"))  # at once, however busy the recorder is in it
    run.wait_for(lambda: run.state().startswith("failed: "), 10, "the state failed")  # by whatever is met first
    run.parts(10)
    until_recorded(run, 10)
    run.stop()
    assert run.recorded() == list(range(6, 16))
    (gap,) = [gap for gap in run.gaps() if gap.what == "rows"]
    assert (gap.first_part, gap.last_part, gap.why) == (1, 5, "from before this database was begun")


def test_a_folder_that_cannot_be_made_is_told_and_tried_again(feed, tmp_path):
    (tmp_path / "line").mkdir()
    blocked = tmp_path / "line" / "records"
    blocked.write_text("a file")
    run = feed()
    run.wait_for(lambda: run.state().startswith("failed: ") and str(blocked) in run.state(), 10, "a state that names the folder")
    run.parts(5)
    blocked.unlink()
    until_recorded(run, 5)
    run.stop()
    assert run.recorded() == [1, 2, 3, 4, 5]


def test_a_damaged_database_is_put_aside_and_a_new_one_begun(feed):
    run = feed()
    run.parts(50)
    until_recorded(run, 50)
    run.stop()
    file = run.folder / "records.sqlite"
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\x5a" * 4096 * 4
    file.write_bytes(content)
    run.start()
    run.wait_for(lambda: run.hear().get("damaged"), 10, "word of the damaged database")
    aside = run.facts["damaged"]
    assert (run.folder / aside).read_bytes() == content
    run.parts(5)
    until_recorded(run, 55)
    run.stop()
    assert run.recorded() == list(range(1, 56)), "the ring still had them all"
    assert "records_damaged" in run.log()


def test_another_programs_database_is_left_alone(feed, tmp_path):
    folder = tmp_path / "line" / "records"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        raw.execute("CREATE TABLE precious (x)")
    run = feed()
    run.wait_for(lambda: "another program" in run.state(), 10, "a state that says so")
    run.stop()
    with closing(sqlite3.connect(folder / "records.sqlite")) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_around_a_fault_and_an_alarm_the_frames_are_there(feed):
    run = feed(around=2)
    run.parts(5, every=99)
    run.part(Reason.OPTICS)
    run.parts(6, every=99, takt_s=0.02)
    run.alarm("CAMERA_LOST")
    run.parts(6, every=99, takt_s=0.02)
    until_recorded(run, 18)
    run.wait_for(lambda: len(run.images()) >= 18, 10, "the pictures")
    run.stop()
    frames = {part: (kind, why, around) for part, kind, why, _, around in run.images() if kind != "template"}
    assert frames[6] == ("frame", "fault", None)
    assert {part: frames.get(part) for part in (4, 5, 7, 8)} == dict.fromkeys((4, 5, 7, 8), ("context", "around", 6))
    later = [part for part in frames if part > 9]
    assert 3 <= len(later) <= 4 and all(frames[part] == ("context", "around", None) for part in later)
    assert run.read("SELECT DISTINCT cause FROM images WHERE why = 'around' ORDER BY 1") == [("OPTICS",), ("alarm CAMERA_LOST",)]
    assert run.read("SELECT kind, json_extract(body, '$.name') FROM events") == [("alarm", "CAMERA_LOST")]


def test_both_cameras_views_are_kept(feed):
    run = feed(cameras=2)
    for number in range(1, 6):
        trigger_ns = run.frame(0)
        ready_ns = run.frame(1, trigger_ns=trigger_ns)
        run.verdict(ready_ns, Reason.DEFECT, camera=1, trigger_ns=trigger_ns)
        time.sleep(0.03)
        assert number
    until_recorded(run, 5)
    run.wait_for(lambda: len(run.images()) == 20, 10, "two views of five parts, with templates")
    run.stop()
    assert run.read("SELECT DISTINCT camera FROM parts") == [("cam1",)]
    assert sorted(run.read("SELECT camera, count(*) FROM images WHERE kind = 'frame' GROUP BY 1")) == [("cam0", 5), ("cam1", 5)]


def test_when_the_supervisor_is_gone_the_last_parts_are_still_recorded(feed):
    run = feed()
    run.parts(10)
    for number in range(30):
        run.part(Reason.DEFECT if number % 9 == 0 else Reason.NONE)
    run.process.control.close()
    run.process.control = None
    run.process.reap()
    assert run.recorded() == list(range(1, 41))


def test_a_new_recipe_brings_its_name(feed):
    run = feed()
    run.part(recipe=7)
    until_recorded(run, 1)
    recipe = run.configuration.recipe.model_copy(update={"id": 7, "name": "seven"})
    run.process.tell(do="recipe", recipe=recipe.model_dump_json())
    run.wait_for(lambda: run.part(recipe=7) and run.read("SELECT 1 FROM part_list WHERE recipe = 'seven'"), 10, "its name")
    run.stop()
    assert run.read("SELECT recipe FROM part_list WHERE part = 1") == [("recipe 7",)]


def test_times_of_day_follow_the_wall_clock(feed):
    run = feed()
    before = time.time()
    run.part()
    until_recorded(run, 1)
    ((at, sent_ns),) = run.read("SELECT at, sent_ns FROM parts")
    run.stop()
    assert before - 0.1 < at < time.time() + 0.1 and sent_ns > MS
