"""Parts without templates, with classes of their own, labelled by boxes or by masks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.data import TILE_PX, load_tiles
from tools.detector.parts import Asked, boxes_of, read_parts

LIDS = Asked(("scratch", "dent"), template=False, margin_px=0)


def write(folder, name, *, size=(64, 48), label=None, mask=None, template=False):
    """A gray part of `size`; `mask` is an array or None."""
    width_px, height_px = size
    image = np.full((height_px, width_px), 128, np.uint8)
    cv2.imwrite(str(folder / f"{name}_test.png"), image)
    if template:
        cv2.imwrite(str(folder / f"{name}_temp.png"), image)
    if label is not None:
        (folder / f"{name}.txt").write_text(label)
    if mask is not None:
        cv2.imwrite(str(folder / f"{name}_mask.png"), mask)


def levels(size=(64, 48), *pieces):
    """A mask of `size` with pieces x1 y1 x2 y2 level."""
    mask = np.zeros(size[::-1], np.uint8)
    for x1, y1, x2, y2, level in pieces:
        mask[y1:y2, x1:x2] = level
    return mask


@given(st.data())
def test_every_piece_of_a_mask_becomes_the_box_around_it(data):
    """Pieces in cells of 16 px that do not touch, of any size and class: their boxes, grown and cut at the border."""
    margin = data.draw(st.integers(0, 20))
    cells = data.draw(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8))
    pieces = []
    for column, row in sorted(cells):
        x, y = (16 * place + data.draw(st.integers(0, 5)) for place in (column, row))
        width, height = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
        pieces.append((x, y, x + width, y + height, data.draw(st.integers(1, 3))))
    boxes, classes = boxes_of(levels((64, 48), *pieces), 3, margin)
    grown = {
        (max(0, x1 - margin), max(0, y1 - margin), min(64, x2 + margin), min(48, y2 + margin), level - 1)
        for x1, y1, x2, y2, level in pieces
    }
    assert {(*box, kind) for box, kind in zip(boxes.tolist(), classes.tolist(), strict=True)} == grown


def test_two_classes_that_touch_are_two_boxes():
    """A dent that ends in a scratch."""
    boxes, classes = boxes_of(levels((64, 48), (10, 10, 20, 20, 1), (20, 12, 30, 15, 2)), 2, 0)
    assert boxes.tolist() == [[10, 10, 20, 20], [20, 12, 30, 15]]
    assert classes.tolist() == [0, 1]


def test_with_one_class_any_one_level_is_it():
    """Masks of 0 and 255, as most programs write them."""
    boxes, classes = boxes_of(levels((64, 48), (5, 6, 9, 10, 255)), 1, 2)
    assert (boxes.tolist(), classes.tolist()) == ([[3, 4, 11, 12]], [0])


@pytest.mark.parametrize(("classes", "level", "words"), [(2, 255, "level 255"), (2, 3, "1 to 2"), (1, 7, "one other")])
def test_a_mask_that_may_mean_something_else_is_refused(classes, level, words):
    """0 and 255 with two classes; a class that nobody named; a JPEG's levels with one."""
    with pytest.raises(BoardsError, match=words):
        boxes_of(levels((64, 48), (5, 5, 9, 9, level), (20, 20, 25, 25, 1)), classes, 0)


def test_parts_without_templates_are_read_with_boxes_and_masks_side_by_side(tmp_path):
    """A template that lies there is left alone."""
    write(tmp_path, "a", label="1 2 30 40 2\n", template=True)
    write(tmp_path, "b", mask=levels((64, 48), (10, 10, 20, 30, 1)))
    write(tmp_path, "c", label="")
    pairs = read_parts(tmp_path, LIDS)
    assert [pair.name for pair in pairs] == ["a", "b", "c"]
    assert [pair.template_path for pair in pairs] == [None, None, None]
    assert [pair.boxes.tolist() for pair in pairs] == [[[1, 2, 30, 40]], [[10, 10, 20, 30]], []]
    assert [pair.classes.tolist() for pair in pairs] == [[1], [0], []]


def test_boards_with_templates_may_have_masks(tmp_path):
    """As those with label files."""
    write(tmp_path, "a", mask=levels((64, 48), (10, 10, 20, 30, 6)), template=True)
    (pair,) = read_parts(tmp_path)
    assert pair.template_path == tmp_path / "a_temp.png"
    assert (pair.boxes.tolist(), pair.classes.tolist()) == ([[0, 0, 30, 40]], [5])


WRONG = {
    "neither": (lambda folder: write(folder, "a"), "neither NAME.txt nor NAME_mask.png"),
    "both": (lambda folder: write(folder, "a", label="", mask=levels()), "labels of the same part"),
    "another size": (lambda folder: write(folder, "a", mask=levels((32, 48))), "is 32x48 px, but a_test.png is 64x48"),
    "mask alone": (
        lambda folder: (write(folder, "a", label=""), cv2.imwrite(str(folder / "b_mask.png"), levels())),
        "b_mask.png: its part b_test.png is missing",
    ),
    "class": (lambda folder: write(folder, "a", label="1 2 30 40 3\n"), "class 3, allowed are 1 to 2"),
    "level": (lambda folder: write(folder, "a", mask=levels((64, 48), (1, 1, 9, 9, 200))), "a_mask.png: level 200"),
    "nothing bad": (lambda folder: write(folder, "a", label=""), "none of the 1 parts has a defect"),
    "nothing": (lambda folder: None, "holds no NAME_test.png"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_folders_are_refused_by_the_file(tmp_path, case):
    """Never guessed at."""
    make, words = WRONG[case]
    make(tmp_path)
    with pytest.raises(BoardsError, match=words):
        read_parts(tmp_path, LIDS)


def test_a_board_with_a_mask_and_no_template_is_refused(tmp_path):
    """With what to do about it."""
    write(tmp_path, "a", mask=levels((64, 48), (1, 1, 9, 9, 1)))
    with pytest.raises(BoardsError, match="parts without have --no-template"):
        read_parts(tmp_path, Asked(("scratch", "dent")))


def test_tiles_say_where_the_part_is(tmp_path):
    """Parts of several sizes in one folder: a small one fills a corner, a large one all of its tiles."""
    write(tmp_path, "a", size=(200, 100), label="1 2 30 40 2\n")
    write(tmp_path, "b", size=(1000, 640), label="")
    tiles = load_tiles(read_parts(tmp_path, LIDS), 1, template=False)
    assert tiles.images.shape == (3, 1, TILE_PX, TILE_PX)
    assert tiles.areas.tolist() == [[0, 0, 200, 100], [0, 0, 640, 640], [0, 0, 640, 640]]
