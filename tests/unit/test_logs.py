"""Log lines never wait, and say what was dropped."""

import json
import os

import pytest
import structlog

from aoi_daemon.logs import LineWriter, configure, logger, resolve_format
from aoi_daemon.ring.doorbell import make_pipe


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
