"""Scale and distortion of a camera are recovered from rendered pictures of the target, within stated bounds."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.decide.lengths import size_mm
from aoi_daemon.engine.calibrate.page import checked
from aoi_daemon.engine.calibrate.solve import solve
from aoi_daemon.target.find import CalibrationError, find_target
from tests.unit.target.rendering import distorted, seen

TARGET = checked(14, 10, 10.0)
WIDTH, HEIGHT = SIZE = (640, 480)


def measured(target=TARGET, **optics):
    return solve([find_target("frame.png", seen(target, **optics), target)])


@pytest.mark.parametrize(
    ("px_per_mm", "turn_deg", "k1", "k2", "noise", "blur_px"),
    [
        (4.4, 3.0, 0.0, 0.0, 2.0, 0.6),
        (4.8, -12.0, -0.08, 0.0, 2.0, 0.8),
        (5.0, 88.0, 0.06, -0.02, 6.0, 0.8),
        (5.2, 181.0, -0.15, 0.03, 4.0, 1.2),
    ],
)
def test_scale_and_distortion_come_out_as_they_were_rendered(px_per_mm, turn_deg, k1, k2, noise, blur_px):
    """The scale within 0.1 %, points of the frame within 0.3 px, lengths anywhere within 0.6 %."""
    optics = {"px_per_mm": px_per_mm, "turn_deg": turn_deg, "k1": k1, "k2": k2}
    solved = measured(noise=noise, blur_px=blur_px, **optics)
    lens = solved.lens
    assert lens.px_per_mm == pytest.approx(px_per_mm, rel=1e-3)
    rng = np.random.default_rng(1)
    true = rng.uniform((0.15 * WIDTH, 0.15 * HEIGHT), (0.85 * WIDTH, 0.85 * HEIGHT), (200, 2))
    found = distorted(true, SIZE, lens.k1, lens.k2)
    assert np.abs(found - distorted(true, SIZE, k1, k2)).max() < 0.3
    # What is 60 px wide on the plane is so many mm, wherever it is seen.
    for x, y in rng.uniform((0.1 * WIDTH, 0.1 * HEIGHT), (0.75 * WIDTH, 0.9 * HEIGHT), (50, 2)):
        assert size_mm(lens, box_of(x, y, k1, k2))[0] == pytest.approx(60 / px_per_mm, rel=6e-3)


def box_of(x, y, k1, k2):
    """What lies level and is 60 px wide without distortion, from x, y on, as it is seen."""
    (x1, y1), (x2, y2) = distorted(np.array(((x, y), (x + 60, y))), SIZE, k1, k2)
    return x1, (y1 + y2) / 2 - 5, x2, (y1 + y2) / 2 + 5


def test_without_the_distortion_lengths_at_the_border_are_wrong_by_percents():
    """That the correction does something, and the right thing."""
    lens = measured(k1=-0.1).lens
    plain = lens.model_copy(update={"k1": 0.0, "k2": 0.0})
    box = box_of(0.85 * WIDTH, 0.9 * HEIGHT, -0.1, 0.0)
    assert size_mm(lens, box)[0] == pytest.approx(60 / 4.4, rel=1e-2)
    assert abs(size_mm(plain, box)[0] / (60 / 4.4) - 1) > 0.06


def test_more_pictures_are_measured_together():
    first = find_target("flat", seen(TARGET, k1=-0.05), TARGET)
    others = [find_target(f"turned {angle}", seen(TARGET, k1=-0.05, turn_deg=angle, seed=angle), TARGET) for angle in (40, 120)]
    solved = solve([first, *others])
    assert solved.corners == len(first.ids) + sum(len(each.ids) for each in others)
    assert solved.lens.k1 == pytest.approx(-0.05, abs=5e-3)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((480, 640), 128, np.uint8), "no target in it"),
        (np.random.default_rng(0).integers(0, 256, (480, 640), np.uint8), "no target in it"),
        (seen(TARGET, px_per_mm=22.0), "bring more of it into the view"),
        (seen(TARGET, blur_px=4.0), "is blurred.*focus"),
        (seen(TARGET, blur_px=9.0), "is blurred.*focus"),
        (seen(TARGET, tilt=0.06), "is tilted: the scale differs by .*square to it"),
        (seen(TARGET, px_per_mm=2.4), "spans .* of the frame, at least 35%"),
        (seen(TARGET, wave_px=3.0), "beside the model.*something flat"),
    ],
    ids=["nothing", "noise", "too near", "blurred", "very blurred", "tilted", "too small", "bent"],
)
def test_what_cannot_be_measured_by_is_refused_with_what_to_do(image, said):
    with pytest.raises(CalibrationError, match=f"frame.png: .*{said}"):
        solve([find_target("frame.png", image, TARGET)])


def test_pictures_of_two_sizes_are_not_of_one_camera():
    found = find_target("a", seen(TARGET), TARGET)
    with pytest.raises(CalibrationError, match="b: is 800 x 600 px, a is 640 x 480"):
        solve([found, find_target("b", seen(TARGET, size=(800, 600)), TARGET)])


def test_the_page_of_another_camera_in_colour_is_read_as_in_gray():
    gray, colour = seen(TARGET), seen(TARGET, tint=(1.0, 1.0, 1.0))
    one, other = find_target("a", gray, TARGET), find_target("a", colour, TARGET)
    common = np.intersect1d(one.ids, other.ids)
    assert len(common) > 60
    at = [dict(zip(each.ids.tolist(), each.seen_px, strict=True)) for each in (one, other)]
    assert max(np.abs(at[0][i] - at[1][i]).max() for i in common.tolist()) < 0.6
