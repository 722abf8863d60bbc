"""The golden parts of a bundle are judged by the bundle's own limits."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.boxes import Box
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.inspection.backend import check_golden, make_executor
from aoi_daemon.stage.stage import now_ns
from tests.unit.infer.manifests import manifest_of
from tests.unit.inspection.conftest import map_recipe, reading


@pytest.mark.parametrize(("box", "wrong"), [((8.0, 8.0, 16.0, 16.0), []), ((40.0, 40.0, 60.0, 60.0), ["g"])])
def test_a_bad_golden_part_must_be_found_where_it_is_bad(box, wrong):
    """An engine that rejects it for something else computes something else."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe())
    part = SimpleNamespace(name="g", image=image, template=None, passed=False, boxes=(Box(*box),))
    one.bundle.golden = lambda: [part]
    assert one.qualify() == wrong


def part_of(image, *, passed, name):
    return SimpleNamespace(name=name, image=image, template=None, passed=passed, boxes=())


def test_parts_whose_verdict_does_not_hold_are_named_and_each_is_a_sign_of_life():
    """The model finds one area in each picture: the bad parts hold, a good one does not."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe())
    one.bundle.golden = lambda: [part_of(image, passed=passed, name=name) for name, passed in (("a", False), ("b", True), ("c", False), ("d", True))]
    moved = []
    assert check_golden(one.executor, one.bundle, one.recipe, lambda: moved.append(1)) == ["b", "d"]
    assert len(moved) == 4, "the supervisor would kill a process that proves many parts"


@pytest.mark.parametrize("keys", [
    {"limits": ({"name": "*", "score": 0.99},)},
    {"limits": ({"name": "*", "score": 0.1, "max_count": 5},)},
    {"regions": ({"kind": "ignore", "corners": [[0, 0], [63, 63]]}, {"kind": "ignore", "corners": [[0, 0], [1, 1]]})},
])  # fmt: skip
def test_what_a_recipe_asks_of_its_product_changes_no_golden_verdict(keys):
    """The golden parts prove the engine: a lenient product must not hide that it computes something else."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe())
    one.bundle.golden = lambda: [part_of(image, passed=False, name="bad"), part_of(image, passed=True, name="good")]
    recipe = map_recipe(**keys)
    assert check_golden(one.executor, one.bundle, recipe, lambda: None) == ["good"]


def test_golden_parts_are_judged_in_their_own_size():
    """They need not be of the product's: a box that lies beyond its frame would be a fault of the engine."""
    limits = ({"name": "*", "score": 0.3, "max_count": 1},)
    one, _ = reading(manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=limits), map_recipe())
    larger = np.zeros((640, 1280, 1), np.uint8)
    one.bundle.golden = lambda: [part_of(larger, passed=True, name="larger")]
    assert check_golden(one.executor, one.bundle, one.recipe, lambda: None) == []


def test_without_a_gpu_the_model_of_the_asked_precision_is_opened_and_no_gpu_package_needed(tmp_path):
    make_reference_bundle(tmp_path)
    bundle = load_bundle(tmp_path)
    said = []
    stage = SimpleNamespace(
        config=SimpleNamespace(inspection=InspectionSection()), setup=SimpleNamespace(recipe=map_recipe()),
        log=SimpleNamespace(info=lambda event, **keys: said.append((event, keys["engine"], keys["notes"]))),
    )  # fmt: skip
    with make_executor(stage, bundle, stage.config.inspection, [map_recipe()], []) as executor:
        found = executor.infer(np.full((64, 64, 1), 9, np.uint8), np.full((64, 64, 1), 9, np.uint8), now_ns() + 10**10)
        assert said == [("engine_open", executor.name, executor.notes)]
    assert len(found.scores) == 0 or found.scores.max() < 0.5
    assert "tensorrt" not in sys.modules
    stage.config.inspection = InspectionSection(precision="int8")
    with pytest.raises(ModelError, match="no model of precision int8"):
        make_executor(stage, bundle, stage.config.inspection, [map_recipe()], [])
