"""The target that stays in view: its shift is told as it was made, the alarm follows the bound, and one bad look is none."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.config.lens import LEAST_MARKS, Lens, Watch
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.recorder import targets as module
from aoi_daemon.recorder.targets import Targets, Watched, wrong_in
from aoi_daemon.ring.frames import FrameRing, RingLayout
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, camera_cell
from aoi_daemon.stage.live_frames import LiveFrame
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import CalibrationError, find_target
from aoi_daemon.target.moved import marks_of, moved
from tests.unit.target.rendering import seen

SIZE = WIDTH, HEIGHT = 400, 300
SECOND = 1_000_000_000
WITHIN_PX = 0.2
FARTHEST_PX = 0.3
"""Of the corner that has moved farthest, by which the alarm goes: with the turn that noise makes."""
COVERED_PX = 0.5
"""An edge beside a corner draws it to itself."""


def lens_of(target, most_px=2.0, k1=0.0, k2=0.0, **optics):
    """What is kept of a target that stays in view."""
    image = seen(target, size=SIZE, k1=k1, k2=k2, seed=1, **optics)
    marks = marks_of(find_target("kept", image, target, least=2 * LEAST_MARKS))
    watch = Watch(columns=target.columns, rows=target.rows, most_px=most_px)
    return Lens(width_px=WIDTH, height_px=HEIGHT, px_per_mm=2.0, k1=k1, k2=k2, marks=marks, watch=watch)


def at_most(lens, most_px):
    return lens.watch.model_copy(update={"most_px": most_px})


@settings(max_examples=30)
@given(data=st.data())
def test_the_shift_is_told_as_it_was_made_and_the_alarm_follows_the_bound(data):
    """Whatever board, lens, light and shift; of a target that is covered in part the same, or that it cannot be told."""
    draw = data.draw
    target = Target(draw(st.integers(4, 7)), draw(st.integers(4, 5)), 10.0)
    k1, k2 = draw(st.floats(-0.15, 0.1)), draw(st.floats(-0.02, 0.03))
    optics = {
        "px_per_mm": draw(st.floats(2.9, 3.3)), "turn_deg": draw(st.floats(-180, 180)), "blur_px": draw(st.floats(0.4, 0.9)),
        "noise": draw(st.floats(0, 4)), "light": draw(st.sampled_from([(40, 210), (20, 140), (90, 240)])),
    }  # fmt: skip
    place = np.array((draw(st.floats(-70, 70)), draw(st.floats(-50, 50))))  # where it lies in the frame
    far, angle = draw(st.floats(0, 8)), draw(st.floats(0, 2 * math.pi))
    made = far * math.cos(angle), far * math.sin(angle)
    try:
        lens = lens_of(target, k1=k1, k2=k2, shift_px=place, **optics)
    except ValueError:
        assume(False)  # no lens distorts so
    image = seen(target, size=SIZE, k1=k1, k2=k2, shift_px=place + made, seed=2, **optics)
    x, y = draw(st.integers(0, WIDTH)), draw(st.integers(0, HEIGHT))
    wide, high = draw(st.sampled_from([(0, 0), (0, 0), (60, 300), (150, 120), (400, 80)]))
    image[max(0, y - high // 2) : y + high // 2, max(0, x - wide // 2) : x + wide // 2] = 120
    frame = LiveFrame(1, 0, image[..., None])
    try:
        found = moved(lens, find_target("frame", image, target, least=LEAST_MARKS))
    except CalibrationError:
        assert wide, "nothing covers it, and it was not found"
        assert "cannot be told" in wrong_in(lens, at_most(lens, 1000.0), frame)
        return
    assert (found.x_px, found.y_px) == pytest.approx(made, abs=COVERED_PX if wide else WITHIN_PX)
    within = COVERED_PX if wide else FARTHEST_PX
    assert wrong_in(lens, at_most(lens, far + within), frame) == ""
    if far > within:
        assert "allowed are" in wrong_in(lens, at_most(lens, far - within), frame)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shift_px": (300.0, 0.0)}, "cannot be told .*no target in it"),
        ({"turn_deg": 4.0}, r"lies [+-]0\.\d\d, [+-]0\.\d\d px .* 1\.\d\d at most; allowed are 1"),
        ({"px_per_mm": 2.6}, r"at most; allowed are 1"),
        ({"blur_px": 5.0}, "cannot be told .*blurred"),
    ],
    ids=["gone", "turned", "nearer", "blurred"],
)
def test_what_is_no_shift_is_seen_too(change, said):
    target, optics = Target(7, 5, 10.0), {"px_per_mm": 2.5, "turn_deg": 3.0}
    lens = lens_of(target, most_px=1.0, **optics)
    image = seen(target, size=SIZE, seed=2, **{**optics, **change})
    assert re.search(said, wrong_in(lens, lens.watch, LiveFrame(1, 0, image[..., None])))


@given(st.lists(st.booleans(), max_size=12), st.sampled_from([0.0, 60.0]))
def test_three_bad_looks_in_a_row_are_the_alarm_and_one_good_one_ends_it(looks, every_s):
    """A second apart while it is wrong; once it holds, as often as was asked for."""
    state, now = Watched(every_s), 5 * SECOND
    bad, on = 0, False
    assert state.due(now) and state.said is None
    for wrong in looks:
        if not state.due(now):
            state.ask()
        state.saw("knocked" if wrong else "", now)
        bad = bad + 1 if wrong else 0
        on = wrong and (on or bad >= 3)
        assert bool(state.said) is on
        if wrong:
            assert not state.due(now + SECOND - 1) and state.due(now + SECOND)
        else:
            assert state.said == ""
            assert not state.due(now + 60 * SECOND - 1)
            assert state.due(now + 60 * SECOND) is bool(every_s)
        now += SECOND


class Line:
    """A board and the rings of two cameras, the second of which has a target in view."""

    def __init__(self, lens, log):
        self.board_memory = SharedMemory.create("board", SIZE_BYTES)
        self.board = Board(self.board_memory)
        layout = RingLayout(4, WIDTH, HEIGHT, 1)
        self.memories = [SharedMemory.create(f"ring{camera}", layout.size_bytes) for camera in (0, 1)]
        self.rings = [FrameRing(memory, layout) for memory in self.memories]
        sizes = {"max_width_px": WIDTH, "max_height_px": HEIGHT}
        self.cameras = [
            ReplayCamera(kind="replay", source="b", name="top", **sizes),
            ReplayCamera(kind="replay", source="b", name="side", calibration=lens, **sizes),
        ]
        self.targets = Targets(self.board, self.rings, self.cameras, self.recipe("flank"), log=log)

    @staticmethod
    def recipe(name):
        views = [{"name": name, "camera": "side", "fov": 0}]
        return Recipe(id=1, name="r", bundle=Path("b"), width_px=WIDTH, height_px=HEIGHT, views=views)

    def come(self, image, fov=0):
        ring, cell = self.rings[1], camera_cell(1, CameraCell.FRAME)
        number = self.board[cell] + 1
        ring.begin(number)
        ring.planes(number)[0][: image.size] = image.ravel()
        ring.publish(number, (*image.shape, 1), fov=fov, trigger_ns=0, ready_ns=number, has_template=False)
        self.board[cell] = number

    def close(self):
        self.board._cells.release()
        for memory in (self.board_memory, *self.memories):
            memory.close()


@pytest.fixture
def line(log):
    made = []

    def make(lens):
        made.append(Line(lens, log))
        return made[-1]

    yield make
    for each in made:
        each.close()


TARGET, OPTICS = Target(5, 4, 10.0), {"px_per_mm": 2.5}


def test_a_camera_that_is_knocked_is_said_with_its_view_and_how_far_until_it_is_put_back(line, log):
    lens = lens_of(TARGET, **OPTICS)
    good, knocked = (seen(TARGET, size=SIZE, shift_px=shift, seed=4, **OPTICS) for shift in ((0.0, 0.0), (3.0, -4.0)))
    running = line(lens)
    targets = running.targets
    assert targets.facts() == {"side": None}, "top has none; nothing is known before a frame has come"
    targets.look(0)
    assert targets.facts() == {"side": None}
    running.come(good)
    targets.look(0)
    assert targets.facts() == {"side": ""}
    running.come(knocked)
    targets.look(1)
    assert targets.facts() == {"side": ""}, "it is not due yet"
    at = 61 * SECOND
    for _ in range(3):
        running.come(knocked)
        targets.look(at)
        at += SECOND
        targets.look(at)  # the same frame says nothing new
    assert re.match(r"view flank \(camera side\): the target lies \+(2\.9|3\.0)\d, -(3\.9|4\.0)", targets.facts()["side"])
    targets.use(running.recipe("edge"))
    running.come(knocked)
    targets.look(at)
    assert targets.facts()["side"].startswith("view edge (camera side): the target lies")
    running.come(good)
    targets.look(at + SECOND)
    assert targets.facts() == {"side": ""}
    assert [fields["camera"] for event, fields in log.events if event == "target"] == ["side"] * 2


def test_frames_of_another_field_of_view_are_not_looked_at(line):
    lens = lens_of(TARGET, **OPTICS)
    running = line(lens.model_copy(update={"watch": lens.watch.model_copy(update={"fov": 2})}))
    good = seen(TARGET, size=SIZE, seed=4, **OPTICS)
    running.come(np.zeros_like(good), fov=1)
    running.targets.look(0)
    assert running.targets.facts() == {"side": None}
    running.come(good, fov=2)
    running.come(np.zeros_like(good), fov=1)
    running.targets.look(0)
    assert running.targets.facts() == {"side": ""}


def test_a_look_that_fails_is_said_and_the_next_is_made(line, monkeypatch):
    """The recorder must not end for it."""
    running = line(lens_of(TARGET, **OPTICS))
    monkeypatch.setattr(module, "wrong_in", lambda *_: 1 // 0)
    for number in range(3):
        running.come(np.zeros((HEIGHT, WIDTH), np.uint8))
        running.targets.look(number * SECOND)
    assert "cannot be looked for (ZeroDivisionError" in running.targets.facts()["side"]
    monkeypatch.undo()
    running.come(seen(TARGET, size=SIZE, seed=4, **OPTICS))
    running.targets.look(9 * SECOND)
    assert running.targets.facts() == {"side": ""}
