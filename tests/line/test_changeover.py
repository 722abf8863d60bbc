"""Another product on the line: by command, by the PLC; what a part sees of it, and what happens when it fails.

One line for all of them: each test begins with the product `demo` in use and nothing wrong.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from aoi_daemon.ring.events import EventReader
from aoi_daemon.stage.control import request
from aoi_daemon.stage.stage import now_ns
from tests.line.conftest import starter
from tests.line.models import copied, first_wrong

PLC = {"registers": {"base": 0}, "poll": {"base": 100, "period_ms": 5.0}}
PASSES_ALL = [{"name": "*", "max_count": 10_000}]


class Products:
    """The line, and what has happened on it since the test began."""

    def __init__(self, line, events: EventReader) -> None:
        self.line, self.daemon, self.plc = line, line.daemon, line.plc
        self._events = events
        self._audits: list[dict] = []
        self._parts = len(line.outcomes())
        self.drops_before = self.plc.status()["counters"]["ready_drops"]

    def order(self, **body):
        return request(self.daemon.socket, {"do": "recipe", **body}, timeout_s=60)[0]

    def status(self):
        return self.daemon.status()

    def shown(self) -> int:
        """The id that the PLC sees in its register."""
        return self.plc.status()["report"]["recipe"]

    def outcomes(self):
        return self.line.outcomes()[self._parts :]

    def drops(self) -> int:
        return self.plc.status()["counters"]["ready_drops"] - self.drops_before

    def alarms(self) -> set[str]:
        return {alarm["name"] for alarm in self.status()["alarms"] if alarm["active"]}

    def audits(self, what: str = "recipe") -> list[dict]:
        self._audits += [event.body for event in self._events.read() if event.kind == "audit"]
        return [audit for audit in self._audits if audit["what"] == what]

    def wait_step(self, words: str) -> None:
        wait_for(lambda: words in self.status()["changeover"]["step"], 30, f"the step in which {words}")


@pytest.fixture(scope="module")
def started(tmp_path_factory, boards, bundle):
    """The line of this file. `strict` has the engine of `demo` and lets all pass, `second` another, `wrong` one that fails; `small` is of another size."""
    folder = tmp_path_factory.mktemp("changeover")
    second = copied(bundle, folder / "second", lambda golden: golden[:2])
    wrong = copied(bundle, folder / "wrong", lambda golden: first_wrong(golden[:1]))
    with ExitStack() as owned:
        line = starter(owned, folder, boards, bundle)(
            plc=PLC, supervisor={"restarts": 1000, "hang_ms": 20_000.0}, plc_options={"keep": 200_000},
            more={
                "strict": {"id": 2, "limits": PASSES_ALL},
                "second": {"id": 3, "bundle": str(second)},
                "small": {"id": 4, "width_px": 256, "height_px": 256},
                "wrong": {"id": 5, "bundle": str(wrong)},
                "unproven": {"id": 6, "accept_unproven": None},
            },
        )  # fmt: skip
        yield line, owned.enter_context(line.event_memory())
        line.no_unproven_pass()


@pytest.fixture
def products(started):
    line, memory = started
    line.plc.set(recipe_request=0)
    wait_for(lambda: line.daemon.status()["changeover"]["step"] == "none", 60, "no change to be under way")
    assert request(line.daemon.socket, {"do": "recipe", "name": "demo"}, timeout_s=60)[0]["ok"]
    line.daemon.ask("reset")
    line.wait_ready()
    return Products(line, EventReader(memory))


def test_a_product_of_the_same_engine_proves_itself_too(products):
    """Its golden parts are its own, whatever engine judges them."""
    products.line.wait_parts(12)
    before = products.status()
    assert products.order(id=2)["ok"]
    wait_for(lambda: products.shown() == 2, 5, "the register to show it")
    after = products.status()
    assert (after["recipe"], after["product"]) == (2, "strict")
    assert after["stages"]["inspection"] != before["stages"]["inspection"]
    products.line.wait_parts(12)
    assert products.drops() <= 1
    ids = [outcome.recipe for outcome in products.outcomes()]
    assert ids == sorted(ids), "one product after the other"
    assert all(outcome.passed for outcome in products.outcomes() if outcome.recipe == 2)
    assert not all(outcome.passed for outcome in products.outcomes() if outcome.recipe == 1)


def test_another_engine_proves_itself_beside_the_line(products, measured):
    """READY drops for the switch alone; parts that come then are rejected for it; the register acknowledges."""
    products.line.wait_parts(5)
    before = products.status()
    answer = products.order(id=3, by="anna (maintenance)", via="page")
    assert answer["ok"], answer
    measured("changeover to another engine", "live engine told to leave until READY=1", answer["switch_ms"])
    assert products.shown() == 3
    after = products.status()
    assert after["stages"]["inspection"] != before["stages"]["inspection"]
    assert (after["recipe"], after["product"], after["restarts"]) == (3, "second", before["restarts"])
    assert (after["changeover"]["recipe"], after["changeover"]["last_ms"]) == ("second", answer["switch_ms"])
    products.line.wait_parts(5)
    assert products.drops() <= 1
    outcomes = products.outcomes()
    assert Reason.ENGINE_FAULT not in {o.reason for o in outcomes}
    assert sum(o.reason == Reason.NOT_READY for o in outcomes) <= 2
    bundles = {recipe: {o.bundle for o in outcomes if o.recipe == recipe and o.bundle} for recipe in (1, 3)}
    assert len(bundles[1]) == len(bundles[3]) == 1 and bundles[1] != bundles[3]
    (audit,) = products.audits()
    assert (audit["by"], audit["via"], audit["ok"]) == ("anna (maintenance)", "page", True)
    assert {"key": "product", "was": "demo", "now": "second"} in audit["changes"]
    assert "STAGE_LOST" not in products.alarms() and "ENGINE_FAULT" not in products.alarms()


def test_a_standby_stands_aside_until_it_is_on_the_line(products):
    """Ordinary scheduling, and the first to go when memory runs out; then as the one before it."""

    def standing(pid: int) -> tuple[int, int, int]:
        """Policy, niceness, and what the kernel adds when it looks for whom to end; of all threads the lowest niceness."""
        threads = [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]
        return (
            max(os.sched_getscheduler(thread) for thread in threads),
            max(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads),
            int(Path(f"/proc/{pid}/oom_score_adj").read_text()),
        )

    live = products.line.stage("inspection")
    before = standing(live)
    ordered, answers = begin(products)
    standby = wait_for(lambda: inspections(products) - {live}, 30, "the standby").pop()
    aside = wait_for(lambda: found if (found := standing(standby))[2] > before[2] else None, 30, "it to stand aside")
    assert aside[0] == os.SCHED_OTHER
    assert aside[1] > before[1]
    assert ends_well(products, ordered, answers)["ok"]
    assert standing(standby) == before


def test_the_plc_asks_and_sees_the_answer_in_its_register(products, measured):
    asked = products.line.now_ns()
    products.plc.set(recipe_request=3)
    wait_for(lambda: products.shown() == 3, 60, "the register to acknowledge")
    measured("changeover asked for by the PLC", "until its register shows it, golden parts and all", (time.monotonic_ns() - asked) / 1e6)
    products.line.wait_ready()
    (audit,) = wait_for(products.audits, 5, "the audit")
    assert (audit["by"], audit["via"], audit["ok"]) == ("PLC", "plc", True)


def test_a_product_that_the_plc_makes_up_is_refused_once_and_never_silently(products):
    """The alarm stands for as long as the PLC asks for what is not in use; its register stays as it was."""
    products.plc.set(recipe_request=99)
    products.plc.wait_until(lambda status: status["coils"]["ALARM"], 5)
    wait_for(lambda: products.alarms() >= {"PRODUCT_DIFFERS", "CONFIG_REFUSED"}, 5, "the alarms")
    products.line.wait_parts(5)
    assert products.shown() == 1
    (audit,) = products.audits()
    assert not audit["ok"] and "recipe 99: there is none" in audit["detail"]
    products.plc.set(recipe_request=2)
    wait_for(lambda: products.shown() == 2, 10, "the next wish to be heard")
    wait_for(lambda: not products.alarms() & {"PRODUCT_DIFFERS", "CONFIG_REFUSED"}, 5, "the alarms to clear")


def test_of_what_the_plc_asks_during_a_changeover_the_last_counts(products):
    products.plc.set(recipe_request=3)
    products.wait_step("proves itself")
    products.plc.set(recipe_request=4)
    products.plc.set(recipe_request=2)
    wait_for(lambda: products.shown() == 2, 60, "the last wish")
    wait_for(lambda: len(products.audits()) == 2, 5, "the audit")
    assert [audit["detail"].split(" is in use")[0] for audit in products.audits()] == ["recipe 3 second", "recipe 2 strict"]


def test_a_golden_failure_leaves_the_line_as_it_is(products):
    before = products.status()
    refused = products.order(id=5)
    assert not refused["ok"] and "golden parts got the wrong verdict" in refused["error"]
    after = products.status()
    assert after["stages"] == before["stages"]
    assert (after["recipe"], after["product"]) == (1, "demo")
    wait_for(lambda: "CONFIG_REFUSED" in products.alarms(), 5, "the alarm")
    alarm = next(alarm for alarm in products.status()["alarms"] if alarm["name"] == "CONFIG_REFUSED")
    assert "golden" in alarm["detail"]
    products.line.wait_parts(5)
    assert products.drops() == 0
    assert products.order(id=2)["ok"]
    wait_for(lambda: "CONFIG_REFUSED" not in products.alarms(), 5, "the alarm to go")


def test_a_product_that_is_not_proven_never_takes_the_line(products):
    """It is demo in all but its golden parts, of which it has none, and nobody answers for that."""
    before = products.status()
    refused = products.order(id=6)
    assert not refused["ok"]
    assert "NOT PROVEN: recipe unproven: 0 good and 0 bad golden parts" in refused["error"]
    assert "aoi-daemon golden add --recipe unproven --good PICTURE" in refused["error"]
    after = products.status()
    assert (after["recipe"], after["stages"]) == (1, before["stages"])
    assert (after["proof"], after["ready"]) == ("ACCEPTED", True)
    products.line.wait_parts(5)
    assert products.drops() == 0


def test_a_second_order_is_refused_while_one_is_under_way(products):
    """And who ordered the first may go away: it is done all the same."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(products.daemon.socket))
        client.send(b'{"do": "recipe", "id": 3}')
    products.wait_step("proves itself")
    second = products.order(id=2)
    assert not second["ok"] and "another change is under way" in second["error"]
    assert "under way" in products.daemon.ask("reload")["error"]
    wait_for(lambda: products.status()["product"] == "second", 60, "the changeover")


def test_frames_of_another_size_are_rejected_until_the_product_is_changed_back(products):
    assert products.order(id=4)["ok"]
    products.line.wait_parts(5)
    seen = products.outcomes()[-4:]
    assert {Reason(outcome.reason) for outcome in seen} == {Reason.NO_RECIPE}
    assert {outcome.recipe for outcome in seen} == {4}
    wait_for(lambda: "FRAME_SIZE" in products.alarms(), 5, "the alarm")
    detail = next(alarm["detail"] for alarm in products.status()["alarms"] if alarm["name"] == "FRAME_SIZE")
    assert " gives 320 x 320; recipe " in detail
    assert products.order(name="demo")["ok"]
    wait_for(lambda: any(outcome.passed for outcome in products.outcomes()[-3:]), 10, "a PASS")
    wait_for(lambda: "FRAME_SIZE" not in products.alarms(), 5, "the alarm to go")


def test_the_command_tells_how_it_ended(products):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "aoi_daemon", "recipe", *words, "--socket", str(products.daemon.socket)],
            check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    done = run("strict")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("recipe 2 strict is in use\nswitched in ")
    assert run("2").stdout == "strict is in use already\n"
    unknown = run("gadget")
    assert unknown.returncode == 2
    assert "recipe 'gadget': there is none of this id or name (there: 1 demo, 3 second, " in unknown.stderr


# -- processes that end at the worst moment ----------------------------------------


def inspections(products) -> set[int]:
    """The inspection processes."""
    pid = products.daemon.process.pid
    found = set()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"inspection" in words:
            found.add(int(child))
    return found


def begin(products) -> tuple[threading.Thread, list[dict]]:
    """Order `second`, and do not wait."""
    answers: list[dict] = []
    thread = threading.Thread(target=lambda: answers.append(products.order(id=3)))
    thread.start()
    return thread, answers


def ends_well(products, ordered: threading.Thread, answers: list[dict]) -> dict:
    """One product or the other, one inspection, and parts that are judged by it."""
    ordered.join(60)
    (answer,) = answers
    products.line.wait_ready(30)
    status = products.status()
    assert (status["product"], status["recipe"]) == (("second", 3) if answer["ok"] else ("demo", 1))
    wait_for(lambda: products.shown() == status["recipe"], 5, "the register to tell the truth")
    products.line.wait_parts(5)
    assert {o.recipe for o in products.outcomes()[-3:]} == {status["recipe"]}
    wait_for(lambda: len(inspections(products)) == 1, 12, "one inspection to be left")
    return answer


@pytest.mark.parametrize("who", ["live", "standby"])
def test_either_inspection_may_be_killed_while_the_new_one_proves_itself(products, who):
    live = products.line.stage("inspection")
    ordered, answers = begin(products)
    standby = wait_for(lambda: inspections(products) - {live}, 30, "the standby").pop()
    os.kill(live if who == "live" else standby, signal.SIGKILL)
    answer = ends_well(products, ordered, answers)
    assert answer["ok"] == (who == "live")
    if who == "standby":
        assert "the new engine's process ended: signal SIGKILL" in answer["error"]
        assert products.drops() == 0


def test_an_engine_that_is_killed_as_it_leaves_is_followed_by_the_new_one(products, measured):
    live = products.line.stage("inspection")
    ordered, answers = begin(products)
    wait_for(lambda: inspections(products) - {live}, 30, "the standby")
    os.kill(live, signal.SIGSTOP)
    products.wait_step("takes the line")
    killed = now_ns()
    os.kill(live, signal.SIGKILL)
    measured("engine in use hangs, and is killed as it leaves", "until READY=1, by the new one", products.line.first("ready", killed))
    assert ends_well(products, ordered, answers)["ok"]


def test_an_engine_that_is_killed_as_it_takes_the_line_gives_it_back(products, measured):
    live, restarts = products.line.stage("inspection"), products.status()["restarts"]
    ordered, answers = begin(products)
    standby = wait_for(lambda: inspections(products) - {live}, 30, "the standby").pop()
    os.kill(live, signal.SIGSTOP)
    products.wait_step("takes the line")
    os.kill(standby, signal.SIGSTOP)
    os.kill(live, signal.SIGCONT)
    wait_for(lambda: products.status()["inspection"] == "CHANGEOVER", 10, "the old one to have left")
    left = now_ns()
    products.line.wait_parts(5)
    nobody = [outcome for outcome in products.outcomes() if outcome.ready_ns > left]
    assert nobody and {Reason(outcome.reason) for outcome in nobody} == {Reason.NOT_READY}, "nobody is there to judge"
    assert all(outcome.answered_ns for outcome in nobody)
    assert not products.plc.status()["ready_effective"]
    assert "ENGINE_FAULT" not in products.alarms(), "it is no fault"
    killed = now_ns()
    os.kill(standby, signal.SIGKILL)
    measured("new engine killed as it takes the line", "until READY=1, by the old one", products.line.first("ready", killed))
    answer = ends_well(products, ordered, answers)
    assert "as it took the line: signal SIGKILL" in answer["error"]
    assert products.line.stage("inspection") == live, "who had left is back"
    assert products.status()["restarts"] == restarts


# -- restarts ------------------------------------------------------------------------


@pytest.mark.long
def test_the_product_in_use_survives_a_restart(line):
    """And line.recipe counts again once somebody has edited it. The PLC sees it with no part on the line."""
    running = line(
        plc={"registers": {"base": 0}}, camera={"parts": 2, "silence_ms": 0.0},
        more={"strict": {"id": 2}, "third": {"id": 3}, "small": {"id": 4, "width_px": 256, "height_px": 256}},
    )  # fmt: skip
    running.wait_parts(2 - len(running.plc.parts()))
    assert request(running.daemon.socket, {"do": "recipe", "id": 2})[0]["ok"]
    wait_for(lambda: running.plc.status()["report"]["recipe"] == 2, 5, "the register to show it")
    running.daemon.stop()
    running.daemon.restart()
    assert running.daemon.status()["product"] == "strict"
    running.daemon.line["line"]["recipe"] = "third"
    running.daemon.write_config()
    answer = running.daemon.ask("reload")
    assert answer["ok"] and "still 'strict'" in answer["notes"][0]
    assert running.daemon.status()["product"] == "strict"
    running.daemon.stop()
    running.daemon.restart()
    assert running.daemon.status()["product"] == "third"
    # It is told to stop while another engine proves itself: that is no reason to wait, and nobody is left behind.
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(running.daemon.socket))
        client.send(b'{"do": "recipe", "id": 4}')
        pids = wait_for(lambda: found if len(found := inspections(running)) == 2 else None, 30, "the standby")
        assert running.daemon.stop() == 0
        assert client.recv(4096) == b""
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
