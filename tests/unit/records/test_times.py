"""Times on the command line."""


import pytest

from aoi_daemon.records.times import iso, parse_from, parse_to

pytestmark = pytest.mark.usefixtures("berlin")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22", 1795302000), ("2026-11-22T06:00", 1795323600), ("2026-11-22 06:00:00.500", 1795323600.5),
        ("2026-11-22T05:00Z", 1795323600), ("2026-11-22T05:00:00z", 1795323600), ("2026-11-22T13:00+08:00", 1795323600),
        (" 2026-07-01 ", 1782856800),
    ],
)  # fmt: skip
def test_a_time_is_local_unless_it_says_otherwise(text, at):
    assert parse_from(text) == at


def test_a_date_alone_as_the_end_is_that_whole_day():
    assert parse_to("2026-11-22") - parse_from("2026-11-22") == 86400
    assert parse_to("2026-10-25") - parse_from("2026-10-25") == 25 * 3600, "the clocks go back"
    assert parse_to("2026-11-22T06:00") == parse_from("2026-11-22T06:00")


@pytest.mark.parametrize("text", ["", "yesterday", "22.11.2026", "2026-13-01", "2026-11-22T25:00", "0001-01-01", "2026-11-22T06:00X"])
def test_what_is_no_time_is_named(text):
    with pytest.raises(ValueError, match="is not a time such as 2026-11-22"):
        parse_from(text)


def test_a_time_is_written_with_its_offset():
    assert iso(1795323600.5) == "2026-11-22T06:00:00.500+01:00"
