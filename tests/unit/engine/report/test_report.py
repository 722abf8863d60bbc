import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from aoi_daemon.decide.judge import Verdict
from aoi_daemon.engine.labels import read_pairs
from aoi_daemon.engine.qualify.conclusion import Bounds
from aoi_daemon.engine.qualify.metrics import Curve
from aoi_daemon.engine.qualify.qualify import Judging, boards_of, measure, run_boards
from aoi_daemon.engine.report.html import page
from aoi_daemon.engine.report.pictures import MOST, wrong_boards
from aoi_daemon.engine.report.report import Report, as_json
from aoi_daemon.engine.report.svg import precision_recall, score_histogram
from aoi_daemon.engine.report.text import summary
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.messages import Reason
from tests.unit.engine.qualify.test_qualify import Scripted


@pytest.fixture
def report(toy, boards, manifest):
    """FP32 is right, INT8 blind: every bad board escapes it, and is a flip."""
    pairs = read_pairs(boards, class_count=2)[:12]
    judging, listed = Judging(manifest, None), boards_of(pairs, manifest)
    with OnnxExecutor(toy, manifest, threads=1) as executor:
        right = run_boards("fp32", executor, listed, judging, threads=1, advance=lambda: None)
    blind = run_boards("int8", Scripted(lambda _: []), listed, judging, threads=1, advance=lambda: None)
    return Report(
        bundle="demo<&>", classes=manifest.classes, boards_from="boards", set_sha256="0" * 64, boards=tuple(listed),
        thresholds=(0.5, 0.5), limits_from="the test", runs={"fp32": right, "int8": blind},
        measured={"fp32": measure(right, listed, judging, None), "int8": measure(blind, listed, judging, right)},
        golden_parts=24, golden_wrong={"fp32": [], "int8": ["b001"]}, refused={"int8": "it is blind"},
        notes={"calibration": "6 frames"}, made_at="2026-01-01T00:00:00Z",
    )  # fmt: skip


class Checked(HTMLParser):
    """Every tag is closed in order, and nothing is fetched from elsewhere."""

    VOID = frozenset({"meta", "br", "line", "rect", "polyline", "image"})

    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for key, value in attrs if key in ("href", "src")]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(report):
    parser = Checked()
    html = page(report)
    parser.feed(html)
    assert parser.open == []
    assert parser.links
    assert all(link.startswith("data:image/") for link in parser.links)
    assert "http" not in re.sub(r"data:image/[^\"]*", "", html)


def test_the_page_of_a_new_bundle_tells_of_each_precision_what_was_seen_and_what_may_be_and_promises_nothing(report):
    html = page(report)
    assert "<h1>Measurements of demo" in html and "qualified" not in html
    for precision, measured in report.measured.items():
        assert re.search(rf"<p><b>{precision}</b>.* escapes: {re.escape(str(measured.agreement.escapes))};", html)
    assert html.count("at most 31.2 % at 95 %") == 1


def test_names_from_files_are_not_markup(report):
    assert "demo&lt;&amp;&gt;" in page(report)
    assert "demo<" not in page(report)


def test_every_escape_and_flip_has_its_picture_beside_the_template(report):
    bad = [i for i, board in enumerate(report.boards) if not board.pair.is_good]
    assert [index for index, _ in wrong_boards(report)] == bad
    assert all(reasons == ["escape int8", "flip int8"] for _, reasons in wrong_boards(report))
    html = page(report)
    assert html.count("<figure>") == len(bad)
    assert html.count("data:image/") == 2 * len(bad)


def test_pictures_beyond_the_most_are_listed_by_name(report, monkeypatch):
    monkeypatch.setattr("aoi_daemon.engine.report.html.MOST", 3)
    html = page(report)
    assert html.count("<figure>") == 3
    last = report.boards[wrong_boards(report)[-1][0]].pair.name
    assert f"Not shown: {report.boards[wrong_boards(report)[3][0]].pair.name}" in html
    assert last in html
    assert MOST == 200


def test_a_clean_report_says_so(report):
    clean = replace(report, runs={"fp32": report.runs["fp32"]}, measured={"fp32": report.measured["fp32"]}, refused={})
    assert "<p>None.</p>" in page(clean)
    assert "LEFT OUT" not in page(clean)


def test_a_set_without_good_boards_does_not_claim_a_rate(report):
    bad = [i for i, board in enumerate(report.boards) if not board.pair.is_good]
    boards = tuple(report.boards[i] for i in bad)
    run = report.runs["fp32"]
    run = replace(run, found=tuple(run.found[i] for i in bad), verdicts=tuple(run.verdicts[i] for i in bad))
    judging = Judging.__new__(Judging)
    judging.manifest, judging.thresholds = type("M", (), {"classes": report.classes, "task": "top100"}), np.array([0.5, 0.5])
    few = replace(report, boards=boards, runs={"fp32": run}, measured={"fp32": measure(run, boards, judging, None)},
                  refused={})  # fmt: skip
    assert as_json(few)["precisions"]["fp32"]["false_calls"]["rate"] is None
    assert "none there" in page(few)
    assert "not measured" in summary(few)


def test_json_tells_every_figure_with_its_counts_and_every_verdict(report):
    found = json.loads(json.dumps(as_json(report)))
    int8 = found["precisions"]["int8"]
    assert int8["escapes"]["count"] == int8["escapes"]["of"] == len(int8["escapes"]["boards"]) == 8
    assert int8["escapes"]["limits95"][0] > 0.6
    assert int8["flips"] == int8["escapes"]["boards"]
    assert (int8["standing"], int8["conclusion"], found["outcome"]) == ("left out", None, None)
    assert found["refused"] == {"int8": "it is blind"}
    assert found["verdicts"]["b001"] == {
        "good": False, "passed": {"fp32": False, "int8": True}, "reason": {"fp32": "DEFECT", "int8": "NONE"},
    }  # fmt: skip
    assert found["boards"] | {"from": "boards"} == found["boards"]
    assert int8["latency"]["threads"] == 1


def test_no_path_of_this_machine_is_told(report, boards):
    for text in (page(report), json.dumps(as_json(report)), summary(report)):
        assert str(boards.parent) not in text


def test_the_summary_of_a_new_bundle_names_who_is_left_out_and_why_and_promises_nothing(report):
    text = summary(report)
    assert "int8 left out: it is blind" in text
    assert re.search(r"^fp32 .* kept$", text, re.MULTILINE)
    assert "fp32 escapes: 0 of 8 (0.00 %, at most 31.23 % at 95 %)" in text
    assert "qualified" not in text


def test_what_registration_gained_is_a_row_for_each_shift_with_both_ways_of_judging(report):
    side = {"map33": 0.5, "map50": 0.5, "f_score": 0.5, "escapes": 2, "bad_boards": 8, "false_calls": 1, "good_boards": 4}
    shift = {
        "shift_px": [-8.0, 6.0], "unaligned": 1, "as_it_comes": side, "aligned": {**side, "map33": 0.75, "escapes": 0},
    }  # fmt: skip
    gain = {"boards": 12, "max_offset_px": 16.0, "cost_ms": {"median": 1.25, "p99": 3.0}, "shifts": [shift]}
    found = page(replace(report, registration=gain))
    assert "12 boards, each moved" in found and "1.2 ms a frame" in found
    for cell in ("-8, +6", "50.00", "75.00", "2 of 8", "0 of 8", "1 of 4"):
        assert f"<td>{cell}</td>" in found
    assert "<h2>Registration</h2>" not in page(report)


class TestOfAProduct:
    """`qualify` has bounds: page, summary and JSON say the same three words, with their figures."""

    @pytest.fixture
    def asked(self, report):
        return replace(report, bounds=Bounds(), asked=("fp32", "int8"))

    def test_the_summary_says_what_is_shown_and_what_is_missing(self, asked):
        text = summary(asked)
        assert re.search(r"^fp32 .* not shown$", text, re.MULTILINE)
        assert re.search(r"^int8 .* refused$", text, re.MULTILINE)
        assert "fp32: not shown, 46 more good (12 bad) boards, all judged right, are needed. Escapes: 0 of 8" in text
        assert "int8: refused (it is blind; escapes are at least 68.77 % at 95 %, allowed 0.00 %)" in text

    def test_page_and_json_say_it_too(self, asked):
        found = json.loads(json.dumps(as_json(asked)))
        assert (found["outcome"], found["bounds"]) == ("refused", {"max_escapes": 0.0, "max_false_calls": 0.01})
        fp32 = found["precisions"]["fp32"]
        assert (fp32["standing"], fp32["conclusion"]["more_good"], fp32["conclusion"]["more_bad"]) == ("not shown", 46, 12)
        html = page(asked)
        assert fp32["conclusion"]["words"] in html
        assert html.count("REFUSED") == 1
        assert "qualified" not in re.sub("<dt>.*?</dd>", "", html)

    def test_fp32_is_the_reference_where_another_is_asked_for(self, asked):
        found = as_json(replace(asked, asked=("int8",)))
        assert found["precisions"]["fp32"]["standing"] == "reference"
        assert found["precisions"]["fp32"]["conclusion"] is None

    def test_boards_that_the_model_never_saw_are_counted(self, asked):
        run = asked.runs["fp32"]
        dark = (Verdict.reject(Reason.OPTICS), Verdict.reject(Reason.REGISTRATION), Verdict.reject(Reason.OPTICS))
        runs = {**asked.runs, "fp32": replace(run, verdicts=(*dark, *run.verdicts[3:]))}
        changed = replace(asked, runs=runs)
        assert as_json(changed)["precisions"]["fp32"]["not_looked_at"] == {"OPTICS": 2, "REGISTRATION": 1}
        for text in (summary(changed), page(changed)):
            assert "rejected before the model saw them: OPTICS 2, REGISTRATION 1" in text


def test_a_curve_near_the_top_is_shown_from_0_8():
    near = Curve(np.array([0.9, 0.8]), np.array([1.0, 0.95]), np.array([0.5, 0.98]), 2)
    far = Curve(np.array([0.9, 0.8]), np.array([1.0, 0.5]), np.array([0.5, 0.98]), 2)
    assert ">0.8<" in precision_recall({"fp32": near}, "x")
    assert ">0.25<" in precision_recall({"fp32": near, "int8": far}, "x")
    assert "no detection" in precision_recall({"fp32": None}, "x")


def test_a_histogram_of_nothing_is_drawn():
    assert score_histogram(np.zeros(0), np.zeros(0), "x").startswith("<svg")
