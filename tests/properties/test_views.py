"""A part passes only when every view of its recipe was judged good, exactly for this part, and in time.

Whatever comes, in whatever order: views that are missing, doubled, swapped between parts, late, of a camera or a field of
view that no view names, or judged as another one, and a change of inspection in the midst of it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.messages import Announcement, Arrival, Judgement, Reason
from aoi_daemon.plc.parts import Parts
from tests.unit.plc.pictures import named

TAKT, DEADLINE, VERDICT, CUTOFF, VIEWS_NS = 100, 80, 5, 10, 20
PARTS = 4
VIEWS = ((0, 0), (0, 1), (1, 0), (2, 0))


@st.composite
def histories(draw):
    """Views of a recipe, and what happens to those of each part: when each comes, its judgement, and as what."""
    views = draw(st.lists(st.sampled_from(VIEWS), min_size=1, max_size=3, unique=True))
    events = []
    for part in range(1, PARTS + 1):
        for key in views:
            if draw(st.integers(0, 11)) == 0:
                continue  # missing
            for _ in range(1 + (draw(st.integers(0, 14)) == 0)):  # twice
                late = draw(st.sampled_from((0, 0, 0, 0, 3, 15, 90)))
                unnamed = draw(st.integers(0, 24)) == 0
                arrival = draw(st.sampled_from((Arrival.FRAME,) * 14 + (Arrival.INCOMPLETE,)))
                shown = (7, 9) if unnamed else key
                at = part * TAKT + draw(st.integers(0, 12)) + late
                passes = draw(st.integers(0, 9)) > 0
                wrong = draw(st.integers(0, 24)) == 0
                took = draw(st.sampled_from((1, 5, 20, 60, 200)))
                events.append((at, took, part, shown, arrival, passes, wrong))
    stamped, numbered = draw(st.booleans()), draw(st.booleans())
    live = draw(st.sampled_from((0, 0, 0, 2 * TAKT + 6, 3 * TAKT + 30)))
    return views, events, stamped, numbered, live


def acts(events, stamped, numbered):
    """What happens, in the order of its time: announcements, and the judgements of those that are pictures."""
    sequences: dict[int, int] = {}
    found = []
    for at, took, part, (camera, fov), arrival, passes, wrong in sorted(events):
        sequences[camera] = sequence = sequences.get(camera, 0) + 1
        trigger = part * TAKT if stamped else 0
        said = Announcement(arrival, camera, fov, sequence, sequence, trigger, at, (trigger or at) + DEADLINE, part if numbered else 0)
        found.append((at, 0, said, part))
        if arrival is Arrival.FRAME:
            reason = Reason.NONE if passes else Reason.DEFECT
            judged_as = fov + 1 if wrong else fov
            judgement = Judgement(passes, reason, camera, -1, 0, 1, sequence, 0, 0, 0, at + 1, at + took, at + took, b"", judged_as)
            found.append((at + took, 1, judgement, part))
    return sorted(found, key=lambda act: act[:2])


@settings(max_examples=600, deadline=None)
@given(histories())
def test_a_part_passes_only_by_all_of_its_own_views_each_judged_good_once_and_in_time(history):
    views, events, stamped, numbered, live = history
    line = Parts(named(*views), VERDICT, CUTOFF, VIEWS_NS, again_ns=VIEWS_NS)
    truth: dict[tuple[int, int], int] = {}
    announced, judged = {}, {}
    left = []

    def collect(now):
        while (part := line.take(now)) is not None:
            left.append(part.number)
            if part.reason is not Reason.NONE:
                assert part.decided_by in (*views, *part.views), "it names a view"
                if part.reason is Reason.NO_IMAGE and part.missing:
                    assert part.decided_by == part.missing[0]
                continue
            assert set(part.views) == set(views)
            for key, view in part.views.items():
                judgement = judged[view.camera, view.sequence]
                assert announced[view.camera, view.sequence].arrival == Arrival.FRAME
                assert judgement.passed and judgement.fov == view.fov and (view.camera, view.fov) == key
            assert now <= part.deadline_ns - VERDICT
            assert part.deadline_ns == min(view.deadline_ns for view in part.views.values())
            lives = {judged[v.camera, v.sequence].picked_ns >= live for v in part.views.values()}
            assert not live or len(lives) == 1, "two inspections, of which each has judged a part of it"
            if numbered or (stamped and len(views) > 1):
                assert len({truth[v.camera, v.sequence] for v in part.views.values()}) == 1, "views of two parts"
            pictures = [e for e in announced.values() if e.trigger_id and e.trigger_id == part.trigger_id]
            if numbered and len(views) > 1:
                assert len({(e.camera, e.fov) for e in pictures}) == len(pictures), "one came twice before its verdict"

    for at, kind, what, part in acts(events, stamped, numbered):
        collect(at)
        if live and at >= live:
            line.live_ns = live
        if kind == 0:
            truth[what.camera, what.sequence] = part
            announced[what.camera, what.sequence] = what
            line.announce(what, ready=what.ready_ns >= line.live_ns)
        elif not live or (what.picked_ns >= live) is (at >= live):  # else its inspection is gone before it has judged
            judged[what.camera, what.sequence] = what
            line.judge(what)
        collect(at)
    collect(10 * PARTS * TAKT)
    assert left == list(range(1, len(left) + 1))
    assert not line.waiting and not line._by_view


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(VIEWS), min_size=1, max_size=4, unique=True), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_where_all_is_well_every_part_passes_in_whatever_order_its_views_come(views, chance, stamped, numbered):
    """A rule that rejects everything would hold the property above as well."""
    line = Parts(named(*views), VERDICT, CUTOFF, VIEWS_NS, again_ns=VIEWS_NS)
    sequences = dict.fromkeys(range(3), 0)
    for part in range(1, PARTS + 1):
        order = chance.sample(views, len(views))
        for place, (camera, fov) in enumerate(order):
            sequences[camera] += 1
            at = part * TAKT + 4 * place
            trigger = part * TAKT if stamped else 0
            number = part if numbered else 0
            line.announce(Announcement(0, camera, fov, sequences[camera], 1, trigger, at, (trigger or at) + DEADLINE, number), ready=True)
            line.judge(Judgement(True, 0, camera, -1, 0, 1, sequences[camera], 0, 0, 0, at, at + 1, at + 1, b"", fov))
        found = line.take(part * TAKT + 30)
        assert (found.number, found.reason) == (part, Reason.NONE)
