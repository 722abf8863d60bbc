"""The witness of a machine that stands still: what it counts, and that it sees a core that is taken."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.line.witness import Stall, Witness, begun, in_words, met

MS = 1_000_000
PART = (100 * MS, 105 * MS)
HOOKS = Path(__file__).resolve().parents[2] / "line" / "witnessed.py"


@pytest.mark.parametrize(
    ("since_ms", "for_ms", "seen"),
    [(90, 5, False), (90, 10, False), (90, 11, True), (102, 1, True), (90, 50, True), (105, 5, False)],
)
def test_a_stall_counts_for_a_part_that_was_on_its_way_meanwhile(since_ms, for_ms, seen):
    assert met(PART, [Stall(0, since_ms * MS, for_ms * MS)]) is seen


def test_no_stall_explains_nothing():
    assert not met(PART, [])


def test_misses_that_follow_each_other_are_one_row():
    """A connection that was reset costs the parts until it is back; what began it is one thing."""
    missed = [(at_ms * MS, (at_ms + 5) * MS) for at_ms in (0, 5, 60, 155, 400)]
    assert begun(missed) == [missed[0], missed[4]]
    assert begun([]) == []


def test_rows_that_met_a_stall_are_told_beside_those_that_did_not():
    with Witness() as witness:
        pass
    witness.stalls = [Stall(0, 101 * MS, 4 * MS), Stall(1, 5, 2 * MS)]
    found = witness.report([PART, (900 * MS, 905 * MS)])
    assert (found["rows_of_misses"], found["rows_that_met_a_stall"]) == (2, 1)
    assert (found["stalls"], found["longest_ms"], found["worst"][0]["core"]) == (2, 4.0, 0)


def test_when_in_the_watch_stalls_and_misses_were():
    with Witness() as witness:
        pass
    began = witness._since_ns
    witness.stalls = [Stall(0, began + at_s * 1000 * MS, 2 * MS) for at_s in (1, 9, 31)]
    found = witness.report([(began + 31_000 * MS, began + 31_005 * MS)])
    assert found["by_10_s"] == [2, 0, 0, 1]
    assert found["rows_at_s"] == [31.0]


_TAKES_A_CORE = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(98))
until = time.monotonic() + 0.05
while time.monotonic() < until:
    pass
"""


def test_a_core_that_is_taken_from_everybody_is_seen():
    core = min(os.sched_getaffinity(0))
    with Witness() as witness:
        taken = subprocess.run(
            [sys.executable, "-c", _TAKES_A_CORE, str(core)], capture_output=True, text=True, check=False
        )
    if "PermissionError" in taken.stderr:
        pytest.skip("SCHED_FIFO is refused here")
    assert taken.returncode == 0, taken.stderr
    assert max(stall.ns for stall in witness.stalls if stall.core == core) > 30 * MS
    assert witness.scheduling == "SCHED_FIFO 95"


def test_a_witness_that_was_killed_says_so():
    with Witness() as witness:
        witness._process.kill()
    assert witness.report([])["scheduling"] == "the witness was killed"


def test_what_was_seen_in_words_is_the_longest_stall_and_when_it_was():
    stalls = [Stall(0, 3000 * MS, 4 * MS), Stall(1, 2500 * MS, 31 * MS)]
    assert in_words([], "SCHED_FIFO 95", 0) == "no stall of more than 1 ms (SCHED_FIFO 95)"
    assert in_words(stalls, "SCHED_FIFO 95", 1000 * MS, worst=1).splitlines() == [
        "2 stalls of more than 1 ms, 31.0 ms at most, 35.0 ms in all (SCHED_FIFO 95)",
        "  core 1: 31.0 ms, 1.50 s after the start",
    ]


pytest_plugins = ["pytester"]

_LINE_TESTS = """
import subprocess, sys

def test_held(): pass

def test_broken():
    subprocess.run([sys.executable, "-c", {taker!r}, "{core}"], check=True)
    assert False

def test_after(): pass
"""


def test_a_line_test_that_fails_says_how_long_the_machine_stood_still(pytester):
    """The stall with the test that met it, and with no other; each test in the summary."""
    pytester.makeconftest(HOOKS.read_text())
    pytester.makepyfile(test_a=_LINE_TESTS.format(taker=_TAKES_A_CORE, core=min(os.sched_getaffinity(0))))
    found = pytester.runpytest_subprocess("-p", "no:randomly")
    out = found.stdout.str()
    if "SCHED_FIFO refused" in out or "PermissionError" in out:
        pytest.skip("SCHED_FIFO is refused here")
    found.assert_outcomes(passed=2, failed=1)
    failure, summary = out.split("the machine during each line test")
    assert "the machine during this test" in failure and "ms at most" in failure and "s after the start" in failure
    said = dict(re.findall(r"^test_a\.py::(\w+): (.*)$", summary, re.MULTILINE))
    assert list(said) == ["test_after", "test_broken", "test_held"]
    longest = {name: float((re.findall(r"([\d.]+) ms at most", words) or [0])[0]) for name, words in said.items()}
    assert longest["test_broken"] > 30
    assert longest["test_broken"] > max(longest["test_held"], longest["test_after"])
