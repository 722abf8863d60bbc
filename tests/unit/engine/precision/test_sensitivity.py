import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.engine.precision.graph import Graph
from aoi_daemon.engine.precision.sensitivity import Asked, Trial, as_json, blocks_of, search
from aoi_daemon.engine.qualify.drift import Drift


def trial(lost, *, flips=0, rms=0.0):
    return Trial(0.9, Drift(1000, lost, 0, flips, 0.9, rms))


class Model:
    """Layers that lose so many boxes each, quantised; what was tried, and 1 s a trial."""

    def __init__(self, **losses):
        self.losses, self.tried, self.now_s = losses, [], 0.0
        self.blocks = [(name,) for name in losses]

    def attempt(self, kept_float):
        self.tried.append(sorted(set(self.losses) - set(kept_float)))
        self.now_s += 1.0
        return trial(sum(lost for name, lost in self.losses.items() if name not in kept_float))

    def search(self, asked, advance=lambda: None):
        everything = trial(sum(self.losses.values()))
        return search(self.blocks, everything, asked, attempt=self.attempt, now_s=lambda: self.now_s, advance=advance)


def test_each_block_is_quantised_alone():
    model = Model(a=1, b=0, c=2)
    steps = []
    found = model.search(Asked(bound=0.1), advance=lambda: steps.append(1))
    assert (model.tried, len(steps)) == ([["a"], ["b"], ["c"]], 3)
    assert [block.alone.drift.lost for block in found.blocks] == [1, 0, 2]
    assert (found.kept_float, found.steps, found.best.drift.lost) == (frozenset(), (), 3)


def test_the_worst_go_first_until_the_loss_is_within_the_bound():
    found = Model(a=3, b=1, c=20, d=0, e=9, f=1).search(Asked(bound=0.005))
    assert (found.kept_float, found.best.drift.lost) == ({"c", "e"}, 5)
    assert [found.blocks[index].layers for index, _ in found.steps] == [("c",), ("e",)]
    assert found.ended == "the loss is within 0.50% of the boxes"


def test_what_was_taken_out_after_the_last_gain_goes_back_in():
    model = Model(a=7, **dict.fromkeys("bcdefghij", 0))
    model.losses["all"] = 5  # not a block: what no layer can mend
    found = model.search(Asked(bound=0.0))
    assert (found.kept_float, found.best.drift.lost, len(found.steps)) == ({"a"}, 5, 4)
    assert found.ended == "nothing was gained by 3 more"


def test_never_more_than_half_of_the_blocks_stay_in_float():
    found = Model(a=1, b=1, c=1, d=1, e=1).search(Asked(bound=0.0))
    assert len(found.kept_float) == 2
    assert found.ended == "half of the blocks were taken out"


def test_a_flip_alone_is_no_loss_within_the_bound():
    flipping = search(
        [("a",), ("b",)], trial(0, flips=1), Asked(bound=0.5), attempt=lambda kept: trial(0, flips="a" not in kept),
        now_s=lambda: 0.0, advance=lambda: None,
    )  # fmt: skip
    assert flipping.kept_float == {"a"}


@pytest.mark.parametrize(("limit_s", "measured", "taken"), [(0, 0, 0), (3, 2, 1), (6, 4, 2), (9, 6, 3)])
def test_no_trial_begins_after_its_time_and_what_was_not_tried_is_said(limit_s, measured, taken):
    model = Model(a=1, b=2, c=3, d=4, e=5, f=6)
    found = model.search(Asked(bound=0.0, limit_s=limit_s))
    assert sum(block.alone is not None for block in found.blocks) == measured
    assert len(found.steps) == taken
    assert [block["rank"] is None for block in as_json(found)["blocks"]] == [i >= measured for i in range(6)]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=9), st.integers(0, 60), st.integers(0, 20))
def test_a_search_never_ends_worse_than_it_began_and_keeps_its_time(losses, limit_s, allowed):
    model = Model(**{f"l{i}": lost for i, lost in enumerate(losses)})
    found = model.search(Asked(bound=allowed / 1000, limit_s=limit_s))
    assert model.now_s <= max(limit_s, 0) + 1
    assert found.best.drift.wrong == sum(lost for name, lost in model.losses.items() if name not in found.kept_float)
    assert found.best.drift.wrong <= sum(losses)
    assert len(found.kept_float) <= len(losses) // 2


def test_an_add_goes_with_the_convolution_before_it_and_each_layer_is_in_one_block(prepared):
    blocks = blocks_of(Graph(prepared))
    assert ("widen", "joined") in blocks
    # `lateral` adds `side` to `down`, resized: it goes with the later of the two.
    assert ("side", "lateral") in blocks
    names = list(itertools.chain.from_iterable(blocks))
    assert sorted(names) == sorted(node.name for node in Graph(prepared).quantizable())


@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_a_model_of_many_layers_is_looked_at_by_neighbours(prepared, most):
    layers, blocks = blocks_of(Graph(prepared)), blocks_of(Graph(prepared), most)
    assert len(blocks) == min(most, len(layers))
    assert list(itertools.chain(*blocks)) == list(itertools.chain(*layers))
    assert max(map(len, blocks)) <= -(-len(layers) // len(blocks)) * 2
