"""Which executor is chosen, whatever was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.inspection.auto.choice import TIE, Candidate, Row, Table, choose, others, reason, shortened, since

EXACT = {"fp32": 0, "bf16": 1, "fp16": 1, "int8": 2}


def row(name, p95_ms=None, why=""):
    backend, precision = name.split()
    return Row(name=name, candidate=Candidate(backend=backend, precision=precision), p95_ms=p95_ms, why=why)


NAMES = [f"{backend} {precision}" for backend in ("onnx", "openvino", "tensorrt") for precision in EXACT]
rows = st.lists(
    st.builds(
        row, st.sampled_from(NAMES), st.none() | st.floats(0.01, 1000), st.sampled_from(["", "", "golden parts do not hold"])
    ),
    max_size=12, unique_by=lambda found: found.name,
)  # fmt: skip


@given(rows, st.sets(st.sampled_from(NAMES)))
def test_the_chosen_one_holds_is_in_the_table_and_is_beaten_by_none(table, failed):
    left_out = dict.fromkeys(failed, "crashed")
    chosen = choose(table, left_out)
    can = [each for each in table if each.p95_ms is not None and not each.why and each.name not in failed]
    if chosen is None:
        assert can == []
        return
    assert chosen in can
    for other in can:
        assert chosen.p95_ms <= other.p95_ms * (1 + TIE)
        if other.p95_ms <= min(each.p95_ms for each in can) * (1 + TIE):
            assert EXACT[chosen.candidate.precision] <= EXACT[other.candidate.precision]


@given(rows.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_in_which_they_were_measured_does_not_matter(both):
    assert choose(both[0]) == choose(both[1])


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ([row("onnx fp32", 10.4), row("openvino int8", 10.0)], "onnx fp32"),
        ([row("onnx fp32", 10.6), row("openvino int8", 10.0)], "openvino int8"),
        ([row("openvino bf16", 10.2), row("openvino int8", 10.0)], "openvino bf16"),
        ([row("openvino fp32", 10.0), row("onnx fp32", 10.4)], "onnx fp32"),
        ([row("openvino int8", 5.0, "golden parts do not hold: g"), row("onnx fp32", 20.0)], "onnx fp32"),
    ],
)
def test_of_those_that_are_as_quick_the_more_exact_is_taken_then_the_one_that_bundles_are_qualified_by(table, name):
    assert choose(table).name == name


def test_what_was_refused_altogether_is_a_row_and_never_chosen():
    table = [Row(name="int8", why="not qualified in the bundle"), Row(name="openvino", why="not installed")]
    assert choose(table) is None


def test_the_reason_and_the_others_are_told_in_words():
    bad = row("openvino int8", None, "crashed (SIGSEGV) while opening")
    table = Table(rows=(row("onnx fp32", 20.31), row("openvino bf16", 6.94), bad))
    chosen = choose(table.rows)
    assert (chosen.name, reason(table, chosen)) == ("openvino bf16", "p95 6.9 ms, golden parts hold")
    assert others(table, chosen.name) == ("onnx fp32 20.3 ms", "openvino int8: crashed (SIGSEGV) while opening")
    assert reason(table, None).startswith("the reference: no other holds")
    assert reason(table.model_copy(update={"beside": True}), chosen).endswith("measured beside a running line")
    assert since(table.rows[0], {"onnx fp32": "lost"}) == "onnx fp32: lost"


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        (Candidate(backend="openvino", precision="fp16", device="gpu.1"), "openvino gpu.1 fp16"),
        (Candidate(backend="openvino", precision="bf16"), "openvino bf16"),
        (Candidate(backend="tensorrt", precision="int8", device="gpu"), "tensorrt int8"),
    ],
)
def test_a_name_tells_two_candidates_apart(candidate, name):
    assert candidate.name == name


@given(st.text(max_size=2000))
def test_whatever_a_vendor_says_fits_a_row_in_one_line(said):
    found = Row(name="onnx fp32", why=shortened(said))
    assert found.why and "\n" not in found.why
