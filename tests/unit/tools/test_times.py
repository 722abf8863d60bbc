"""The table of times: each step by the clock, and the layers of tests that ran in it."""

import json

from tests import times


def test_a_step_has_the_layers_that_ran_in_it_and_no_other_step_has_them(tmp_path):
    file = tmp_path / "times"
    step = json.dumps
    with file.open("a") as notes:
        notes.write(step({"step": "ruff check", "s": 2}) + "\n")
    here = {times.VARIABLE: str(file)}
    times.note(here, [("tests/unit/plc/test_link.py::test_a", 0.5), ("tests/unit/plc/test_link.py::test_a", 1.0), ("tests/properties/test_boxes.py::test_b[1::2]", 3.0)])
    with file.open("a") as notes:
        notes.write(step({"step": "pytest tests/unit", "s": 40}) + "\n")
    times.note(here, [("tests/line/test_kills.py::test_c", 60.0)])
    with file.open("a") as notes:
        notes.write(step({"step": "pytest tests/line", "s": 61}) + "\n")
    assert times.told(file.read_text().splitlines())[2:] == [
        "| `ruff check` | 2 |  |  |",
        "| `pytest tests/unit` | 40 | tests/properties | 3 |",
        "| | | tests/unit | 2 |",
        "| `pytest tests/line` | 61 | tests/line | 60 |",
        "| all | 103 | | |",
    ]


def test_nothing_is_noted_where_nobody_asks(tmp_path):
    times.note({}, [("tests/unit/test_messages.py::test_a", 1.0)])
    assert list(tmp_path.iterdir()) == []
