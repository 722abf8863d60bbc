"""Other programs' exports, made bundles by commands, on one line: the bad parts are ejected, the good ones go on.

The PLC names the product by its register, and each family of exports is one.
"""

from __future__ import annotations

from contextlib import ExitStack

from aoi_daemon.files.toml import parse
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.setup import line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.messages import Proof, Reason
from tests.line.conftest import TestLine
from tests.unit.engine.export_families import FAMILIES, parts
from tests.unit.engine.walked import made, prove, recipe_of, replayed

TAKT_MS = 100.0
SEEN = 4
"""Good parts and bad ones of each product, at least: every second one is bad."""
GOOD, BAD = 1, 2
"""As the photo-eye tells it to the PLC simulator."""


def products(folder):
    """A recipe for each family, by its name: from the export by the commands of the documents; the first has id 1."""
    found = {}
    for number, family in enumerate(FAMILIES, 1):
        code, bundle = made(folder / family, family, "--precisions", "fp32")
        assert code == 0, family
        found[family] = parse(recipe_of(family, number, bundle))
    return found


def looked_at(running, recipe):
    """(truth, ejected, proof) of each part that the model of `recipe` has judged and the PLC has decided."""
    decided = {part.trigger_ns: part for part in running.plc.parts()}
    return [
        (decided[outcome.trigger_ns].truth, decided[outcome.trigger_ns].ejected, outcome.proof)
        for outcome in running.outcomes()
        if outcome.recipe == recipe and outcome.reason in (Reason.NONE, Reason.DEFECT) and outcome.trigger_ns in decided
    ]


def test_each_familys_bad_parts_are_ejected_and_its_good_ones_pass_as_the_plc_changes_the_product(tmp_path):
    """From the file to the coils: five programs' layouts, each product proven by golden parts of its own."""
    recipes = products(tmp_path)
    shown = replayed(tmp_path / "parts", parts(12, 3))
    with ExitStack() as owned:
        plc = owned.enter_context(SimulatorProcess(scan_ms=0, deadline_ms=TAKT_MS))
        words = {"registers": {"base": 0}, "poll": {"base": 100, "period_ms": 5.0}}
        config = line_config(
            shown, takt_ms=TAKT_MS, deadline_ms=TAKT_MS, plc_port=plc.port, photo_eye_port=plc.photo_eye_port, plc=words
        )
        config["line"]["recipe"] = next(iter(recipes))
        config["cameras"][0]["channels"] = 3
        daemon = LineDaemon(tmp_path / "line", config, recipes)
        for family in recipes:
            prove(tmp_path / "proof", daemon.config, family, placed=family != "classifier")
        running = TestLine(owned.enter_context(daemon), plc)
        daemon.watch()
        for family, recipe in recipes.items():
            plc.set(recipe_request=recipe["id"])
            wait_for(lambda number=recipe["id"]: plc.status()["report"]["recipe"] == number, 30, f"{family} in the register")
            running.wait_ready()
            for truth in (GOOD, BAD):
                wait_for(
                    lambda number=recipe["id"], truth=truth: sum(part[0] == truth for part in looked_at(running, number)) >= SEEN,
                    20, f"{SEEN} parts of truth {truth}, {family}",
                )  # fmt: skip
            assert set(looked_at(running, recipe["id"])) == {(GOOD, False, Proof.PROVEN), (BAD, True, Proof.PROVEN)}, family
        running.no_unproven_pass()
