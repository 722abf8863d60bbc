"""A backup of a running line, restored elsewhere: the line runs there, and the records are those."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest

from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.records.database import open_reader


class Restored(LineDaemon):
    """A daemon on the files that are there."""

    def write_config(self) -> None:
        """They are written already."""


def command(*words):
    return subprocess.run([sys.executable, "-m", "aoi_daemon", *map(str, words)], capture_output=True, text=True, timeout=110, check=False)


def rows(folder, table, up_to=None):
    with closing(open_reader(folder)) as connection:
        where = "" if up_to is None else f" WHERE id <= {up_to}"
        return connection.execute(f"SELECT * FROM {table}{where} ORDER BY 1").fetchall()


@pytest.mark.line
@pytest.mark.long
def test_a_running_lines_backup_runs_elsewhere_with_the_same_records(line, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    records, out, there = tmp_path / "records", tmp_path / "backup", tmp_path / "other pc"
    running = line(
        takt_ms=150.0, recorder={"folder": str(records), "passes_sampled_percent": 50.0}, supervisor={"state_folder": str(state)}, more={"other": {"id": 2}},
    )  # fmt: skip
    assert command("recipe", "--socket", running.daemon.socket, "other").returncode == 0
    running.wait_parts(15)
    # The changeover itself may have cost a part: READY falls for it, and a PASS under way is then refused.
    before = running.plc.status()["counters"]
    made = command("backup", out, "--config", running.daemon.config, "--mb-per-s", "20")
    assert made.returncode == 0, made.stderr
    during = running.plc.decided() - before["good"] - before["escape"] - before["ejected"]
    running.wait_parts(5)
    counters = running.plc.status()["counters"]
    assert during >= 1, made.stderr
    assert [counters[lost] - before[lost] for lost in ("missed", "refused", "late", "ready_drops", "escape")] == [0] * 5, counters
    assert running.daemon.status()["deadline_misses"] == 0 and "recorder" in running.daemon.status()["beside"]
    done = command("restore", out, "--into", there)
    assert done.returncode == 0, f"into a new folder, to look at, while the line runs: {done.stderr}"
    over = command("restore", out, "--into", running.daemon.folder, "--replace")
    assert over.returncode == 2 and "a line is running with it" in over.stderr
    assert running.daemon.stop() == 0
    assert "note:" not in done.stdout, done.stdout

    copied = rows(there / "records", "parts")
    last = copied[-1][0]
    assert len(copied) >= 15
    for table in ("parts", "products", "runs"):
        # What the recorder wrote after the copy was made is in the first PC's alone.
        kept = rows(there / "records", table)
        assert kept == [row for row in rows(records, table) if row[0] <= kept[-1][0]], table
    images = rows(there / "records", "images")
    assert images == rows(records, "images", images[-1][0]) and images
    for row in images:
        assert (there / "records" / row[8]).read_bytes() == (records / row[8]).read_bytes()

    daemon = Restored(there, running.daemon.line, running.daemon.recipes)
    daemon.socket = running.daemon.socket
    with daemon:
        daemon.wait_ready()
        assert daemon.status()["recipe"] == 2, "the product in use"
        wait_for(lambda: len(rows(there / "records", "parts")) > len(copied) + 3, 20, "parts recorded there")
    assert rows(there / "records", "parts", last) == copied
    assert len(rows(records, "parts")) >= len(copied), "the first PC's are its own"
