"""The judgement of one view."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from aoi_daemon.config.limits import ClassLimit, Region
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import MAX_CANDIDATES, Criteria, Verdict, judge
from aoi_daemon.errors import InferenceError
from aoi_daemon.messages import MAX_DEFECTS, Reason

CLASSES = ("open", "short")
EVERYWHERE = ((0, 0), (640, 480))


class Found(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def found(*rows):
    """Rows of (class, score, x1, y1, x2, y2)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Found(table[:, 2:], table[:, 1], table[:, 0].astype(np.int32))


def criteria(**settings):
    recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=640, height_px=480, **settings)
    return Criteria.compile(recipe, CLASSES)


def limit(name="*", **settings):
    return ClassLimit(name=name, **settings)


def region(kind, corners, fov=None):
    return Region(kind=kind, corners=corners, fov=fov)


def verdict(rows, fov=0, slack_ns=1, **settings):
    return judge(found(*rows), criteria(**settings), fov, slack_ns=slack_ns)


DEFECT = (1, 0.9, 100, 100, 120, 130)


def test_a_part_with_nothing_found_passes():
    """PASS goes with NONE and no defect."""
    assert verdict([]) == Verdict(True, Reason.NONE, (), -1, 0)


def test_a_part_with_a_defect_is_rejected():
    """The reject names the defect, its class and the count."""
    got = verdict([DEFECT])
    assert (got.passed, got.reason, got.worst_class, got.defect_count) == (False, Reason.DEFECT, 1, 1)
    assert got.defects[0] == pytest.approx((1, 0.9, 100, 100, 120, 130))


def test_a_part_without_time_left_is_late_whatever_was_found():
    """Below 0 ns of slack nothing passes; at 0 it may."""
    assert verdict([], slack_ns=-1) == Verdict.reject(Reason.LATE)
    assert verdict([DEFECT], slack_ns=-1).reason is Reason.LATE
    assert verdict([], slack_ns=0).passed


def test_a_score_at_the_threshold_counts():
    """`score` is the least that counts; both sides are rounded to float32 alike."""
    assert not verdict([(0, 0.7, 0, 0, 9, 9)], limits=(limit(score=0.7),)).passed
    assert verdict([(0, 0.6999, 0, 0, 9, 9)], limits=(limit(score=0.7),)).passed


def test_each_class_has_its_own_limit():
    """A named limit goes before `*`."""
    limits = (limit("short", score=0.95), limit(score=0.2))
    assert verdict([DEFECT], limits=limits).passed
    assert not verdict([(0, 0.3, 0, 0, 9, 9)], limits=limits).passed


def test_a_class_that_no_limit_names_has_the_default_limit():
    """What was forgotten in the recipe rejects."""
    assert not verdict([DEFECT], limits=(limit("open"),)).passed


def test_a_limit_for_an_unknown_class_is_refused():
    """The error names it and the classes that there are."""
    with pytest.raises(ValueError, match=r"no class shrot \(there: open, short\)"):
        criteria(limits=(limit("shrot"),))


def test_small_boxes_do_not_count():
    """Either side below its least size is enough."""
    size = (limit(min_width=20, min_height=30),)
    assert not verdict([DEFECT], limits=size).passed
    assert verdict([(1, 0.9, 100, 100, 119, 130)], limits=size).passed
    assert verdict([(1, 0.9, 100, 100, 120, 129)], limits=size).passed


def test_lengths_in_mm_are_scaled():
    """0.25 mm at 48 px/mm are 12 px."""
    mm = {"unit": "mm", "px_per_mm": 48.0, "limits": (limit(min_width=0.25),)}
    assert not verdict([(0, 0.9, 0, 0, 12, 1)], **mm).passed
    assert verdict([(0, 0.9, 0, 0, 11, 1)], **mm).passed
    inside = region("ignore", ((2.0, 2.0), (3.0, 3.0)))
    assert verdict([DEFECT], unit="mm", px_per_mm=48.0, regions=(inside,)).passed


def test_a_least_size_beyond_the_frame_is_refused():
    """It would make every part pass."""
    with pytest.raises(ValueError, match=r"min_width = 640 px of \*: not below the frame's 640 px"):
        criteria(limits=(limit(min_width=640),))
    with pytest.raises(ValueError, match="min_height"):
        criteria(limits=(limit(min_height=float("inf")),))


def test_so_many_are_still_good():
    """`max_count` is by class, and what it tolerates is not reported."""
    two = [(0, 0.9, 0, 0, 9, 9), (0, 0.8, 50, 0, 59, 9)]
    assert verdict(two, limits=(limit(max_count=2),)) == Verdict(True, Reason.NONE)
    other = verdict([*two, (1, 0.6, 99, 0, 109, 9)], limits=(limit("open", max_count=2),))
    assert (other.passed, other.defect_count, other.worst_class) == (False, 1, 1)
    assert not verdict([*two, (0, 0.7, 99, 0, 109, 9)], limits=(limit(max_count=2),)).passed


def test_overlapping_boxes_of_one_class_are_one_defect():
    """Two boxes over IoU 0.5 count once, the better one stays."""
    near = [(0, 0.8, 0, 0, 10, 10), (0, 0.9, 1, 0, 11, 10)]
    got = verdict(near)
    assert got.defect_count == 1
    assert got.defects[0].score == pytest.approx(0.9)


def test_a_box_that_does_not_count_hides_no_defect():
    """A higher-scored box in an ignore region does not suppress the one beside it."""
    rows = [(0, 0.9, 90, 100, 108, 120), (0, 0.8, 94, 100, 112, 120)]
    ignored = (region("ignore", ((80, 80), (100, 140))),)
    got = verdict(rows, regions=ignored)
    assert not got.passed
    assert got.defects[0].score == pytest.approx(0.8)


def test_defects_are_reported_worst_first_and_counted_beyond_those_that_travel():
    """At most MAX_DEFECTS are listed."""
    rows = [(0, 0.5 + 0.001 * i, 20 * i, 0, 20 * i + 9, 9) for i in range(30)]
    got = verdict(rows)
    assert got.defect_count == 30
    assert len(got.defects) == MAX_DEFECTS
    assert [d.score for d in got.defects] == sorted((d.score for d in got.defects), reverse=True)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", range(1, 6))
def test_a_number_that_is_not_finite_is_an_engine_fault(value, column):
    """In a score or a corner, on a row that would not count as well."""
    row = [0, 0.1, 10, 10, 20, 20]
    row[column] = value
    with pytest.raises(InferenceError, match="not finite"):
        verdict([row])


@pytest.mark.parametrize("label", [-1, 2])
def test_a_class_that_the_bundle_does_not_have_is_an_engine_fault(label):
    """It must not be held by another class's limit."""
    with pytest.raises(InferenceError, match=r"the bundle has 0 to 1"):
        verdict([(label, 0.1, 0, 0, 9, 9)])


def test_a_box_with_its_corners_swapped_is_an_engine_fault():
    """It would be smaller than any least size."""
    with pytest.raises(InferenceError, match="corners swapped"):
        verdict([(0, 0.9, 20, 0, 10, 10)], limits=(limit(min_width=1),))


@pytest.mark.parametrize(
    "settings",
    [{}, {"limits": (limit(min_width=5, min_height=5),)}, {"regions": (region("inspect", ((100, 100), (200, 200))),)}],
    ids=["plain", "least size", "region"],
)
@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ((800, 100, 820, 120), "it lies far outside"),
        ((100, 600, 120, 620), "it lies far outside"),
        ((-300, 100, -200, 120), "it lies far outside"),
        ((100, 100, 1100, 120), "it lies far outside"),
        ((-400, 100, 420, 120), "it lies far outside"),
    ],
)
def test_a_box_that_cannot_be_px_of_the_frame_is_an_engine_fault(box, problem, settings):
    """A least size or a region would drop it, and the part would pass; the error names it and the frame."""
    with pytest.raises(InferenceError, match=rf"box \[.*\] on a frame of 640 x 480 px: {problem}"):
        verdict([(0, 0.9, *box)], **settings)


SETTINGS = [{}, {"limits": (limit(min_width=5, min_height=5, max_count=9),)}, {"regions": (region("inspect", ((100, 100), (200, 200))),)}]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "least size", "region"])
def test_boxes_that_are_all_shares_of_the_frame_are_an_engine_fault(settings):
    with pytest.raises(InferenceError, match=r"box \[.*\] on a frame of 640 x 480 px: boxes seem normalised 0\.\.1"):
        verdict([(0, 0.9, 0.2, 0.3, 0.25, 0.4), (0, 0.8, 0.0, 0.0, 0.99, 0.99)], **settings)


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "least size", "region"])
@pytest.mark.parametrize(
    "box",
    [(0.2, 0.3, 0.25, 0.4), (0.0, 0.0, 0.99, 0.99), (639.5, 479.5, 640, 480), (110, 110, 110.5, 110.9), (110, 110, 110, 110)],
)
def test_a_box_below_one_px_rejects_the_part_whatever_the_recipe_says(box, settings):
    """The frame's border may have cut it off; a least size or a region would drop it, and the part pass."""
    large = (0, 0.6, 20, 20, 40, 40)
    for rows in ([(0, 0.9, *box)], [large, (0, 0.9, *box)]):
        found = verdict(rows, **settings)
        assert (found.passed, found.reason, found.defect_count) == (False, Reason.DEFECT, 1)
        assert found.defects[0].x1 == pytest.approx(box[0])


def test_a_box_that_does_not_score_enough_may_be_anything():
    """Background is where it likes, and rows that fill up are nowhere, also where a score of 0 counts."""
    assert verdict([(0, 0.1, 0.2, 0.2, 0.4, 0.4), (0, 0.1, 9000, 0, 9010, 10)]).passed
    assert not verdict([(0, 0, 0, 0, 0, 0)], limits=(limit(score=0),)).passed


@pytest.mark.parametrize("score", [-0.5, 1.5, 80.0])
def test_a_score_that_is_no_probability_is_an_engine_fault(score):
    """Logits, or percent; also where it would not count."""
    with pytest.raises(InferenceError, match="expected 0 to 1"):
        verdict([(0, score, 100, 100, 120, 120)])


# -- many candidates --------------------------------------------------------------------------------

CRACK = (1, 0.55, 300, 400, 330, 420)


def pads(count, duplicates=15):
    """So many things of class 0 in a grid, each seen so many times, all of them more certain than the crack."""
    rng = np.random.default_rng(count)
    corners = [(36 * (i % 17), 26 * (i // 17)) for i in range(count)]
    return [
        (0, rng.uniform(0.6, 1), *np.array((x, y, x + 24, y + 18)) + rng.uniform(-1, 1, 4))
        for x, y in corners
        for _ in range(duplicates)
    ]


@pytest.mark.parametrize("count", [33, 34, 150])
def test_a_crack_among_tolerated_pads_rejects_the_part(count):
    """However many candidates are better, and it is what is reported."""
    limits = (limit("open", max_count=count),)
    assert verdict(pads(count), limits=limits).passed
    got = verdict([*pads(count), CRACK], limits=limits)
    assert (got.passed, got.reason, got.worst_class, got.defect_count) == (False, Reason.DEFECT, 1, 1)


def test_one_pad_more_than_is_tolerated_rejects_the_part():
    """With all duplicates."""
    got = verdict(pads(35), limits=(limit("open", max_count=34),))
    assert (got.passed, got.worst_class, got.defect_count) == (False, 0, 35)


@pytest.mark.parametrize(
    "settings",
    [
        {"limits": (limit("open", min_width=40),)},
        {"regions": (region("ignore", ((0, 0), (640, 390))),)},
        {"limits": (limit("open", score=1.0),)},
        {"limits": (limit("open", max_count=10_000),)},
    ],
    ids=["least size", "region", "score", "any number"],
)
def test_what_does_not_count_takes_no_room_from_what_does(settings):
    """More candidates than are told apart."""
    rows = [(0, 0.9 + i / 1e6, 20 * (i % 30), 16 * (i % 20), 20 * (i % 30) + 19, 16 * (i % 20) + 15) for i in range(6000)]
    got = verdict([*rows, CRACK], **settings)
    assert (got.passed, got.worst_class, got.defect_count) == (False, 1, 1)


def test_more_candidates_than_are_told_apart_reject_the_part():
    """All of the best of them are one thing, which would be tolerated; what the rest is has not been looked at."""
    same = [(0, 0.9, 100, 100, 120, 120)] * MAX_CANDIDATES
    other = (0, 0.6, 300, 100, 320, 120)
    limits = (limit("open", max_count=1),)
    assert verdict(same, limits=limits).passed
    got = verdict([*same, other], limits=limits)
    assert (got.passed, got.reason, got.worst_class, got.defect_count) == (False, Reason.DEFECT, 0, 1)


def test_arrays_that_do_not_belong_together_are_an_engine_fault():
    """As many boxes and classes as scores."""
    whole = found(DEFECT, DEFECT)
    with pytest.raises(InferenceError, match="the model gave"):
        judge(whole._replace(boxes=whole.boxes[:1]), criteria(), 0, slack_ns=1)
    with pytest.raises(InferenceError, match="the model gave"):
        judge(whole._replace(classes=whole.classes[:1]), criteria(), 0, slack_ns=1)


def test_only_what_lies_in_an_inspect_region_counts():
    """By the box's centre, (110, 115) here; a border belongs to its rectangle."""
    assert not verdict([DEFECT], regions=(region("inspect", ((110, 115), (200, 200))),)).passed
    assert verdict([DEFECT], regions=(region("inspect", ((111, 115), (200, 200))),)).passed


def test_an_inspect_region_of_the_whole_frame_loses_no_box_that_sticks_out():
    """A centre beyond the border is taken to the nearest pixel."""
    everywhere = (region("inspect", EVERYWHERE),)
    assert not verdict([(0, 0.9, -30, -30, 4, 4)], regions=everywhere).passed
    assert not verdict([(0, 0.9, 630, 470, 700, 500)], regions=everywhere).passed
    corners = ((0, 0), (640, 0), (640, 480), (320, 480), (0, 480))
    assert not verdict([(0, 0.9, 630, 470, 700, 500)], regions=(region("inspect", corners),)).passed


def test_regions_belong_to_their_field_of_view():
    """Those without one belong to all; a field with none of its own and none for all is looked at everywhere."""
    masked = (region("ignore", ((90, 90), (130, 140)), fov=3),)
    assert verdict([DEFECT], fov=3, regions=masked).passed
    assert not verdict([DEFECT], fov=2, regions=masked).passed
    everywhere = (*masked, region("ignore", ((0, 0), (5, 5))))
    assert verdict([(0, 0.9, 0, 0, 4, 4)], fov=3, regions=everywhere).passed
    assert verdict([(0, 0.9, 0, 0, 4, 4)], fov=2, regions=everywhere).passed


# -- what can be px of the frame, to the last of them ---------------------------------------------


@pytest.mark.parametrize(
    ("box", "right"),
    [
        # The centre an eighth of the side beyond the border, and no more.
        ((-90, 100, -70, 120), True), ((-91, 100, -71, 120), False), ((-94, 100, -74, 120), False), ((710, 100, 730, 120), True), ((711, 100, 731, 120), False),
        ((100, -70, 120, -50), True), ((100, -71, 120, -51), False), ((100, 530, 120, 550), True), ((100, 531, 120, 551), False),
        # A corner half of the side, the centre near enough.
        ((-320, 100, 300, 120), True), ((-321, 100, 400, 120), False), ((-300, 100, 200, 120), True), ((400, 100, 960, 120), True), ((400, 100, 961, 120), False),
        ((100, -240, 120, 200), True), ((100, -241, 120, 300), False), ((100, 300, 120, 720), True), ((100, 300, 120, 721), False),
        # Wholly to the right of it, and below.
        ((900, 700, 950, 750), False),
    ],
)  # fmt: skip
def test_how_far_a_box_may_stick_out_of_the_frame(box, right):
    """640 x 480 px: a box that can be is judged, whatever lies beside it in the frame."""
    for rows in ([(0, 0.9, *box)], [DEFECT, (0, 0.9, *box)], [(0, 0.9, *box), DEFECT]):
        if right:
            assert verdict(rows).defect_count == len(rows)
        else:
            with pytest.raises(InferenceError, match="far outside"):
                verdict(rows)


def test_the_error_names_the_box_that_is_wrong():
    """Not the first one, nor one of no size."""
    plain, swapped = (0, 0.9, 10, 10, 40, 40), (0, 0.8, 60, 60, 50.5, 90)
    with pytest.raises(InferenceError, match=r"swapped: \[60\.0, 60\.0, 50\.5, 90\.0\]"):
        verdict([plain, (0, 0.9, 70, 70, 70, 90), (0, 0.9, 70, 70, 70.5, 90), swapped, (0, 0.7, 90, 90, 80, 95)])
    with pytest.raises(InferenceError, match=r"box \[900\.0, "):
        verdict([plain, (0, 0.6, 900, 100, 920, 120)])
    with pytest.raises(InferenceError, match=r"box \[-330\.0, "):
        verdict([plain, (0, 0.6, -330, 100, 400, 120)])


def test_corners_that_are_swapped_by_less_than_a_px_are_swapped():
    with pytest.raises(InferenceError, match="corners swapped"):
        verdict([(0, 0.9, 100.5, 100, 100, 120)])


@pytest.mark.parametrize(("side", "speck"), [(0.5, True), (0.99, True), (1.0, False), (1.5, False), (2.0, False)])
def test_a_speck_is_below_one_px_in_both_sides(side, speck):
    """Also beside a box that sticks out of the frame; what is larger, a region may drop."""
    inspect = (region("inspect", ((300, 300), (400, 400))),)
    beside = (0, 0.9, -5, 50, 30, 70)
    rows = [beside, (0, 0.9, 100, 100, 100 + side, 100 + side)]
    assert verdict(rows, regions=inspect).passed is not speck
    assert verdict([beside, (0, 0.9, 100, 100, 100 + side, 150)], regions=inspect).passed


def test_the_worst_speck_is_told_first():
    got = verdict([(0, 0.6, 100, 100, 100.5, 100.5), DEFECT, (1, 0.8, 300, 100, 300.5, 100.5)])
    assert (got.worst_class, got.defect_count) == (1, 2)
    assert [defect.x1 for defect in got.defects] == [300, 100]


@pytest.mark.parametrize(("corner", "shares"), [(1.2, True), (1.9, True), (2.0, False), (2.5, False)])
def test_boxes_below_two_are_shares_and_not_px(corner, shares):
    """A model's boxes stick out by a bit. More than one of them, and all that score: else the border has cut one off."""
    rows = [(0, 0.9, corner - 0.5, 0.3, corner, 0.4), (0, 0.8, 0.1, 0.1, 0.4, 0.4)]
    filled = [*rows, (0, 0, 0, 0, 0, 0)]
    for each, settings in ((rows, {}), (filled, {"limits": (limit(score=0),)})):
        if shares:
            with pytest.raises(InferenceError, match="normalised"):
                verdict(each, **settings)
        else:
            assert verdict(each, **settings).defect_count == 2


def test_rows_that_fill_up_are_nothing_where_a_score_of_0_counts():
    """They may lie anywhere, and are no speck that the frame's border has cut off."""
    everything = {"limits": (limit(score=0, min_width=5),)}
    assert verdict([(0, 0, 0, 0, 0, 0), (0, 0, 9000, 0, 9010, 3)], **everything, regions=(region("inspect", ((0, 0), (640, 480))),)).defect_count == 1
    assert verdict([(0, 0, 0, 0, 0, 0), (0, 0, -9, 0, -9, 0)], **everything).passed


def test_the_worst_class_is_that_of_the_most_certain_defect():
    got = verdict([(0, 0.7, 10, 10, 40, 40), (1, 0.9, 100, 100, 120, 130), (0, 0.8, 200, 100, 220, 130)])
    assert got.worst_class == 1 and [defect.label for defect in got.defects] == [1, 0, 0]


@pytest.mark.parametrize(("count", "passed"), [(2999, True), (3000, True), (3001, False)])
def test_so_many_candidates_are_told_apart(count, passed):
    """One thing that is seen so often is tolerated as one."""
    assert verdict([(0, 0.9, 100, 100, 120, 120)] * count, limits=(limit("open", max_count=1),)).passed is passed


def test_a_recipe_knows_the_fields_of_view_that_its_regions_name():
    """Without regions all of them; with one for every field, too."""
    of_1, of_all = region("inspect", ((0, 0), (9, 9)), fov=1), region("ignore", ((0, 0), (9, 9)))
    assert [criteria().knows(fov) for fov in (0, 1)] == [True, True]
    assert [criteria(regions=(of_1,)).knows(fov) for fov in (0, 1, 2)] == [False, True, False]
    assert [criteria(regions=(of_1, of_all)).knows(fov) for fov in (0, 1, 2)] == [True, True, True]
    assert [criteria(regions=(of_all,)).knows(fov) for fov in (0, 1)] == [True, True]


@pytest.mark.parametrize("score", [-1e-3, 1 + 1e-3])
def test_a_score_may_be_beyond_by_what_rounding_makes_of_it(score):
    assert verdict([(0, score, 100, 100, 120, 120)], limits=(limit(score=1.0),)).passed is (score < 1)


def test_specks_of_equal_score_keep_their_order():
    rows = [(0, 0.9, 10 * i, 100, 10 * i + 0.5, 100.5) for i in range(60)]
    assert [defect.x1 for defect in verdict([DEFECT, *rows]).defects] == [10 * i for i in range(MAX_DEFECTS)]


@pytest.mark.parametrize("score", [np.inf, -np.inf, np.nan])
def test_scores_that_are_no_numbers_are_said_to_be_that(score):
    with pytest.raises(InferenceError, match="scores that are not finite"):
        verdict([(0, 0.9, 10, 10, 40, 40), (0, score, 10, 10, 40, 40)])


def test_a_least_size_in_mm_is_held_against_the_frame_in_px():
    """13.4 mm at 48 px/mm are more than 640 px; 13.3 are not."""
    criteria(unit="mm", px_per_mm=48.0, limits=(limit(min_width=13.3),))
    with pytest.raises(ValueError, match="not below the frame's 640 px"):
        criteria(unit="mm", px_per_mm=48.0, limits=(limit(min_width=13.4),))


def test_many_specks_come_by_score_and_then_in_their_order():
    rng = np.random.default_rng(1)
    scores = rng.choice(np.array([0.7, 0.8, 0.9], np.float32), 800)
    rows = [(0, score, i % 600, 100 + i // 600, i % 600 + 0.5, 100.5 + i // 600) for i, score in enumerate(scores)]
    got = judge(found(*rows), criteria(), 0, slack_ns=1, at_most=None)
    order = sorted(range(800), key=lambda i: -scores[i])
    assert [(defect.x1, defect.y1) for defect in got.defects] == [(i % 600, 100 + i // 600) for i in order]
