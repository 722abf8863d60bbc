"""What comes of the proof: grace after an upgrade by a scripted clock, the alarm, who answers for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Proof
from aoi_daemon.records import parts
from aoi_daemon.records.database import writing
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.supervisor.product import Grace, Kept
from aoi_daemon.supervisor.proofs import GRACE_S, Proofs, grace_at_start
from tests.unit.records.conftest import PRODUCT, records

__all__ = ["records"]  # a fixture that is defined elsewhere

DAY_NS = 86_400 * 1_000_000_000


def configuration(folder=Path(), recorder=None, **keys) -> Configuration:
    cameras = [{"kind": "replay", "source": "images"}]
    line = LineConfig.model_validate({"cameras": cameras, **({"recorder": recorder} if recorder else {})})
    recipe = {"id": 1, "name": "demo", "bundle": "b", "width_px": 64, "height_px": 64, **keys}
    other = {**recipe, "id": 2, "name": "other"}
    recipes = {"demo": Recipe.model_validate(recipe), "other": Recipe.model_validate(other)}
    return Configuration(folder / "line.toml", line, recipes)


class Line:
    """The board, what was audited, and the configuration in use."""

    def __init__(self, grace, **keys) -> None:
        self.board = {Cell.PROVEN: Proof.NOT_PROVEN, Cell.INSPECTION_STATE: StageState.READY}
        self.audits: list[tuple] = []
        self.now = configuration(**keys)
        chronicle = SimpleNamespace(audit=lambda what, by, via, ok=True, detail="": self.audits.append((what, by, ok, detail)))
        self.proofs = Proofs(self.board, chronicle, lambda: self.now, grace)

    def says(self, proof: Proof, text: str = "recipe demo: none") -> None:
        self.board[Cell.PROVEN] = proof
        self.proofs.heard({"proof": proof, "text": text})


def used(days: float) -> Grace:
    return Grace(recipe="demo", used_s=days * 86_400)


# -- is it an upgrade? -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "grace"),
    [
        (None, None),
        (Kept(recipe="demo", start="demo"), Grace(recipe="demo")),
        (Kept(recipe="other", start="demo"), None),
        (Kept(recipe="demo", start="demo", version=2), None),
        (Kept(recipe="demo", start="demo", version=2, grace=used(3)), used(3)),
        (Kept(recipe="demo", start="demo", version=2, grace=Grace(recipe="other", used_s=1)), None),
        (Kept(recipe="demo", start="demo", version=3), None),
    ],
)
def test_only_what_an_older_version_kept_is_an_upgrade(kept, grace):
    """A fresh folder has nothing; what this version has kept says itself whether there is a grace."""
    assert grace_at_start(configuration(), kept) == grace


WAS, NOW = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("kept", "used_s"),
    [
        (Kept(recipe="demo", start="demo"), 0.0),  # of the version before: nothing is known of what was
        (Kept(recipe="demo", start="demo", version=2, grace=Grace(recipe="demo", used_s=5.0)), 5.0),
        (Kept(recipe="demo", start="demo", version=2, grace=Grace(recipe="demo", used_s=5.0, judges=NOW)), 5.0),
        (Kept(recipe="demo", start="demo", version=2, grace=Grace(recipe="demo", used_s=5.0, judges=WAS)), None),
        (Kept(recipe="demo", start="demo", version=2, grace=Grace(recipe="other", used_s=5.0, judges=NOW)), None),
    ],
)
def test_a_recipe_that_was_changed_before_a_restart_has_no_grace(kept, used_s):
    """What a reload would have refused, a stop and a start must not let in; a new golden part changes no verdict."""
    line = replace(configuration(), judges={"demo": NOW}, material={"demo": "with one golden part more"})
    assert grace_at_start(line, kept) == (None if used_s is None else Grace(recipe="demo", used_s=used_s, judges=NOW))


def test_a_changed_recipe_that_was_proven_meanwhile_has_no_grace_either():
    """Its golden parts are taken away and inspection starts anew: 30 days for a recipe that nobody knew before."""
    line = Line(Grace(recipe="demo", judges=WAS))
    line.now = replace(line.now, judges={"demo": WAS})
    assert line.proofs.upgraded(line.now)
    line.now = replace(line.now, judges={"demo": NOW})
    assert not line.proofs.upgraded(line.now)


def test_records_of_an_older_version_are_evidence_and_those_of_this_one_are_not(records):
    """Also where they were brought forward before anybody asked."""
    line = configuration(records.folder.parent, recorder={"folder": "records"})
    assert grace_at_start(line, None) is None, "no parts"
    records.add(1)
    records.writer.execute("UPDATE parts SET proof = NULL WHERE part = 1")
    assert grace_at_start(line, None) == Grace(recipe="demo")
    assert grace_at_start(line.with_product("other"), None) is None, "not by that recipe"
    records.writer.execute("UPDATE parts SET proof = 0")
    assert grace_at_start(line, None) is None


@pytest.mark.parametrize("proof", list(Proof))
def test_a_lost_file_begins_no_new_time_once_a_part_has_a_proof(records, proof):
    """Parts of before are still among the last ones; whoever loses or deletes the file has been upgraded long ago."""
    line = configuration(records.folder.parent, recorder={"folder": "records"})
    for part in (1, 2, 3):
        records.add(part)
    records.writer.execute("UPDATE parts SET proof = NULL")
    assert grace_at_start(line, None) == Grace(recipe="demo")
    records.add(4, proof=proof)
    assert grace_at_start(line, None) is None


def test_the_proof_of_another_recipe_says_nothing_of_this_one(records):
    """Two products in turn: the other one was made first after the upgrade."""
    line = configuration(records.folder.parent, recorder={"folder": "records"})
    records.add(1)
    records.writer.execute("UPDATE parts SET proof = NULL")
    with writing(records.writer):
        records.product = parts.product_id(records.writer, replace(PRODUCT, recipe_id=2, recipe="other"))
    records.add(2, proof=Proof.PROVEN)
    assert grace_at_start(line, None) == Grace(recipe="demo")
    for number in range(3, 1003):
        records.add(number, proof=Proof.PROVEN)
    assert grace_at_start(line, None) is None, "that was long ago"


def test_a_folder_without_records_is_no_evidence(tmp_path):
    assert grace_at_start(configuration(tmp_path, recorder={"folder": "gone"}), None) is None


# -- its time ----------------------------------------------------------------------------


def test_ready_is_kept_for_30_days_of_running_and_no_longer():
    line = Line(used(0))
    line.says(Proof.UPGRADED)
    assert line.proofs.look(0) == (False, False)
    for day in range(1, 30):
        ended, keep = line.proofs.look(day * DAY_NS)
        assert (ended, keep, line.board[Cell.PROVEN]) == (False, True, Proof.UPGRADED)
    assert line.proofs.upgraded(line.now)
    assert line.proofs.look(30 * DAY_NS) == (True, True)
    assert line.board[Cell.PROVEN] == Proof.NOT_PROVEN
    assert not line.proofs.upgraded(line.now)
    assert [(what, ok) for what, _, ok, _ in line.audits] == [("unproven", True), ("unproven", False)]
    line.board[Cell.PROVEN] = Proof.UPGRADED  # by an inspection that was started before its time was over
    assert line.proofs.look(30 * DAY_NS + 1)[0] and line.board[Cell.PROVEN] == Proof.NOT_PROVEN


def test_only_time_that_runs_without_golden_parts_counts():
    line = Line(used(29))
    line.says(Proof.PROVEN)
    line.proofs.look(0)
    line.proofs.look(5 * DAY_NS)
    assert line.proofs.left_s == pytest.approx(86_400)
    line.board[Cell.PROVEN] = Proof.UPGRADED
    line.proofs.look(5 * DAY_NS + DAY_NS // 2)
    assert line.proofs.left_s == pytest.approx(43_200)


def test_the_time_is_kept_each_ten_minutes_at_most():
    line = Line(used(0))
    line.says(Proof.UPGRADED)
    kept = [line.proofs.look(second * 1_000_000_000)[1] for second in range(3600)]
    assert sum(kept) == 5
    assert line.proofs.grace.used_s == pytest.approx(3599)


def test_a_changeover_ends_it_and_a_changed_recipe_has_none():
    line = Line(used(1))
    changed = configuration(limits=[{"name": "*", "score": 0.3}])
    assert line.proofs.upgraded(configuration()) and not line.proofs.upgraded(changed)
    assert not line.proofs.upgraded(line.now.with_product("other"))
    assert not line.proofs.upgraded(replace(configuration(), material={"demo": "other files"}))
    line.proofs.landed(line.now, configuration(stop={"same_place": 0}))
    assert line.proofs.grace == used(1)
    line.proofs.landed(line.now, line.now.with_product("other"))
    assert line.proofs.grace is None and not line.proofs.upgraded(line.now)


# -- what is told --------------------------------------------------------------------------


def test_the_alarm_says_what_is_missing_and_how_long_ready_is_kept():
    line = Line(used(10.5))
    line.says(Proof.UPGRADED)
    alarm = {Alarm.NOT_PROVEN: "READY is kept for 19.5 days of running, or until the next changeover; recipe demo: none"}
    assert line.proofs.alarms() == alarm
    line.says(Proof.NOT_PROVEN, "recipe demo: p is bad and passed")
    assert line.proofs.alarms() == {Alarm.NOT_PROVEN: "recipe demo: p is bad and passed"}
    line.board[Cell.INSPECTION_STATE] = StageState.STARTING
    assert line.proofs.alarms() == {}, "nobody has judged them yet"
    line.board[Cell.INSPECTION_STATE] = StageState.READY
    for proof in (Proof.PROVEN, Proof.ACCEPTED):
        line.says(proof)
        assert line.proofs.alarms() == {}


def test_who_answers_is_written_down_once_for_each_configuration_that_lands():
    """Not again for an inspection that was killed and has started anew."""
    line = Line(None, accept_unproven="anna, first day")
    line.says(Proof.ACCEPTED)
    line.says(Proof.ACCEPTED)
    assert line.audits == [("accept_unproven", "anna", True, "anna, first day (recipe demo: none)")]
    assert line.proofs.detail() == "anna, first day"
    line.proofs.landed(line.now, line.now)
    line.says(Proof.ACCEPTED)
    assert len(line.audits) == 2
    line.now = configuration(accept_unproven="ben, second day")
    line.says(Proof.ACCEPTED)
    assert line.audits[-1][1] == "ben"


def test_30_days_are_30_days():
    assert GRACE_S == 2_592_000
