"""The proof of the product, on a line: without golden parts of its own nothing becomes READY."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from aoi_daemon.cli import main
from aoi_daemon.kit.boards.generate import generate
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.setup import DEMO_BUNDLE, demo_recipe, line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.messages import Proof, Reason
from aoi_daemon.records.database import RecordsError, open_reader
from aoi_daemon.records.queries import parts_after
from aoi_daemon.ring.events import EventReader
from tests.line.conftest import OPTIONS, TestLine

UNPROVEN = {"accept_unproven": None}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """A good board, and the same with a damage at 100,100,140,140; the template of both is the good one."""
    folder = tmp_path_factory.mktemp("pictures")
    template = generate(5, 0, OPTIONS).template
    damaged = template.copy()
    damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
    cv2.imwrite(str(folder / "good.png"), template)
    cv2.imwrite(str(folder / "bad.png"), damaged)
    return folder


def golden(line, *words: object) -> int:
    return main(["golden", words[0], "--config", str(line.daemon.config), *map(str, words[1:])])


def add_both(line, pictures: Path) -> None:
    template = ("--template", pictures / "good.png")
    assert golden(line, "add", "--good", pictures / "good.png", *template) == 1, "one of two"
    assert golden(line, "add", "--bad", pictures / "bad.png", "--box", "100,100,140,140,difference", *template) == 0


def alarm(line) -> dict:
    return next((row for row in line.daemon.status()["alarms"] if row["name"] == "NOT_PROVEN"), {})


def judged(line, parts: int = 20) -> None:
    """Until so many parts have come to an inspection that has taken the line."""
    wait_for(lambda: line.daemon.status()["inspection"] == "READY", 60, "inspection")
    seen = line.daemon.status()["parts"]
    wait_for(lambda: line.daemon.status()["parts"] >= seen + parts, 30, "parts")


def proofs(folder: Path) -> list[str]:
    """What the records say, part by part."""
    try:
        with closing(open_reader(folder)) as reader:
            return [part.proof for part in parts_after(reader, 0, 10_000)]
    except RecordsError:
        return []  # not made yet


def audits(line, what: str) -> list[dict]:
    with closing(line.event_memory()) as memory:
        events = EventReader(memory, from_start=True).read()
        return [event.body for event in events if event.kind == "audit" and event.body["what"] == what]


def test_a_recipe_without_golden_parts_never_becomes_ready_until_they_are_added(line, tmp_path, pictures):
    """The process runs on meanwhile: parts are judged, rejected and recorded, and a reload is enough."""
    records = tmp_path / "records"
    running = line(
        ready=False, recipe=UNPROVEN, camera={"wait_ready": False},
        recorder={"folder": str(records), "min_free_gb": 0.0}, plc={"registers": {"base": 0}},
    )  # fmt: skip
    judged(running)
    status = running.daemon.status()
    assert (status["state"], status["inspection"], status["golden_passed"]) == ("RUNNING", "READY", True)
    assert (status["ready"], status["proof"], status["passed"]) == (False, "NOT_PROVEN", 0)
    assert alarm(running)["active"] and "aoi-daemon golden add --recipe demo --good PICTURE" in alarm(running)["detail"]
    assert {outcome.reason for outcome in running.outcomes()} == {Reason.NOT_READY}
    pid = running.stage("plc")
    add_both(running, pictures)
    assert running.daemon.ask("reload")["ok"]
    running.wait_ready()
    running.wait_parts(6)
    after = running.daemon.status()
    assert (after["proof"], after["proof_detail"], running.stage("plc")) == ("PROVEN", "", pid)
    wait_for(lambda: not alarm(running).get("active"), 5, "the alarm to go")
    seen = wait_for(lambda: found if len(found := set(proofs(records))) > 1 else None, 10, "both in the records")
    assert seen == {"not_proven", "proven"}
    running.no_unproven_pass()


@pytest.mark.long
def test_a_golden_part_that_does_not_hold_changes_nothing_until_it_is_taken_out(line, pictures, capsys):
    """Accepted or not: who answers for missing parts does not answer for those that fail."""
    running = line(recipe={"accept_unproven": "anna, first day of the line"})
    status = running.daemon.status()
    assert (status["proof"], status["proof_detail"]) == ("ACCEPTED", "anna, first day of the line")
    (audit,) = audits(running, "accept_unproven")
    assert audit["by"] == "anna" and audit["detail"].startswith("anna, first day of the line (recipe demo: 0 good")
    add_both(running, pictures)
    template = ("--template", pictures / "good.png")
    (pictures / "same.png").write_bytes((pictures / "bad.png").read_bytes())
    assert golden(running, "remove", "bad") == 0
    assert golden(running, "add", "--bad", pictures / "same.png", "--box", "10,200,60,300", *template) == 1
    assert "its defect in 10,200,60,300 was not found; found: difference" in capsys.readouterr().out
    answer = running.daemon.ask("reload")
    assert not answer["ok"] and "NOT PROVEN: recipe demo: same is bad, and its defect in" in answer["error"]
    assert (running.daemon.status()["proof"], running.daemon.status()["ready"]) == ("ACCEPTED", True)
    assert golden(running, "remove", "same") == 0
    assert running.daemon.ask("reload")["ok"]
    running.wait_parts(3)
    assert {outcome.proof for outcome in running.outcomes()} == {Proof.ACCEPTED}


@pytest.mark.long
def test_golden_parts_that_were_away_when_inspection_started_are_taken_by_a_reload(line, pictures):
    """A disk that was not mounted, a slow one: no file has changed since the line started, and still READY is down."""
    running = line(recipe={"accept_unproven": "anna, first day of the line"})
    add_both(running, pictures)
    del running.daemon.recipes["demo"]["accept_unproven"]
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    assert running.daemon.status()["proof"] == "PROVEN"
    folder = running.daemon.config.parent / "recipes" / "demo.golden"
    folder.rename(folder.with_name("away"))
    os.kill(running.stage("inspection"), signal.SIGKILL)
    wait_for(lambda: alarm(running).get("active"), 30, "an inspection without golden parts")
    assert not running.daemon.status()["ready"]
    folder.with_name("away").rename(folder)
    answer = running.daemon.ask("reload")
    assert answer["ok"] and answer["notes"] == ["the product was not proven; its golden parts hold now"]
    running.wait_ready()
    assert running.daemon.status()["proof"] == "PROVEN"


@pytest.mark.long
def test_after_an_upgrade_the_recipe_in_use_stays_ready_until_its_next_changeover(line, tmp_path):
    """The version before kept the product in use, and asked for no proof."""
    kept = tmp_path / "line" / "control.product"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"recipe": "demo", "start": "demo", "asked": 0}) + "\n")
    running = line(recipe=UNPROVEN, more={"other": {"id": 2, "accept_unproven": "ben, on trial"}})
    status = running.daemon.status()
    assert (status["proof"], status["ready"]) == ("UPGRADED", True)
    assert "READY is kept for 30.0 days of running, or until the next changeover; recipe demo" in alarm(running)["detail"]
    (audit,) = audits(running, "unproven")
    assert (audit["by"], audit["ok"]) == ("aoi-daemon", True)
    assert running.daemon.stop() == 0
    assert json.loads(kept.read_text())["grace"]["used_s"] > 0
    running.daemon.restart()
    running.daemon.wait_ready()
    assert running.daemon.status()["proof"] == "UPGRADED"
    assert running.daemon.stop() == 0
    running.daemon.restart()
    running.daemon.wait_ready()
    assert running.daemon.ask("reload")["ok"], "nothing has changed"
    assert main(["recipe", "other", "--socket", str(running.daemon.socket)]) == 0
    assert running.daemon.status()["proof"] == "ACCEPTED"
    assert main(["recipe", "demo", "--socket", str(running.daemon.socket)]) == 1, "and there is no way back"
    assert running.daemon.status()["product"] == "other"


@pytest.mark.long
@pytest.mark.parametrize("before", [{}, {"version": 2, "grace": {"recipe": "demo", "used_s": 60.0}}])
def test_after_an_upgrade_a_restart_lets_no_changed_recipe_in(line, tmp_path, before):
    """A reload to it is refused; stopped and started, the line must say the same. Also where the file lacks `judges`."""
    kept = tmp_path / "line" / "control.product"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({"recipe": "demo", "start": "demo", "asked": 0, **before}) + "\n")
    running = line(recipe=UNPROVEN, camera={"wait_ready": False})
    assert running.daemon.status()["proof"] == "UPGRADED"
    wait_for(lambda: "judges" in kept.read_text(), 5, "what judges to be kept: a power cut may come at once")
    running.daemon.recipes["demo"]["limits"] = [{"name": "*", "score": 1.0}]
    running.daemon.write_config()
    assert "NOT PROVEN" in running.daemon.ask("reload")["error"]
    assert running.daemon.status()["proof"] == "UPGRADED"
    assert running.daemon.stop() == 0
    running.daemon.restart()
    judged(running)
    status = running.daemon.status()
    assert (status["proof"], status["ready"]) == ("NOT_PROVEN", False)
    assert "grace_over" in running.daemon.log()


@pytest.mark.long
def test_the_demo_bundle_on_another_product_is_not_proven(tmp_path, capsys):
    """Textures with a faint scratch, which a model of circuit boards knows nothing of: it must not be READY for them."""
    rng = np.random.default_rng(4)
    folder = tmp_path / "textures"
    folder.mkdir()

    def texture() -> np.ndarray:
        """Each its own, as cast or ground surfaces are."""
        noise = cv2.GaussianBlur(rng.normal(0, 1, (256, 256)), (0, 0), 2.0)
        return cv2.normalize(noise, None, 88, 168, cv2.NORM_MINMAX).astype(np.uint8)

    for number in range(4):
        seen = texture()
        if number > 1:
            seen = cv2.subtract(seen, cv2.line(np.zeros_like(seen), (60, 80), (150, 120), 25, 2))
        cv2.imwrite(str(folder / f"{number}_test.png"), seen)
        cv2.imwrite(str(folder / f"{number}_temp.png"), texture())
    with SimulatorProcess(scan_ms=0, deadline_ms=50.0) as plc:
        config = line_config(
            folder, takt_ms=50.0, deadline_ms=50.0, plc_port=plc.port, photo_eye_port=plc.photo_eye_port
        )
        config["cameras"][0]["wait_ready"] = False
        recipe = demo_recipe(folder, DEMO_BUNDLE)
        del recipe["accept_unproven"]
        daemon = LineDaemon(tmp_path / "line", config, {"demo": recipe})
        running = TestLine(daemon, plc)
        assert golden(running, "add", "--good", folder / "0_test.png", folder / "1_test.png") == 1
        assert golden(running, "add", "--bad", folder / "2_test.png", "--box", "58,78,152,122") == 1
        assert "NOT PROVEN: recipe demo:" in capsys.readouterr().out
        with daemon:
            daemon.watch()
            judged(running)
            status = daemon.status()
            assert (status["ready"], status["proof"], status["golden_passed"]) == (False, "NOT_PROVEN", True)
            assert "2 is bad and" in alarm(running)["detail"]
            assert not any(outcome.passed for outcome in running.outcomes())
