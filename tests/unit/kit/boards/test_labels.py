"""Reading folders of boards: strict, and with one message that names file and value."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.kit.boards.labels import BoardsError, label_text, read_image, read_label, read_pairs


@pytest.fixture
def folder(tmp_path):
    """Two boards of 64x48: one with a defect, one good."""
    image = np.full((48, 64), 255, np.uint8)
    for name, label in (("a", "1 2 30 40 6\n"), ("b", "")):
        cv2.imwrite(str(tmp_path / f"{name}_test.png"), image)
        cv2.imwrite(str(tmp_path / f"{name}_temp.png"), image)
        (tmp_path / f"{name}.txt").write_text(label)
    return tmp_path


def test_a_folder_is_read_in_name_order(folder):
    """Boxes are int32 [N, 4], classes 0-based."""
    a, b = read_pairs(folder)
    assert (a.name, a.width_px, a.height_px) == ("a", 64, 48)
    assert a.boxes.tolist() == [[1, 2, 30, 40]]
    assert a.boxes.dtype == np.int32
    assert a.classes.tolist() == [5]
    assert b.boxes.shape == (0, 4)
    assert b.classes.shape == (0,)


def test_jpeg_boards_are_read(folder):
    """DeepPCB ships JPEG files."""
    for ending in ("test", "temp"):
        path = folder / f"a_{ending}.png"
        cv2.imwrite(str(path.with_suffix(".jpg")), read_image(path))
        path.unlink()
    assert read_pairs(folder)[0].test_path.name == "a_test.jpg"


def spoil_missing_template(folder):
    (folder / "a_temp.png").unlink()


def spoil_missing_board(folder):
    (folder / "a_test.png").unlink()


def spoil_missing_label(folder):
    (folder / "b.txt").unlink()


def spoil_size(folder):
    cv2.imwrite(str(folder / "a_temp.png"), np.zeros((48, 60), np.uint8))


def spoil_image(folder):
    (folder / "a_test.png").write_bytes(b"no image")


def spoil_twice(folder):
    cv2.imwrite(str(folder / "a_test.bmp"), np.zeros((48, 64), np.uint8))


def spoil_labels(folder):
    (folder / "a.txt").write_text("\n")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_missing_template, "a_test.png: its template a_temp.png is missing"),
        (spoil_missing_board, "a_temp.png: its board a_test.png is missing"),
        (spoil_missing_label, "b_test.png: its label file b.txt is missing"),
        (spoil_size, "a_temp.png: is 60x48 px, but a_test.png is 64x48"),
        (spoil_image, r"a_test.png: is no picture \(8 bytes\)"),
        (spoil_twice, "is already the same part's image"),
        (spoil_labels, "all 2 label files are empty"),
    ],
)
def test_a_spoilt_folder_is_refused(folder, spoil, words):
    """The message names the file and what is wrong with it."""
    spoil(folder)
    with pytest.raises(BoardsError, match=words):
        read_pairs(folder)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 2 65 40 1", "a.txt:1:5: box 1 2 65 40 is not inside the image of 64x48 px"),
        ("-1 2 30 40 1", "a.txt:1:1: '-1' is no whole number"),
        ("1 -2 30 40 1", "a.txt:1:3: '-2' is no whole number"),
        ("1 2 30 49 1", "box 1 2 30 49"),
        ("30 2 30 40 1", "box 30 2 30 40"),
        ("1 2 30 40 7", "a.txt:1:11: class 7, allowed are 1 to 6"),
        ("1 2 30 40 0", "class 0"),
        ("1 2 30 40", "the line has 4 numbers, not the five"),
        ("1 2 30 4.5 1", "'4.5' is no whole number"),
    ],
)
def test_a_wrong_label_line_is_refused(folder, line, words):
    """The message names file, line and value."""
    (folder / "a.txt").write_text(line + "\n")
    with pytest.raises(BoardsError, match=words):
        read_pairs(folder)


def test_a_missing_or_empty_folder_is_refused(tmp_path):
    """Nothing to read is an error, not an empty list."""
    with pytest.raises(BoardsError, match="no such folder"):
        read_pairs(tmp_path / "none")
    with pytest.raises(BoardsError, match=r"holds no NAME_test\.png"):
        read_pairs(tmp_path)


def test_good_boards_alone_are_read_when_asked_for(folder):
    """False calls can be counted on good boards alone."""
    (folder / "a.txt").write_text("")
    assert len(read_pairs(folder, need_defects=False)) == 2


def test_a_label_file_survives_the_round_trip(tmp_path):
    """What `label_text` formats, `read_label` reads."""
    path = tmp_path / "x.txt"
    path.write_text(label_text([(0, 0, 5, 6), (7, 8, 64, 48)], [1, 6]))
    boxes, classes = read_label(path, 64, 48)
    assert boxes.tolist() == [[0, 0, 5, 6], [7, 8, 64, 48]]
    assert classes.tolist() == [0, 5]


def test_an_unreadable_image_is_named(tmp_path):
    """Missing and damaged files raise the same error type."""
    with pytest.raises(BoardsError, match=r"x.png: cannot be read"):
        read_image(tmp_path / "x.png")
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(BoardsError, match=r"x.png: is empty"):
        read_image(tmp_path / "x.png")
