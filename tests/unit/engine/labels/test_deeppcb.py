import subprocess
import sys

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import BoardsError, read_image, read_pairs
from aoi_daemon.errors import AoiError

SIZE = 64


def write(folder, name="a", label="1 2 30 40 3\n", template_size=SIZE):
    image = np.full((SIZE, SIZE), 200, np.uint8)
    cv2.imwrite(str(folder / f"{name}_test.png"), image)
    cv2.imwrite(str(folder / f"{name}_temp.png"), np.zeros((template_size, template_size), np.uint8))
    if label is not None:
        (folder / f"{name}.txt").write_text(label)


def test_a_pair_has_its_boxes_and_zero_based_classes(tmp_path):
    write(tmp_path, label="1 2 30 40 3\n\n5 5 9 9 6\n")
    (pair,) = read_pairs(tmp_path)
    assert pair.boxes.tolist() == [[1, 2, 30, 40], [5, 5, 9, 9]]
    assert pair.classes.tolist() == [2, 5]
    assert (pair.name, pair.width_px, pair.height_px, pair.is_good) == ("a", SIZE, SIZE, False)


def test_an_empty_label_file_is_a_good_board(tmp_path):
    write(tmp_path)
    write(tmp_path, "b", label="")
    assert [pair.is_good for pair in read_pairs(tmp_path)] == [False, True]


def test_a_folder_of_good_boards_alone_is_refused_where_defects_are_needed(tmp_path):
    write(tmp_path, label="")
    with pytest.raises(BoardsError, match=r"all 1 label files are empty"):
        read_pairs(tmp_path)
    assert len(read_pairs(tmp_path, need_defects=False)) == 1


@pytest.mark.parametrize(
    ("label", "what"),
    [
        ("1 2 30 40\n", r"a\.txt:1:10: the line has 4 numbers, not the five x1 y1 x2 y2 class"),
        ("1 2 30 40 3 7\n", r"a\.txt:1:13: the line has 6 numbers, not the five"),
        ("1 2 30 40 3\none two three four five\n", r"a\.txt:2:1: 'one' is no whole number from 0 up"),
        ("\n 1 2.5 30 40 3\n", r"a\.txt:2:4: '2\.5' is no whole number"),
        ("1 2 30 40 3,\n", r"a\.txt:1:11: '3,' is no whole number"),
        ("1 2 30 40 1_0\n", r"a\.txt:1:11: '1_0' is no whole number"),
        ("１ 2 30 40 3\n", r"a\.txt:1:1: '１' is no whole number"),
        ("1\u00a02 30 40 3 3\n", r"a\.txt:1:1: '1\\xa02' is no whole number"),
        ("1 2 30 40 99999999999\n", r"a\.txt:1:11: '99999999999' is no whole number"),
        ("1 2 30 65 3\n", r"a\.txt:1:8: box 1 2 30 65 is not inside the image of 64x64 px"),
        ("64 2 64 40 3\n", r"a\.txt:1:1: box 64 2 64 40 is not inside the image"),
        ("-1 2 30 40 3\n", r"a\.txt:1:1: '-1' is no whole number"),
        ("30 2 30 40 3\n", r"a\.txt:1:6: box 30 2 30 40 is not inside"),
        ("1 2 30 40 0\n", r"a\.txt:1:11: class 0, allowed are 1 to 6"),
        ("1 2 30 40 7\n", r"a\.txt:1:11: class 7, allowed are 1 to 6"),
        ("1 2 30 40 3\0\n", r"a\.txt:1:12: has a NUL byte"),
    ],
)
def test_a_wrong_label_line_is_named_with_its_value(tmp_path, label, what):
    write(tmp_path, label=label)
    with pytest.raises(BoardsError, match=what):
        read_pairs(tmp_path)


def test_a_bundle_of_fewer_classes_allows_fewer_ids(tmp_path):
    write(tmp_path)
    with pytest.raises(BoardsError, match=r"class 3, allowed are 1 to 2"):
        read_pairs(tmp_path, class_count=2)


def test_each_missing_file_of_a_trio_is_named(tmp_path):
    write(tmp_path)
    for file, what in (("a.txt", "label file a.txt"), ("a_temp.png", "template a_temp.png"), ("a_test.png", "board")):
        kept = (tmp_path / file).read_bytes()
        (tmp_path / file).unlink()
        with pytest.raises(BoardsError, match=what):
            read_pairs(tmp_path)
        (tmp_path / file).write_bytes(kept)


def test_a_template_of_another_size_is_refused(tmp_path):
    write(tmp_path, template_size=32)
    with pytest.raises(BoardsError, match=r"a_temp\.png: is 32x32 px, but a_test\.png is 64x64"):
        read_pairs(tmp_path)


def test_no_folder_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(BoardsError, match="no such folder"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(BoardsError, match=r"holds no NAME_test\.png"):
        read_pairs(tmp_path)


def test_a_file_that_is_no_image_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "a_test.png").write_bytes(b"no image")
    with pytest.raises(BoardsError, match=r"a_test\.png: is no picture \(8 bytes\)"):
        read_image(tmp_path / "a_test.png")
    with pytest.raises(BoardsError, match=r"a_test\.png"):
        read_pairs(tmp_path)


def test_two_images_of_one_board_are_refused(tmp_path):
    write(tmp_path)
    cv2.imwrite(str(tmp_path / "a_test.bmp"), np.zeros((SIZE, SIZE), np.uint8))
    with pytest.raises(BoardsError, match="already the same part's image"):
        read_pairs(tmp_path)


def test_endings_are_found_in_upper_case_too_and_labels_as_other_editors_leave_them(tmp_path):
    write(tmp_path, label=None)
    for name, upper in (("a_test.png", "a_TEST.PNG"), ("a_temp.png", "a_Temp.Png")):
        (tmp_path / name).rename(tmp_path / upper)
    (tmp_path / "a.TXT").write_bytes(b"\xef\xbb\xbf1 2 30 40 3 \r\n\t\r\n")
    (pair,) = read_pairs(tmp_path)
    assert (pair.name, pair.test_path.name, pair.boxes.tolist()) == ("a", "a_TEST.PNG", [[1, 2, 30, 40]])


@pytest.mark.parametrize("other", ["A.txt", "A_test.png", "A_temp.bmp"])
def test_names_of_one_part_that_differ_in_case_alone_are_refused(tmp_path, other):
    write(tmp_path)
    (tmp_path / other).write_bytes((tmp_path / f"a{other[1:].replace('bmp', 'png')}").read_bytes())
    with pytest.raises(BoardsError, match=r"the same but for upper and lower case; rename one of them"):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (b"\xff\xfe1\0", r"a\.txt: is UTF-16 text; save it as UTF-8"),
        (b"1 2 30 40 3\n# \xfc", r"a\.txt:2:3: is not UTF-8 text"),
    ],
)
def test_a_label_that_is_no_text_is_refused_with_the_remedy(tmp_path, label, says):
    write(tmp_path)
    (tmp_path / "a.txt").write_bytes(label)
    with pytest.raises(BoardsError, match=says):
        read_pairs(tmp_path)


def test_a_label_of_a_gigabyte_is_refused_unread(tmp_path):
    write(tmp_path)
    with (tmp_path / "a.txt").open("wb") as made:
        made.truncate(2**30)
    with pytest.raises(BoardsError, match=r"a\.txt: is larger than 4194304 bytes"):
        read_pairs(tmp_path)


def test_its_errors_are_the_programs_own():
    assert issubclass(BoardsError, AoiError)


def test_labels_and_metrics_load_without_the_programs_other_packages():
    """Training runs where pydantic, structlog and onnxruntime are not."""
    code = (
        "import sys\n"
        "for name in ('pydantic', 'structlog', 'onnxruntime', 'onnx', 'rich'): sys.modules[name] = None\n"
        "import aoi_daemon.engine.labels, aoi_daemon.engine.qualify.metrics, aoi_daemon.engine.qualify.rates\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
