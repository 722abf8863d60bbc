"""What becomes of one view on its way to a verdict: size, field of view, template, light, place, and then the model."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import InferenceTimeoutError, ModelError
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection.look import read_templates
from aoi_daemon.messages import Reason
from tests.unit.infer.boards_at import board_at

MS = 1_000_000


def test_without_registration_the_model_is_shown_the_frame_itself(look):
    """Nothing is done that was not asked for, however the board lies."""
    test, template = board_at(1, 5, 5)
    seen, shown = look(test, template=template)
    assert seen.verdict.passed
    assert (seen.offset_x, seen.offset_y) == (0, 0)
    assert shown[0][0] is test


@pytest.mark.parametrize("has_template", [True, False])
def test_with_registration_the_model_is_shown_the_aligned_frame(look, has_template):
    """Whether it looks at the template too or not; the offset is told with the verdict."""
    test, template = board_at(1, 4.8, -4.8)
    seen, shown = look(test, template=template, registration={"max_offset": 8.0}, has_template=has_template)
    assert seen.verdict.passed
    assert abs(seen.offset_x - 10) <= 1
    assert abs(seen.offset_y + 10) <= 1
    image, given = shown[0]
    inner = (slice(16, -16), slice(16, -16))
    assert (
        np.abs(image[inner].astype(int) - template[inner]).mean()
        < np.abs(test[inner].astype(int) - template[inner]).mean() / 2
    )
    assert given is template


def test_the_template_that_came_with_the_frame_is_the_one_to_align_to(look):
    """Replayed pairs bring their own."""
    test, template = board_at(1, 3, 3)
    _, other = board_at(2, 0, 0)
    seen, shown = look(test, template=other, brought=template, registration={"max_offset": 8.0})
    assert seen.verdict.passed
    assert shown[0][1] is template


def test_a_board_that_cannot_be_aligned_is_rejected_and_no_model_asked(look):
    """A model that finds nothing would pass it."""
    test, template = board_at(1, 10.5, 0)
    for image in (test, np.zeros_like(test), board_at(2, 0, 0)[0]):
        seen, shown = look(image, template=template, registration={"max_offset": 8.0})
        assert (seen.verdict.passed, seen.verdict.reason) == (False, Reason.REGISTRATION)
        assert shown == []


@pytest.mark.parametrize("dx_px", [3.0, 12.0])
def test_a_part_whose_time_ran_out_while_it_was_aligned_is_late(look, clock, monkeypatch, dx_px):
    """Whether it could be aligned or not."""
    test, template = board_at(1, dx_px, 0)
    align = Registrar.align

    def slow(*arguments):
        clock.now_ns += 60 * MS
        return align(*arguments)

    monkeypatch.setattr(Registrar, "align", slow)
    try:
        seen, shown = look(test, template=template, registration={"max_offset": 8.0})
        assert (seen.verdict.passed, seen.verdict.reason, shown) == (False, Reason.LATE, [])
    except InferenceTimeoutError:
        pass  # which `inspect` answers with LATE


def test_registration_without_a_template_rejects_for_want_of_a_recipe(look):
    """There is nothing to align to; another model needs none, and that does not matter."""
    test, template = board_at(1, 0, 0)
    seen, _ = look(test, template=template, fov=1, registration={"max_offset": 8.0}, has_template=False)
    assert seen.verdict.reason is Reason.NO_RECIPE
    seen, _ = look(test, fov=1, has_template=False)
    assert seen.verdict.passed


BOX = [[0, 0], [600, 600]]


@pytest.mark.parametrize(
    ("regions", "fov", "known"),
    [((), 0, True), ((), 9, True), ((0,), 0, True), ((0,), 1, False), ((0, 2), 2, True), ((None, 0), 1, True)],
)
def test_a_frame_of_a_field_of_view_that_no_region_is_for_is_rejected(look, regions, fov, known):
    """Not inspected everywhere, nor nowhere: nobody has said where to look."""
    test, _ = board_at(1, 0, 0)
    sections = [{"kind": "ignore", "fov": of, "corners": BOX} for of in regions]
    seen, shown = look(test, fov=fov, has_template=False, regions=sections)
    assert (seen.verdict.passed, len(shown)) == (known, int(known))
    assert seen.verdict.reason is (Reason.NONE if known else Reason.NO_RECIPE)


def test_a_frame_of_another_size_is_rejected_and_no_model_asked(look):
    """It would be scaled, or read past its end."""
    for shape in ((640, 639, 1), (480, 640, 1), (640, 640, 3)):
        seen, shown = look(np.full(shape, 100, np.uint8), has_template=False)
        assert (seen.verdict.passed, seen.verdict.reason, shown) == (False, Reason.NO_RECIPE, [])


def test_a_part_whose_time_is_over_when_it_is_taken_up_is_late(look):
    image = np.full((640, 640, 1), 100, np.uint8)
    for slack_ms, reason in ((-1, Reason.LATE), (0, Reason.LATE), (1, Reason.NONE)):
        seen, shown = look(image, has_template=False, slack_ms=slack_ms)
        assert seen.verdict.reason is reason
        assert len(shown) == (reason is Reason.NONE)


def test_a_picture_too_dark_is_rejected_for_its_light_and_no_model_asked(look):
    """A model that finds nothing in a black picture would pass it."""
    for level, reason in ((49, Reason.OPTICS), (51, Reason.NONE)):
        seen, shown = look(np.full((640, 640, 1), level, np.uint8), has_template=False, optics={"min_brightness": 50})
        assert (seen.verdict.reason, len(shown)) == (reason, int(reason is Reason.NONE))


def test_a_template_that_is_needed_and_not_there_is_a_reject(look):
    seen, shown = look(np.full((640, 640, 1), 100, np.uint8), has_template=True)
    assert (seen.verdict.reason, shown) == (Reason.NO_RECIPE, [])


@pytest.mark.parametrize(("size", "said"), [((64, 64), ""), ((63, 64), "is 64 x 63 px, the recipe is 64 x 64"), (None, "template of fov 2")])
def test_templates_are_read_by_field_of_view_or_refused_by_name(tmp_path, size, said):
    if size is not None:
        cv2.imwrite(str(tmp_path / "t.png"), np.full(size, 7, np.uint8))
    templates = ({"fov": 2, "image": str(tmp_path / "t.png")},)
    recipe = Recipe.model_validate(
        {"id": 1, "name": "r", "bundle": "b", "width_px": 64, "height_px": 64, "templates": templates}
    )
    if said:
        with pytest.raises(ModelError, match=said):
            read_templates(recipe)
    else:
        ((fov, image),) = read_templates(recipe).items()
        assert (fov, image.shape, int(image.mean())) == (2, (64, 64, 1), 7)
