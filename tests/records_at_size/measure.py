"""Ask the real page for every route, export, and start the recorder, on records that `make` has written.

Cold: the page has just been started, and the database was dropped from the system's cache. Warm: the median of nine more. The page
and the recorder are the daemon's own processes; there is no line, no inspection and no browser.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from aoi_daemon.hmi.pages.rejects import read_rejects
from aoi_daemon.hmi.pages.report import _SHIFTS
from aoi_daemon.hmi.shifts.times import last_shifts
from aoi_daemon.messages import Reason
from aoi_daemon.records.database import DATABASE, open_reader, open_writer
from tests.processes.recorder_feed import RecorderFeed, write_config
from tests.records_at_size.make import ALL_REVIEWED
from tests.records_at_size.processes import Page, cpu_of, drop, first_row, line, peak_mb
from tests.records_at_size.search import searches

COLD_S: Final = 1.0
WARM_S: Final = 0.3
READY_S: Final = 2.0
EXPORT_PER_S: Final = 50_000
MEMORY_MB: Final = 300.0
_NICE: Final = 19
_WARM: Final = 9
_WATCH_S: Final = 30.0
_DAY_PARTS_S: Final = 86_400.0


Row = tuple[str, str, str, bool]
"""What, measured, limit, and whether it is kept."""


def _routes(records: Path) -> dict[str, str]:
    with closing(open_reader(records)) as connection:
        (reject,) = connection.execute("SELECT max(id) FROM parts WHERE NOT passed").fetchone()
    shifts = last_shifts(time.time(), ("06:00", "14:00", "22:00"), _SHIFTS)
    older = [shift.label.replace(" ", "%20") for shift in shifts]
    return {
        "overview": "/", "rejects, not reviewed": "/rejects", "alarms": "/alarms",
        "report, running shift": "/report", "report, the shift before": f"/report?shift={older[1]}",
        "report, the oldest": f"/report?shift={older[-1]}", "report as CSV": f"/report.csv?shift={older[1]}",
        "recipe": "/recipe", "commissioning": "/commissioning", "help": "/help",
        "picture of a reject": f"/records/{reject}/frame.jpg", "a part that is not there": "/records/999999999/frame.jpg",
        "status": "/api/status", "metrics": "/metrics",
    }  # fmt: skip


def measure(folder: Path, out: Path | None, what: Sequence[str]) -> int:
    """The figures of `what` (recorder, pages, exports) as a table, and as JSON in `out`. 1 where a limit is not kept."""
    records = folder / "records"
    rows: list[Row] = []
    with line(folder) as feed:
        for name, work in (
            ("recorder", lambda: _recorder(feed, records)),
            ("pages", lambda: _pages(feed, records)),
            ("exports", lambda: _exports(folder, records)),
            ("searches", lambda: searches(records)),
        ):
            if name in what:
                for row in work():
                    sys.stderr.write(f"{row}\n")
                    rows.append(row)
    with closing(open_reader(records)) as connection:
        parts = connection.execute("SELECT sum(parts) FROM part_figures").fetchone()[0]
    size_gb = (records / DATABASE).stat().st_size / 1e9
    sys.stdout.write(f"\n{parts} parts, {size_gb:.2f} GB; {os.cpu_count()} cores, {platform.machine()}, SQLite {_sqlite()}\n\n")
    sys.stdout.write("| | measured | limit |\n|---|---|---|\n")
    for name, value, limit, kept in rows:
        sys.stdout.write(f"| {name} | {value}{'' if kept else ' **!**'} | {limit} |\n")
    if out is not None:
        out.write_text(json.dumps({"parts": parts, "size_gb": size_gb, "rows": rows}, indent=1))
    return 0 if all(kept for *_, kept in rows) else 1


def _sqlite() -> str:
    import sqlite3

    return sqlite3.sqlite_version


def _recorder(feed: RecorderFeed, records: Path) -> Iterator[Row]:
    """Cold start: from the start of the process to the first part's row, and what state it tells meanwhile."""
    with tempfile.TemporaryDirectory() as other, line(Path(write_config(Path(other))).parent) as empty:
        open_writer(Path(other) / "records", create=True).close()
        empty_s, empty_cpu_s = _start(empty, Path(other) / "records")
        empty.stop()
    drop(records)
    ready_s, cpu_s = _start(feed, records)
    states = {feed.state()}
    until = time.monotonic() + _WATCH_S
    number = 0
    while time.monotonic() < until:
        number += 1
        feed.part(Reason.DEFECT if number % 30 == 0 else Reason.NONE)
        states.add(feed.state())
        time.sleep(0.05)
    feed.wait_for(lambda: feed.hear().get("parts", 0) >= number, 30, "the last row")
    peak = peak_mb(feed.process.pid)
    feed.stop()
    bad = sorted(states - {"ok", ""})
    yield (
        "recorder, cold start to the first row", f"{ready_s:.2f} s ({cpu_s:.2f} s of CPU)", f"{READY_S:.0f} s",
        ready_s < READY_S,
    )  # fmt: skip
    yield "the same with no records", f"{empty_s:.2f} s ({empty_cpu_s:.2f} s of CPU)", "–", True
    yield f"recorder, false alarms in {_WATCH_S:.0f} s", ", ".join(bad) or "none", "none", not bad
    yield "recorder, memory", f"{peak:.0f} MB", "–", True


def _start(feed: RecorderFeed, records: Path) -> tuple[float, float]:
    """Start a recorder with a part waiting for it; (seconds, seconds of CPU) until that has its row."""
    recorded = first_row(feed, records)
    began_s = time.monotonic()
    feed.part(Reason.DEFECT)
    feed.start()
    feed.wait_for(recorded, 60, "the first row")
    return time.monotonic() - began_s, cpu_of(feed.process.pid)


def _pages(feed: RecorderFeed, records: Path) -> Iterator[Row]:
    limit = f"{COLD_S:.0f} s, {WARM_S} s"
    peak = 0.0
    for name, path in _routes(records).items():
        page = Page(feed)
        page.start()
        page.log_in()
        drop(records)
        before_s = cpu_of(page.process.pid)
        status, body, cold_s = page.get(path)
        cpu_s = cpu_of(page.process.pid) - before_s
        expected = 404 if "not there" in name else 200
        assert status == expected and (len(body) > 100 or expected == 404), (name, status, body[:200])
        warm_s = statistics.median(page.get(path)[2] for _ in range(_WARM))
        peak = max(peak, page.peak_mb())
        page.stop()
        yield name, f"{cold_s:.2f} s ({cpu_s:.2f} s of CPU), {warm_s:.2f} s", limit, cold_s < COLD_S and warm_s < WARM_S
    drop(records)
    began_s = time.monotonic()
    found, problem = read_rejects(records, None, unreviewed=True)
    took_s = time.monotonic() - began_s
    assert not problem and len(found) == 12, problem
    yield f"the next 12 rejects after {ALL_REVIEWED} reviewed, cold", f"{took_s:.2f} s", "1 s", took_s < COLD_S
    yield "page, memory", f"{peak:.0f} MB", f"{MEMORY_MB:.0f} MB", peak < MEMORY_MB


def _exports(folder: Path, records: Path) -> Iterator[Row]:
    with closing(open_reader(records)) as connection:
        (newest,) = connection.execute("SELECT at FROM parts ORDER BY id DESC LIMIT 1").fetchone()
    day = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest - back * _DAY_PARTS_S)) for back in (2, 1)]
    for name, choice in (
        ("CSV of one day, cold", ["--from", day[0], "--to", day[1]]),
        ("CSV of all rejects, cold", ["--only", "rejects"]),
        ("CSV of all parts, cold", []),
    ):
        out = folder / "export.csv"
        drop(records)
        began_s = time.monotonic()
        process = subprocess.Popen(
            ["nice", "-n", str(_NICE), sys.executable, "-m", "aoi_daemon", "export", "--records", str(records),
             "--format", "csv", "--out", str(out), *choice],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = process.stdout.read()
        _, code, used = os.wait4(process.pid, 0)
        took_s = time.monotonic() - began_s
        process.returncode = code
        assert code == 0, said
        parts = int(said.rsplit(": ", 1)[1].split()[0])
        peak = used.ru_maxrss / 1024
        per_s = parts / took_s
        cpu = used.ru_utime + used.ru_stime
        yield (
            name, f"{parts} in {took_s:.1f} s: {per_s:.0f} rows/s ({parts / cpu:.0f} per s of CPU), {peak:.0f} MB",
            f"{'' if choice[:1] == ['--only'] else f'{EXPORT_PER_S} rows/s, '}{MEMORY_MB:.0f} MB",
            (per_s > EXPORT_PER_S or choice[:1] == ["--only"]) and peak < MEMORY_MB,
        )  # fmt: skip
        out.unlink()
