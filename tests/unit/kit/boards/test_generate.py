"""What a generated board promises: the same bytes for the same seed, and every defect where it is said to be."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from aoi_daemon.kit.boards.cli import main
from aoi_daemon.kit.boards.generate import board_name, generate, write_boards
from aoi_daemon.kit.boards.labels import BoardsError, read_image, read_pairs
from aoi_daemon.kit.boards.options import BoardOptions, Colour, DefectClass, Style

SMALL = BoardOptions(width_px=320, height_px=256, good_fraction=0.0, style=Style.BINARY)


@pytest.fixture(scope="module")
def scans():
    """Thirty one-bit boards with defects."""
    return [generate(11, index, SMALL) for index in range(30)]


def copper(image):
    return np.asarray(image < 128, np.uint8)


def pieces(mask):
    return cv2.connectedComponents(mask, connectivity=8)[1]


def window(image, box, around=6):
    x1, y1, x2, y2 = box
    return image[max(0, y1 - around) : y2 + around, max(0, x1 - around) : x2 + around]


def undamaged(index, options=SMALL):
    """The same board before the defects were laid on: same streams, good by option."""
    return generate(11, index, replace(options, good_fraction=1.0))


def test_the_same_seed_gives_the_same_board():
    """A board depends on seed and index alone."""
    a, b, other = generate(3, 7, SMALL), generate(3, 7, SMALL), generate(4, 7, SMALL)
    assert np.array_equal(a.test, b.test)
    assert np.array_equal(a.template, b.template)
    assert a.defects == b.defects
    assert not np.array_equal(a.test, other.test)


def test_the_number_of_processes_changes_no_byte(tmp_path):
    """Boards written by two processes are those written by one."""
    options = replace(SMALL, width_px=200, height_px=200)
    write_boards(tmp_path / "one", 3, 5, options, jobs=1)
    write_boards(tmp_path / "two", 3, 5, options, jobs=2)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_each_class_occurs(scans):
    """Thirty boards show all six classes."""
    assert {defect.kind for board in scans for defect in board.defects} == set(DefectClass)


def test_damage_is_exactly_where_the_box_says(scans):
    """Against the undamaged board, every differing pixel lies in a damage box, and each box is tight."""
    for index, board in enumerate(scans[:12]):
        changed = copper(board.test) ^ copper(undamaged(index).test)
        for defect in board.defects:
            x1, y1, x2, y2 = defect.damage
            left, top, columns, rows = cv2.boundingRect(changed[y1:y2, x1:x2])
            assert (left, top, columns, rows) == (0, 0, x2 - x1, y2 - y1)
            changed[y1:y2, x1:x2] = 0
        assert not changed.any()


def test_label_boxes_have_deeppcbs_margin(scans):
    """Ten px beyond the damage, counted from its last pixels, cut at the image's border."""
    for board in scans:
        for defect in board.defects:
            x1, y1, x2, y2 = defect.damage
            assert defect.box == (max(0, x1 - 10), max(0, y1 - 10), min(320, x2 + 9), min(256, y2 + 9))


def test_an_open_cuts_copper_in_two(scans):
    """Around the damage one piece of copper has become at least two."""
    for index, defect, board in each(scans, DefectClass.OPEN):
        before = pieces(window(copper(undamaged(index).test), defect.damage))
        after = pieces(window(copper(board.test), defect.damage))
        owners = [set(before[after == label]) - {0} for label in range(1, after.max() + 1)]
        big = [tuple(owner) for label, owner in enumerate(owners, 1) if np.count_nonzero(after == label) >= 12]
        assert len(set(big)) < len(big)


def test_a_short_joins_two_nets(scans):
    """Copper that was of two nets on the whole board hangs together around the damage."""
    for index, defect, board in each(scans, DefectClass.SHORT):
        nets = pieces(copper(undamaged(index).test))
        after = pieces(window(copper(board.test), defect.damage))
        local = window(nets, defect.damage)
        joined = [len(set(local[after == label]) - {0}) for label in range(1, after.max() + 1)]
        assert max(joined) >= 2


def test_mousebites_and_pin_holes_only_remove_copper(scans):
    """A mousebite opens to the substrate, a pin-hole is copper all around."""
    for kind in (DefectClass.MOUSEBITE, DefectClass.PIN_HOLE):
        for index, defect, board in each(scans, kind):
            before = window(copper(undamaged(index).test), defect.damage)
            after = window(copper(board.test), defect.damage)
            removed = (before ^ after).astype(bool)
            assert not after[removed].any()
            ground = pieces(1 - after)
            open_ground = set(ground[before == 0])
            grounded = np.mean([label in open_ground for label in ground[removed]])
            assert (grounded > 0.5) == (kind is DefectClass.MOUSEBITE)


def test_spurs_touch_copper_and_blobs_do_not(scans):
    """Both only add copper."""
    for kind in (DefectClass.SPUR, DefectClass.COPPER):
        for index, defect, board in each(scans, kind):
            before = window(copper(undamaged(index).test), defect.damage)
            after = window(copper(board.test), defect.damage)
            added = (before ^ after).astype(bool)
            assert after[added].all()
            grown = pieces(after)
            touched = set(grown[before == 1]) & set(grown[added])
            assert bool(touched) == (kind is DefectClass.SPUR)


def each(boards, kind):
    found = [
        (index, defect, board) for index, board in enumerate(boards) for defect in board.defects if defect.kind is kind
    ]
    assert found
    return found


def test_gray_defects_stand_out_from_noise():
    """Inside each damage box the gray images differ by more than three deviations of the noise elsewhere."""
    options = replace(SMALL, style=Style.GRAY)
    for index in range(6):
        board, clean = generate(11, index, options), undamaged(index, options)
        difference = np.abs(board.test.astype(int) - clean.test.astype(int))
        outside = np.ones_like(difference, bool)
        for defect in board.defects:
            x1, y1, x2, y2 = defect.box
            outside[y1:y2, x1:x2] = False
        for defect in board.defects:
            x1, y1, x2, y2 = defect.damage
            assert difference[y1:y2, x1:x2].max() >= 15
        assert difference[outside].max() <= 15


def test_good_boards_differ_from_their_templates():
    """A plain difference has false calls: registration and edges vary on good boards, too."""
    options = replace(SMALL, good_fraction=1.0)
    boards = [generate(2, index, options) for index in range(4)]
    assert all(not board.defects for board in boards)
    assert all(np.count_nonzero(board.test != board.template) > 50 for board in boards)


def test_colour_boards_keep_their_lightness():
    """A BGR board turned gray again is the mono board, up to clipping at white."""
    mono = generate(5, 0, replace(SMALL, style=Style.GRAY))
    colour = generate(5, 0, replace(SMALL, style=Style.GRAY, colour=Colour.BGR))
    assert colour.test.shape == (256, 320, 3)
    assert colour.defects == mono.defects
    gray = cv2.cvtColor(colour.test, cv2.COLOR_BGR2GRAY).astype(int)
    assert np.median(np.abs(gray - mono.test)) <= 2


def test_boards_are_read_back_as_written(tmp_path):
    """Labels survive the round trip through DeepPCB's layout; an empty label file is a good board."""
    options = replace(SMALL, good_fraction=0.4)
    write_boards(tmp_path / "boards", 6, 9, options, formats=("coco", "yolo"))
    pairs = read_pairs(tmp_path / "boards")
    assert [pair.name for pair in pairs] == [board_name(index) for index in range(6)]
    for index, pair in enumerate(pairs):
        board = generate(9, index, options)
        assert [tuple(box) for box in pair.boxes.tolist()] == [defect.box for defect in board.defects]
        assert pair.classes.tolist() == [defect.kind - 1 for defect in board.defects]
        assert np.array_equal(read_image(pair.test_path), board.test)
        assert np.array_equal(read_image(pair.template_path), board.template)
    coco = json.loads((tmp_path / "boards" / "annotations.json").read_text())
    assert len(coco["annotations"]) == sum(len(pair.boxes) for pair in pairs)
    first = next(pair for pair in pairs if len(pair.boxes))
    line = (tmp_path / "boards" / "yolo" / f"{first.name}_test.txt").read_text().split()
    x1, y1, x2, y2 = first.boxes[0]
    assert [float(word) for word in line[:5]] == pytest.approx(
        [first.classes[0], (x1 + x2) / 640, (y1 + y2) / 512, (x2 - x1) / 320, (y2 - y1) / 256], abs=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width_px": 40}, "width is 40 px"),
        ({"good_fraction": 1.5}, "good-fraction: 1.5"),
        ({"defects_min": 5, "defects_max": 4}, "defects: 5 to 4"),
        ({"margin_px": -1}, "margin: -1 px"),
    ],
)
def test_impossible_options_are_refused(changes, words):
    """The message names the option and its value."""
    with pytest.raises(BoardsError, match=words):
        BoardOptions(**changes)


def test_make_boards_never_adds_to_a_folder(tmp_path, capsys):
    """A folder that holds something is refused with exit code 2 and left as it was."""
    (tmp_path / "mine.txt").write_text("x")
    assert main(["--out", str(tmp_path), "--count", "2", "--seed", "1", "--size", "200x200", "--jobs", "1"]) == 2
    assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failed_run_leaves_no_folder(tmp_path):
    """An error half-way removes what was written."""

    def fail(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_boards(tmp_path / "boards", 3, 1, replace(SMALL, width_px=200, height_px=200), fail)
    assert list(tmp_path.iterdir()) == []


def test_make_boards_writes_boards_and_a_sheet(tmp_path, capsys):
    """The command line reaches every part."""
    arguments = ["--out", str(tmp_path / "b"), "--count", "2", "--seed", "1", "--size", "224x192"]
    arguments += ["--jobs", "1", "--sheet", str(tmp_path / "sheet.png"), "--labels", "deeppcb,coco"]
    assert main(arguments) == 0
    assert "2 boards of 224x192" in capsys.readouterr().out
    assert read_image(tmp_path / "sheet.png").shape[1] > 400
    assert (tmp_path / "b" / "annotations.json").is_file()
