"""What holds for every part, recipe and order of events: judgement, stop rules, alarms."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.limits import ClassLimit, Region
from aoi_daemon.config.recipe import Recipe, StopRules
from aoi_daemon.decide.alarms import KINDS, Alarm, Alarms, AlarmState, Event, mask_of
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.decide.rules import BAD_PART_REASONS, ProcessFeedback, StopCause, StopWatch
from aoi_daemon.errors import InferenceError
from aoi_daemon.messages import Defect, Reason

NONE_TOLERATED = st.just(0)
ANY_OVERLAP = st.integers(0, 10)
WIDTH, HEIGHT = 200, 200
CLASSES = ("a", "b", "c")


def holds_for(*strategies):
    """Hypothesis's `given` without its time limit for an example: the machine may be busy."""
    return lambda test: settings(deadline=None)(given(*strategies)(test))


class Found(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


def found(rows):
    """Rows of (class, score, x1, y1, x2, y2)."""
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Found(table[:, 2:], table[:, 1], table[:, 0].astype(np.int32))


@st.composite
def row(draw):
    """One detection; quarters of a pixel and hundredths of a score are exact enough to collide often."""
    x, y = draw(st.integers(-40, 4 * WIDTH)) / 4, draw(st.integers(-40, 4 * HEIGHT)) / 4
    width, height = draw(st.integers(4, 200)) / 4, draw(st.integers(4, 200)) / 4
    return draw(st.integers(0, 2)), draw(st.integers(0, 100)) / 100, x, y, x + width, y + height


rows = st.lists(row(), max_size=12)


@st.composite
def region(draw, kinds=("inspect", "ignore")):
    """A rectangle or a triangle of some area, in the frame."""
    x, y = draw(st.integers(0, WIDTH - 10)), draw(st.integers(0, HEIGHT - 10))
    right, bottom = x + draw(st.integers(5, 60)), y + draw(st.integers(5, 60))
    corners = draw(st.sampled_from((((x, y), (right, bottom)), ((x, y), (right, y), (x, bottom)))))
    return Region(kind=draw(st.sampled_from(kinds)), corners=corners, fov=draw(st.sampled_from((None, 0, 1))))


@st.composite
def limits(draw, max_counts=NONE_TOLERATED):
    """A limit for all, and one of its own for a class."""
    return tuple(
        ClassLimit(
            name=name,
            score=draw(st.integers(0, 100)) / 100,
            min_width=float(draw(st.integers(0, 20))),
            min_height=float(draw(st.integers(0, 20))),
            max_count=draw(max_counts),
        )
        for name in ("*", "b")
    )


@st.composite
def recipe(draw, max_counts=NONE_TOLERATED, overlaps=ANY_OVERLAP):
    return Recipe(
        id=1,
        name="r",
        bundle=Path("b"),
        width_px=WIDTH,
        height_px=HEIGHT,
        overlap=draw(overlaps) / 10,
        limits=draw(limits(max_counts)),
        regions=tuple(draw(st.lists(region(), max_size=4))),
    )


any_recipe = recipe(max_counts=st.integers(0, 3))
no_merging = recipe(max_counts=st.integers(0, 3), overlaps=st.just(10))


def verdict(detections, by, slack_ns=0, fov=0):
    return judge(found(detections), Criteria.compile(by, CLASSES), fov, slack_ns=slack_ns)


def plain_verdict(detections, by, fov):
    """What the judgement is, written out plainly and with no bound: the defects, worst first."""
    limit_of = {limit.name: limit for limit in by.limits}
    kept = {name: [] for name in CLASSES}
    for label, score, *box in sorted(detections, key=lambda r: -np.float32(r[1])):
        limit = limit_of.get(CLASSES[label], limit_of["*"])
        if np.float32(score) < np.float32(limit.score) or not looked_at(box, by, fov):
            continue
        if box[2] - box[0] < limit.min_width or box[3] - box[1] < limit.min_height:
            continue
        if all(overlap_of(box, other[2:]) <= by.overlap for other in kept[CLASSES[label]]):
            kept[CLASSES[label]].append((label, score, *box))
    many = [found for name, found in kept.items() if len(found) > limit_of.get(name, limit_of["*"]).max_count]
    return [row for found in many for row in found]


def looked_at(box, by, fov):
    """Rectangles and triangles with two sides along the axes, as `region` draws them."""
    x = min(max((box[0] + box[2]) / 2, 0.5), WIDTH - 0.5)
    y = min(max((box[1] + box[3]) / 2, 0.5), HEIGHT - 0.5)

    def inside(corners):
        if len(corners) == 2:
            (x1, y1), (x2, y2) = corners
            return x1 <= x <= x2 and y1 <= y <= y2
        (x1, y1), (x2, _), (_, y2) = corners
        return x >= x1 and y >= y1 and (x - x1) / (x2 - x1) + (y - y1) / (y2 - y1) < 1

    there = [r for r in by.regions if r.fov in (None, fov)]
    inspect = [r.corners for r in there if r.kind == "inspect"]
    if inspect and not any(map(inside, inspect)):
        return False
    return not any(inside(r.corners) for r in there if r.kind == "ignore")


def overlap_of(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@settings(deadline=None, max_examples=300)
@given(st.lists(row(), max_size=30), recipe(max_counts=st.integers(0, 6), overlaps=st.sampled_from((2.5, 4.5, 6.5))),
       st.sampled_from((4, 12, 3000)))  # fmt: skip
def test_no_bound_on_candidates_lets_a_part_pass(detections, by, most):
    """The verdict is that of a judgement without any, or a reject: whatever is tolerated, ignored, or too small."""
    detections = [(r[0], 0.5 + (i * 37 % 64) / 128, *r[2:]) for i, r in enumerate(detections)]
    expected = plain_verdict(detections, by, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aoi_daemon.decide.judge.MAX_CANDIDATES", most)
        got = verdict(detections, by)
    assert not (got.passed and expected)
    if most > len(detections):
        assert (got.passed, got.defect_count) == (not expected, len(expected))


@holds_for(rows, any_recipe, st.integers(max_value=-1))
def test_a_late_part_never_passes(detections, by, slack_ns):
    """Whatever was found."""
    got = verdict(detections, by, slack_ns)
    assert (got.passed, got.reason) == (False, Reason.LATE)


@holds_for(rows, any_recipe, st.integers(0, 1))
def test_a_part_passes_if_and_only_if_it_has_no_defect(detections, by, fov):
    """And its reason, count and worst class say the same."""
    got = verdict(detections, by, fov=fov)
    assert got.passed == (got.reason is Reason.NONE) == (got.defect_count == 0) == (got.worst_class == -1)
    assert len(got.defects) == got.defect_count
    assert all(first.score >= second.score for first, second in zip(got.defects, got.defects[1:], strict=False))


@holds_for(rows, row(), any_recipe, st.data())
def test_what_is_not_a_number_never_passes(detections, broken, by, data):
    """It ends the engine, wherever it stands and however the rest looks."""
    values = list(broken)
    values[data.draw(st.integers(1, 5))] = data.draw(st.sampled_from((np.nan, np.inf, -np.inf)))
    at = data.draw(st.integers(0, len(detections)))
    with pytest.raises(InferenceError):
        verdict([*detections[:at], values, *detections[at:]], by)


@holds_for(rows, row(), recipe())
def test_a_further_detection_never_turns_a_reject_into_a_pass(detections, further, by):
    """Where nothing is tolerated (max_count 0), however the boxes overlap."""
    if not verdict(detections, by).passed:
        assert not verdict([*detections, further], by).passed


@holds_for(rows, row(), no_merging)
def test_nor_does_it_where_some_are_tolerated_and_boxes_are_not_merged(detections, further, by):
    """With any max_count."""
    before, after = verdict(detections, by), verdict([*detections, further], by)
    assert after.defect_count >= before.defect_count


@holds_for(rows, any_recipe)
def test_the_order_of_the_rows_does_not_matter(detections, by):
    """The judgement does not trust the model to have sorted them."""
    distinct = [(r[0], (i + 1) / 16, *r[2:]) for i, r in enumerate(detections)]
    assert verdict(distinct, by) == verdict(distinct[::-1], by)


@holds_for(rows, any_recipe)
def test_rows_that_fill_up_change_nothing(detections, by):
    """Score 0 and class 0, beneath any threshold but 0."""
    by = by.model_copy(update={"limits": tuple(x.model_copy(update={"score": max(x.score, 0.01)}) for x in by.limits)})
    assert verdict(detections, by) == verdict([*detections, *[(0, 0, 0, 0, 0, 0)] * 5], by)


@holds_for(rows, no_merging, region(kinds=("ignore",)))
def test_an_ignore_region_only_removes(detections, by, mask):
    """No defect is reported that was not before."""
    masked = by.model_copy(update={"regions": (*by.regions, mask)})
    before = verdict(detections, by.model_copy(update={"limits": tolerating_none(by)}))
    after = verdict(detections, masked.model_copy(update={"limits": tolerating_none(by)}))
    assert set(after.defects) <= set(before.defects)
    if verdict(detections, by).passed:
        assert verdict(detections, masked).passed


@holds_for(rows, recipe(), region(kinds=("ignore",)))
def test_an_ignore_region_rejects_no_part(detections, by, mask):
    """Also where boxes are merged, as long as nothing is tolerated."""
    if verdict(detections, by).passed:
        assert verdict(detections, by.model_copy(update={"regions": (*by.regions, mask)})).passed


def tolerating_none(by):
    return tuple(limit.model_copy(update={"max_count": 0}) for limit in by.limits)


@holds_for(rows, no_merging, st.sampled_from(("score", "min_width", "min_height", "max_count")), st.integers(0, 1))
def test_a_looser_limit_never_rejects_more(detections, by, key, which):
    """Each of the four thresholds is monotone."""
    limit = by.limits[which]
    value = getattr(limit, key)
    looser = min(value + 0.05, 1.0) if key == "score" else value + 1
    changed = list(by.limits)
    changed[which] = limit.model_copy(update={key: looser})
    after = verdict(detections, by.model_copy(update={"limits": tuple(changed)}))
    assert after.defect_count <= verdict(detections, by).defect_count


@holds_for(rows, any_recipe)
def test_the_judgement_leaves_its_input_alone(detections, by):
    """The arrays are the engine's."""
    given_rows = found(detections)
    before = [array.copy() for array in given_rows]
    judge(given_rows, Criteria.compile(by, CLASSES), 0, slack_ns=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, given_rows, strict=True))


places = st.sampled_from((20.0, 28.0, 100.0))
views = st.tuples(
    st.sampled_from((Reason.NONE, Reason.DEFECT, Reason.DEFECT, Reason.REGISTRATION, Reason.LATE, Reason.NO_IMAGE)),
    st.lists(st.tuples(st.integers(0, 1), places), min_size=1, max_size=3),
    st.integers(0, 1),
)


def saw(watch, reason, spots, fov):
    defects = [Defect(label, 0.9, x - 1, 9.0, x + 1, 11.0) for label, x in spots] if reason is Reason.DEFECT else []
    stop = watch.saw_part(reason)
    if reason in {Reason.NONE, Reason.DEFECT}:  # else its view was not judged, or its defects not looked for
        stop = watch.saw_view(fov, 0, defects) or stop
    return stop


@holds_for(st.lists(views, max_size=60), st.integers(0, 4), st.sampled_from((0.0, 5.0, 30.0)), st.integers(10, 20))
def test_a_stop_is_permitted_again_by_a_reset_alone(parts, same_place, percent, window):
    """Once met, no part changes it."""
    watch = StopWatch(
        StopRules(same_place=same_place, same_place_radius=10.0, reject_percent=percent, window=window), 1.0
    )
    stopped = False
    for part in parts:
        stop = saw(watch, *part)
        assert stop is None or not stopped
        stopped = stopped or stop is not None
        assert watch.permitted is not stopped
    watch.reset()
    assert watch.permitted


@holds_for(st.lists(views, max_size=60), st.sampled_from((5.0, 30.0, 99.0)), st.integers(10, 20))
def test_the_rate_rule_agrees_with_counting(parts, percent, window):
    """Bad parts of the last `window` judged ones, against the share of a full window."""
    watch = StopWatch(StopRules(same_place=0, reject_percent=percent, window=window), 1.0)
    judged = []
    for part in parts:
        stop = saw(watch, *part)
        if part[0] is Reason.NONE or part[0] in BAD_PART_REASONS:
            judged.append(part[0] is not Reason.NONE)
        expected = 100 * sum(judged[-window:]) > percent * window
        assert (stop is not None) == expected
        if expected:
            break


@holds_for(st.lists(views, max_size=40), st.integers(1, 4))
def test_the_same_place_rule_agrees_with_looking_back(parts, allowed):
    """A row counts back part by part of one field of view, each within the radius of the next."""
    watch = StopWatch(StopRules(same_place=allowed, same_place_radius=10.0, reject_percent=0.0), 1.0)
    seen: dict[int, list[list[tuple[int, float]]]] = {0: [], 1: []}

    def longest(history, label, x):
        if not history:
            return 1
        before = [spot for spot in history[-1] if spot[0] == label and abs(spot[1] - x) <= 10]
        return 1 + max((longest(history[:-1], *spot) for spot in before), default=0)

    for part in parts:
        reason, spots, fov = part
        stop = saw(watch, *part)
        worst = 0
        if reason in (Reason.NONE, Reason.DEFECT):
            here = spots if reason is Reason.DEFECT else []
            worst = max((longest(seen[fov], *spot) for spot in here), default=0)
            seen[fov].append(here)
        assert (stop is not None) == (worst > allowed)
        if stop is not None:
            assert (stop.cause, stop.parts, stop.fov) == (StopCause.SAME_PLACE, worst, fov)
            break


@holds_for(st.lists(st.tuples(st.booleans(), st.integers(-1, 3)), max_size=80), st.integers(1, 12))
def test_process_feedback_agrees_with_counting(parts, window):
    """Over the last `window` parts."""
    feedback = ProcessFeedback(window, 4)
    for i, (passed, label) in enumerate(parts):
        feedback.add(passed=passed, worst_class=label)
        last = parts[max(0, i + 1 - window) : i + 1]
        rejected = sum(not good for good, _ in last)
        assert feedback.reject_per_mille == -(-1000 * rejected // len(last))
        counts = [sum(each == label for _, each in last) for label in range(4)]
        assert feedback.most_frequent_class == (counts.index(max(counts)) if max(counts) else -1)


moves = st.tuples(st.sampled_from(Alarm), st.sampled_from(Event))


def move(alarms, alarm, event, now_ns):
    return {
        Event.RAISE: lambda: alarms.raise_(alarm, now_ns),
        Event.CLEAR: lambda: alarms.clear(alarm, now_ns),
        Event.ACKNOWLEDGE: lambda: alarms.acknowledge(now_ns, alarm),
        Event.RESET: lambda: alarms.reset(now_ns, alarm),
    }[event]()


STILL_THERE = (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.RELEASED)
"""The condition has not gone since it came: to hear of it again is no new one."""


@holds_for(
    st.lists(st.tuples(st.sampled_from((Alarm.CAMERA_LOST, Alarm.STOP_RULE)), st.sampled_from(Event)), max_size=40)
)
def test_no_alarm_is_normal_again_without_clear_and_acknowledge(events):
    """And without a reset where it is latched, after the condition last came."""
    alarms = Alarms()
    since: dict[Alarm, set[Event]] = {}
    for now_ns, (alarm, event) in enumerate(events):
        before = alarms.state(alarm)
        move(alarms, alarm, event, now_ns)
        if event is Event.RAISE and before not in STILL_THERE:
            since[alarm] = set()
        since.get(alarm, set()).add(event)
        if before is not AlarmState.NORMAL and alarms.state(alarm) is AlarmState.NORMAL:
            needed = {Event.CLEAR, Event.ACKNOWLEDGE} | ({Event.RESET} if KINDS[alarm].latched else set())
            assert needed <= since[alarm]


@holds_for(st.lists(moves, max_size=60))
def test_the_mask_and_the_snapshot_agree_with_the_states(events):
    """And the transitions that were told lead from one state to the next."""
    alarms = Alarms()
    states = dict.fromkeys(Alarm, AlarmState.NORMAL)
    for now_ns, (alarm, event) in enumerate(events):
        for transition in move(alarms, alarm, event, now_ns):
            assert (transition.alarm, transition.before, transition.at_ns) == (alarm, states[alarm], now_ns)
            states[alarm] = transition.after
        assert states == {each: alarms.state(each) for each in Alarm}
        assert alarms.active_mask == mask_of(*(each for each, state in states.items() if state.active))
        shown = {line["name"]: line["active"] for line in alarms.snapshot()}
        assert shown == {each.name: state.active for each, state in states.items() if state is not AlarmState.NORMAL}


@holds_for(st.lists(moves, max_size=60))
def test_an_alarm_whose_condition_is_there_is_active(events):
    """Acknowledging it does not switch the coil off, and neither does a reset."""
    alarms = Alarms()
    there: set[Alarm] = set()
    for now_ns, (alarm, event) in enumerate(events):
        move(alarms, alarm, event, now_ns)
        if event is Event.RAISE:
            there.add(alarm)
        if event is Event.CLEAR:
            there.discard(alarm)
        assert all(alarms.state(each).active for each in there)
