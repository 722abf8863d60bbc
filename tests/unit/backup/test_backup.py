"""A backup goes to another PC as it was made, or not at all."""

import json
import os
import shutil
import socket
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aoi_daemon.backup import contents, copying, make, refusals
from aoi_daemon.backup import restore as restoring
from aoi_daemon.backup.manifest import read_manifest
from aoi_daemon.backup.restore import new_value
from aoi_daemon.cli import main
from aoi_daemon.config.load import load
from aoi_daemon.files.lock import HeldError, hold
from aoi_daemon.kernel_time import Reading
from aoi_daemon.recorder.clock.kept import read_kept
from aoi_daemon.recorder.clock.wall import RecordsClock
from aoi_daemon.records.audit import verify
from aoi_daemon.records.database import open_reader, open_writer, writing
from aoi_daemon.records.parts import insert_event
from aoi_daemon.supervisor.main import Supervisor
from tests.unit.backup.conftest import Pc

FOLDERS = st.sampled_from(["etc", "etc/here", "data", "srv", "etc/recipes/deep", "data/more", "srv/a b", "other/ü"])


def tree(folder):
    """All files with content and mode, all folders with their mode."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode & 0o777, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def rows(records, table="parts"):
    with closing(open_reader(records)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def restore(out, *more):
    return main(["restore", str(out), *map(str, more)])


def named_by(config):
    """What the files of a configuration name, read as the daemon reads them."""
    found = load(config)
    line, recipe = found.line, found.recipe
    folder = config.parent
    return {
        "bundle": recipe.bundle, "boards": line.cameras[0].source, "records": line.recorder.folder_in(folder),
        "users": line.hmi.users_file(folder), "product": line.supervisor.state_folder / f"aoi-daemon-{line.line.name}.product",
    }  # fmt: skip


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.tuples(FOLDERS, FOLDERS, FOLDERS), st.booleans(), st.sampled_from([(), ("--data", "elsewhere")]))
def test_wherever_things_lay_they_are_found_by_their_keys_after_a_restore(capsys, places, absolute, data):
    """Folders inside and outside of line.toml's, absolute and relative, into one folder or two."""
    records, bundle, users = places
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        pc = Pc(root / "pc", records=f"{records}/records", bundle=f"{bundle}/bundle", users=f"{users}/people.toml", absolute=absolute)
        before = named_by(pc.config)
        assert pc.backup(root / "out") == 0
        shutil.move(pc.folder, root / "gone")
        more = (data[0], root / data[1]) if data else ()
        assert restore(root / "out", "--into", root / "new pc" / "etc", *more) == 0, capsys.readouterr().err
        after = named_by(root / "new pc" / "etc" / "line.toml")
        assert len(list(root.joinpath("out").rglob("records.sqlite"))) == 1, "never as a file that is being written to"
        for what, path in after.items():
            was = root / "gone" / before[what].relative_to(pc.folder)
            real = Path(os.path.normpath(path))
            assert real.is_relative_to(root / "new pc") or (data and real.is_relative_to(root / data[1])), what
            if what == "records":
                assert rows(path) == rows(was) and rows(path, "images") == rows(was, "images")
            elif was.is_file():
                assert path.read_bytes() == was.read_bytes() and path.stat().st_mode == was.stat().st_mode, what
            else:
                assert tree(path) == tree(was), what
        assert "# a person's comment" in (root / "new pc" / "etc" / "line.toml").read_text()


def test_a_backup_holds_what_is_there_whatever_it_is_called_and_not_what_is_in_hand(pc, tmp_path):
    assert pc.backup(tmp_path / "out") == 0
    inside = {path.removeprefix("files/") for path in tree(tmp_path / "out")}
    assert {"data/records/clock.json", "data/records/images/1970-01-01/01/1.png", "config/recipes/demo.golden/manifest.json"} <= inside
    assert not [path for path in inside if "incoming" in path or path.endswith(("-wal", "-shm"))]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700, "users' hashes are in it"
    assert tree(tmp_path / "out")["files/config/users.toml"][0] == 0o600


def test_the_records_are_those_of_one_moment_while_the_recorder_writes_on(pc, tmp_path, monkeypatch):
    """Without one read transaction each row that is written makes the copy begin again."""
    monkeypatch.setattr(contents.databases, "_PAGES", 1)
    real, steps = copying.Pace.took, []

    def took(self, count):
        if len(steps) < 50:
            steps.append(count)
            pc.record(1)
        real(self, count)

    monkeypatch.setattr(copying.Pace, "took", took)
    assert pc.backup(tmp_path / "out") == 0
    copied = rows(tmp_path / "out" / "files/data/records")
    written = rows(pc.records)
    assert len(written) == 5 + len(steps) and len(steps) > 30
    assert 5 <= len(copied) < len(written) and copied == written[: len(copied)]
    with closing(sqlite3.connect(tmp_path / "out/files/data/records/records.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_picture_that_retention_removes_meanwhile_is_no_row_without_a_file(pc, tmp_path, capsys):
    (pc.records / "images/1970-01-01/03/3.png").unlink()
    assert pc.backup(tmp_path / "out") == 0
    assert "1 pictures that were removed for their age" in capsys.readouterr().out
    files = [row[8] for row in rows(tmp_path / "out/files/data/records", "images")]
    assert files == ["images/1970-01-01/01/1.png", "images/1970-01-01/05/5.png"]


def test_what_is_left_out_is_left_out_and_said(pc, tmp_path, capsys):
    pc.record(60)
    assert pc.backup(tmp_path / "days", "--records-days", 1) == 0
    kept = rows(tmp_path / "days/files/data/records")
    assert [row[2] for row in kept] == list(range(41, 66))
    assert pc.backup(tmp_path / "pictures", "--without", "pictures") == 0
    assert rows(tmp_path / "pictures/files/data/records") == rows(pc.records)
    assert not rows(tmp_path / "pictures/files/data/records", "images") and not list((tmp_path / "pictures").rglob("images/*/*/*.png"))
    assert pc.backup(tmp_path / "records", "--without", "records", "--without", "replay") == 0
    assert not (tmp_path / "records/files/data/records").exists() and not (tmp_path / "records/files/config/replay").exists()
    said = capsys.readouterr().out
    for words in ("records older than 1 days", "the pictures, as was asked", "the records, as was asked", "images that are replayed"):
        assert words in said
    assert restore(tmp_path / "records", "--into", tmp_path / "new") == 0
    assert "note: the line cannot start yet" in capsys.readouterr().out, "its replayed images are missing"


def test_the_audit_of_the_last_days_still_holds(pc, tmp_path):
    """What went before them is its anchor. And a part that a clock of the future has dated is not the newest."""
    pc.record(60)
    with closing(open_writer(pc.records)) as connection, writing(connection):
        for number in range(1, 66):
            insert_event(connection, 1, number, at=3600.0 * number, kind="audit", body={"what": "reset"})
        connection.execute("UPDATE parts SET at = 4e9 WHERE part = 7")
    assert pc.backup(tmp_path / "days", "--records-days", 1) == 0
    with closing(open_reader(tmp_path / "days/files/data/records")) as connection:
        found = verify(connection)
    assert (found.rows, found.first, found.anchored, found.problems) == (25, 41, True, ())
    assert [row[2] for row in rows(tmp_path / "days/files/data/records")] == [7, *range(41, 66)]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_backup_is_known_as_such_and_gone_on_with(pc, tmp_path, capsys, monkeypatch, error):
    real, copied = contents.copy_file, []

    def copy(source, *rest, **more):
        copied.append(source.name)
        if len(copied) == 9:
            raise error
        return real(source, *rest, **more)

    monkeypatch.setattr(contents, "copy_file", copy)
    assert pc.backup(tmp_path / "out") in (1, 130)
    partial = tmp_path / ".out.incomplete"
    assert not (tmp_path / "out").exists() and partial.is_dir()
    assert f"incomplete, kept as {partial}" in capsys.readouterr().err
    assert restore(partial, "--into", tmp_path / "new") == 2 and "interrupted backup" in capsys.readouterr().err
    there = (partial / "files/config/bundles/bundle/fp32.onnx").stat()
    (partial / "files/config/line.toml").write_bytes(b"x" * pc.config.stat().st_size)  # as a power cut may have left it
    (partial / "files/config/bundles/bundle/no longer there").write_text("x")
    assert pc.backup(tmp_path / "out") == 0
    assert (tmp_path / "out/files/config/bundles/bundle/fp32.onnx").stat().st_ino == there.st_ino, "not written again"
    assert not partial.exists()
    assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
    assert "comment" in (tmp_path / "new/line.toml").read_text() and not (tmp_path / "new/bundles/bundle/no longer there").exists()


# -- a restore touches nothing before it is sure ------------------------------------------------------------------------


@pytest.fixture
def out(pc, tmp_path):
    assert pc.backup(tmp_path / "out") == 0
    return tmp_path / "out"


def refused(out, tmp_path, capsys, words, *more):
    """Exit code 2, the words, and nothing restored."""
    capsys.readouterr()
    assert restore(out, "--into", tmp_path / "new", *more) == 2
    assert words in (said := capsys.readouterr().err), said
    assert not (tmp_path / "new").exists()


def test_every_changed_byte_is_found_before_anything_is_touched(out, tmp_path, capsys):
    manifest = read_manifest(out)
    for each in manifest.files:
        file = out / "files" / each.place
        content, mode = file.read_bytes(), file.stat().st_mode
        file.chmod(0o600)
        for damaged in (content[:-1], bytes([content[0] ^ 1]) + content[1:]):
            file.write_bytes(damaged)
            if each.place == "config/line.toml":
                assert restore(out, "--into", tmp_path / "new") == 2 and not (tmp_path / "new").exists()
            else:
                refused(out, tmp_path, capsys, each.place)
        file.write_bytes(content)
        file.chmod(mode)
    assert restore(out, "--into", tmp_path / "new") == 0


def changed(out, change):
    file = out / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


@pytest.mark.parametrize("place", ["../evil", "config/../../evil", "/etc/passwd", "config//x", "config/./x", "", "other/x", "config/x\0", "config/" + "x" * 300])
@pytest.mark.parametrize("where", ["files", "folders", "tops", "references"])
def test_no_place_of_a_strangers_manifest_leads_out_of_the_folder(out, tmp_path, capsys, place, where):
    def change(manifest):
        if where == "tops":
            manifest["tops"].append(place)
        else:
            manifest[where].append({**manifest[where][0], "place": place})

    changed(out, change)
    refused(out, tmp_path, capsys, "manifest.json")


@pytest.mark.parametrize("tops", [["config/recipes", "config/recipes/demo.golden"], ["config", "data/records"], ["config/recipes"] * 2])
def test_tops_within_each_other_are_refused(out, tmp_path, capsys, tops):
    changed(out, lambda manifest: manifest.update(tops=[*manifest["tops"], *tops]))
    refused(out, tmp_path, capsys, "the manifest is damaged")


def test_a_link_in_a_strangers_backup_is_refused(out, tmp_path, capsys):
    """A file, or a folder on the way to it, with the very content that the manifest names."""
    secret = tmp_path / "secret"
    users = out / "files/config/users.toml"
    shutil.move(users, secret)
    users.symlink_to(secret)
    refused(out, tmp_path, capsys, "is a link or no regular file")
    users.unlink()
    shutil.move(secret, users)
    shutil.move(out / "files/config/bundles", tmp_path / "bundles")
    (out / "files/config/bundles").symlink_to(tmp_path / "bundles")
    refused(out, tmp_path, capsys, "is a link or no regular file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"), (b"{}", "Field required"), (b"[1]", "is damaged, or was not made"), (b"\xff", "is damaged"),
        (b'{"format": 2, "program": "9.9"}', "has format 2, this program reads 1"), (b"[" * 100_000, "is damaged"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_or_of_a_newer_program_is_refused(out, tmp_path, capsys, content, words):
    (out / "manifest.json").write_bytes(content)
    refused(out, tmp_path, capsys, words)


def test_a_mode_beyond_those_of_permissions_is_refused(out, tmp_path, capsys):
    changed(out, lambda manifest: manifest["files"][0].update(mode=0o4755))
    refused(out, tmp_path, capsys, "mode")


def test_a_running_line_is_not_restored_over_but_a_new_folder_is_no_part_of_it(out, pc, tmp_path, capsys):
    """One of 0.1.0 holds no lock: it is known by its socket alone."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there/line.toml").write_text("")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)) as daemon:
        daemon.bind(str(pc.folder / "aoi.sock"))
        daemon.listen()
        assert restore(out, "--into", tmp_path / "there", "--replace") == 2
        assert "a line is running here; stop it first" in capsys.readouterr().err
        assert (tmp_path / "there/line.toml").read_text() == ""
        assert restore(out, "--into", tmp_path / "look") == 0


def test_a_disk_that_is_too_small_is_told_before_anything_is_touched(out, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(refusals, "_SPARE_BYTES", 1 << 60)
    refused(out, tmp_path, capsys, "GB are needed")


def test_what_is_there_stays_unless_it_is_to_be_replaced_and_is_kept_then(out, pc, tmp_path, capsys):
    new = tmp_path / "new"
    assert restore(out, "--into", new) == 0
    (new / "line.toml").write_text("# edited since\n" + (new / "line.toml").read_text())
    before = tree(new)
    assert restore(out, "--into", new) == 2
    assert "--replace puts the backup in their place" in capsys.readouterr().err and tree(new) == before
    assert restore(out, "--into", new, "--replace") == 0
    assert (new / "line.toml.before-restore-1").read_text().startswith("# edited since")
    assert {name: kept for name, kept in tree(new / "records.before-restore-1").items()} == {
        name.removeprefix("records/"): kept for name, kept in before.items() if name.startswith("records/")
    }
    assert restore(out, "--into", new, "--replace") == 0 and (new / "line.toml.before-restore-2").exists()


@pytest.mark.parametrize("at", range(6))
def test_a_restore_that_fails_in_the_midst_leaves_what_was_there(out, tmp_path, monkeypatch, at):
    new = tmp_path / "new"
    assert restore(out, "--into", new) == 0
    before, real, calls = tree(new), restoring.put_in_place, []

    def put(partial, target):
        calls.append(target)
        if len(calls) == at + 1:
            raise OSError(5, "Input/output error", str(target))
        real(partial, target)

    monkeypatch.setattr(restoring, "put_in_place", put)
    assert restore(out, "--into", new, "--replace") == 1
    assert tree(new) == before


@pytest.mark.parametrize("name", ["recorder", "bundle"])
def test_a_folder_that_has_the_configuration_in_it_is_not_copied_into_itself(tmp_path, capsys, name):
    pc = Pc(tmp_path / "pc", **({"records": "etc"} if name == "recorder" else {"bundle": "."}))
    assert pc.backup(tmp_path / "out") == 2
    assert "has line.toml in it" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_backup_is_never_written_into_what_it_copies_or_over_what_is_there(pc, tmp_path, capsys):
    assert pc.backup(pc.records / "out") == 2 and "lies in" in capsys.readouterr().err
    (tmp_path / "there").mkdir()
    assert pc.backup(tmp_path / "there") == 2 and "is there already" in capsys.readouterr().err
    assert pc.backup(tmp_path / "not mounted" / "out") == 2 and "is the disk of the backup mounted?" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        pc.backup(tmp_path / "out", "--records-days", "-1")
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("folder", "old", "target", "value"),
    [
        ("/i", "records", "/i/records", None),
        ("/i/recipes", "../b", "/i/b", None),
        ("/i/recipes", "/srv/b", "/i/bundles/b", "../bundles/b"),
        ("/i", None, "/d/records", "/d/records"),
        ("/i", "/var/lib/aoi-daemon/records", "/var/lib/aoi-daemon/records", None),
        ("/i", "state", "/i", "."),
    ],
)
def test_a_path_is_changed_where_it_must_be_alone(folder, old, target, value):
    assert new_value(Path(folder), old, Path(target), Path("/i")) == value


def test_the_pace_is_kept_over_many_small_files():
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    pace = copying.Pace("copied", 0, 10.0, clock=lambda: now[0], sleep=sleep)
    for _ in range(1000):
        pace.took(100_000)
    assert 9.0 <= now[0] <= 10.0, "100 MB at 10 MB/s, of which the first second's may come at once"


class TestClock:
    """What is known of a PC's clock stays with the PC, and what is known of the rows' dates goes with the rows."""

    DAY_S = 86_400.0
    MADE_S = 100 * DAY_S

    def used(self, pc, wall_s, boot, *, steps=0):
        """A recorder has run on these records, on the PC of that boot; its clock was set so many times."""
        clock = RecordsClock(Reading(wall_s, 1000.0, 1000.0, boot, None), None)
        clock.opened("r", {"parts": 0}, None)
        for number in range(1, steps + 1):
            clock.look(Reading(wall_s + 2 * number * self.DAY_S, 1000.0 + number, 1000.0 + number, boot, None))
            clock.end(lambda number=number: {"parts": number})
        (pc.records / "clock.json").write_text(clock.kept().model_dump_json())
        return clock

    def found(self, records, wall_s, boot):
        clock = RecordsClock(Reading(wall_s, 50.0, 50.0, boot, None), read_kept(records / "clock.json"))
        clock.opened("r", {"parts": 5}, 18_000.0)
        return clock

    def test_on_another_pc_the_backups_time_is_not_taken_for_its_own(self, pc, tmp_path):
        self.used(pc, self.MADE_S, "one", steps=2)
        assert pc.backup(tmp_path / "out") == 0
        assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
        clock = self.found(tmp_path / "new/records", self.MADE_S + 60 * self.DAY_S, "two")
        assert (clock.doubt, clock.now_s) == (None, self.MADE_S + 60 * self.DAY_S)
        assert [span.up_to.get("parts") for span in clock.spans()] == [1, 2, 5, None], "dates are read as they were"
        assert ((tmp_path / "new/records/clock.json").stat().st_mode & 0o777) == 0o640

    def test_on_a_pc_that_is_in_doubt_the_doubt_stays(self, pc, tmp_path):
        self.used(pc, self.MADE_S, "one")
        assert pc.backup(tmp_path / "out") == 0
        assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
        here = self.used(pc, self.MADE_S, "two")
        here.look(Reading(self.MADE_S + 300 * self.DAY_S, 1001.0, 1001.0, "two", None))
        (tmp_path / "new/records/clock.json").write_text(here.kept().model_dump_json())
        assert restore(tmp_path / "out", "--into", tmp_path / "new", "--replace") == 0
        clock = self.found(tmp_path / "new/records", self.MADE_S + 300 * self.DAY_S + 60, "three")
        assert clock.doubt == here.doubt and clock.now_s == here.now_s + 50

    def kept_parts(self, pc, tmp_path, days):
        assert pc.backup(tmp_path / "out", "--records-days", days) == 0
        return [row[0] for row in rows(tmp_path / "out/files/data/records")]

    def test_the_last_days_are_told_by_the_records_clock_whatever_a_part_is_dated(self, pc, tmp_path):
        """The newest is dated 2038 by a clock that was wrong; by the records' clock it is the fifth hour of 1970."""
        self.used(pc, 5 * 3600.0, "one")
        with closing(open_writer(pc.records)) as connection, writing(connection):
            connection.execute("UPDATE parts SET at = 2147000000 WHERE id = 5")
        assert self.kept_parts(pc, tmp_path, 2.5 / 24) == [3, 4, 5]

    def test_rows_that_are_dated_by_another_clock_are_as_old_as_they_are(self, pc, tmp_path):
        """Three parts, then the clock was set two days ahead, and a person confirmed it."""
        clock = RecordsClock(Reading(3 * 3600.0, 1000.0, 1000.0, "one", None), None)
        clock.opened("r", {"parts": 0}, None)
        clock.look(Reading(3 * 3600.0 + 2 * self.DAY_S, 1000.0, 1000.0, "one", None))
        clock.end(lambda: {"parts": 3})
        clock.look(Reading(5 * 3600.0 + 2 * self.DAY_S, 8200.0, 8200.0, "one", None))
        (pc.records / "clock.json").write_text(clock.kept().model_dump_json())
        with closing(open_writer(pc.records)) as connection, writing(connection):
            connection.execute("UPDATE parts SET at = at + ? WHERE id > 3", (2 * self.DAY_S,))
        assert self.kept_parts(pc, tmp_path, 3.5 / 24) == [2, 3, 4, 5]

    @pytest.mark.parametrize("content", [None, b"{}", b"\xff", b"{"])
    def test_with_none_that_can_be_used_nothing_is_known_of_either(self, pc, tmp_path, content):
        (pc.records / "clock.json").unlink()
        if content is not None:
            (pc.records / "clock.json").write_bytes(content)
        assert pc.backup(tmp_path / "out") == 0
        assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
        clock = self.found(tmp_path / "new/records", self.MADE_S + 600 * self.DAY_S, "two")
        assert (clock.doubt, clock.now_s, clock.deleting_s) == (None, self.MADE_S + 600 * self.DAY_S, 0)


def test_anew_does_not_take_away_what_another_backup_is_making(pc, tmp_path, monkeypatch, capsys):
    """It is refused before anything is touched; and one that begins as the other ends does not work in its folder."""
    seen = []

    def meanwhile(*arguments):
        if not seen:
            seen.append(pc.backup(tmp_path / "out", "--anew"))
        return make_manifest(*arguments)

    make_manifest = make._fill
    monkeypatch.setattr(make, "_fill", meanwhile)
    assert pc.backup(tmp_path / "out") == 0
    assert seen == [2] and "another backup is being made there" in capsys.readouterr().err
    assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0


def test_what_was_held_must_still_be_there(pc, tmp_path, monkeypatch, capsys):
    def late(folder, **_):
        fd = hold(folder)
        folder.rename(tmp_path / "ready")
        return fd

    monkeypatch.setattr(make, "hold", late)
    assert pc.backup(tmp_path / "out") == 2
    assert "has just been made there" in capsys.readouterr().err


@pytest.mark.parametrize("which", ["recipes", "records"])
def test_a_line_that_runs_with_another_socket_is_not_restored_over(pc, tmp_path, capsys, which):
    """It holds its recipes, its recorder the records, whatever the environment is."""
    assert pc.backup(tmp_path / "out") == 0
    assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
    fd = hold(tmp_path / "new" / which, in_common=which == "recipes")
    before = tree(tmp_path / "new")
    assert restore(tmp_path / "out", "--into", tmp_path / "new", "--replace") == 2
    assert "a line is running with it; stop it first" in capsys.readouterr().err
    assert tree(tmp_path / "new") == before
    os.close(fd)
    assert restore(tmp_path / "out", "--into", tmp_path / "new", "--replace") == 0


def test_no_line_starts_with_what_a_restore_is_replacing(pc, tmp_path, monkeypatch, capsys):
    """From its first look to its end; the line says what it waits for."""
    assert pc.backup(tmp_path / "out") == 0
    assert restore(tmp_path / "out", "--into", tmp_path / "new") == 0
    copied, seen = restoring._copy, []

    def meanwhile(*arguments):
        for folder, in_common in ((tmp_path / "new/recipes", True), (tmp_path / "new/records", False)):
            with pytest.raises(HeldError):
                hold(folder, in_common=in_common)
        with pytest.raises(HeldError, match="recipes: a backup is being restored there; start the line when that is done"):
            Supervisor._hold_recipes(tmp_path / "new/recipes")
        seen.append(True)
        return copied(*arguments)

    monkeypatch.setattr(restoring, "_copy", meanwhile)
    assert restore(tmp_path / "out", "--into", tmp_path / "new", "--replace") == 0
    assert seen
    os.close(Supervisor._hold_recipes(tmp_path / "new/recipes"))
