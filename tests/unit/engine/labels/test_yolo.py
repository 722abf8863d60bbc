"""YOLO's lines: shares of the picture, and never px."""

import shutil

import numpy as np
import pytest

from aoi_daemon.engine.labels import Asked, BoardsError, read_labelled
from tests.unit.engine.labels.written import Label, Part, write

CLASSES = ("dent", "scratch")
ASKED = Asked(CLASSES, need_templates=False)
NAMED = Asked(CLASSES, need_templates=False, named=True)


@pytest.fixture
def folder(tmp_path):
    """One part of 100 x 80 px with a dent."""
    return write(tmp_path / "set", "yolo", {"a": Part(np.zeros((80, 100), np.uint8), [Label(10, 10, 30, 20, "dent")])}, CLASSES)


def line(folder, text):
    (folder / "labels" / "a.txt").write_text(text)
    return read_labelled(folder, ASKED)[0]


def test_a_box_is_centre_and_size_in_shares(folder):
    assert line(folder, "1 0.5 0.5 0.2 0.5\r\n").boxes.tolist() == [[40, 20, 60, 60]]


def test_a_polygon_is_the_box_around_it(folder):
    """As segmentation labels have it, and corners of a turned box."""
    assert line(folder, "0 0.1 0.5 0.2 0.25 0.3 0.75\n").boxes.tolist() == [[10, 20, 30, 60]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 40 20 60 60", r"a\.txt:1: 60 is no share of the picture, 0 to 1: are these px, as DeepPCB's"),
        ("40 20 60 60 1", r"a\.txt:1: 60 is no share"),
        ("0 0.5 0.5 1.2 0.5", r"a\.txt:1: 1\.2 is no share"),
        ("\n0 0.9 0.5 0.5 0.5", r"a\.txt:2: '0 0\.9 0\.5 0\.5 0\.5' reaches beyond the picture"),
        ("2 0.5 0.5 0.1 0.1", r"a\.txt:1: class 2, allowed are 0 to 1: dent, scratch"),
        ("0 0.5 nan 0.1 0.1", r"a\.txt:1: 'nan' is no number from 0 to 1"),
        ("0 0.5 inf 0.1 0.1", r"'inf' is no number"),
        ("0 0.5 -0.1 0.1 0.1", r"'-0\.1' is no number from 0 to 1"),
        ("0 0.5 . 0.1 0.1", r"'\.' is no number"),
        ("0 0,5 0.5 0.1 0.1", r"'0,5' is no number"),
        ("0.0 0.5 0.5 0.1 0.1", r"'0\.0' is no class number"),
        ("dent 0.5 0.5 0.1 0.1", r"'dent' is no class number"),
        ("0 0.5 0.5 0.1", r"the line has 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", r"the line has 6 numbers"),
        ("0 0.5 0.5 0 0.1", r"a\.txt:1: box 50 36 50 44 px has no area"),
        ("0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.1", r"a\.txt:2: box .* is there already \(a\.txt:1\)"),
    ],
)
def test_a_wrong_line_is_named_with_its_value(folder, text, says):
    with pytest.raises(BoardsError, match=says):
        line(folder, text)


def test_no_line_of_whole_numbers_is_a_label_of_yolos():
    """So none of DeepPCB's is taken for one: what is in px there would be a box all over the picture here."""
    # A centre of 0 or 1 and a size of 1 reach beyond the picture, a size of 0 has no area.
    for cx in (0, 1):
        for w in (0, 1):
            assert w == 0 or cx - w / 2 < 0 or cx + w / 2 > 1


def test_class_numbers_mean_what_the_nearest_file_says(folder):
    """Of another order than the model's, too: a data set keeps its own."""
    (folder / "data.yaml").unlink()
    (folder.parent / "data.yaml").write_text("nc: 2\nnames: ['scratch', \"dent\"]  # of the line\n")
    assert [CLASSES[kind] for kind in line(folder, "0 0.5 0.5 0.1 0.1").classes] == ["scratch"]
    (folder / "classes.txt").write_text("dent\nscratch\n")
    assert [CLASSES[kind] for kind in line(folder, "0 0.5 0.5 0.1 0.1").classes] == ["dent"]


def test_without_a_file_a_person_says_what_they_mean(folder):
    (folder / "data.yaml").unlink()
    with pytest.raises(BoardsError, match=r"nothing says what the class numbers .* data\.yaml .* or say --classes"):
        read_labelled(folder, ASKED)
    assert read_labelled(folder, NAMED)[0].classes.tolist() == [0]


def test_a_class_that_the_model_does_not_have_is_refused_where_it_is_used(folder):
    """A list of names may be longer: of a data set for several models."""
    (folder / "data.yaml").write_text("names: [dent, hole]\n")
    assert line(folder, "0 0.5 0.5 0.1 0.1").classes.tolist() == [0]
    with pytest.raises(BoardsError, match=r"a\.txt:1: class 'hole' is none of the model's \(dent, scratch\)"):
        line(folder, "1 0.5 0.5 0.1 0.1")


def test_pictures_and_labels_are_found_where_tools_put_them(folder, tmp_path):
    """images/val beside labels/val; or all in one folder."""
    expected = read_labelled(folder, NAMED)[0].boxes.tolist()
    split = tmp_path / "split"
    for what in ("images", "labels"):
        shutil.copytree(folder / what, split / what / "val")
    shutil.copy(folder / "data.yaml", split)
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in (*folder.glob("*/a.*"), folder / "data.yaml"):
        shutil.copy(file, flat)
    for place in (split / "images" / "val", flat):
        assert read_labelled(place, ASKED)[0].boxes.tolist() == expected
    with pytest.raises(BoardsError, match=r"images: holds no picture; name one of .*images/val"):
        read_labelled(split, ASKED)


def test_a_picture_without_a_label_file_and_one_without_its_picture_are_named(folder):
    label = folder / "labels" / "a.txt"
    text = label.read_text()
    label.unlink()
    with pytest.raises(BoardsError, match=r"a\.png: its label file a\.txt is missing in .* \(an empty one means a good part\)"):
        read_labelled(folder, ASKED)
    label.write_text(text)
    (folder / "labels" / "b.txt").write_text("")
    with pytest.raises(BoardsError, match=r"b\.txt: its picture b\.png is missing"):
        read_labelled(folder, ASKED)
