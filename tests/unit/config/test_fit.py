"""The key `fit` of a recipe."""

from __future__ import annotations

from itertools import product

import pytest
from pydantic import ValidationError

from aoi_daemon.config.fit import KINDS, Fit
from aoi_daemon.config.recipe import Recipe

VALUES = {"width_px": 640, "height_px": 640, "x_px": 1, "y_px": 2, "overlap_px": 32, "pad_value": 0, "smooth": True}
TAKES = {
    "exact": set(),
    "pad": {"pad_value"},
    "resize": {"width_px", "height_px", "pad_value", "smooth"},
    "crop": {"width_px", "height_px", "x_px", "y_px"},
    "tiles": {"width_px", "height_px", "overlap_px", "pad_value"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_said_by_its_name_alone_or_in_a_table(kind):
    assert Fit.model_validate(kind) == Fit.model_validate({"kind": kind}) == Fit(kind=kind)


@pytest.mark.parametrize(("kind", "key"), list(product(KINDS, VALUES)))
def test_a_key_that_does_nothing_with_its_kind_is_refused_with_the_kinds_that_it_is_for(kind, key):
    pair = {"width_px": "height_px", "height_px": "width_px", "x_px": "y_px", "y_px": "x_px"}.get(key, key)
    said = {"kind": kind, key: VALUES[key], pair: VALUES[pair]}
    if key in TAKES[kind]:
        assert getattr(Fit.model_validate(said), key) == VALUES[key]
        return
    with pytest.raises(ValidationError, match=f"{key}: is for .*, and kind is '{kind}'; take it out") as caught:
        Fit.model_validate(said)
    named = str(caught.value).split("is for ")[1].split(",")[0].split(" and ")
    assert set(named) == {each for each, keys in TAKES.items() if key in keys}


@pytest.mark.parametrize(("kind", "key"), [("tiles", "width_px"), ("resize", "height_px"), ("crop", "x_px"), ("crop", "y_px")])
def test_half_a_size_or_a_place_is_refused(kind, key):
    with pytest.raises(ValidationError, match="give both or neither"):
        Fit.model_validate({"kind": kind, key: 64})


@pytest.mark.parametrize(
    "said", ["tile", {"kind": "tiles", "overlap": 3}, {"kind": "pad", "pad_value": 256}, {"kind": "tiles", "overlap_px": -1}, 3]
)
def test_what_is_no_fit_is_refused(said):
    with pytest.raises(ValidationError):
        Fit.model_validate(said)


@pytest.mark.parametrize("fit", [Fit(), Fit(kind="tiles", overlap_px=0), Fit(kind="crop", x_px=0, y_px=0)])
def test_a_recipe_comes_through_json_as_it_was(fit):
    """So it goes to another process, with all of its keys set."""
    recipe = Recipe(id=1, name="r", bundle="b", width_px=64, height_px=64, fit=fit)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
