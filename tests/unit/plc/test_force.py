"""When coils may be forced, and when that is over."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.plc.force import QUIET_NS, RENEW_NS, Force, LineNow
from aoi_daemon.plcmap.coils import Coil

MS = 1_000_000
REST = LineNow(link_up=True, announced_ns=0, polls=True, running=0)
NOW = 10_000 * MS


def forced(word: int = 0xFFFF, line: LineNow = REST) -> Force:
    force = Force()
    assert force.ask(word, line, NOW) == ""
    return force


@given(st.integers(0, 0xFFFF))
def test_ready_is_never_forced_and_the_rest_is_as_asked(word):
    """A PLC takes a PASS with READY alone, so nothing that is forced lets a part go on."""
    found = forced(word).word
    assert not found >> Coil.READY & 1
    assert found | 1 << Coil.READY == word | 1 << Coil.READY


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (REST._replace(link_up=False), "no connection to the PLC"),
        (REST._replace(running=1), "the line runs; stop it first"),
        (REST._replace(running=-1), "not known"),
        (REST._replace(stopping=True), "plc stops"),
        (REST._replace(announced_ns=NOW - 1500 * MS), "no part has come for 1.5 s only; 2 s are needed"),
        (REST._replace(announced_ns=NOW + MS), "no part has come for 0.0 s only"),
    ],
)
def test_a_line_that_is_not_at_rest_is_left_alone(line, says):
    force = Force()
    assert says in force.ask(1, line, NOW)
    assert force.word is None


def test_a_renewal_that_is_refused_changes_nothing():
    force = forced(6)
    assert force.ask(7, REST._replace(running=1), NOW + MS)
    assert force.word == 6


def test_without_a_poll_two_quiet_seconds_are_enough():
    assert forced(line=REST._replace(polls=False, running=-1)).word is not None


def test_it_ends_when_it_is_not_renewed():
    force = forced()
    assert force.over(REST, NOW + RENEW_NS - 1) == ""
    assert "not renewed for 2 s" in force.over(REST, NOW + RENEW_NS)
    assert force.ask(1, REST, NOW + RENEW_NS - 1) == ""
    assert force.over(REST, NOW + RENEW_NS) == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (REST._replace(link_up=False), "connection to the PLC was lost"),
        (REST._replace(running=1), "the line runs"),
        (REST._replace(running=-1), "the line runs"),
        (REST._replace(stopping=True), "plc stops"),
        (REST._replace(announced_ns=NOW + 1), "a part came"),
    ],
)
def test_a_line_that_is_no_longer_at_rest_ends_it(line, says):
    assert says in forced().over(line, NOW + 2)


@dataclass
class Day:
    """A line, and somebody who forces its coils."""

    now_ns: int = NOW
    line: LineNow = REST
    force: Force = field(default_factory=Force)


@given(st.lists(st.tuples(st.sampled_from(["ask", "wait", "part", "run", "stand", "drop", "mend"]), st.integers(0, 3000))))
def test_whatever_happens_nothing_stays_forced_on_a_line_that_works(steps):
    """plc looks after each step: what is forced then is on a line at rest, and was asked for within two seconds."""
    day = Day()
    asked_ns = 0
    for what, amount in steps:
        if what == "ask" and day.force.ask(amount, day.line, day.now_ns) == "":
            asked_ns = day.now_ns
        elif what == "wait":
            day.now_ns += amount * MS
        elif what == "part":
            day.now_ns += 1
            day.line = day.line._replace(announced_ns=day.now_ns)
        elif what in ("run", "stand"):
            day.line = day.line._replace(running=int(what == "run"))
        elif what in ("drop", "mend"):
            day.line = day.line._replace(link_up=what == "mend")
        if day.force.word is not None and day.force.over(day.line, day.now_ns):
            day.force.end()
        if day.force.word is not None:
            assert day.line.link_up and day.line.running == 0
            assert day.now_ns - asked_ns < RENEW_NS
            assert day.now_ns - day.line.announced_ns >= QUIET_NS
            assert not day.force.word >> Coil.READY & 1


@pytest.mark.parametrize(("quiet_ns", "forced"), [(2_000_000_000, True), (1_999_999_999, False)])
def test_two_seconds_without_a_part_are_enough_and_less_is_not(quiet_ns, forced):
    force = Force()
    assert (force.ask(6, REST._replace(announced_ns=NOW - quiet_ns), NOW) == "") is forced
    assert force.word == (6 if forced else None)


@pytest.mark.parametrize(("after_ns", "over"), [(2_000_000_000, True), (1_999_999_999, False)])
def test_what_is_not_renewed_ends_after_two_seconds_and_not_sooner(after_ns, over):
    line = REST._replace(announced_ns=NOW - 5_000 * MS)  # a part of before does not end it
    force = forced(line=line)
    assert bool(force.over(line, NOW + after_ns)) is over
    assert force.until_ns == NOW + 2_000_000_000


def test_a_part_of_the_moment_in_which_it_was_forced_ends_it():
    """Command and announcement may be found in one turn of the loop."""
    assert forced().over(REST._replace(announced_ns=NOW), NOW) == "a part came"


def test_a_renewal_does_not_hide_a_part_that_came_before_it():
    force = forced()
    line = REST._replace(announced_ns=NOW + MS)
    assert force.ask(6, line, NOW + MS + QUIET_NS) == ""
    assert force.over(line, NOW + MS + QUIET_NS) == "a part came"


def test_forced_anew_after_its_end_it_is_a_part_from_then_on_that_ends_it():
    force = forced()
    force.end()
    line = REST._replace(announced_ns=NOW + MS)
    later = NOW + MS + QUIET_NS
    assert force.ask(6, line, later) == ""
    assert force.over(line, later + 1) == ""
