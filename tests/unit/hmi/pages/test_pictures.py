"""The shown part's picture: whole, or not at all."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.hmi.pictures import LARGE_PX, SMALL_PX, Choice, Pictures, shrink, to_jpeg
from aoi_daemon.messages import Reason

from .conftest import MS, outcome


def put(ring, sequence, value, template=None):
    ring.begin(sequence)
    image, plane = ring.planes(sequence)
    image[:] = value
    if template is not None:
        plane[:] = template
    ring.publish(sequence, (48, 64, 1), fov=0, trigger_ns=0, ready_ns=outcome(sequence).ready_ns, has_template=template is not None)


@pytest.fixture
def ring(stage):
    return stage.frame_ring(0)


@pytest.fixture
def pictures(stage, ring):
    return Pictures([ring], stage.setup.recipe, stage.config.cameras)


def decoded(data: bytes):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_shot_keeps_its_picture_when_the_ring_goes_on(ring, pictures):
    put(ring, 1, 40, template=200)
    shot = pictures.take(outcome(1))
    put(ring, 1 + ring.layout.slots, 250)
    assert (shot.width_px, shot.height_px) == (64, 48)
    assert abs(int(decoded(shot.jpeg("frame", large=False))[5, 5]) - 40) < 4
    assert abs(int(decoded(shot.jpeg("template", large=False))[5, 5]) - 200) < 4


def test_a_part_whose_frame_has_gone_by_has_no_picture(ring, pictures):
    put(ring, 1, 40)
    put(ring, 1 + ring.layout.slots, 250)
    shot = pictures.take(outcome(1))
    assert shot.jpeg("frame", large=False) is None


def test_a_frame_that_is_overwritten_while_it_is_copied_is_not_shown(ring, pictures, monkeypatch):
    put(ring, 1, 40)

    def slowly(image, longest_px):
        found = shrink(image, longest_px)
        put(ring, 1 + ring.layout.slots, 250)
        return found

    monkeypatch.setattr("aoi_daemon.hmi.pictures.shrink", slowly)
    assert pictures.take(outcome(1)).frame is None


def test_a_part_without_a_frame_has_no_picture(pictures):
    assert pictures.take(outcome(1, Reason.NO_IMAGE, ready_ns=0)).frame is None
    assert pictures.take(outcome(2, camera=7)).frame is None


def test_one_template_has_one_key(ring, pictures):
    for part in (1, 2, 3):
        put(ring, part, part, template=200 if part < 3 else 201)
    first, same, other = (pictures.take(outcome(part)).template_key for part in (1, 2, 3))
    assert first == same != other


def test_a_template_of_the_recipe_is_shown_where_the_frame_brings_none(ring, stage, pictures, tmp_path):
    cv2.imwrite(str(tmp_path / "golden.png"), np.full((48, 64), 77, np.uint8))
    template = {"fov": 0, "image": tmp_path / "golden.png"}
    recipe = stage.setup.recipe.model_dump() | {"templates": [template]}
    pictures.use(type(stage.setup.recipe).model_validate(recipe))
    put(ring, 1, 40)
    assert pictures.take(outcome(1)).template is not None
    # One that cannot be read costs the template alone.
    (tmp_path / "golden.png").write_bytes(b"no image")
    pictures.use(type(stage.setup.recipe).model_validate(recipe))
    shot = pictures.take(outcome(1))
    assert shot.frame is not None
    assert shot.template is None


def test_the_last_few_shots_are_kept(ring, pictures):
    for part in range(1, 10):
        pictures.take(outcome(part))
    assert pictures.shot(9) is not None
    assert pictures.shot(1) is None


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (5000, 300, 1), (300, 5000, 3), (1, 9000, 1)])
def test_a_picture_is_never_larger_than_it_may_be(shape):
    image = np.full(shape, 90, np.uint8)
    for longest_px in (SMALL_PX, LARGE_PX):
        found = decoded(to_jpeg(image, longest_px))
        assert max(found.shape[:2]) == min(longest_px, max(shape[:2]))


def test_a_small_picture_is_copied_not_lent():
    image = np.zeros((4, 4, 1), np.uint8)
    assert not np.shares_memory(shrink(image, 100), image)


def test_a_reject_is_shown_before_good_parts_and_alone_for_two_seconds():
    choice = Choice()
    good, bad = outcome(1), outcome(2, Reason.DEFECT)
    assert choice.of([good], 0) is good
    assert choice.of([bad, outcome(3)], 1 * MS) is bad
    assert choice.of([outcome(4)], 1000 * MS) is None
    worse = outcome(5, Reason.DEFECT)
    assert choice.of([worse], 1500 * MS) is worse
    assert choice.of([outcome(6)], 3499 * MS) is None
    later = outcome(7)
    assert choice.of([later], 3502 * MS) is later
    assert choice.of([], 9999 * MS) is None
