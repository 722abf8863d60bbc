"""What a changed configuration does to a running line."""

from pathlib import Path

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.reload import plan
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import ConfigError

CAMERA = {"kind": "replay", "source": "images"}
RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 640}


def configuration(line=None, recipe=None, cameras=None) -> Configuration:
    model = LineConfig.model_validate({"cameras": cameras or [CAMERA], **(line or {})})
    return Configuration(Path("line.toml"), model, {"demo": Recipe.model_validate({**RECIPE, **(recipe or {})})})


def test_nothing_changed_does_nothing():
    assert plan(configuration(), configuration()).changed == ()


def test_the_plc_section_restarts_plc_alone():
    found = plan(configuration(), configuration({"plc": {"port": 1502}}))
    assert (found.restart_plc, found.restart_inspection, found.restart_acquire, found.swap_recipe) == (
        True, False, frozenset(), False,
    )  # fmt: skip
    assert found.changed == ("plc",)


def test_the_inspection_section_restarts_inspection_alone():
    found = plan(configuration(), configuration({"inspection": {"threads": 1}}))
    assert (found.restart_plc, found.restart_inspection, found.restart_acquire) == (False, True, frozenset())


def test_a_camera_restarts_its_own_process():
    two = [CAMERA, {**CAMERA, "name": "second"}]
    changed = [CAMERA, {**CAMERA, "name": "second", "silence_ms": 5.0}]
    assert plan(configuration(cameras=two), configuration(cameras=changed)).restart_acquire == {1}


def test_a_threshold_is_swapped_between_parts():
    found = plan(configuration(), configuration(recipe={"limits": [{"name": "*", "score": 0.3}]}))
    assert found.swap_recipe and not found.restart_inspection


def test_another_bundle_restarts_inspection():
    found = plan(configuration(), configuration(recipe={"bundle": "other"}))
    assert found.restart_inspection


def test_another_registration_restarts_inspection():
    """Its memory is taken, and its templates are learnt, before READY."""
    found = plan(configuration(), configuration(recipe={"registration": {"max_offset": 5.0}}))
    assert found.restart_inspection


@pytest.mark.parametrize(
    "line", [{"line": {"takt_ms": 60.0}}, {"ring": {"slots": 4}}, {"log": {"level": "debug"}}, {"views_ms": 1.0}]
)
def test_what_needs_a_restart_of_the_service_refuses_the_whole_reload(line):
    (name,) = line
    with pytest.raises(ConfigError, match=rf"{name}: changed, and needs a restart of the service"):
        plan(configuration(), configuration({**line, "plc": {"port": 1502}}))


def test_the_size_of_the_ring_is_not_reloaded():
    with pytest.raises(ConfigError, match=r"cameras\[0\]\.max_width_px: sizes the frame ring"):
        plan(configuration(), configuration(cameras=[{**CAMERA, "max_width_px": 1280}]))


def test_the_number_of_cameras_is_not_reloaded():
    with pytest.raises(ConfigError, match="cameras: their number changed"):
        plan(configuration(), configuration(cameras=[CAMERA, {**CAMERA, "name": "b"}]))
