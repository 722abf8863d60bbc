"""What the paper says: gains that make it gray, light that is too much or too little, and what a GenICam camera is set to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.cameras import NodeSetting
from aoi_daemon.engine.calibrate.page import checked
from aoi_daemon.engine.calibrate.white import White, balance, white_of
from aoi_daemon.target.find import find_target
from tests.unit.target.rendering import seen

TARGET = checked(8, 6, 10.0)
OPTICS = {"size": (400, 300), "px_per_mm": 4.4}


def white(**light):
    image = seen(TARGET, **OPTICS, **light)
    image = image if image.ndim == 3 else image[..., None]
    return white_of(image, find_target("a", image, TARGET), TARGET)


@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (0.7, 1.0, 0.85), (1.1, 0.8, 1.0)])
def test_white_is_told_by_the_paper(tint):
    found = white(tint=tint, light=(30, 190))
    assert found.gains == pytest.approx([tint[1] / each for each in tint], rel=0.02)
    assert found.warnings == []


@pytest.mark.parametrize(
    ("light", "said"),
    [
        ({"light": (30, 200)}, ""), ({"light": (30, 270)}, "overexposed .*shorten the exposure"), ({"light": (5, 60)}, "is dark .*lengthen"),
        ({"tint": (1.0, 1.0, 1.4), "light": (30, 190)}, "overexposed .*190, 25[0-9] of 255.*shorten"),
        ({"tint": (0.3, 0.7, 1.0), "light": (30, 200)}, ""),
    ],
    ids=["good", "too much", "too little", "too much red", "a warm lamp"],
)  # fmt: skip
def test_light_that_is_too_much_or_too_little_is_warned_of_and_gray_has_no_gains(light, said):
    found = white(**light)
    (warning,) = found.warnings or [""]
    assert re.search(said, warning)
    assert bool(warning) is bool(said)
    assert (found.gains is None) is ("tint" not in light or "overexposed" in said)


def test_glare_on_some_of_the_paper_is_too_much():
    assert White((200.0, 200.0, 200.0), 0.06).gains is None
    assert White((200.0, 200.0, 200.0), 0.04).gains == (1.0, 1.0, 1.0)


ratios = st.dictionaries(st.sampled_from(["Red", "Green", "Blue"]), st.floats(0.5, 4.0))


@given(gains=st.tuples(*[st.floats(0.2, 5.0)] * 3), there=ratios)
def test_the_camera_is_set_to_what_it_has_times_what_was_measured(gains, there):
    settings = [NodeSetting(node="Gain", value=2.0)]
    for colour, ratio in there.items():
        settings += [NodeSetting(node="BalanceRatioSelector", value=colour), NodeSetting(node="BalanceRatio", value=ratio)]
    found = balance(gains, settings)
    assert (found[0].node, found[0].value) == ("BalanceWhiteAuto", "Off")
    pairs = zip(found[1::2], found[2::2], strict=True)
    told = {selector.value: ratio.value for selector, ratio in pairs if selector.node == "BalanceRatioSelector"}
    wanted = {colour: gain * there.get(colour, 1.0) for colour, gain in zip(("Blue", "Green", "Red"), gains, strict=True)}
    assert told == pytest.approx(wanted, abs=6e-4)
    # Once it is set so, what is measured again is 1, and the lines stay as they are.
    assert [setting.value for setting in balance((1.0, 1.0, 1.0), found)] == [setting.value for setting in found]
