"""Another lane than lane 0: it does as it is told, and the board's cells of inspection are not its own."""

from types import SimpleNamespace

import pytest

from aoi_daemon.inspection.lane import Lane
from aoi_daemon.inspection.prove import Product
from aoi_daemon.stage.board import lane_cell
from tests.unit.infer.manifests import manifest_of
from tests.unit.inspection.conftest import map_recipe, reading


@pytest.fixture
def lane(monkeypatch):
    """Lane 2, with what it does written down in `done`."""
    one, _ = reading(manifest_of("anomaly"), map_recipe())
    one.__class__ = Lane
    one.stage.setup.index, one.stage.stopping = 2, False
    one.done = one.said
    one.stage.yield_priority = lambda: one.done.append("yielded")
    one.views = SimpleNamespace(
        products=[Product(3, 1, tuple(f"w{number}" for number in range(30)), "side")], wrong=[f"g{number}" for number in range(30)]
    )
    monkeypatch.setattr(one, "_take_up", lambda: (0, ["a part that waited"]), raising=False)
    monkeypatch.setattr(one, "inspect", one.done.append, raising=False)
    monkeypatch.setattr(one, "_hand_over", lambda: one.done.append("handed over"), raising=False)
    return one


def test_it_proves_itself_first_and_serves_each_time_it_is_told_to(lane):
    turns = iter([False, False, True])

    def wait_turn():
        lane.stage.stopping = next(turns)

    lane.wait_turn = wait_turn
    lane.run = lambda: lane.done.append("ran")
    lane.serve()
    first, *rest = lane.done
    assert first["tell"] == "lane"
    assert [(good, bad, len(wrong), view) for good, bad, wrong, view in first["products"]] == [(3, 1, 10, "side")]
    assert len(first["wrong"]) == 10, "a message has its bounds"
    once = [{"tell": "lane_live"}, "a part that waited", "ran", "handed over", {"tell": "lane_retired"}, "yielded"]
    assert rest == [*once, *once]
    assert set(lane.board) == {lane_cell(2)}


def test_one_that_is_stopped_while_it_judges_says_no_more(lane):
    lane.wait_turn = lambda: None

    def run():
        lane.stage.stopping = True

    lane.run = run
    lane.serve()
    assert [said.get("tell") for said in lane.done if isinstance(said, dict)] == ["lane", "lane_live"]


def test_a_swapped_recipe_is_for_its_judgements_and_for_no_cell(lane):
    lane.obey({"do": "recipe", "recipe": map_recipe(id=9).model_dump_json(), "upgraded": False})
    assert lane.recipe.id == 9 and lane.board == {} and lane.said == []
    lane._retiring = False
    lane.obey({"do": "retire"})
    assert lane._retiring
