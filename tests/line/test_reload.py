"""Reloads of a running line, good and bad ones: `--reloads 500` is the proof, a few are in the suite.

One line for all of them: each test begins with the files as they were at its start.
"""

from __future__ import annotations

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.messages import Reason
from aoi_daemon.stage.control import request
from aoi_daemon.stage.stage import now_ns
from tests.line.conftest import starter
from tests.line.models import flip_a_bit

JUDGED = (Reason.NONE, Reason.DEFECT)
BOARDS = 12


def reload(running, timeout_s: float = 60.0) -> dict[str, Any]:
    return request(running.daemon.socket, {"do": "reload"}, timeout_s)[0]


@pytest.fixture(scope="module")
def started(tmp_path_factory, boards, bundle):
    """The line of this file. Each of its parts must have its verdict, whatever is reloaded."""
    with ExitStack() as owned:
        line = starter(owned, tmp_path_factory.mktemp("reload"), boards, bundle)(
            plc={"registers": {"base": 0}}, plc_options={"keep": 200_000}
        )
        yield line, deepcopy(line.daemon.line), deepcopy(line.daemon.recipes)
        outcomes = line.outcomes()
        assert [outcome.part for outcome in outcomes] == list(range(1, len(outcomes) + 1))
        line.no_unproven_pass()


@pytest.fixture
def running(started):
    line, config, recipes = started
    line.daemon.line, line.daemon.recipes = deepcopy(config), deepcopy(recipes)
    line.daemon.write_config()
    assert reload(line)["ok"]
    line.daemon.ask("reset")
    line.wait_ready()
    return line


# -- many of them ------------------------------------------------------------------


def recipe_with(**keys: Any) -> Callable[[Path, dict], bytes]:
    return lambda _, recipe: tomli_w.dumps({**recipe, **keys}).encode()


def in_bundle(change: Callable[[Path], None]) -> Callable[[Path, dict], bytes]:
    """The recipe names a bundle that has been tampered with."""

    def make(folder: Path, recipe: dict) -> bytes:
        broken = folder / "broken"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(recipe["bundle"], broken)
        change(broken)
        return tomli_w.dumps({**recipe, "bundle": str(broken)}).encode()

    return make


BAD: dict[str, tuple[str, Callable[[Path, dict], bytes | None], str]] = {
    # what is wrong: the file, its content (None: it is not there), a word of the refusal
    "syntax": ("line.toml", lambda *_: b"[line\n", "is not TOML"),
    "an unknown key": ("recipes/demo.toml", recipe_with(thresold=0.5), "thresold: unknown key"),
    "a wrong type": ("recipes/demo.toml", recipe_with(overlap="much"), "overlap = 'much'"),
    "out of bounds": ("recipes/demo.toml", recipe_with(limits=[{"name": "*", "score": 1.5}]), "limits[0].score = 1.5"),
    "no such class": ("recipes/demo.toml", recipe_with(limits=[{"name": "rust", "score": 0.5}]), "no class rust"),
    "no bundle": ("recipes/demo.toml", recipe_with(bundle="/nowhere"), "is not a bundle"),
    "a damaged model": ("recipes/demo.toml", in_bundle(flip_a_bit), "SHA-256"),
    "a manifest that is none": ("recipes/demo.toml", in_bundle(lambda b: (b / "manifest.json").write_text("{}") and None), "manifest.json"),
    "no recipe": ("recipes/demo.toml", lambda *_: None, "recipes/demo.toml"),
    "an empty recipe": ("recipes/demo.toml", lambda *_: b"", "bundle: missing"),
    "an empty line": ("line.toml", lambda *_: b"", "cameras: missing"),
    "not UTF-8": ("recipes/demo.toml", lambda *_: b'name = "\xff"\n', "is not UTF-8"),
    "half of a recipe": ("recipes/demo.toml", lambda _, r: tomli_w.dumps(r).encode()[:60], "recipes/demo.toml"),
    "nested without end": ("recipes/demo.toml", lambda *_: b"x = " + b"[" * 20_000, "nested too deeply"),
    "two of one id": ("recipes/other.toml", recipe_with(name="other"), "already the id of"),
    "another recipe that is wrong": ("recipes/other.toml", lambda *_: b"id = 0\n", "id = 0"),
    "what needs a restart": ("line.toml", lambda *_: b"[ring]\nslots = 5\n", "ring: changed, and needs a restart"),
}  # fmt: skip


def write(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def refuse(running, kind: str) -> None:
    """One bad reload; the files are good again afterwards."""
    name, make, says = BAD[kind]
    path = running.daemon.folder / name
    good = path.read_bytes() if path.exists() else None
    content = make(running.daemon.folder, running.daemon.recipes["demo"])
    if kind == "what needs a restart":
        content = good + content
    write(path, content)
    answer = reload(running)
    write(path, good)
    assert not answer["ok"], kind
    assert says in answer["error"], (kind, answer["error"])


@pytest.mark.timeout(900)
def test_no_part_is_lost_and_none_is_judged_by_half_a_configuration(running, request):
    """Good ones alternate between two recipes that judge the same boards differently; between them bad ones of all kinds.

    Each verdict is the one that the recipe it names gives that board, and each
    part names the recipe that was in use when it was judged. What is proven takes a second inspection each time.
    """
    reloads = request.config.getoption("--reloads")
    recipes = [
        {"id": 1, "limits": running.daemon.recipes["demo"]["limits"]},
        {"id": 7, "limits": [{"name": "*", "max_count": 10_000}]},
    ]
    since = len(running.outcomes())
    running.wait_parts(BOARDS + 4)
    strict = {o.sequence % BOARDS: o.passed for o in running.outcomes()[since:] if o.reason in JUDGED}
    assert len(strict) == BOARDS and not all(strict.values()), "boards that the two judge differently"
    before, counted = running.daemon.status(), running.plc.status()["counters"]
    kinds = itertools.cycle(BAD)
    history: list[tuple[int, int, int]] = [(0, 0, 1)]  # begun, answered, id
    for number in range(1, reloads + 1):
        if number % 2:
            refuse(running, next(kinds))
            continue
        wanted = recipes[number // 2 % 2]
        running.daemon.recipes["demo"].update(wanted)
        running.daemon.write_config()
        begun = now_ns()
        answer = reload(running)
        assert answer["ok"], answer
        history.append((begun, now_ns(), wanted["id"]))
    running.wait_parts(5)
    outcomes = running.outcomes()[since:]
    judged = [outcome for outcome in outcomes if outcome.reason in JUDGED]
    assert {outcome.recipe for outcome in judged} == {1, 7}
    for outcome in judged:
        assert outcome.passed == (outcome.recipe == 7 or strict[outcome.sequence % BOARDS]), outcome
        assert outcome.recipe in in_use(history, outcome.picked_ns, outcome.judged_ns), outcome
    after, counters = running.daemon.status(), running.plc.status()["counters"]
    assert after["reloads"] - before["reloads"] == reloads // 2
    assert after["reloads_refused"] - before["reloads_refused"] == -(-reloads // 2)
    assert after["undelivered"] == before["undelivered"]
    assert {key: counters[key] - counted[key] for key in ("missed", "late")} == {"missed": 0, "late": 0}
    # Each good one proves itself beside the line, and takes it: READY drops for that moment.
    assert counters["ready_drops"] - counted["ready_drops"] <= reloads // 2
    assert sum(outcome.reason == Reason.NOT_READY for outcome in outcomes) <= 2 * (reloads // 2)


def in_use(history: list[tuple[int, int, int]], from_ns: int, to_ns: int) -> set[int]:
    """The recipes that may have been in use at a time between the two."""
    found = set()
    for index, (begun, _, recipe) in enumerate(history):
        until = history[index + 1][1] if index + 1 < len(history) else to_ns + 1
        if begun <= to_ns and until > from_ns:
            found.add(recipe)
    return found


def test_files_that_are_still_being_written_are_refused_whole(running):
    """Half a recipe may be right by itself: its limits are missing, and it would judge by the default."""
    path = running.daemon.folder / "recipes/demo.toml"
    good = path.read_text()
    half = good[: good.index("limits")]
    written = threading.Event()

    def editor() -> None:
        path.write_text(half)
        while not written.wait(0.01):
            with path.open("a") as file:
                file.write("# still at it\n")

    thread = threading.Thread(target=editor)
    thread.start()
    try:
        wait_for(lambda: "still at it" in path.read_text(), 5, "the editor to begin")
        answer = reload(running)
    finally:
        written.set()
        thread.join()
        path.write_text(good)
    assert not answer["ok"] and "demo.toml: changed while it was read" in answer["error"]
    assert reload(running)["changed"] == []


# -- each section as it promises -----------------------------------------------------


def test_each_section_takes_effect_as_it_promises(running, tmp_path):
    daemon = running.daemon
    restarts = daemon.status()["restarts"]

    def change(expected: list[str]) -> tuple[dict, dict]:
        before = daemon.status()
        daemon.write_config()
        answer = reload(running)
        assert answer["ok"] and answer["changed"] == expected, answer
        running.wait_ready()
        wait_for(lambda: all(daemon.status()["stages"].values()), 10, "all stages")
        return before["stages"], daemon.status()["stages"]

    def restarted(stages: tuple[dict, dict]) -> set[str]:
        return {name for name, pid in stages[1].items() if stages[0][name] != pid}

    # [inspection]: another process proves itself, and takes the line.
    daemon.line["inspection"] = {"threads": 1}
    assert restarted(change(["inspection"])) == {"inspection"}
    # [[cameras]]: that camera's process.
    daemon.line["cameras"][0]["reopen_max_ms"] = 700.0
    assert restarted(change(["cameras[0]"])) == {"acquire-0"}
    # [plc]: plc, here with an address that nobody listens at, and back.
    port = daemon.line["plc"]["port"]
    daemon.line["plc"]["port"] = 9
    daemon.write_config()
    plc = running.stage("plc")
    assert reload(running)["changed"] == ["plc"]
    wait_for(lambda: daemon.status()["plc"]["link"] == "DOWN" and daemon.status()["stages"]["plc"] not in (0, plc), 10, "no link")
    daemon.line["plc"]["port"] = port
    assert restarted(change(["plc"])) == {"plc"}
    # A bundle that was replaced under its old name: its hash tells.
    own = tmp_path / "own"
    shutil.copytree(daemon.recipes["demo"]["bundle"], own)
    daemon.recipes["demo"]["bundle"] = str(own)
    assert restarted(change(["recipes/demo"])) == {"inspection"}
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["golden"] = manifest["golden"][:2]
    (own / "manifest.json").write_text(json.dumps(manifest))
    assert restarted(change(["recipes/demo"])) == {"inspection"}
    # A process off the critical path: alone, and READY stays.
    drops = running.plc.status()["counters"]["ready_drops"]
    daemon.line["recorder"] = {"folder": str(tmp_path / "records"), "min_free_gb": 0.0}
    assert restarted(change(["recorder"])) == set()
    first = wait_for(lambda: daemon.status()["beside"].get("recorder", {}).get("pid"), 10, "the recorder")
    daemon.line["recorder"]["around"] = 2
    assert restarted(change(["recorder"])) == set()
    wait_for(lambda: daemon.status()["beside"]["recorder"]["pid"] not in (0, first), 10, "another recorder")
    del daemon.line["recorder"]
    assert restarted(change(["recorder"])) == set()
    wait_for(lambda: "recorder" not in daemon.status()["beside"], 10, "no recorder")
    running.wait_parts(3)
    assert running.plc.status()["counters"]["ready_drops"] == drops
    assert daemon.status()["restarts"] == restarts


def test_a_reload_that_golden_parts_refuse_changes_nothing_at_all(running, tmp_path):
    """Not even what could have landed: the camera's section and the threshold stay as they were."""
    before = running.daemon.status()
    wrong = tmp_path / "wrong"
    shutil.copytree(running.daemon.recipes["demo"]["bundle"], wrong)
    manifest = json.loads((wrong / "manifest.json").read_text())
    manifest["golden"][0]["passed"] = not manifest["golden"][0]["passed"]
    (wrong / "manifest.json").write_text(json.dumps(manifest))
    running.daemon.recipes["demo"] |= {"bundle": str(wrong), "id": 9}
    running.daemon.line["cameras"][0]["reopen_max_ms"] = 700.0
    running.daemon.write_config()
    begun = time.monotonic_ns()
    answer = reload(running)
    assert not answer["ok"] and "golden parts got the wrong verdict" in answer["error"]
    running.wait_parts(5)
    after = running.daemon.status()
    assert after["stages"] == before["stages"]
    assert (after["recipe"], after["undelivered"]) == (1, before["undelivered"])
    assert after["reloads_refused"] == before["reloads_refused"] + 1
    assert {o.recipe for o in running.outcomes() if o.picked_ns > begun} == {1}
    alarm = next(alarm for alarm in after["alarms"] if alarm["name"] == "CONFIG_REFUSED")
    assert "golden parts got the wrong verdict" in alarm["detail"]
    assert '"what": "reload"' in running.daemon.log(200) and '"ok": false' in running.daemon.log(200)
