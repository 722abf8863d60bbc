"""How long a text may be, and of which type a value: what the reference does not show."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.publisher import PublisherSection
from aoi_daemon.config.recipe import FrameSize
from aoi_daemon.config.section import FilePath, Name, Section


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


class Named(Section):
    name: Name
    file: FilePath = Path("x")


@pytest.mark.parametrize("name", ["a", "line-1", "A.b_c-9", "x" * 64])
def test_a_name_is_letters_digits_and_what_joins_them(name):
    assert Named(name=name, file="images").file == Path("images")
    assert Named(name=name).name == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "\na", "münchen", "a:b", 7])
def test_what_no_file_or_topic_could_be_called_is_no_name(name):
    with pytest.raises(ValidationError):
        Named(name=name)


class Example(Section):
    """As the sections of the files are."""

    count: int = 1
    share: float = 0.5


@pytest.mark.parametrize("wrong", [{"count": "5"}, {"count": 5.0}, {"count": True}, {"share": float("inf")}, {"share": float("nan")}, {"counts": 5}])
def test_a_value_of_another_type_or_key_is_refused_and_not_converted(wrong):
    with pytest.raises(ValidationError):
        Example(**wrong)
    assert Example(share=1).share == 1.0, "a whole number is a number"


def test_a_section_that_was_read_stays_as_it_was_read():
    section = Example()
    with pytest.raises(ValidationError, match="frozen"):
        section.count = 2


@pytest.mark.parametrize("size", [{"width_px": 0, "height_px": 1}, {"width_px": 1, "height_px": 0}, {"width_px": 16_385, "height_px": 1}, {"width_px": 1, "height_px": 16_385}])
def test_a_frame_has_a_pixel_each_way_and_not_more_than_16384(size):
    with pytest.raises(ValidationError):
        FrameSize(**size)
    assert FrameSize(width_px=1, height_px=16_384).height_px == 16_384
    assert FrameSize(width_px=16_384, height_px=1).width_px == 16_384
