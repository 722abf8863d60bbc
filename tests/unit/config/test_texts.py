"""How long a text may be, and of which type a value: what the reference of the README does not show."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.publisher import PublisherSection
from aoi_daemon.config.recipe import ClassLimit, FrameSize
from aoi_daemon.config.schema import LineSection


@pytest.mark.parametrize(
    ("section", "key", "most"),
    [(ClassLimit, "name", 64), (PublisherSection, "username", 255), (PublisherSection, "topic", 200)],
)  # fmt: skip
def test_a_text_has_a_longest_and_is_not_empty(section, key, most):
    given = {"host": "broker"} if section is PublisherSection else {}
    assert getattr(section(**given, **{key: "x" * most}), key) == "x" * most
    for wrong in ("x" * (most + 1), ""):
        with pytest.raises(ValidationError) as raised:
            section(**given, **{key: wrong})
        assert key in raised.value.errors()[0]["loc"]


@pytest.mark.parametrize("wrong", [{"takt_ms": "50"}, {"takt_ms": True}, {"takt_ms": float("inf")}, {"takt": 50.0}])
def test_a_value_of_another_type_is_refused_and_not_converted(wrong):
    with pytest.raises(ValidationError):
        LineSection(**wrong)
    assert LineSection(takt_ms=50).takt_ms == 50.0, "a whole number is a number"


@pytest.mark.parametrize("size", [{"width_px": 0, "height_px": 1}, {"width_px": 1, "height_px": 0}, {"width_px": 16_385, "height_px": 1}, {"width_px": 1, "height_px": 16_385}])
def test_a_frame_has_a_pixel_each_way_and_not_more_than_16384(size):
    with pytest.raises(ValidationError):
        FrameSize(**size)
    assert FrameSize(width_px=1, height_px=16_384).height_px == 16_384
