"""Which golden parts hold, and which products are proven."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.boxes import read_box
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.golden.manifest import Part, read_golden
from aoi_daemon.golden.store import add
from aoi_daemon.inspection import prove as proving
from aoi_daemon.inspection.prove import Held, Product, hold, product_of, prove
from aoi_daemon.messages import Defect, Proof
from tests.unit.golden.conftest import CLASSES, SIZE, new

SHA = "0" * 64
PICTURE = np.full((SIZE, SIZE, 1), 1, np.uint8)


def part(*, passed=False, boxes=([10, 10, 30, 30],), **keys):
    return Part(image="p.png", sha256=SHA, passed=passed, boxes=() if passed else tuple(map(read_box, boxes)), **keys)


def held(by, found, label, picture=PICTURE):
    by.executor.found = {1: found}
    return hold(by, label, picture, None)


HOLDS = {
    "good and nothing found": (part(passed=True), []),
    "found where it is": (part(), [((12, 12, 28, 28), 0)]),
    "its centre in the box, though much larger": (part(), [((0, 0, 40, 40), 0)]),
    "its centre beside the box, and overlapping a tenth": (part(), [((28, 10, 40, 30), 0), ((12, 25, 30, 50), 0)]),
    "the class that is named": (part(boxes=[[10, 10, 30, 30, "short"]]), [((12, 12, 28, 28), 1)]),
    "two boxes, each met": (part(boxes=[[0, 0, 9, 9], [40, 40, 60, 60]]), [((1, 1, 8, 8), 0), ((41, 41, 59, 59), 0)]),
    "more is found elsewhere": (part(), [((50, 50, 60, 60), 0), ((12, 12, 28, 28), 0)]),
}  # fmt: skip
FAILS = {
    "good and rejected": (part(passed=True), [((12, 12, 28, 28), 0)], "is good and was rejected: open 0.90 at 12,12,28,28"),
    "bad and passed": (part(), [], "is bad and passed"),
    "found elsewhere": (part(), [((50, 50, 60, 60), 0)], "its defect in 10,10,30,30 was not found; found: open"),
    "a corner alone": (part(), [((29, 29, 60, 60), 0)], "its defect in 10,10,30,30 was not found"),
    "another class": (part(boxes=[[10, 10, 30, 30, "short"]]), [((12, 12, 28, 28), 0)], "10,10,30,30,short was not found"),
    "one of two boxes": (part(boxes=[[0, 0, 9, 9], [40, 40, 60, 60]]), [((1, 1, 8, 8), 0)], "in 40,40,60,60 was not found"),
    "no box": (part(boxes=()), [((12, 12, 28, 28), 0)], "has no box: nothing says what must be found"),
    "a class that the bundle has not": (part(boxes=[[10, 10, 30, 30, "rust"]]), [((12, 12, 28, 28), 0)], "no class rust (there: open, short)"),
    "a box beyond the picture": (part(boxes=[[10, 10, 30, 65]]), [((12, 12, 28, 28), 0)], "not inside 64 x 64 px"),
}  # fmt: skip


@pytest.mark.parametrize("what", HOLDS)
def test_it_holds(looker, what):
    assert held(looker(), HOLDS[what][1], HOLDS[what][0]).why == ""


@pytest.mark.parametrize("what", FAILS)
def test_it_does_not_hold(looker, what):
    label, found, says = FAILS[what]
    assert says in held(looker(), found, label).why


def test_what_is_beyond_the_16_that_a_verdict_carries_counts_too(looker):
    """The model is surest of something else seventeen times over."""
    by = looker()
    crowd = [((40 + n % 8, 40 + n // 8, 60, 60), 0) for n in range(40)]
    by.executor.found = {1: [*crowd, ((12, 12, 28, 28), 1)]}
    assert hold(by, part(), PICTURE, None).why == ""


def test_a_bad_part_that_is_rejected_without_being_looked_at_proves_nothing(looker):
    """Too dark a picture is rejected by every model."""
    by = looker(optics={"min_brightness": 100.0})
    result = held(by, [((12, 12, 28, 28), 0)], part())
    assert (result.verdict, "rejected, but for OPTICS" in result.why) == ("REJECT OPTICS", True)
    small = np.ones((32, 32, 1), np.uint8)
    assert held(looker(), [], part(), small).why == "is 32 x 32 px, the recipe is 64 x 64"


def test_what_the_recipe_tolerates_is_not_found(looker):
    """A region left out, a size or a count: it is the product that is proven, not the model."""
    seen = [((12, 12, 28, 28), 0)]
    for keys in (
        {"regions": [{"kind": "ignore", "corners": [[0, 0], [40, 40]]}]},
        {"limits": [{"name": "*", "min_width": 20.0}]}, {"limits": [{"name": "*", "max_count": 1}]},
    ):  # fmt: skip
        assert held(looker(**keys), seen, part()).why == "is bad and passed"


def test_of_a_classifier_the_verdict_is_enough(looker):
    """It says nothing of where."""
    assert held(looker(task="classify"), [((0, 0, 64, 64), 0)], part(boxes=())).why == ""


def test_aligned_detections_are_moved_back_onto_the_picture():
    defect = Defect(0, 0.9, 10, 10, 20, 20)
    box = read_box([30, 10, 40, 20])
    assert unmet([box], [defect], CLASSES) == [box]
    assert unmet([box], [defect], CLASSES, (20.0, 0.0)) == []


def test_a_damaged_picture_is_a_part_that_does_not_hold(looker, tmp_path):
    add(tmp_path, [new("ok", passed=True, level=1)], by="", when="")
    (tmp_path / "ok.png").write_bytes(b"x")
    seen = []
    (result,) = prove(looker(), read_golden(tmp_path), lambda: seen.append(1))
    assert "has SHA-256" in result.why and seen == [1]


# -- the product ----------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6), st.booleans(), st.booleans())
def test_a_product_is_proven_by_a_good_and_a_bad_part_and_all_that_hold(parts, accepted, upgraded):
    """Nobody excuses one that does not hold; missing ones are excused, and then it is not called proven."""
    product = product_of(
        [Held(part(passed=passed), "" if holds else "does not", "") for passed, holds in parts]
    )  # fmt: skip
    proof = product.proof(accepted=accepted, upgraded=upgraded)
    all_hold = all(holds for _, holds in parts)
    complete = {passed for passed, _ in parts} == {True, False}
    assert (proof is Proof.PROVEN) is (complete and all_hold)
    assert (proof is Proof.NOT_PROVEN) is (not all_hold or not (complete or accepted or upgraded))
    assert (product.text("demo") == "") is (complete and all_hold)


def test_what_is_missing_is_said_with_the_command_that_adds_it():
    assert Product(2, 0).text("demo") == (
        "recipe demo: 2 good and 0 bad golden parts, one of each is needed: "
        "aoi-daemon golden add --recipe demo --bad PICTURE --box x1,y1,x2,y2"
    )
    many = Product(1, 9, tuple(f"p{n} is bad and passed" for n in range(9))).text("demo")
    assert "p4 is bad and passed; and 4 more. " in many and "golden remove --recipe demo NAME" in many


@pytest.mark.parametrize(("fovs", "seen"), [((0,), [None]), ((1,), [7]), ((), [7])])
def test_a_part_s_own_template_counts_only_where_the_recipe_has_none(looker, monkeypatch, fovs, seen):
    """The line judges by the recipe's template: parts that hold against their own prove nothing of it."""
    by, asked = looker(), []
    by.templates = {fov: np.zeros((SIZE, SIZE, 1), np.uint8) for fov in fovs}

    def look(by, image, own_template, **rest):
        asked.append(None if own_template is None else int(own_template.flat[0]))
        return real(by, image, own_template, **rest)

    real = proving.look
    monkeypatch.setattr(proving, "look", look)
    assert hold(by, part(passed=True), PICTURE, np.full((SIZE, SIZE, 1), 7, np.uint8)).why == ""
    assert asked == seen
