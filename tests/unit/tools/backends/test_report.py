"""tools/backends/report.py and chart.py: the table in the terminal, in Markdown and as a picture."""

import io
import xml.etree.ElementTree as ET

import pytest
from rich.console import Console

from tools.backends.chart import chart
from tools.backends.report import HEAD, machine_line, markdown, measured, number, refusals, remarks, rows, table

MACHINE = {
    "cpu": "Some CPU", "cores": 2, "flags": ["avx2"], "python": "3.11", "packages": {"numpy": "2.0"}, "load_before": 0.1,
    "load_after": 0.2, "stalls": {"stalls": 3, "longest_ms": 4.25},
}  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"


def case(size_px=640, backend="onnx", precision="fp32", ms=20.0, **more):
    values = {"n": 150, "p50": ms, "p90": ms, "p99": 2 * ms, "p99.9": None, "p99.99": None, "max": 3 * ms, "mean": ms}
    return {
        "bundle": "demo", "task": "top100", "backend": backend, "precision": precision, "size_px": size_px,
        "name": "n", "floor_name": "f", "notes": [], "floor_ms": values | {"p50": ms - 0.5}, "executor_ms": values,
        "over_ms": 0.5, "ratio": 1.02, "open_s": {"cold": 1.0, "warm": None}, "first_ms": 99.0, "rss_mib": 51.4, **more,
    }  # fmt: skip


def refused(size_px, why="no GPU", backend="tensorrt"):
    return {
        "bundle": "demo", "task": "top100", "backend": backend, "precision": "fp16", "size_px": size_px, "refused": why,
    }  # fmt: skip


def report(*cases):
    return {"machine": MACHINE, "cases": list(cases)}


def test_a_row_has_a_cell_for_each_column_and_a_dash_for_what_too_few_runs_tell():
    [row] = rows(report(case(), refused(640)))
    assert len(row) == len(HEAD)
    cells = dict(zip(HEAD, row, strict=True))
    assert (cells["p99"], cells["p99.9"], cells["n"], cells["over"]) == ("40.00", "-", "150", "+0.50")
    assert cells["open cold, warm s"] == "1.0, -"


def test_refusals_of_one_reason_are_one_line_and_no_reason_is_lost():
    found = refusals(report(refused(320), case(), refused(640), refused(1024, "too large")))
    assert found == ["tensorrt fp16, demo, 320 640 px: no GPU", "tensorrt fp16, demo, 1024 px: too large"]


def test_what_is_said_of_a_back_end_at_every_size_is_told_once():
    found = remarks(report(case(320, notes=["in f32"]), case(640, notes=["in f32"]), case(640, precision="int8")))
    assert found == ["onnx fp32, demo: in f32"]


def test_the_machine_is_told_with_its_load_and_its_stalls():
    assert machine_line(report()) == (
        "Some CPU, 2 cores, avx2; Python 3.11, numpy 2.0; load 0.1 before and 0.2 after; "
        "held up for more than 1 ms 3 times, 4.2 ms at most"
    )


def test_the_table_for_a_document_has_a_line_a_case_and_the_sentences_below():
    lines = markdown(HEAD, rows(report(case(), case(320))), ["on that"]).splitlines()
    assert [line.count("|") for line in lines[:4]] == [len(HEAD) + 1] * 4
    assert lines[4:] == ["", "- on that"]


def test_the_table_in_a_terminal_shows_brackets_in_a_reason_as_they_are():
    out = io.StringIO()
    Console(file=out, width=170).print(table("t", HEAD, rows(report(case())), ["it has [fp32]"]))
    assert "it has [fp32]" in out.getvalue() and "onnx fp32" in out.getvalue()


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.304, "0.30"), (99.99, "99.99"), (1234.56, "1234.6")])
def test_a_time_is_told_to_what_its_size_deserves(value, text):
    assert number(value) == text


def test_the_picture_has_a_dot_and_a_ring_for_each_case_in_the_order_of_time():
    """Text is escaped; nothing lies outside; slower is further to the right."""
    found = report(case(320, ms=2), case(640, "openvino", "bf16", ms=6), case(2048, ms=300, bundle="a<b"), refused(640))
    picture = ET.fromstring(str(chart(found, title="a & b")))
    width, height = map(float, picture.get("viewBox").split()[2:])
    circles = [(float(c.get("cx")), float(c.get("cy")), c.get("fill") == "none") for c in picture.iter(f"{SVG}circle")]
    assert all(0 < x < width and 0 < y < height for x, y, _ in circles)
    assert [is_ring for _, _, is_ring in circles] == [True, False] * len(measured(found))
    dots = [x for x, _, is_ring in circles if not is_ring]
    assert dots == sorted(dots) and len(set(dots)) == 3
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "a & b" in texts and "a<b, top100, 2048 x 2048 px" in texts and "50 ms" in texts


@pytest.mark.parametrize("floor_ms", [2.0, 20.0, 200.0])
def test_a_floor_below_or_above_its_executor_lies_within_the_axes_and_under_no_text(floor_ms):
    """On a machine that is not quiet it may be either."""
    one = case(ms=20)
    one["floor_ms"] = one["floor_ms"] | {"p50": floor_ms}
    picture = ET.fromstring(str(chart(report(one), title="t")))
    ring, dot = (float(circle.get("cx")) for circle in picture.iter(f"{SVG}circle"))
    name, value = (next(t for t in picture.iter(f"{SVG}text") if t.text == text) for text in ("onnx fp32", "20.00"))
    assert float(name.get("x")) < min(ring, dot) and max(ring, dot) + 5 < float(value.get("x")) < 760


def test_of_nothing_there_is_no_picture():
    with pytest.raises(ValueError, match="nothing to draw"):
        chart(report(refused(640)), title="t")
