"""What registration gained stands on the page, or nothing does."""

from aoi_daemon.engine.report.registration import registration_table

SIDE = {"map33": 0.5, "map50": 0.5, "f_score": 0.5, "escapes": 2, "bad_boards": 8, "false_calls": 1, "good_boards": 4}
GAIN = {
    "boards": 12,
    "max_offset_px": 16.0,
    "cost_ms": {"median": 1.25, "p99": 3.0},
    "shifts": [
        {"shift_px": [-8.0, 6.0], "unaligned": 1, "as_it_comes": SIDE, "aligned": {**SIDE, "map33": 0.75, "escapes": 0}}
    ],
}


def test_each_shift_is_a_row_with_both_ways_of_judging():
    found = registration_table(GAIN)
    assert "12 boards" in found and "1.2 ms" in found
    for cell in ("-8, +6", "50.00", "75.00", "2 of 8", "0 of 8", "1 of 4"):
        assert f"<td>{cell}</td>" in found


def test_a_page_without_it_says_nothing():
    assert registration_table(None) == ""
