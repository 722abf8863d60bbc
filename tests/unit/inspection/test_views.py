"""Each view is judged by its own: bundle, size, template, limits, golden parts."""

from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.boxes import read_box
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.golden.store import NewPart, add
from aoi_daemon.inspection import main as inspection
from aoi_daemon.inspection.prove import together
from aoi_daemon.inspection.views import Views
from aoi_daemon.messages import Announcement, Proof, Reason
from tests.unit.inspection.conftest import MS

FLAT = np.full((64, 64, 1), 60, np.uint8)
"""The reference model compares a picture with its template: alike, it is good."""


def spot(size=64):
    image = np.full((size, size, 1), 60, np.uint8)
    image[16:32, 16:32] = 250
    return image


def picture(size=64):
    return np.full((size, size, 1), 60, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two bundles, a template of each size, and a place for golden parts."""
    import cv2

    for name in ("one", "two"):
        make_reference_bundle(tmp_path / name, name=name)
    for size in (64, 96):
        cv2.imwrite(str(tmp_path / f"t{size}.png"), picture(size))
    return tmp_path


def recipe_of(folder, *views, **keys):
    base = {"id": 1, "name": "p", "bundle": str(folder / "one"), "width_px": 64, "height_px": 64, **keys}
    return Recipe.model_validate({**base, "views": [{"template": str(folder / "t64.png"), **view} for view in views]})


@pytest.fixture
def opened(folder):
    """`opened(recipe, cameras)`: the views with their engines, whose golden parts are those of `folder`/golden."""
    found = []

    def make(recipe, names=("top", "side"), judged=None, **keys):
        cameras = [{"kind": "replay", "source": ".", "name": name, **keys.get(name, {})} for name in names]
        config = LineConfig.model_validate({"cameras": cameras, "views_ms": 49.0})
        said = []
        log = SimpleNamespace(info=lambda event, **about: said.append((event, about)), error=lambda event, **about: said.append((event, about)))
        stage = SimpleNamespace(config=config, log=log, setup=SimpleNamespace(standby=False), tell=lambda **_: None)
        ring = SimpleNamespace(layout=SimpleNamespace(slots=2), planes=lambda slot: (np.zeros(64 * 64, np.uint8), np.zeros(0, np.uint8)))
        views = Views(stage, recipe, [ring] * len(names), range(len(names)) if judged is None else judged)
        found.append(views)
        views.engine = views.open(folder / "golden", lambda: None)
        views.said = said
        return views

    yield make
    for views in found:
        views.close()


def of_all(views):
    return together(views.products, views.strays)


def verdict(views, camera, fov, image):
    now = inspection.now_ns()
    part = Announcement(0, camera, fov, 1, 1, now, now, now + 5_000 * MS)
    view = views.of(camera, fov)
    seen = inspection._NOT_NAMED if view is None else inspection._look(view, part, image, None, now)
    return seen.verdict.reason


TOP = {"name": "top", "camera": "top"}
SIDE = {"name": "side", "camera": "side", "width_px": 96, "height_px": 96}


def test_each_view_is_judged_in_its_own_size_with_its_own_template_and_engine(folder, opened):
    views = opened(recipe_of(folder, TOP, {**SIDE, "template": str(folder / "t96.png"), "bundle": str(folder / "two")}))
    assert len(views.engines) == 2
    assert [verdict(views, 0, 0, picture(64)), verdict(views, 0, 0, spot(64))] == [Reason.NONE, Reason.DEFECT]
    assert [verdict(views, 1, 0, picture(96)), verdict(views, 1, 0, spot(96))] == [Reason.NONE, Reason.DEFECT]
    assert [verdict(views, 0, 0, picture(96)), verdict(views, 1, 0, picture(64))] == [Reason.NO_RECIPE] * 2
    assert views.of(0, 0).bundle_id != views.of(1, 0).bundle_id, "a judgement says which bundle it is by"
    assert [about["engine"] for event, about in views.said if event == "engine_open"] == [one.executor.name for one in views.engines]


@pytest.mark.parametrize(("camera", "fov"), [(0, 1), (1, 7)])
def test_a_picture_that_no_view_names_is_judged_by_none(folder, opened, camera, fov):
    views = opened(recipe_of(folder, TOP, {**SIDE, "width_px": 64, "height_px": 64}))
    assert verdict(views, camera, fov, picture()) is Reason.NO_RECIPE


def test_views_of_one_bundle_and_size_share_an_engine_and_each_is_read_by_its_own_limits(folder, opened):
    """One tolerates what the other does not, whichever was judged before."""
    lenient = {"limits": [{"name": "*", "score": 0.99, "max_count": 100}]}
    views = opened(recipe_of(folder, {**TOP, **lenient}, {**SIDE, "width_px": 64, "height_px": 64}))
    assert len(views.engines) == 1
    for camera in (0, 1, 0):
        view = views.of(camera, 0)
        assert view.executor.decoder is view.decoder, "a map is read by the thresholds of its own view"
    for _ in range(2):
        assert [verdict(views, 0, 0, spot()), verdict(views, 1, 0, spot())] == [Reason.NONE, Reason.DEFECT]


def test_fields_of_view_of_one_camera_are_told_apart(folder, opened):
    stage = {"top": {"fov_from": "count", "fovs": 2}}
    other = folder / "other.png"
    import cv2

    cv2.imwrite(str(other), spot())
    views = opened(recipe_of(folder, {**TOP, "fov": 0}, {**TOP, "name": "turned", "fov": 1, "template": str(other)}), ("top",), **stage)
    assert [verdict(views, 0, 0, picture()), verdict(views, 0, 1, spot())] == [Reason.NONE, Reason.NONE]
    assert [verdict(views, 0, 1, picture()), verdict(views, 0, 0, spot())] == [Reason.DEFECT, Reason.DEFECT], "swapped"


def test_without_views_one_looks_at_all_pictures(folder, opened):
    recipe = recipe_of(folder, templates=[{"fov": fov, "image": str(folder / "t64.png")} for fov in (0, 9)])
    views = opened(recipe, ("top",))
    assert len(views.lookers) == 1 and views.of(0, 0) is views.of(0, 9) is views.of(0, 5)
    assert [verdict(views, 0, fov, picture()) for fov in (0, 9)] == [Reason.NONE, Reason.NONE]


BOX = (read_box([14, 14, 34, 34]),)


def golden(folder, *parts):
    """Parts by name: (view, passed)."""
    made = [
        NewPart(name, picture() if passed else spot(), None, passed, 0, () if passed else BOX, name, view)
        for name, (view, passed) in dict(parts).items()
    ]
    # Told apart by a pixel: the same picture is no second part.
    for number, part in enumerate(made):
        part.image[0, number] = 61
    add(folder / "golden", made, by="anna", when="")


SAME = {**SIDE, "width_px": 64, "height_px": 64}


@pytest.mark.parametrize(
    ("parts", "proof", "said"),
    [
        ([("a", ("top", True)), ("b", ("top", False)), ("c", ("side", True)), ("d", ("side", False))], Proof.PROVEN, ""),
        ([("a", ("top", True)), ("b", ("top", False)), ("c", ("side", True))], Proof.NOT_PROVEN, "view side: 1 good and 0 bad golden parts, one of each is needed: aoi-daemon golden add --recipe p --view side --bad"),
        ([("a", ("top", True)), ("b", ("side", False))], Proof.NOT_PROVEN, "view top: 1 good and 0 bad"),
        ([], Proof.NOT_PROVEN, "view side: 0 good and 0 bad"),
    ],
)  # fmt: skip
def test_a_product_is_proven_when_each_of_its_views_is(folder, opened, parts, proof, said):
    """One that nothing proves may pass whatever it shows."""
    if parts:
        golden(folder, *parts)
    product = of_all(opened(recipe_of(folder, TOP, SAME)))
    assert product.proof(accepted=False, upgraded=False) is proof
    assert said in product.text("p") and bool(said) is bool(product.text("p"))


@pytest.mark.parametrize(
    ("view", "said"),
    [("turned", "stray shows view turned, and the recipe has views top, side"), (None, "stray does not say which view it shows, and the recipe has views top, side")],
)
def test_a_golden_part_of_no_view_proves_nothing(folder, opened, view, said):
    golden(folder, ("a", ("top", True)), ("b", ("top", False)), ("c", ("side", True)), ("d", ("side", False)), ("stray", (view, True)))
    product = of_all(opened(recipe_of(folder, TOP, SAME)))
    assert product.proof(accepted=True, upgraded=True) is Proof.NOT_PROVEN
    assert product.wrong == (said,)
    assert [(each.view, each.good, each.bad) for each in product.views] == [("top", 1, 1), ("side", 1, 1)], "it counts for none"


def test_a_golden_part_is_judged_by_its_own_view_alone(folder, opened):
    """The side tolerates everything: its bad part passes there, and would not at the top."""
    golden(folder, ("a", ("top", True)), ("b", ("top", False)), ("c", ("side", True)), ("d", ("side", False)))
    lenient = {"limits": [{"name": "*", "score": 0.99, "max_count": 100}]}
    product = of_all(opened(recipe_of(folder, TOP, {**SAME, **lenient})))
    assert product.wrong == ("d is bad and passed",)


@pytest.mark.parametrize("lane", [0, 1])
def test_a_lane_opens_and_proves_the_views_of_its_own_cameras(folder, opened, lane):
    """And knows of the others what a part needs, so that both lanes speak of one product."""
    golden(folder, ("a", ("top", True)), ("b", ("top", False)), ("c", ("side", True)))
    views = opened(recipe_of(folder, TOP, SAME), judged=[lane])
    assert [looker.view.name for looker in views.lookers] == [["top"], ["side"]][lane]
    assert [(product.good, product.bad) for product in views.products] == [[(1, 1)], [(1, 0)]][lane]
    assert views.expected == opened(recipe_of(folder, TOP, SAME)).expected
    assert (views.of(0, 0) is None, views.of(1, 0) is None) == [(False, True), (True, False)][lane]


def test_a_lane_without_a_view_judges_nothing(folder, opened):
    views = opened(recipe_of(folder, TOP), judged=[1])
    assert (views.lookers, views.products, views.bundle_id, views.engine.name) == ([], [], 0, "none")


def test_a_single_view_need_not_be_named_by_its_golden_parts(folder, opened):
    golden(folder, ("a", (None, True)), ("b", ("top", False)))
    product = of_all(opened(recipe_of(folder, TOP), ("top",)))
    assert product.proof(accepted=False, upgraded=False) is Proof.PROVEN


def test_a_view_in_a_recipe_that_names_none_is_unknown(folder, opened):
    golden(folder, ("a", ("top", True)), ("b", (None, False)))
    product = of_all(opened(recipe_of(folder, templates=[{"fov": 0, "image": str(folder / "t64.png")}]), ("top",)))
    assert product.wrong == ("a shows view top, and the recipe has no views",)


def test_engines_are_told_by_their_views_where_they_differ(folder, opened):
    views = opened(recipe_of(folder, TOP, {**SIDE, "template": str(folder / "t96.png")}))
    assert views.engine.name == "onnx fp32", "one name where all are the same"
    views.engines[1].engine = views.engines[1].engine._replace(name="openvino int8")
    from aoi_daemon.inspection.views import _told

    assert _told(views.engines).name == "top: onnx fp32; side: openvino int8"
