"""A recipe's and a bundle's models at their bounds: the last value that is taken, and the first that is not."""

import json

import pytest
from pydantic import ValidationError

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Figures, GoldenPart, Manifest, Recipe
from tests.unit.infer.manifests import manifest_of

RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 480}
OUTLINES = (64,) * 256
"""Corners of each region: 16384 in all."""


def region(corners):
    return {"kind": "ignore", "corners": [[float(number % 640), float(number)] for number in range(corners)]}


def table(key, count):
    return {
        "templates": [{"fov": number, "image": "t.png"} for number in range(count)],
        "limits": [{"name": f"d{number}"} for number in range(count)],
        "regions": [region(2)] * count,
    }[key]


@pytest.mark.parametrize(("key", "most"), [("templates", 1024), ("limits", 1001), ("regions", 2048)])
def test_so_many_tables_of_a_recipe_are_taken_and_one_more_is_not(key, most):
    assert len(getattr(Recipe.model_validate({**RECIPE, key: table(key, most)}), key)) == most
    with pytest.raises(ValidationError, match=f"{key}: there are {most + 1}, at most {most}; "):
        Recipe.model_validate({**RECIPE, key: table(key, most + 1)})


@pytest.mark.parametrize(("more", "is_taken"), [((), True), ((2,), False)])
def test_so_many_corners_of_all_regions_are_taken(more, is_taken):
    regions = [region(corners) for corners in (*OUTLINES, *more)]
    if is_taken:
        assert len(Recipe.model_validate({**RECIPE, "regions": regions}).regions) == 256
    else:
        with pytest.raises(ValidationError, match=r"regions.corners: there are 16386, at most 16384"):
            Recipe.model_validate({**RECIPE, "regions": regions})


PART = {"image": "p.png", "sha256": "0" * 64}


def test_a_golden_part_that_must_pass_has_no_box_and_a_bad_one_may():
    boxes = [[1.0, 2.5, 3.0, 4.0]]
    assert GoldenPart.model_validate({**PART, "passed": True}).boxes == ()
    bad = GoldenPart.model_validate({**PART, "passed": False, "boxes": boxes})
    assert json.loads(bad.model_dump_json())["boxes"] == boxes and "[1,2.5,3,4]" in bad.model_dump_json()
    with pytest.raises(ValidationError, match="a part that must pass has none"):
        GoldenPart.model_validate({**PART, "passed": True, "boxes": boxes})


@pytest.mark.parametrize("given", [{"template": "t.png"}, {"template_sha256": "0" * 64}])
def test_a_template_of_a_golden_part_and_its_hash_go_together(given):
    with pytest.raises(ValidationError, match="template and template_sha256 go together"):
        GoldenPart.model_validate({**PART, "passed": True, **given})
    whole = GoldenPart.model_validate({**PART, "passed": True, "template": "t.png", "template_sha256": "0" * 64})
    assert whole.template == "t.png"


FIGURES = {
    "map33": 1.0, "map50": 1.0, "map50_95": 0.0, "f_score": 0.5,
    "bad_boards": 0, "escapes": 0, "good_boards": 0, "false_calls": 0, "flips": 0,
}  # fmt: skip


@pytest.mark.parametrize("key", FIGURES)
def test_no_figure_of_a_qualification_is_below_zero(key):
    assert Figures.model_validate(FIGURES).kappa is None
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        Figures.model_validate({**FIGURES, key: -1})


@pytest.mark.parametrize("key", ["map33", "map50", "map50_95", "f_score"])
def test_no_share_of_a_qualification_is_above_one(key):
    assert getattr(Figures.model_validate({**FIGURES, key: 1.0}), key) == 1
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Figures.model_validate({**FIGURES, key: 1.01})


HASH = "0123456789abcdef" * 4
MODEL = {"file": "m.onnx", "sha256": HASH}
CALIBRATION = {"method": "entropy", "frames": 1, "set_sha256": HASH}
QUALIFICATION = {
    "boards": 1, "set_sha256": HASH, "sizes": [{"width_px": 640, "height_px": 480}], "models": {"fp32": FIGURES},
    "report_sha256": HASH,
}  # fmt: skip
PROVENANCE = {"command": "export", "made_at": "2026-11-27T00:00:00Z", "source_sha256": HASH, "versions": {"torch": "2"}}


@pytest.mark.parametrize(
    ("key", "taken", "refused"),
    [
        ("stride_px", [1, 1024], [0, 1025, 1.0]),
        ("version", [1, 2], [0, 3, "2"]),
        ("channels", [1, 3], [0, 2, 4]),
        ("name", ["m", "x" * 64], ["", "x" * 65, "a b"]),
        ("classes", [["d"], [f"d{number}" for number in range(1000)]], [[], [f"d{number}" for number in range(1001)], [1]]),
        ("full_score", [0.1], [0.0]),
        ("models", [{"fp32": MODEL}, {"fp32": MODEL, "int8": MODEL}], [{}, {"fp64": MODEL}]),
        ("models", [{"fp32": {**MODEL, "sha256": HASH}}], [{"fp32": {**MODEL, "sha256": text}} for text in (HASH[1:], f"{HASH}0", HASH.upper())]),
        ("calibration", [None, CALIBRATION, {**CALIBRATION, "method": "percentile"}, {**CALIBRATION, "method": "max", "loss": 0.0, "kept_float": [{"layers": ["a"], "why": "b"}]}], [{**CALIBRATION, "frames": 0}, {**CALIBRATION, "method": "mean"}, {**CALIBRATION, "kept_float": [{"layers": [], "why": "b"}]}]),
        ("qualification", [None, QUALIFICATION, {**QUALIFICATION, "refused": {"int8": "flips"}}], [{**QUALIFICATION, "boards": 0}]),
        ("provenance", [None, PROVENANCE, {**PROVENANCE, "boxes": "by hand"}], [{**PROVENANCE, "source_sha256": ""}]),
    ],
)  # fmt: skip
def test_a_manifest_is_bounded(key, taken, refused):
    """As it is written, so it is read again."""
    for value in taken:
        found = manifest_of(**{key: value})
        assert Manifest.model_validate_json(found.model_dump_json()) == found
    for value in refused:
        with pytest.raises(ValidationError) as raised:
            manifest_of(**{key: value})
        assert {error["loc"][0] for error in raised.value.errors()} == {key}


def test_what_a_manifest_leaves_out():
    found = manifest_of(calibration=CALIBRATION, qualification=QUALIFICATION, provenance=PROVENANCE)
    assert (found.version, found.channels, found.stride_px, found.golden) == (2, 1, 1, ())
    assert (found.golden_limits, found.has_boxes) == ((ClassLimit(name="*"),), False)
    assert (found.qualification.refused, found.provenance.boxes) == ({}, "")
    assert (manifest_of().calibration, manifest_of().qualification, manifest_of().provenance) == (None, None, None)


WITH_TEMPLATE = {"template": "t.png", "template_sha256": "0" * 64}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"classes": ["a", "b", "a"]}, "are not all different names"),
        ({"classes": ["a", "*"]}, r"or one is `\*`"),
        ({"classes": ["a"], "golden_limits": [{"name": "*"}, {"name": "a"}, {"name": "c"}, {"name": "b"}]}, r"golden_limits.name: \['b', 'c'\] are none of classes \['a'\]"),
        ({"golden": [{**PART, "passed": True}], "has_template": True}, "has_template is true for all of them"),
        ({"golden": [{**PART, "passed": True}, {**PART, "passed": True, **WITH_TEMPLATE}]}, "has_template is false for all of them"),
    ],
)  # fmt: skip
def test_a_manifest_that_contradicts_itself_is_refused(keys, problem):
    with pytest.raises(ValidationError, match=problem):
        manifest_of(**keys)


def test_golden_parts_have_a_template_where_the_model_has():
    part = {**PART, "passed": True}
    assert manifest_of(golden=[part]).golden and manifest_of(golden=[{**part, **WITH_TEMPLATE}], has_template=True).golden


@pytest.mark.parametrize(
    ("parts", "has_boxes"),
    [("", False), ("g", False), ("b", True), ("gb", True), ("bx", False), ("x", False), ("gbb", True)],
)
def test_a_bundle_has_boxes_where_each_of_its_bad_parts_has(parts, has_boxes):
    """g: a good part, b: a bad one with a box, x: a bad one without."""
    kinds = {"g": {"passed": True}, "b": {"passed": False, "boxes": [[1, 2, 3, 4]]}, "x": {"passed": False}}
    assert manifest_of(golden=[{**PART, **kinds[part]} for part in parts]).has_boxes is has_boxes


def test_a_part_has_200_boxes_at_most():
    bad = {**PART, "passed": False}
    assert len(GoldenPart.model_validate({**bad, "boxes": [[1, 2, 3, 4]] * 200}).boxes) == 200
    with pytest.raises(ValidationError, match="at most 200"):
        GoldenPart.model_validate({**bad, "boxes": [[1, 2, 3, 4]] * 201})


def test_a_recipe_survives_the_way_to_its_process():
    for who in (None, "anna, first day"):
        found = Recipe.model_validate({**RECIPE, "accept_unproven": who, "maps": {}, "optics": {}, "stop": {"same_place": 0}})
        assert Recipe.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize("who", ["anna", "anna,", ",first day", " , ", "anna, first\nday", ""])
def test_nobody_answers_for_it_without_a_name_and_a_reason(who):
    with pytest.raises(ValidationError, match="is not `NAME, reason` in one line"):
        Recipe.model_validate({**RECIPE, "accept_unproven": who})
    assert Recipe.model_validate({**RECIPE, "accept_unproven": "anna, first, day"}).accept_unproven == "anna, first, day"


@pytest.mark.parametrize(("unit", "px"), [("px", 1.0), ("mm", 40.0)])
def test_lengths_are_in_the_recipe_s_unit(unit, px):
    assert Recipe.model_validate({**RECIPE, "unit": unit, "px_per_mm": 40.0}).px_per_unit == px


@pytest.mark.parametrize("key", ["limits.name", "templates.fov"])
def test_of_two_tables_for_one_thing_none_could_hold(key):
    name, _, _ = key.partition(".")
    pair = [table(name, 1)[0], table(name, 2)[1], table(name, 1)[0]]
    with pytest.raises(ValidationError, match=f"{key}: .* are not all different"):
        Recipe.model_validate({**RECIPE, name: pair})


@pytest.mark.parametrize(
    ("models", "is_taken"),
    [
        ({"fp32": "a", "bf16": "a"}, True), ({"fp32": "a"}, True), ({"fp32": "a", "bf16": "b"}, False), ({"bf16": "a"}, False),
        ({"fp16": "a", "bf16": "a"}, False),
    ],
)  # fmt: skip
def test_bf16_is_the_file_of_fp32_that_the_back_end_runs_otherwise(models, is_taken):
    """Another file would be judged with by one back end alone, and qualified by none."""
    said = {precision: {"file": f"{name}.onnx", "sha256": name * 64} for precision, name in models.items()}
    if is_taken:
        assert set(manifest_of("top100", models=said).models) == set(models)
    else:
        with pytest.raises(ValidationError, match=r"models\.bf16: names fp32's file and its hash"):
            manifest_of("top100", models=said)
