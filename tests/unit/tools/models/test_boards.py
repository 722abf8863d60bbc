import numpy as np
import pytest

from tools.models.boards import CLASSES, boards, label_map


def test_the_same_numbers_give_the_same_boards():
    one, other = (list(boards(3, 96, 64, 7)) for _ in range(2))
    assert all((a.image == b.image).all() for a, b in zip(one, other, strict=True))
    assert one[0].image.shape == (64, 96, 3)


@pytest.mark.parametrize("only", range(len(CLASSES)))
def test_boards_of_one_class_have_that_one_alone_and_good_ones_have_none(only):
    assert all({defect.label for defect in board.defects} == {only} for board in boards(8, 128, 128, 3, only=only))
    assert all(not board.defects for board in boards(8, 128, 128, 3, only=-1))


def test_every_label_of_a_defect_says_where_it_is():
    """Box, outline, turned rectangle and map are of one place, which lies on the board and has the class's colour."""
    seen = 0
    for board in boards(40, 160, 128, 5):
        mapped = label_map(board)
        for defect in board.defects:
            x1, y1, x2, y2 = defect.box
            assert 0 <= x1 < x2 <= 160 and 0 <= y1 < y2 <= 128
            assert (defect.corners.min(axis=0) <= (x1 + 1e-6, y1 + 1e-6)).all()
            assert (defect.corners.max(axis=0) >= (x2 - 1e-6, y2 - 1e-6)).all()
            x, y = (int(value) for value in defect.outline.mean(axis=0))
            assert mapped[y, x] == 1 + defect.label
            blue, green, red = board.image[y, x].astype(int)
            loudest = {"flux": red, "ink": blue, "scratch": min(red, green)}[CLASSES[defect.label]]
            quiet = {"flux": max(green, blue), "ink": max(green, red), "scratch": 60}[CLASSES[defect.label]]
            assert loudest > quiet + 40
            seen += 1
        outside = np.ones(mapped.shape, bool)
        for defect in board.defects:
            x1, y1, x2, y2 = defect.box
            outside[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1] = False
        assert not mapped[outside].any()
    assert seen > 20
