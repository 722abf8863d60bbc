"""Charts, boxes and signs: the abnormal differs in shape, not in colour alone, and no name breaks the page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from aoi_daemon.hmi.widgets import charts
from aoi_daemon.hmi.widgets.boxes import Box, overlay, verdict
from aoi_daemon.hmi.widgets.charts import ClassCount, Mark, Second
from aoi_daemon.hmi.widgets.symbols import priority_sign, sign
from aoi_daemon.texts.words import Words

EVIL = '<script>alert("1")</script>'


def shapes(svg: str, kind: str) -> list[str]:
    return re.findall(rf'class="{kind}" d="([^"]*)"', svg)


def test_a_reject_differs_in_shape_from_a_good_part_and_from_one_that_was_not_judged():
    svg = charts.strip([Mark(1, True, False), Mark(2, False, True), Mark(3, False, False)])
    good, bad, unjudged = (shapes(svg, kind)[0] for kind in ("good", "bad", "unjudged"))
    assert "m0 -6 l-6 6" in bad  # the cross
    assert "Z" in unjudged  # the square
    assert len(good) < len(bad)


def test_the_newest_part_is_at_the_right_and_sixty_are_shown():
    svg = charts.strip([Mark(part, True, False) for part in range(100)])
    assert len(shapes(svg, "good")) == charts.STRIP_MARKS
    assert shapes(charts.strip([Mark(1, True, False)]), "good")[0].startswith("M595")


@pytest.mark.parametrize(("passed", "expected"), [("", 0), ("b", 1), ("gbb", 2), ("bbg", 0), ("bbb", 3)])
def test_rejects_in_a_row_are_counted_from_the_newest(passed, expected):
    assert charts.rejects_in_a_row([Mark(0, letter == "g", True) for letter in passed]) == expected


def test_a_missed_deadline_is_a_cross_and_no_line_runs_over_a_pause():
    seconds = [Second(100, 20.0, 10.0, 0), Second(101, 500.0, 10.0, 1), Second(110, 20.0, 10.0, 0)]
    svg = charts.latency(seconds, 110, 50.0, 120)
    assert len(shapes(svg, "missed")) == 1
    assert shapes(svg, "slowest")[0].count("M") == 2
    assert " 0.0" in shapes(svg, "slowest")[0]  # beyond the chart: at its edge
    assert charts.latency(seconds, 500, 50.0, 120).count("slowest") == 0


def test_false_calls_are_the_hollow_end_of_a_bar_and_count_for_its_place():
    html = charts.pareto([ClassCount("a", 5, 4), ClassCount("b", 3)], Words("en"))
    assert html.index('data-class="b"') < html.index('data-class="a"')
    assert "+4 false calls" in html
    assert html.count("hollow") == 1
    assert "No rejects" in charts.pareto([], Words("en"))
    assert "No rejects" in charts.pareto([ClassCount("a", 0)], Words("en"))


def test_an_hour_without_rejects_has_its_place():
    assert charts.hours([("06", 0, 0), ("07", 0, 900)], Words("en")).count('height="0%"') == 2


def test_names_from_bundles_do_not_become_markup():
    words = Words("en")
    box = Box(EVIL, 0.5, 1, 1, 9, 9)
    for html in (
        charts.pareto([ClassCount(EVIL, 1)], words), overlay([box], 64, 48), charts.hours([(EVIL, 1, 1)], words),
        verdict(words, passed=False, reason="DEFECT", boxes=[box], count=1, caption=EVIL),
    ):  # fmt: skip
        assert "<script" not in html


def test_boxes_are_well_formed_and_moved_with_the_board():
    svg = ElementTree.fromstring(overlay([Box("open", 0.912, 10, 20, 30, 40)], 640, 480, (5.0, -3.0)))
    rectangle = svg.find("rect[@class='box']")
    grow = 640 / 24 * 0.2
    assert float(rectangle.get("x")) == pytest.approx(10 + 5 - grow, abs=0.06)
    assert float(rectangle.get("y")) == pytest.approx(20 - 3 - grow, abs=0.06)
    assert svg.find("text").text == "open 0.91"
    assert overlay([Box("open", 0.9, 1, 1, 2, 2)], 0, 0) == ""
    assert "<text" not in overlay([Box("open", 0.9, 1, 1, 2, 2)], 64, 48, named=False)


def test_labels_stay_in_the_picture_and_apart():
    boxes = [Box("open", 0.9, 300, 300, 320, 320), Box("short", 0.8, 302, 300, 322, 320), Box("spur", 0.7, 620, 0, 640, 8)]
    svg = ElementTree.fromstring(overlay(boxes, 640, 640))
    places = [(float(text.get("x")), float(text.get("y"))) for text in svg.findall("text")]
    size = float(svg.find("text").get("font-size"))
    assert abs(places[0][1] - places[1][1]) >= size or abs(places[0][0] - places[1][0]) > 60
    assert places[2][0] < 620 - size
    assert places[2][1] >= size


def test_a_verdict_is_a_sign_and_a_word_and_says_why():
    words = Words("en")
    good = verdict(words, passed=True, reason="NONE", boxes=[], count=0, caption="Part 1")
    bad = verdict(words, passed=False, reason="DEFECT", boxes=[Box("open", 0.5, 0, 0, 1, 1)], count=3, caption="Part 2")
    late = verdict(words, passed=False, reason="LATE", boxes=[], count=0, caption="Part 3")
    assert sign("check") in good and "PASS" in good and "bad" not in good
    assert sign("cross") in bad and "REJECT" in bad and "Defect: open 0.50, and 2 more" in bad
    assert "Verdict late" in late


def test_each_priority_has_a_shape_of_its_own_with_its_rank():
    signs = [priority_sign(name) for name in ("HIGH", "MEDIUM", "LOW")]
    assert ["<rect" in one for one in signs] == [True, False, False]
    assert [re.search(r">(\d)</text>", one).group(1) for one in signs] == ["1", "2", "3"]
    for one in signs:
        ElementTree.fromstring(one)
    with pytest.raises(KeyError):
        sign("no such sign")
