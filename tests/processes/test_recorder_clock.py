"""A recorder whose wall clock is set while parts are recorded: no row, picture or event is lost, and it is said."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack

import pytest

from tests.clock.moved import MovingClock, NoMovedClockError, build
from tests.processes.recorder_feed import RecorderFeed, write_config

DAY_S = 86_400
PARTS = 2000
EVERY = 40
"""Each so many-th part is a reject, with its picture."""
SWEEP_S = 0.2
"""Between two sweeps; else a minute."""
AN_HOUR_S = 1.5
"""What stands for the hour that the kernel must say that the clock is synchronised."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("moved"))
    except NoMovedClockError as error:
        pytest.skip(str(error))


@pytest.fixture
def clock(library, tmp_path, monkeypatch):
    """The clock of every process that the test starts. Their hour of synchronised time is short."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"from aoi_daemon.recorder import retention\nfrom aoi_daemon.recorder.clock import wall\nwall.SURE_S, retention._SWEEP_S = {AN_HOUR_S}, {SWEEP_S}\n")
    moving = MovingClock(library, tmp_path / "clock")
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH", ""))))
    for name, value in {**moving.environment, "PYTHONPATH": path}.items():
        monkeypatch.setenv(name, value)
    yield moving
    moving.close()


@pytest.fixture
def feed(tmp_path, clock):
    """`feed()`: a line's memory with a recorder under that clock that runs; the shortest retention that there is."""
    with ExitStack() as owned:

        def start():
            found = RecorderFeed(write_config(tmp_path / "line", days_images=1, days_records=1))
            owned.callback(found.close)
            found.start()
            return found

        yield start


def doubt(run) -> str:
    return run.hear().get("clock", {}).get("doubt", "")


def record(run, count: int, tick=lambda: None) -> None:
    """`count` parts, and an event after each hundred; `tick` before each part."""
    for _ in range(count):
        tick()
        number = run.frames[0] + 1
        run.parts(1, every=1 if number % EVERY == 0 else 2, takt_s=0.002)
        if number % 100 == 0:
            run.alarm("OPTICS", state="acknowledged")  # which keeps no pictures around it
    last = run.frames[0]
    run.wait_for(lambda: run.recorded_parts() >= last, 30, "the parts")
    heard = [run.hear()]  # told once a second: by the second time many sweeps have seen them all
    for _ in range(2):
        run.wait_for(lambda: run.hear() is not heard[-1], 10, "the recorder to speak")
        heard.append(run.facts)


def all_there(run, parts: int) -> None:
    """Each row once, each reject's picture, each event; nothing is said to be lost or removed."""
    run.wait_for(lambda: run.recorded_parts() >= parts, 30, "all parts")
    pictures = parts // EVERY
    run.wait_for(lambda: len([1 for _, kind, *_ in run.images() if kind == "frame"]) >= pictures, 30, "all pictures")
    assert run.recorded() == list(range(1, parts + 1))
    files = [file for _, kind, _, file, _ in run.images() if kind == "frame"]
    assert len(files) == pictures and all((run.folder / file).is_file() for file in files)
    assert run.read("SELECT count(*) FROM events") == [(parts // 100,)]
    assert run.gaps() == []
    assert "records_removed" not in run.log()


def kept(run) -> dict:
    return json.loads((run.folder / "clock.json").read_text())


def within_minutes(run) -> None:
    """The dates of parts are one after the other, as if nothing had been done to the clock."""
    ((first, last, since),) = run.read("SELECT min(at), max(at), (SELECT at FROM parts ORDER BY id LIMIT 1) FROM parts")
    assert first == since and last - first < 600, "in the order in which they came, and in their time"


@pytest.mark.parametrize("offset_s", [120 * DAY_S, -20 * 365 * DAY_S], ids=["120 days ahead", "20 years back"])
def test_set_far_away_and_back_nothing_is_lost_and_a_person_ends_it(feed, clock, offset_s):
    run = feed()
    record(run, PARTS // 2)
    clock.set(offset_s)
    run.wait_for(lambda: doubt(run), 10, "the doubt")
    record(run, PARTS // 4)
    clock.set(0)
    record(run, PARTS // 4)
    all_there(run, PARTS)
    within_minutes(run)
    assert doubt(run), "for nobody has said which of the two times was right"
    run.process.tell(do="clock", by="anna")
    run.wait_for(lambda: not doubt(run), 10, "the end of the doubt")
    assert run.stop() == "exit code 0"
    all_there(run, PARTS)
    log = run.log()
    assert log.count('"clock_doubt"') == 1 and '"confirmed by anna"' in log
    assert kept(run)["steps"] == []


def test_steps_of_a_second_are_followed_without_a_word(feed, clock):
    run = feed()
    steps = iter(range(1, PARTS + 1))
    record(run, PARTS, lambda: clock.set(next(steps)))
    all_there(run, PARTS)
    assert doubt(run) == ""
    assert run.stop() == "exit code 0"
    ((took_s,),) = run.read("SELECT max(at) - min(at) FROM parts")
    assert took_s > PARTS - 10, "as the clock said"


def test_begun_in_2001_and_then_synchronised_nothing_is_lost_and_the_doubt_ends_by_itself(feed, clock):
    """Two starts: with records of today, and, first of all, with none; rows that are dated 2001 are of today."""
    in_2001 = 978_307_200 - int(time.time())
    clock.set(in_2001)
    run = feed()
    record(run, PARTS // 2)
    assert doubt(run) == "", "there is nothing to hold it against"
    clock.set(0, synchronised=True)
    run.wait_for(lambda: doubt(run), 10, "the doubt")
    record(run, PARTS // 4)
    run.wait_for(lambda: not doubt(run), 30, "the end of the doubt, once the kernel has been sure for long enough")
    record(run, PARTS // 4)
    all_there(run, PARTS)
    assert '"synchronised for an hour, the kernel says"' in run.log()
    assert run.hear()["clock"]["synchronised"] == "yes"
    assert run.stop() == "exit code 0"
    clock.set(in_2001)
    run.start()
    run.wait_for(lambda: doubt(run), 10, "the doubt over a restart")
    record(run, EVERY)
    run.part()
    clock.set(0, synchronised=True)
    run.wait_for(lambda: not doubt(run), 30, "its end")
    assert run.stop() == "exit code 0"
    ((dated,),) = run.read("SELECT at FROM parts ORDER BY id DESC LIMIT 1")
    assert abs(dated - time.time()) < 600, "by the time that has passed, and not by the clock"
    assert run.recorded() == list(range(1, PARTS + EVERY + 2))
    assert "records_removed" not in run.log()
