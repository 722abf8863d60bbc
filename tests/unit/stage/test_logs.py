"""Log lines never wait, and say what was dropped."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time

import pytest
import structlog

from aoi_daemon.ring.doorbell import make_pipe
from aoi_daemon.stage import logs
from aoi_daemon.stage.logs import LineWriter, LogPump, configure, logger, resolve_format


@pytest.fixture
def pipe():
    ends = make_pipe()
    yield ends
    for fd in ends:
        os.close(fd)
    structlog.reset_defaults()


def test_a_line_is_json_behind_its_journal_priority(pipe):
    configure("plc", "info", "json", pipe[1])
    logger().error("plc_link_down", host="10.0.0.1")
    line = os.read(pipe[0], 4096).decode()
    assert line.startswith("<3>{") and line.endswith("}\n")
    event = json.loads(line[3:])
    assert (event["event"], event["stage"], event["host"]) == ("plc_link_down", "plc", "10.0.0.1")


def test_lines_below_the_level_are_not_written(pipe):
    configure("plc", "warning", "json", pipe[1])
    logger().info("nothing")
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


def test_a_person_gets_text(pipe):
    configure("plc", "info", "console", pipe[1])
    logger().info("hello", part=3)
    assert b"hello" in os.read(pipe[0], 4096)


def test_a_reader_that_stalls_costs_lines_and_no_time(pipe):
    writer = LineWriter(pipe[1])
    while not writer.dropped:
        writer.msg("x" * 1000)
    writer.msg("y" * 1000)
    assert writer.dropped == 2
    while True:
        try:
            os.read(pipe[0], 65536)
        except BlockingIOError:
            break
    writer.msg("through")
    assert os.read(pipe[0], 4096) == b"<4>(2 log lines were dropped here)\nthrough\n"


def test_what_was_asked_for_is_the_format():
    assert resolve_format("json") == "json"
    assert resolve_format("console") == "console"
    assert resolve_format("auto") == "json"  # pytest's stderr is no terminal


def read_all(fd: int, until: bytes) -> bytes:
    """What comes at `fd`, up to `until`."""
    found = b""
    while until not in found:
        assert select.select([fd], [], [], 10)[0], f"{until!r} never came, but {found[-200:]!r}"
        found += os.read(fd, 65536)
    return found


def test_a_line_that_is_cut_is_counted_and_the_next_one_begins_anew(pipe):
    """A pipe takes more than 4096 bytes in part."""
    writer = LineWriter(pipe[1])
    while not writer.dropped:
        writer.msg("x" * 100_000)
    sent = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += os.read(pipe[0], 65536)
    assert not sent.endswith(b"\n")
    writer.msg("through")
    assert os.read(pipe[0], 4096) == b"\n<4>(1 log lines were dropped here)\nthrough\n"
    writer.msg("as ever")
    assert os.read(pipe[0], 4096) == b"as ever\n"


@pytest.fixture
def stalled():
    """A pipe as a shell makes it, which waits, and is full: (read end, write end)."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_fd, b"\n" * 4096)
    os.set_blocking(write_fd, True)
    yield read_fd, write_fd
    os.close(read_fd)
    os.close(write_fd)


def test_lines_go_where_they_go_in_their_order():
    read_fd, write_fd = os.pipe()
    with LogPump(write_fd) as pump:
        writer = LineWriter(pump.write_fd)
        for number in range(1000):
            writer.msg(f"line {number}")
    os.close(write_fd)
    with open(read_fd, "rb") as found:
        assert found.read().split(b"\n")[:-1] == [f"line {number}".encode() for number in range(1000)]


def test_whoever_writes_a_line_never_waits_for_who_reads_it(stalled):
    read_fd, write_fd = stalled
    with LogPump(write_fd) as pump:
        writer = LineWriter(pump.write_fd)
        while writer.dropped < 1000:  # the thread has taken what it can hold, and waits
            writer.msg("x" * 1000)
        assert not os.get_blocking(pump.write_fd)
        assert os.get_blocking(write_fd), "it is the terminal's too"
        # Somebody reads again.
        while select.select([read_fd], [], [], 0.2)[0]:
            os.read(read_fd, 65536)
        dropped = writer.dropped
        writer.msg("through")
        assert read_all(read_fd, b"through\n").endswith(
            f"({dropped} log lines were dropped here)\nthrough\n".encode()
        )


def test_the_end_does_not_wait_for_who_never_reads(stalled, monkeypatch):
    monkeypatch.setattr(logs, "LAST_LINES_S", 0.05)
    read_fd, write_fd = stalled
    pump = LogPump(write_fd)
    LineWriter(pump.write_fd).msg("last words")
    begun = time.monotonic()
    pump.close()
    assert time.monotonic() - begun < 5
    # For the test's own end: whoever waits goes on once there is room.
    read_all(read_fd, b"last words\n")
    pump._thread.join(10)
    assert not pump._thread.is_alive()
    os.close(pump._read_fd)


def test_where_nobody_can_read_any_more_lines_are_dropped_and_nothing_spins():
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    with LogPump(write_fd) as pump:
        writer = LineWriter(pump.write_fd)
        for _ in range(1000):
            writer.msg("x" * 1000)
    assert not pump._thread.is_alive()
    os.close(write_fd)


def test_a_place_that_does_not_wait_itself_is_waited_for(stalled):
    """Somebody who shares the terminal has set O_NONBLOCK on it."""
    read_fd, write_fd = stalled
    os.set_blocking(write_fd, False)
    with LogPump(write_fd) as pump:
        LineWriter(pump.write_fd).msg("through")
        while select.select([pump._read_fd], [], [], 0)[0]:  # until the thread has it, and has found no room
            time.sleep(0.001)
        assert not select.select([], [write_fd], [], 0.1)[1]
        assert read_all(read_fd, b"through\n").endswith(b"through\n")


def test_a_stage_does_not_load_what_draws_a_commands_progress_and_a_command_may():
    code = (
        "import sys\nimport aoi_daemon.plc.main\nprint(*(name for name in sys.modules if name.partition('.')[0] == 'rich'))\n"
        "import rich.progress\nfrom aoi_daemon.stage.logs import configure, logger\nconfigure('plc', 'info', 'console', 1)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    logger().exception('fault')\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    loaded, *said = found.stdout.splitlines()
    assert loaded == "" and said[-1] == "ZeroDivisionError: division by zero"
