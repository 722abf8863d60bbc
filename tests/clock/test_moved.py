"""The moved clock itself: the wall clock and the times of files are moved, monotonic clocks and waits are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.clock.clocks import CLOCKS, DAY_S
from tests.clock.moved import MovingClock, NoMovedClockError, build, environment

AWAY_S = [400 * DAY_S, -400 * DAY_S]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("moved"))
    except NoMovedClockError as error:
        pytest.skip(str(error))


@pytest.fixture(params=AWAY_S, ids=["ahead", "back"])
def offset_s(request):
    return request.param


@pytest.fixture
def run(library, offset_s, tmp_path):
    """`run(program)`: the JSON that a Python program prints under the moved clock."""

    def go(program: str):
        done = subprocess.run(
            [sys.executable, "-c", "import ctypes, json, os, sqlite3, subprocess, threading, time\n" + program],
            env=environment(library, offset_s), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return go


@pytest.mark.parametrize(
    "now",
    [
        "time.time()",  # clock_gettime
        "time.clock_gettime(5)",  # CLOCK_REALTIME_COARSE
        "ctypes.CDLL(None).time(None)",
        "int(sqlite3.connect(':memory:').execute(\"SELECT strftime('%s', 'now')\").fetchone()[0])",  # gettimeofday
        "int(subprocess.check_output(['date', '+%s']))",  # a program that is no Python
    ],
)
def test_the_wall_clock_is_moved(run, offset_s, now):
    before_s = time.time()
    found_s = run(f"print(json.dumps({now}))")
    assert before_s - 2 <= found_s - offset_s <= time.time() + 1, "2 s: most of these tell full seconds"


def test_monotonic_clocks_are_not_moved(run):
    clocks = (time.CLOCK_MONOTONIC, time.CLOCK_MONOTONIC_RAW, time.CLOCK_BOOTTIME)
    before_s = [time.clock_gettime(clock) for clock in clocks]
    found_s = run(f"print(json.dumps([time.clock_gettime(clock) for clock in {clocks}]))")
    after_s = [time.clock_gettime(clock) for clock in clocks]
    assert all(before <= found <= after for before, found, after in zip(before_s, found_s, after_s, strict=True))


@pytest.mark.parametrize("ask", ["os.stat('new')", "os.lstat('new')", "os.fstat(file.fileno())", "os.stat('new', dir_fd=os.open('.', 0))"])
def test_a_file_just_written_looks_just_written(run, offset_s, tmp_path, ask):
    age_s = run(f"file = open('new', 'w')\nfound = {ask}\nprint(json.dumps([time.time() - t for t in (found.st_mtime, found.st_ctime, found.st_atime)]))")
    assert all(-0.1 < each < 30 for each in age_s), "the kernel's stamps are up to a tick old"
    assert abs(time.time() - os.stat(tmp_path / "new").st_mtime) < 60, "on the disk stands the true time"


def test_another_program_sees_the_same_file_times(run, tmp_path):
    ours, theirs = run("open('new', 'w')\nprint(json.dumps([int(os.stat('new').st_mtime), int(subprocess.check_output(['stat', '-c', '%Y', 'new']))]))")
    assert ours == theirs


@pytest.mark.parametrize("give", ["os.utime('new', (1e9, 1e9))", "os.utime(file.fileno(), (1e9, 1e9))", "os.utime('new', (1e9, 1e9), follow_symlinks=False)"])
def test_a_time_given_to_a_file_is_what_is_read_back(run, offset_s, tmp_path, give):
    assert run(f"file = open('new', 'w')\n{give}\nprint(json.dumps(os.stat('new').st_mtime))") == 1e9
    assert os.stat(tmp_path / "new").st_mtime == 1e9 - offset_s


def test_a_touched_file_is_of_now(run):
    age_s = run("open('new', 'w')\nos.utime('new', (1e9, 1e9))\nos.utime('new')\nprint(json.dumps(time.time() - os.stat('new').st_mtime))")
    assert -0.1 < age_s < 30


UNTIL = """
c = ctypes.CDLL(None)
def until(now_s):
    return (ctypes.c_long * 2)(*divmod(int((now_s + 0.1) * 1e9), 10**9))
of, lock = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
wall, steady = until(time.time()), until(time.monotonic())
"""


@pytest.mark.parametrize(
    "wait",
    [
        "(held := threading.Lock()).acquire(); held.acquire(timeout=0.1)",
        "threading.Event().wait(0.1)",
        "time.sleep(0.1)",
        "c.sem_timedwait(of, wall)",
        "c.sem_clockwait(of, 0, wall)",
        "c.sem_clockwait(of, 1, steady)",
        "c.pthread_mutex_lock(lock); c.pthread_cond_timedwait(of, lock, wall)",
        "c.pthread_mutex_lock(lock); c.pthread_cond_clockwait(of, lock, 1, steady)",
        "c.pthread_mutex_lock(lock); c.pthread_mutex_timedlock(lock, wall)",
        "c.pthread_mutex_lock(lock); c.pthread_mutex_clocklock(lock, 1, steady)",
        "c.pthread_rwlock_rdlock(of); c.pthread_rwlock_timedwrlock(of, wall)",
        "c.clock_nanosleep(0, 1, wall, None)",
        "c.clock_nanosleep(1, 1, steady, None)",
        "f = c.timerfd_create(0, 0); c.timerfd_settime(f, 1, (ctypes.c_long * 4)(0, 0, *wall), None); os.read(f, 8)",
    ],
)
def test_a_wait_of_a_tenth_of_a_second_takes_that(run, wait):
    took_s = run(f"{UNTIL}\nbegun = time.monotonic()\n{wait}\nprint(json.dumps(time.monotonic() - begun))")
    assert 0.09 < took_s < 20, "0.09: the moment was worked out before the wait began; 20: it ended, on a busy machine"


def test_byte_code_of_the_true_clock_is_left_alone(library, offset_s):
    moved = environment(library, offset_s, base={"PYTHONDONTWRITEBYTECODE": "1", "LD_PRELOAD": "other.so"})
    assert moved["PYTHONPYCACHEPREFIX"].startswith(str(library.parent))
    assert moved["LD_PRELOAD"].split() == [str(library), "other.so"]
    assert "PYTHONDONTWRITEBYTECODE" not in moved


def test_a_clock_is_set_while_a_program_runs_and_so_is_what_the_kernel_says_of_it(library, tmp_path):
    program = """
from aoi_daemon import kernel_time
for line in iter(input, 'end'):
    found = kernel_time.read()
    print(found.wall_s - time.clock_gettime(time.CLOCK_BOOTTIME), found.synchronised, flush=True)
"""
    clock = MovingClock(library, tmp_path / "clock")
    with closing(clock), subprocess.Popen(
        [sys.executable, "-c", "import time\n" + program], env=clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:  # fmt: skip
        found = []
        for offset_s, synchronised in ((0, False), (120 * DAY_S, True), (-120 * DAY_S, False)):
            clock.set(offset_s, synchronised=synchronised)
            running.stdin.write("now\n")
            running.stdin.flush()
            found.append(running.stdout.readline().split())
        running.stdin.write("end\n")
    moved_s = [float(moved) - float(found[0][0]) for moved, _ in found]
    assert moved_s == pytest.approx([0, 120 * DAY_S, -120 * DAY_S], abs=5)
    assert [said for _, said in found] in (["False", "True", "False"], ["None"] * 3), "None: a container without adjtimex"


class TestClocks:
    """What is said of a clock is so."""

    @pytest.fixture
    def begin(self):
        """`begin(name)`: when the run under that clock begins, aware local time."""
        def of(name):
            clock, now_s = CLOCKS[name], time.time()
            try:
                moved_s = clock.offset_s(now_s) + now_s
            except NoMovedClockError as error:
                pytest.skip(str(error))
            return datetime.fromtimestamp(moved_s, ZoneInfo(clock.zone))

        return of

    @pytest.mark.parametrize(("name", "hours"), [("short-day", 23), ("long-day", 25)])
    def test_the_day_has_so_many_hours_and_the_clock_is_changed_soon(self, begin, name, hours):
        first = begin(name)
        midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
        next_one = midnight + timedelta(days=1)  # by the calendar
        assert next_one.timestamp() - midnight.timestamp() == hours * 3600
        later = first.fromtimestamp(first.timestamp() + 60, first.tzinfo)
        assert later.utcoffset() != first.utcoffset()

    def test_the_missing_day_is_missing(self, begin):
        first = begin("missing-day")
        later = first.fromtimestamp(first.timestamp() + 60, first.tzinfo)
        assert (first.day, later.day) == (29, 31)

    def test_in_shanghai_the_year_ends_and_not_yet_in_utc(self, begin):
        first = begin("shanghai")
        later = first.fromtimestamp(first.timestamp() + 60, first.tzinfo)
        assert (first.year, later.year) == (2026, 2027)
        assert later.utcoffset().total_seconds() == 8 * 3600

    def test_a_zone_that_the_machine_has_not_is_said(self):
        with pytest.raises(NoMovedClockError, match="no time zone No/Where on this machine"):
            replace(CLOCKS["shanghai"], zone="No/Where").offset_s(0.0)


def test_a_machine_without_a_compiler_is_told_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoMovedClockError, match="apt-get install gcc"):
        build(tmp_path)
