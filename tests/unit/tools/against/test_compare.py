"""tools/against/compare.py: what is asked of our side beside Ultralytics', and whether it holds."""

import pytest

from tools.against.compare import HEAD, judged, rows, side

MS = 1_000_000
BASE, SAME, BEST = "predict, ONNX Runtime", "ours, onnx fp32", "ours, openvino bf16"


def answers(total_ms, model_ms, count=2000, worst_ms=None):
    """`count` turns; the last three in a thousand take `worst_ms`."""
    found = [{"ns": total_ms * MS, "model_ns": model_ms and model_ms * MS, "boxes": 4} for _ in range(count)]
    for each in found[: count * 3 // 1000]:
        each["ns"] = (worst_ms or total_ms) * MS
    return found


def sides(ours=17, ours_model=16, theirs=18, theirs_model=14, worst=(20, 30), best=6, count=2000):
    return {
        BASE: side(answers(theirs, theirs_model, count, worst[1])),
        SAME: side(answers(ours, ours_model, count, worst[0])),
        BEST: side(answers(best, None, count)),
    }


def test_a_side_is_its_times_and_what_it_took_outside_the_model():
    found = side(answers(17, 16))
    assert (found["total_ms"]["p50"], found["outside_ms"]["p50"], found["boxes"]) == (17.0, 1.0, 4.0)
    assert side(answers(17, None))["outside_ms"] is None


def test_of_a_side_whose_model_was_not_seen_in_each_turn_nothing_is_said_of_the_time_outside():
    some = answers(17, 16)
    some[5]["model_ns"] = None
    assert side(some)["outside_ms"] is None


@pytest.mark.parametrize(
    ("more", "broken"),
    [
        ({}, []),
        ({"ours": 18, "ours_model": 17}, ["at p99"]),  # as fast at the median holds, as fast at p99 does not
        ({"ours": 19, "ours_model": 18}, ["at p50", "at p99"]),
        ({"worst": (30, 30)}, ["at p99.9"]),
        ({"ours_model": 15}, ["a third"]),
        ({"best": 10}, ["twice"]),
    ],
)
def test_each_demand_fails_by_itself(more, broken):
    found = judged(sides(**more), BASE, SAME)
    assert len(found) == 5 and all(demand["holds"] is not None for demand in found)
    failed = [demand["asks"] for demand in found if not demand["holds"]]
    assert len(failed) == len(broken) and all(
        asks.endswith(words) or words in asks for asks, words in zip(failed, broken, strict=True)
    )


def test_a_demand_that_too_few_runs_can_judge_neither_holds_nor_fails():
    found = {demand["asks"]: demand["holds"] for demand in judged(sides(count=50), BASE, SAME)}
    assert [holds for asks, holds in found.items() if "p99" in asks] == [None, None]
    assert found[f"{SAME} not slower than {BASE} at p50"] is True


def test_without_the_other_side_nothing_is_judged_and_without_ours_our_best_is():
    all_of = sides()
    assert judged({SAME: all_of[SAME]}, BASE, SAME) == []
    [best] = judged({BASE: all_of[BASE], BEST: all_of[BEST]}, BASE, SAME)
    assert best["ratio"] == pytest.approx(6 / 18, abs=1e-4) and best["holds"]


def test_a_side_that_finds_nothing_any_more_is_not_our_best():
    found = sides()
    blind = side([answer | {"boxes": 0} for answer in answers(3, None)])
    [*_, best] = judged(found | {"ours, openvino int8": blind}, BASE, SAME)
    assert best["asks"].startswith(BEST)


def test_a_row_has_a_cell_for_each_column():
    found = rows({"sides": sides(), "base": BASE})
    assert [len(row) for row in found] == [len(HEAD)] * 3
    assert dict(zip(HEAD, found[2], strict=True))["of predict p50"] == "0.333"
    assert dict(zip(HEAD, found[2], strict=True))["outside the model p50"] == "-"
