"""Thresholds by the task: of classifications and maps."""

from pathlib import Path

import numpy as np
import pytest

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.labels import Pair
from aoi_daemon.engine.qualify.by_task import recommend_frames, recommend_maps
from aoi_daemon.engine.qualify.map_peaks import Peaks, peaks_of
from aoi_daemon.infer.executor import Detections
from tests.unit.infer.manifests import manifest_of


def pair(*boxes, kinds=(), size=(80, 40)):
    kinds = kinds or [0] * len(boxes)
    return Pair("a", Path("a.png"), None, np.array(boxes, np.int32).reshape(-1, 4), np.array(kinds, np.int32), *size)


def frame(*scores):
    """A row for each class of defect, 1 on."""
    box = np.tile(np.array([0, 0, 80, 40], np.float32), (len(scores), 1))
    return Detections(box, np.array(scores, np.float32), np.arange(1, 1 + len(scores), dtype=np.int32))


GOOD, BAD = pair(), pair((0, 0, 80, 40), kinds=[1])


def manifest(**keys) -> Manifest:
    return manifest_of(**{"task": "anomaly", "classes": ("anomaly",), **keys})


def test_a_classification_is_parted_by_the_class_that_leads():
    """The label's own class at 0.15 would set a threshold among what good frames reach; the frame is rejected for the other."""
    found = [frame(0.02, 0.9), frame(0.15, 0.8), frame(0.3, 0.1), frame(0.6, 0.2)]
    rows = recommend_frames(found, [BAD, BAD, GOOD, BAD], 3, 0.1)
    assert [(round(row.threshold, 3), row.labels, row.missed, row.false_calls) for row in rows] == [
        (0.5, 0, 0, 0), (0.45, 1, 0, 0), (0.45, 2, 0, 0)]  # fmt: skip


def test_a_map_is_parted_between_the_lowest_defect_and_the_highest_good_part():
    peaks = [Peaks(np.array([0.9, 0.7], np.float32), np.array([0.95], np.float32)), Peaks(np.zeros(0, np.float32), np.array([0.3], np.float32))]
    made, (row,) = recommend_maps(peaks, [pair((0, 0, 8, 8), (20, 20, 30, 30)), GOOD], manifest(), 0.1)
    assert (row.threshold, row.labels, row.missed) == (0.5, 2, 0)
    assert made.maps.threshold == 0.5 and made.full_score == 1.0


def test_what_rises_beside_a_defect_is_no_false_call():
    """A blob reaches farther than the mask; its part is bad anyway."""
    peaks = [Peaks(np.array([0.6], np.float32), np.array([0.95], np.float32)), Peaks(np.zeros(0, np.float32), np.array([0.2], np.float32))]
    assert recommend_maps(peaks, [pair((0, 0, 8, 8)), GOOD], manifest(), 0.1)[1][0].threshold == 0.4


def test_the_threshold_of_all_maps_is_the_least_of_the_classes_that_are_defects():
    segment = manifest(task="segment", classes=("background", "dent", "scratch"), good_classes=("background",))
    bad = pair((0, 0, 8, 8), (20, 20, 30, 30), kinds=[1, 2])
    peaks = [Peaks(np.array([0.9, 0.5], np.float32), np.array([1.0, 0.9, 0.5], np.float32)),
             Peaks(np.zeros(0, np.float32), np.array([1.0, 0.1, 0.3], np.float32))]  # fmt: skip
    made, rows = recommend_maps(peaks, [bad, GOOD], segment, 0.1)
    assert [row.threshold for row in rows[1:]] == pytest.approx([0.5, 0.4], abs=2e-4)
    assert (rows[0].false_calls, made.maps.threshold) == (0, 0.4)


@pytest.mark.parametrize("scale", [0.01, 1.0, 40.0])
def test_an_anomaly_map_of_any_scale_is_parted(scale):
    """Where good parts reach what scores 1, nothing above would be told apart."""
    peaks = [Peaks(np.array([9 * scale], np.float32), np.array([9 * scale], np.float32)), Peaks(np.zeros(0, np.float32), np.array([5 * scale], np.float32))]
    made, (row,) = recommend_maps(peaks, [pair((0, 0, 8, 8)), GOOD], manifest(full_score=4.0 * scale), 0.1)
    assert made.full_score == pytest.approx(9 * scale)
    assert 5 / 9 < row.threshold < 1.0
    assert (row.missed, row.false_calls) == (0, 0)


def test_a_peak_is_of_the_labels_own_class_and_place():
    """A map of a quarter of the frame's size: the place around is looked at too, and no farther."""
    maps = np.zeros((2, 10, 20), np.float32)
    maps[0, 2, 2], maps[1, 2, 2], maps[1, 2, 8], maps[1, 9, 19] = 0.9, 0.4, 0.7, 0.8
    found = peaks_of(maps, pair((8, 8, 12, 12), (28, 8, 32, 12), (60, 20, 70, 30), kinds=[0, 1, 1]))
    assert found.labels.tolist() == pytest.approx([0.9, 0.7, 0.0])
    assert found.maps.tolist() == pytest.approx([0.9, 0.8])
