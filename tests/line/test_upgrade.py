"""A folder as 0.1.0 left it, with a product in use, users and records: started by this version, and given back to 0.1.0."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from aoi_daemon.hmi.access.password import matches
from aoi_daemon.hmi.access.users import Role, read_users
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.records.schema import SCHEMA_VERSION
from aoi_daemon.stage.control import NotRunningError, request

pytestmark = pytest.mark.line

ROOT = Path(__file__).resolve().parents[2]
LEFT = Path(__file__).parent / "left_by_0_1_0"
OF_0_1_0 = "0d85a54e6ecd210e284ab5f0bc512b479b4ea5e5"
"""The last commit of 0.1.0; it made what lies in LEFT (left_by_0_1_0/README.md)."""
PARTS = 12
"""Recorded in LEFT, and passed by each further start: line.toml says so."""


@pytest.fixture(scope="module")
def plc() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(scan_ms=0, deadline_ms=100) as made:
        yield made


def left_by_0_1_0(folder: Path, bundles: Path, plc: SimulatorProcess) -> None:
    """LEFT with its bundle and the records as a database, as of an hour ago; no golden parts, as then."""
    shutil.copytree(bundles, folder / "bundles")
    shutil.copytree(LEFT, folder, dirs_exist_ok=True)
    (folder / "users.toml").chmod(0o600)
    state = folder / "state"
    state.mkdir()
    (folder / "aoi-daemon.product").rename(state / "aoi-daemon.product")
    text = (folder / "line.toml").read_text()
    text = text.replace("/FOLDER", str(folder)).replace("5021", str(plc.photo_eye_port)).replace("5020", str(plc.port))
    (folder / "line.toml").write_text(text)
    _make_database(folder)


def _make_database(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "records/records.sqlite")) as made:
        made.execute("PRAGMA auto_vacuum = INCREMENTAL")
        made.execute("PRAGMA journal_mode = WAL")
        made.executescript((folder / "records.sql").read_text())
        (latest,) = made.execute("SELECT max(at) FROM events").fetchone()
        # Else retention would take them away one day, and a clock from before that day would not be believed.
        for table in ("runs", "parts", "events", "gaps", "images"):
            made.execute(f"UPDATE {table} SET at = at + ?", (time.time() - 3600 - latest,))
        made.commit()
    (folder / "records.sql").unlink()


@pytest.fixture(scope="module")
def of_0_1_0(tmp_path_factory) -> Path:
    """The folders aoi_daemon and config of 0.1.0, out of the repository's history."""
    made = tmp_path_factory.mktemp("0.1.0")
    words = ["git", "-C", str(ROOT), "archive", "--output", str(made / "of.tar"), OF_0_1_0, "aoi_daemon", "config/bundles"]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"the commit {OF_0_1_0[:12]} is not in this checkout's history")
    shutil.unpack_archive(made / "of.tar", made, filter="data") if sys.version_info >= (3, 12) else shutil.unpack_archive(made / "of.tar", made)
    return made


@contextmanager
def started(program: Path, folder: Path, until: Callable[[], bool]) -> Iterator[dict]:
    """`run` by `program` until PARTS have gone past and `until()` is so; gives the status then. Ends it after the block."""
    # 0.1.0 finds itself by the path alone, as an installed program does.
    environment = {**os.environ, "PYTHONPATH": str(program.parent)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aoi_daemon", "run", "--config", str(folder / "line.toml")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder,
        )  # fmt: skip

    def status():
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return request(folder / "state/aoi-daemon.sock", {"do": "status"})[0]["status"]
        except NotRunningError:
            return None

    try:
        wait_for(lambda: (now := status()) and now["parts"] >= PARTS, 60, "parts")
        wait_for(until, 30, "the recorder")
        yield status()
    finally:
        process.terminate()
        assert process.wait(20) == 0, (folder / "log").read_text()


def rows(file: Path, of: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as records:
        return records.execute(of).fetchall()


def recorded(folder: Path, parts: int = 2 * PARTS) -> Callable[[], bool]:
    """Whether `parts` are in the records now: the recorder takes them in behind the line."""
    return lambda: len(rows(folder / "records/records.sqlite", "SELECT id FROM parts")) == parts


PARTS_OF_BOTH = "SELECT id, run_id, part, at, camera, sequence, passed, reason, worst_class FROM parts ORDER BY id"


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "aoi_daemon", *words], check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)


class Forward(NamedTuple):
    """A folder of 0.1.0 that this version has run: its parts before, a backup made before, and the status meanwhile."""

    folder: Path
    before: list[tuple]
    backup: Path
    status: dict


@pytest.fixture(scope="module")
def forward(tmp_path_factory, of_0_1_0, plc) -> Forward:
    folder = tmp_path_factory.mktemp("line")
    left_by_0_1_0(folder, of_0_1_0 / "config/bundles", plc)
    before = rows(folder / "records/records.sqlite", PARTS_OF_BOTH)
    assert len(before) == PARTS
    backup = tmp_path_factory.mktemp("backup") / "out"
    config = str(folder / "line.toml")
    for words in (["check-config", "--config", config], ["backup", str(backup), "--config", config]):
        done = command(*words)
        assert done.returncode == 0, done.stderr
    with started(ROOT / "aoi_daemon", folder, recorded(folder)) as status:
        return Forward(folder, before, backup, status)


def test_a_folder_of_0_1_0_is_run_as_it_is_and_nothing_is_lost(forward):
    folder, file = forward.folder, forward.folder / "records/records.sqlite"
    assert forward.status["product"] == "second", "in use before the upgrade, while line.recipe is demo"
    assert forward.status["golden_passed"] and forward.status["proof"] == "UPGRADED", "no golden parts, as then"
    after = rows(file, PARTS_OF_BOTH)
    assert after[:PARTS] == forward.before
    assert len(after) == 2 * PARTS
    assert rows(file, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    anna = read_users(folder / "users.toml")["anna"]
    assert anna.role is Role.MAINTENANCE and matches("three plain words of anna", anna.password)
    verified = command("audit", "verify", "--records", str(folder / "records"))
    assert verified.returncode == 0, verified.stderr
    again = command("replay", "--config", str(folder / "line.toml"), "--part", "9")
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_old_folder_names_the_program_that_made_it():
    assert OF_0_1_0[:12] in (LEFT / "README.md").read_text(encoding="utf-8")


def test_there_are_two_ways_back_from_before_it_ran(forward):
    """The copy beside the records, of up to 256 MB, and a backup by this version's program, of any size."""
    (of_backup,) = forward.backup.rglob("records.sqlite")
    for copy in (forward.folder / "records/records.sqlite.version-1", of_backup):
        assert rows(copy, "PRAGMA user_version") == [(1,)] and rows(copy, PARTS_OF_BOTH) == forward.before


def go_back(folder: Path) -> None:
    """As systemd/README.md, Upgrade, says."""
    records, state = folder / "records", folder / "state"
    for name in ("records.sqlite", "records.sqlite-wal"):
        if (records / name).exists():
            (records / name).rename(records / name.replace("records.sqlite", "records.sqlite.of-0.2.0"))
    (records / "records.sqlite-shm").unlink(missing_ok=True)
    (records / "records.sqlite.version-1").rename(records / "records.sqlite")
    (state / "aoi-daemon-line-1.product").rename(state / "aoi-daemon.product")


def test_the_way_back_keeps_the_last_rows_of_a_recorder_that_was_killed(tmp_path):
    """They are in the log beside the database alone, which must not be taken for the older database's either."""
    records, state, made = tmp_path / "records", tmp_path / "state", tmp_path / "made"
    for folder in (records, state, made):
        folder.mkdir()
    (state / "aoi-daemon-line-1.product").touch()
    with closing(sqlite3.connect(made / "records.sqlite")) as of_this:
        of_this.execute("PRAGMA journal_mode = WAL")
        of_this.execute("CREATE TABLE parts (id)")
        of_this.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(made / "records.sqlite", records / "records.sqlite.version-1")
        of_this.execute("INSERT INTO parts VALUES (1)")
        of_this.commit()
        for name in ("records.sqlite", "records.sqlite-wal"):
            shutil.copy(made / name, records)
    go_back(tmp_path)
    assert rows(records / "records.sqlite.of-0.2.0", "SELECT id FROM parts") == [(1,)]
    assert rows(records / "records.sqlite", "SELECT id FROM parts") == []


@pytest.mark.long
def test_0_1_0_refuses_what_is_newer_and_takes_its_folder_back(forward, of_0_1_0, tmp_path):
    """The real program of then. Records are off the critical path: it runs the line while it refuses them."""
    folder = tmp_path / "line"
    shutil.copytree(forward.folder, folder)
    (folder / "line.toml").write_text((folder / "line.toml").read_text().replace(str(forward.folder), str(folder)))
    file = folder / "records/records.sqlite"
    of_this = rows(file, PARTS_OF_BOTH)
    said = f"has schema version {SCHEMA_VERSION}, this program reads and writes 1"
    with started(of_0_1_0 / "aoi_daemon", folder, lambda: said in (folder / "log").read_text()) as status:
        assert status["product"] == "demo", "it looks for the product in use under its own name: why go_back renames it"
    assert rows(file, PARTS_OF_BOTH) == of_this
    go_back(folder)
    assert rows(folder / "records/records.sqlite.of-0.2.0", PARTS_OF_BOTH) == of_this
    with started(of_0_1_0 / "aoi_daemon", folder, recorded(folder)) as status:
        assert status["product"] == "second" and status["golden_passed"]
    assert rows(file, PARTS_OF_BOTH)[:PARTS] == forward.before
