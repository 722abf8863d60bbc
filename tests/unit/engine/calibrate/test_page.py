"""The page that is printed: of the paper's size, its squares as long as it says."""

from __future__ import annotations

import re

import numpy as np
import pytest

from aoi_daemon.engine.calibrate import page as module
from aoi_daemon.engine.calibrate.page import LINE_MM, PAPERS_MM, PX_PER_MM, checked, filling, write_target
from aoi_daemon.engine.faults import InputError
from aoi_daemon.target.find import find_target


@pytest.fixture
def page(monkeypatch, tmp_path):
    """The page as it goes to the PDF."""
    pages = []
    monkeypatch.setattr(module, "write_page", lambda _file, content, _scale: pages.append(content))

    def make(target, paper):
        write_target(tmp_path / "t.pdf", target, paper)
        return pages[-1]

    return make


@pytest.mark.parametrize(("paper", "square_mm"), [("a5", 10.0), ("a4", 20.0)])
def test_a_page_is_as_large_as_the_paper_and_its_squares_as_they_are_said(page, paper, square_mm):
    target = filling(paper, square_mm)
    content = page(target, paper)
    assert content.shape == tuple(side * PX_PER_MM for side in reversed(PAPERS_MM[paper]))
    found = find_target("page", content[::4, ::4], target)
    assert len(found.ids) == (target.columns - 1) * (target.rows - 1)
    px = np.linalg.norm(found.seen_px[0] - found.seen_px[-1]) * 4
    mm = np.linalg.norm(found.target_mm[0] - found.target_mm[-1])
    assert px / mm == pytest.approx(PX_PER_MM, rel=1e-3)


def test_the_line_to_measure_is_as_long_as_it_says(page):
    content = page(filling("a5", 10.0), "a5")
    rows = (content == 0).sum(axis=1)
    row = content[int(np.flatnonzero(rows == LINE_MM * PX_PER_MM)[-1])]
    black = np.flatnonzero(row == 0)
    assert black[-1] - black[0] + 1 == len(black) == LINE_MM * PX_PER_MM


def test_the_pdf_is_of_the_papers_size(tmp_path):
    write_target(tmp_path / "t.pdf", filling("a5", 20.0), "a5")
    raw = (tmp_path / "t.pdf").read_bytes()
    assert raw.startswith(b"%PDF-")
    width, height = map(float, re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", raw).groups())
    assert (width / 72 * 25.4, height / 72 * 25.4) == pytest.approx(PAPERS_MM["a5"], abs=1e-3)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: filling("a5", 60.0), "--squares 3x1: at least 4 a side"),
        (lambda: filling("a4", 1.0), "at most 2000 in all"),
        (lambda: checked(10, 10, 1.5), "--square-mm 1.5: from 2"),
        (lambda: checked(10, 10, 201.0), "--square-mm 201"),
        (lambda: checked(3, 10, 5.0), "--squares 3x10"),
    ],
)
def test_a_target_that_cannot_be_is_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_a_target_larger_than_the_page_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"larger than a5.*--paper a3"):
        write_target(tmp_path / "t.pdf", checked(27, 17, 10.0), "a5")
    assert not (tmp_path / "t.pdf").exists()
