"""A table never becomes a program in whoever's spreadsheet, and what is a number stays one."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import aoi_daemon
from aoi_daemon.files.cells import Table, text_cell

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
TEXT = st.one_of(st.text(alphabet='=+-@\t\r\n;,"\' a1\uff1d', max_size=12), st.text(max_size=12))


def written(rows) -> str:
    out = io.StringIO(newline="")
    Table(out).rows(rows)
    return out.getvalue()


@given(st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=4))
def test_no_cell_is_a_formula_whatever_the_text_and_the_pcs_list_separator(rows):
    text = written(rows)
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell.strip(" \t\r\n").startswith(FORMULA)], (separator, row)
            if separator == ",":
                assert not [cell for cell in row if cell.startswith(("\t", "\r", "\n"))], row


@given(st.lists(st.lists(st.one_of(TEXT, st.integers(), st.floats(allow_nan=False), st.none()), min_size=2, max_size=5), min_size=1, max_size=4))
def test_numbers_are_as_they_were_and_a_text_is_itself_but_for_the_mark(rows):
    back = list(csv.reader(io.StringIO(written(rows), newline="")))
    assert len(back) == len(rows)
    for row, cells in zip(rows, back, strict=True):
        for value, cell in zip(row, cells, strict=True):
            if isinstance(value, str):
                assert cell == text_cell(value) and cell.replace("'", "") == value.replace("'", "")
            elif value is None:
                assert cell == ""
            else:
                assert math.isclose(float(cell), value) and not cell.startswith("'")


def test_an_ordinary_text_is_left_alone():
    for text in ("top", "2026-11-22T05:00Z", "short 0.9 1 2 -3", "pad-7", "a, b; c", "it's", ""):
        assert text_cell(text) == text


def test_every_table_of_the_product_is_written_so():
    """No module writes CSV by itself."""
    root = Path(aoi_daemon.__file__).parent
    own = [path.relative_to(root).as_posix() for path in root.rglob("*.py") if "csv.writer" in path.read_text() or "csv.DictWriter" in path.read_text()]
    assert own == ["files/cells.py"]
