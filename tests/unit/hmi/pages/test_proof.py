"""The page says whether the product in use is proven, and who answers for it."""

from types import SimpleNamespace

import pytest

from aoi_daemon.hmi.widgets import cells
from aoi_daemon.messages import Proof
from aoi_daemon.stage.board import Cell, StageState
from aoi_daemon.texts.words import Words


@pytest.fixture
def site():
    board = {Cell.INSPECTION_STATE: StageState.READY}
    recipe = SimpleNamespace(id=7, name="lid", accept_unproven="anna <x>, first day")
    return SimpleNamespace(live=SimpleNamespace(board=board), recipe=recipe)


@pytest.mark.parametrize(
    ("proof", "recipe", "engine", "shown"),
    [
        (Proof.PROVEN, "good", "good", "Proven by golden parts"),
        (Proof.ACCEPTED, "warn", "good", "Not proven, accepted (anna &lt;x&gt;, first day)"),
        (Proof.UPGRADED, "warn", "good", "Not proven, for a while after the upgrade"),
        (Proof.NOT_PROVEN, "good", "bad", "Not proven by golden parts"),
    ],
)
def test_what_is_not_proven_is_seen_at_once(site, proof, recipe, engine, shown):
    words = Words("en")
    site.live.board[Cell.PROVEN] = proof
    assert (cells.recipe_tile(site, words).level, cells.engine_tile(site, words).level) == (recipe, engine)
    assert shown in cells.proof(site, words)
    assert ("bad-word" in cells.proof(site, words)) is (proof is not Proof.PROVEN)
    assert cells.proof(site, Words("zh")) != cells.proof(site, words)
