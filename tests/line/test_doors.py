"""The doors of the page of a line that runs: one address holds on to all it gets, and neither the line nor who looks feels it."""

from __future__ import annotations

import logging

import pytest

from tools.line import doors
from tools.line.beside import free_port
from tools.line.daemon import wait_for


@pytest.fixture
def page(line):
    """A line with its page; the port."""
    port = free_port(0)
    running = line(hmi={"port": port})
    wait_for(lambda: doors.ask(port, doors.HOST, "/healthz")[0] == 200, 60, "the page")
    running.port = port
    return running


def test_one_address_costs_nobody_else_the_page_and_the_line_no_part(page):
    port, before = page.port, page.daemon.status()
    with doors.looking(port) as quiet:
        page.wait_parts(20)
    with doors.looking(port) as looked_1:
        passwords = doors.wrong_passwords(port, 200)
    with doors.looking(port) as looked_2:
        look_ups = doors.look_ups(port, 300)
    with doors.looking(port) as looked_3:
        slow, _, more = doors.together(port, 6.0)
    # Last: the line's own PC waits with its next password, too. A proxy there was believed by whoever came from there.
    own = doors.wrong_passwords(port, 15, doors.HOST, at_once=1)
    looks = (quiet, looked_1, looked_2, looked_3)
    figures = (passwords, look_ups, slow, more, own, [f"worst {looked.worst_s:.3f} s of {len(looked.times)}" for looked in looks])
    logging.getLogger("doors").info("%s", figures)
    assert passwords["CREDENTIALS"] + more["CREDENTIALS"] <= 20 and passwords["TOO_OFTEN"] >= 180
    assert own["CREDENTIALS"] <= 4 and own["TOO_OFTEN"] >= 11
    assert look_ups[429] > 100 and not look_ups[500] and look_ups[200]
    assert slow.ended > 400
    assert not any(looked.failed for looked in looks)
    assert max(looked.worst_s for looked in looks) < doors.MOST_S, figures
    after = page.daemon.status()
    assert after["parts"] > before["parts"] + 100
    assert after["deadline_misses"] == before["deadline_misses"]
    said = after["beside"]["hmi"]
    assert said["turned_away"] > 400 and said["state"] == "ok" and said["restarts"] == 0
    assert page.daemon.log_file.read_text().count("page_turned_away") < 40
