"""Maps of pieces are read as one map of the frame would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.recipe import ClassLimit, Recipe, Region
from aoi_daemon.config.tasks import MapReading
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.errors import InferenceError
from aoi_daemon.infer.decode.maps import Maps
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.fit.geometry import Takes, plan_fit
from tests.unit.infer.manifests import manifest_of

MANIFEST = manifest_of("anomaly")


class Mapping:
    """A model whose map is the frame: each `step` x `step` px are one place, as bright as the brightest of them."""

    name, notes, has_template, decoder = "mapping", (), False, None

    def __init__(self, step):
        self.step = step

    def infer(self, image, template, deadline_ns):
        return self.decoder.decode([self.map_of(image)], image.shape)

    def map_of(self, image):
        height, width = (side // self.step for side in image.shape[:2])
        values = image[: height * self.step, : width * self.step, 0].reshape(height, self.step, width, self.step)
        return (values.max(axis=(1, 3)) / np.float32(255))[None, None].astype(np.float32)

    def close(self):
        pass


def decoder(*, min_area_px=0.0, score="max"):
    return Maps(MANIFEST, MapReading(threshold=0.5, score=score), min_area_px=min_area_px)


ANY = Takes(None, None)


def fitted(fit, frame, *, step=1, takes=ANY, **reading):
    plan = plan_fit(fit, frame, takes)
    executor = FittedExecutor(Mapping(step), plan, MANIFEST, Cutting(plan), least_score=0.5)
    executor.decoder = decoder(**reading)
    return executor


def told(found):
    return sorted((*map(float, box), round(float(score), 4)) for box, score in zip(found.boxes, found.scores, strict=True))


@st.composite
def painted(draw):
    """A frame with blots and lines that no piece has complete, and the overlap of its tiles."""
    height, width = draw(st.integers(6, 14)) * 8, draw(st.integers(6, 14)) * 8
    frame = np.zeros((height, width, 1), np.uint8)
    for _ in range(draw(st.integers(0, 6))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        frame[y : y + draw(st.integers(1, 50)), x : x + draw(st.integers(1, 50))] = draw(st.integers(100, 255))
    return frame, draw(st.sampled_from((0, 3, 8, 16)))


@pytest.mark.parametrize("step", [1, 4])
@given(case=painted(), min_area=st.sampled_from((0.0, 30.0, 400.0)), score=st.sampled_from(("max", "mean")))
@settings(deadline=None, max_examples=80)
def test_tiles_tell_what_one_map_of_the_frame_would(step, case, min_area, score):
    """Areas, boxes and scores, whatever shape runs through a seam; an area that is cut in two has its complete size."""
    frame, overlap = case
    executor = fitted(
        Fit(kind="tiles", width_px=40, height_px=32, overlap_px=overlap), frame.shape, step=step,
        min_area_px=min_area, score=score,
    )  # fmt: skip
    direct = decoder(min_area_px=min_area, score=score).decode([Mapping(step).map_of(frame)], frame.shape)
    for _ in range(2):  # what was there before must not be found again
        assert told(executor.infer(frame, None, NO_DEADLINE)) == told(direct)
    assert told(executor.infer(np.zeros_like(frame), None, NO_DEADLINE)) == []


def test_an_area_in_a_frame_that_is_made_smaller_has_the_frames_size():
    frame = np.zeros((120, 240, 1), np.uint8)
    frame[30:60, 90:150] = 255
    executor = fitted(Fit(kind="resize"), frame.shape, takes=Takes(80, 80), min_area_px=1700)
    found = executor.infer(frame, None, NO_DEADLINE)
    assert found.boxes[0] == pytest.approx((90, 30, 150, 60), abs=3.1)
    executor.decoder = decoder(min_area_px=2100)
    assert told(executor.infer(frame, None, NO_DEADLINE)) == []


@pytest.mark.parametrize(
    ("fit", "takes", "frame"),
    [
        (Fit(kind="resize", pad_value=255), Takes(80, 80), (120, 240, 1)),
        (Fit(kind="pad", pad_value=255), Takes(128, 256), (120, 240, 1)),
        (Fit(kind="pad", pad_value=255), Takes(None, None, 32), (120, 240, 1)),
        (Fit(kind="tiles", width_px=80, height_px=144, pad_value=255), Takes(None, None), (120, 240, 1)),
    ],
)
@pytest.mark.parametrize("step", [1, 4])
def test_what_a_model_finds_in_the_gray_beside_the_frame_is_none_of_the_parts(fit, takes, frame, step):
    executor = fitted(fit, frame, takes=takes, step=step)
    assert told(executor.infer(np.zeros(frame, np.uint8), None, NO_DEADLINE)) == []


def test_a_part_in_a_corner_keeps_its_place_beside_gray():
    frame = np.zeros((50, 70, 1), np.uint8)
    frame[40:50, 60:70] = 255
    for fit, takes in ((Fit(kind="pad"), Takes(64, 96)), (Fit(kind="tiles", width_px=40, height_px=64), Takes(None, None))):
        assert fitted(fit, frame.shape, takes=takes).infer(frame, None, NO_DEADLINE).boxes.tolist() == [[60, 40, 70, 50]]


def test_a_crop_tells_where_in_the_frame():
    frame = np.zeros((120, 240, 1), np.uint8)
    frame[30:60, 90:150] = 255
    executor = fitted(Fit(kind="crop", x_px=80, y_px=16), frame.shape, takes=Takes(64, 64))
    assert executor.infer(frame, None, NO_DEADLINE).boxes.tolist() == [[90, 30, 144, 60]]


@pytest.mark.parametrize("tile", [0, 3])
def test_one_value_that_is_no_number_in_any_tile_refuses_the_part(tile):
    frame = np.zeros((64, 96, 1), np.uint8)
    executor = fitted(Fit(kind="tiles", width_px=48, height_px=40, overlap_px=16), frame.shape)
    inner = executor._inner
    maps = inner.map_of
    calls = iter(range(100))

    def broken(image):
        found = maps(image)
        if next(calls) == tile:
            found[0, 0, 20, 20] = np.nan
        return found

    inner.map_of = broken
    with pytest.raises(InferenceError, match="not finite"):
        executor.infer(frame, None, NO_DEADLINE)


def test_maps_that_change_their_size_from_one_tile_to_the_next_are_refused():
    executor = fitted(Fit(kind="tiles", width_px=48, height_px=40, overlap_px=16), (64, 96, 1))
    maps, sizes = executor._inner.map_of, iter([40, 39])
    executor._inner.map_of = lambda image: maps(image)[:, :, : next(sizes)]
    with pytest.raises(InferenceError, match="for the piece before"):
        executor.infer(np.zeros((64, 96, 1), np.uint8), None, NO_DEADLINE)


def test_maps_that_leave_some_of_the_frame_out_never_come_to_a_verdict():
    """The pieces that ran are not all of them: what was there before is no answer."""
    executor = fitted(Fit(kind="tiles", width_px=48, height_px=40, overlap_px=16), (64, 96, 1))
    executor._stitching.begin()
    with pytest.raises(InferenceError, match="0 of 6 pieces"):
        executor._stitching.read(executor.decoder)


# -- maps of a model's best candidates alone --------------------------------------------------------


@given(st.integers(0, 8), st.floats(0.3, 1), st.floats(0, 5000), st.integers(0, 50), st.data())
@settings(max_examples=25, deadline=None)
def test_a_part_is_never_passed_where_one_tile_left_out_what_may_count(number, score, min_area_px, tolerated, data):
    """Its map is full; those of the other tiles are not, and the area that it is might be tolerated."""
    frame = (96, 112, 1)
    plan = plan_fit(Fit(kind="tiles", width_px=48, height_px=48, overlap_px=16), frame, ANY)
    assert plan is not None
    bundle = manifest_of("segment", ("pad", "crack"), best_only=True)

    class Full(Mapping):
        seen = 0

        def infer(self, image, template, deadline_ns):
            maps = np.zeros((1, 2, 12, 12), np.float32)
            maps[0, 1] = score if self.seen == number else 0.1
            self.seen += 1
            return self.decoder.decode([maps], image.shape)

    executor = FittedExecutor(Full(4), plan, bundle, Cutting(plan), least_score=0.3)
    executor.decoder = Maps(bundle, MapReading(threshold=0.3), min_area_px=min_area_px)
    left, top = data.draw(st.floats(0, 90)), data.draw(st.floats(0, 70))
    region = Region(
        kind=data.draw(st.sampled_from(["inspect", "ignore"])), corners=((left, top), (left + 20, top + 20))
    )
    limits = tuple(ClassLimit(name=name, score=0.3, max_count=tolerated) for name in ("pad", "crack"))
    recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=112, height_px=96, limits=limits, regions=(region,))
    found = executor.infer(np.zeros(frame, np.uint8), None, NO_DEADLINE)
    assert not judge(found, Criteria.compile(recipe, ("pad", "crack")), 0, slack_ns=1).passed


def test_a_full_tile_of_a_model_that_shows_all_is_an_area_of_its_own():
    frame = np.zeros((96, 112, 1), np.uint8)
    frame[:48, :48] = 200
    found = fitted(Fit(kind="tiles", width_px=48, height_px=48, overlap_px=16), frame.shape, step=4).infer(
        frame, None, NO_DEADLINE
    )
    assert found.boxes.tolist() == [[0, 0, 48, 48]]


@pytest.mark.parametrize("seeing", range(4))
def test_what_one_tile_alone_sees_of_what_all_look_at_is_found(seeing):
    """The tile before, after, above or below it may be blind to it: at its border a model sees less."""
    frame = np.zeros((64, 80, 1), np.uint8)
    frame[30:34, 38:42] = 255
    executor = fitted(Fit(kind="tiles", width_px=48, height_px=40, overlap_px=16), frame.shape)
    maps, number = executor._inner.map_of, iter(range(100))
    executor._inner.map_of = lambda image: maps(image) * (next(number) % 4 == seeing)
    for _ in range(2):
        assert executor.infer(frame, None, NO_DEADLINE).boxes.tolist() == [[38, 30, 42, 34]]
