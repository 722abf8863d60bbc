"""What a precision is held to, by its task, and where a golden part may say no place."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.decide.judge import Verdict
from aoi_daemon.engine.bundle import golden
from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.labels import Pair
from aoi_daemon.engine.qualify.qualify import Board
from aoi_daemon.engine.qualify.task_figures import allowed, figures
from aoi_daemon.infer.executor import Detections
from aoi_daemon.messages import Reason
from tests.unit.infer.manifests import manifest_of

CLASSES = ("good", "dent", "scratch")
NONE = ((0, 0, 0, 0), 0.0, 1)


def pairs(count):
    """Every second is bad: a dent at 10,10,30,30."""
    shown = []
    for number in range(count):
        boxes = [[10, 10, 30, 30]] if number % 2 else []
        shown.append(Pair(f"p{number:02d}", Path("a.png"), None, np.array(boxes, np.int32).reshape(-1, 4), np.ones(len(boxes), np.int32), 80, 40))
    return shown


def run(*rows):
    """A run of one detection a board: box, score, class; it is rejected from 0.5 on."""
    found = [Detections(*(np.array([value], kind) for value, kind in zip(row, (np.float32, np.float32, np.int32), strict=True))) for row in rows]
    passed = np.array([row[1] < 0.5 for row in rows])
    verdicts = tuple(Verdict(True, Reason.NONE, ()) if ok else Verdict.reject(Reason.DEFECT) for ok in passed)
    return SimpleNamespace(found=found, passed=passed, verdicts=verdicts)


def compared(task, now, before, **keys):
    manifest = manifest_of(task=task, classes=CLASSES, good_classes=("good",), **keys)
    return figures(manifest, run(*now), pairs(len(now)), np.full(3, 0.5, np.float32), run(*before))


DENT = ((12, 12, 28, 28), 0.9, 1)
BEFORE = [NONE, DENT] * 10


@pytest.mark.parametrize("task", ["yolo", "classify", "segment"])
def test_a_precision_that_decides_as_fp32_may_ship(task):
    keys = {"activation": "softmax"} if task == "classify" else {}
    assert compared(task, BEFORE, BEFORE, **keys).problems == []


@pytest.mark.parametrize("task", ["yolo", "segment"])
def test_one_bad_part_that_passes_is_too_many(task):
    found = compared(task, [NONE, NONE, *BEFORE[2:]], BEFORE)
    assert found.problems == ["1 bad parts that fp32 rejects pass"]
    assert "9 of 10 labelled defects are met, 1 that fp32 meets are not" in str(found)


def test_a_false_call_more_is_chance_and_two_are_not():
    assert allowed(20) == 1
    one, two = ([DENT] * k + BEFORE[k:] for k in (1, 3))
    assert compared("yolo", one, BEFORE).problems == []
    assert compared("yolo", two, BEFORE).problems == ["2 of 20 parts get another verdict than fp32's (allowed: 1)"]


def test_a_classification_must_give_bad_parts_the_same_class():
    other = [NONE, (DENT[0], 0.9, 2)] * 2 + BEFORE[4:]
    found = compared("classify", other, BEFORE, activation="softmax")
    assert found.problems == ["2 of 10 bad parts get another class than fp32's (allowed: 1)"]
    assert str(found) == "8 of 10 bad parts get their class, 2 another than fp32's"


def test_an_area_elsewhere_does_not_stand_for_the_defect():
    """The verdicts are the same: only the labels tell."""
    elsewhere = [NONE, ((50, 5, 70, 25), 0.9, 1)] * 2 + BEFORE[4:]
    assert compared("segment", elsewhere, BEFORE).problems == ["2 of 10 labelled defects that fp32 meets are not met (allowed: 1)"]
    assert compared("yolo", elsewhere, BEFORE).problems == [], "average precision says it of boxes"


def boards(**changed):
    return [Board(Pair(**{**vars(pair), **changed}), Frame(pair.name, pair.test_path, None, 1)) for pair in pairs(48)]


def wanted(task="segment"):
    return golden.Wanted(manifest_of(task=task, classes=CLASSES, good_classes=("good",)), np.full(3, 0.5, np.float32), 24, all_classes=False)


def test_a_golden_part_of_maps_says_the_places_that_an_area_meets():
    """An area is no box that a person would draw: it counts where it meets the label."""
    small = ((18, 18, 22, 22), 0.7, 1)
    seen = run(*[NONE, small] * 24)
    chosen = golden.choose(boards(), seen, wanted(), [0.5, 1.4] * 24)
    assert [part.boxes for part in chosen if not part.passed] == [((10, 10, 30, 30, "dent"),)] * 12
    assert golden.unproven(chosen, wanted()) == ["scratch"]


def test_a_good_part_whose_map_comes_near_the_threshold_is_not_golden():
    seen = run(*[NONE, DENT] * 24)
    shares = [0.95, 1.8] * 12 + [0.85, 1.8] * 12
    chosen = golden.choose(boards(), seen, wanted(), shares)
    assert {part.name for part in chosen if part.passed} == {f"p{number:02d}" for number in range(24, 48, 2)}


def test_a_bad_part_of_which_nobody_knows_where_has_no_box():
    chosen = golden.choose(boards(is_placed=False), run(*[NONE, DENT] * 24), wanted(), [0.1, 1.8] * 24)
    assert {part.boxes for part in chosen} == {()}
    assert golden.unproven(chosen, wanted()) == []
