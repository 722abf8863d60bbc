"""Searches page by page: joined they are what a naive filter finds, wherever a page ends, while parts are recorded."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.messages import Defect, Outcome, Reason
from aoi_daemon.records import parts as write
from aoi_daemon.records import queries
from aoi_daemon.records.database import writing
from aoi_daemon.records.find import Place, Wanted, search
from aoi_daemon.records.reviews import review
from aoi_daemon.records.schema_figures import SLOT_S
from tests.unit.records.conftest import NOON, RUN, Records, make_outcome

CLASSES = ("open", "short")
CAMERAS = ("top", "side")
VIEWS = (None, "front", "back")
RECIPES = ("demo", "other")
REASONS = (Reason.NONE, Reason.NONE, Reason.DEFECT, Reason.DEFECT, Reason.LATE)
# Few times, so that many parts are of one moment and at the edges of a slot; the clock runs backwards too.
TIMES = [NOON + offset for offset in (-3 * SLOT_S, -1.0, -2.4e-7, 0.0, 0.5, 1.0, SLOT_S - 2.4e-7, SLOT_S, 5 * SLOT_S)]
SCORES = (0.25, 0.5, 0.75)

PART = st.fixed_dictionaries({
    "at": st.sampled_from(TIMES), "reason": st.sampled_from(REASONS), "camera": st.sampled_from(CAMERAS),
    "view": st.sampled_from(VIEWS), "recipe": st.sampled_from(RECIPES),
    "found": st.lists(st.tuples(st.sampled_from((0, 1)), st.sampled_from(SCORES)), min_size=1, max_size=3),
    "review": st.sampled_from((None, None, "defect", "false_call")), "run": st.sampled_from((RUN, "e" * 32)),
})  # fmt: skip


FILTERS = {
    "since": TIMES, "until": TIMES, "part": range(1, 8), "recipe": (*RECIPES, "none"), "passed": (True, False),
    "reason": ("NONE", "DEFECT", "LATE"), "name": (*CLASSES, "none"), "camera": CAMERAS, "view": ("front", "back"),
    "review": ("none", "any", "defect", "false_call"), "score_min": SCORES, "score_max": SCORES,
}  # fmt: skip
ALONE = [{name: value} for name, values in FILTERS.items() for value in values] + [{"run": RUN, "part": 3}, {}]
TOGETHER = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in FILTERS.items()})
WANTED = st.builds(lambda fields: Wanted(**fields), TOGETHER)


@contextmanager
def recorded() -> Iterator[Records]:
    with tempfile.TemporaryDirectory() as folder:
        found = Records(Path(folder) / "records")
        try:
            yield found
        finally:
            found.close()


def add(records: Records, number: int, drawn: dict) -> None:
    defects = tuple(Defect(label, score, 1.0, 2.0, 3.0, 4.0) for label, score in drawn["found"])
    outcome: Outcome = make_outcome(number, drawn["reason"], defects)
    product = write.Product(1, drawn["recipe"], "ab" * 8, CLASSES, 50.0)
    with writing(records.writer):
        row = write.insert_part(
            records.writer, outcome, run=write.run_id(records.writer, drawn["run"], "line-1", NOON), at=drawn["at"],
            camera=drawn["camera"], product=product, product_row=write.product_id(records.writer, product), view=drawn["view"],
        )  # fmt: skip
    if drawn["review"] and drawn["reason"] is not Reason.NONE:
        review(records.writer, row, drawn["review"], by="anna", at=NOON)


def naive(part, wanted: Wanted) -> bool:
    """Whether a part is wanted, said once more and slowly."""
    verdict = None if part.review is None else part.review.verdict
    defects = [
        defect for defect in part.defects
        if wanted.name in (None, defect.name)
        and (wanted.score_min is None or defect.score >= wanted.score_min)
        and (wanted.score_max is None or defect.score <= wanted.score_max)
    ]  # fmt: skip
    return (
        wanted.since <= part.at < wanted.until
        and (wanted.part is None or (wanted.part == part.part and wanted.run in (None, part.run)))
        and all(getattr(wanted, name) in (None, getattr(part, name)) for name in ("recipe", "passed", "reason", "camera", "view"))
        and ((wanted.name, wanted.score_min, wanted.score_max) == (None, None, None) or bool(defects))
        and {None: True, "none": not part.passed and verdict is None, "any": verdict is not None}.get(wanted.review, verdict == wanted.review)
    )


def pages(records: Records, wanted: Wanted, limits: Iterator[int], times: Iterator[float], new: Iterator[dict], number: int) -> list[int]:
    """The ids of all pages, one after the other, while `new` parts come; as an address carries the place on."""
    found: list[int] = []
    place = None
    for _ in range(1000):
        ticks = itertools.count()
        page = search(records.reader, wanted, next(limits), place, for_s=next(times), clock=lambda ticks=ticks: float(next(ticks)))
        found += [part.id for part in page.parts]
        if page.place is None:
            return found
        place = Place.read(str(page.place))
        assert place == page.place
        coming = next(new, None)
        if coming is not None:
            number += 1
            add(records, number, coming)
    raise AssertionError("it comes to no end")


@pytest.mark.parametrize("filled", [True, False])
@given(
    there=st.lists(PART, min_size=6, max_size=12), new=st.lists(PART, min_size=1, max_size=6), together=WANTED,
    limits=st.lists(st.integers(1, 3), min_size=1, max_size=4), times=st.lists(st.integers(0, 5), min_size=1, max_size=4),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_pages_joined_are_what_a_naive_filter_finds(filled, there, new, together, limits, times):
    with recorded() as records:
        for number, drawn in enumerate(there, 1):
            add(records, number, drawn)
        if not filled:  # as records of an older version are, until all their parts are counted
            with writing(records.writer):
                records.writer.execute("INSERT INTO fills VALUES ('figures', 1000, 1000), ('seen', 1000, 1000)")
                for table in ("part_figures", "reject_figures", "open_rejects", "seen"):
                    records.writer.execute(f"DELETE FROM {table}")
        coming = itertools.cycle(new)
        # Each filter alone, and some together: drawn, the one that matters would be rare.
        for wanted in (*(Wanted(**fields) for fields in ALONE), together):
            before = queries.parts_after(records.reader, 0, 1000)
            expected = [part.id for part in sorted(before, key=lambda part: (part.at, part.id), reverse=True) if naive(part, wanted)]
            found = pages(
                records, wanted, itertools.cycle(limits), itertools.cycle(map(float, times)), itertools.islice(coming, 1), len(before)
            )  # fmt: skip
            assert found == expected, wanted


@given(st.builds(Place, st.floats(-1e12, 1e12), st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1)))
def test_a_place_comes_out_of_its_address_as_it_went_in(place):
    assert Place.read(str(place)) == place


@given(st.text(max_size=30))
def test_what_is_no_place_is_none(text):
    assert Place.read(text) is None or str(Place.read(text)).count("_") == 2
