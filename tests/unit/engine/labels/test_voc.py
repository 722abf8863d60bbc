"""Pascal VOC's files: each object checked, and no entity."""

import shutil

import numpy as np
import pytest

from aoi_daemon.engine.labels import Asked, BoardsError, read_labelled
from tests.unit.engine.labels.written import Label, Part, write

CLASSES = ("dent", "scratch")
ASKED = Asked(CLASSES, need_templates=False)


@pytest.fixture
def folder(tmp_path):
    """One part of 100 x 80 px with a dent."""
    return write(tmp_path / "set", "voc", {"a": Part(np.zeros((80, 100), np.uint8), [Label(10, 10, 30, 20, "dent")])}, CLASSES)


def test_a_file_without_objects_is_a_good_part(folder):
    file = folder / "a.xml"
    file.write_text(file.read_text().partition("<object>")[0] + "</annotation>")
    assert read_labelled(folder, Asked(CLASSES, need_templates=False, need_defects=False))[0].is_good


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<xmax>30<", "<xmax>130<", r"a\.xml: object 1: box 10 10 130 20 px is not inside the picture of 100x80 px"),
        ("<xmax>30<", "<xmax>10<", "has no area"),
        ("<xmax>30<", "<xmax>nan<", r"object 1: bndbox/xmax: 'nan' is no number of px"),
        ("<xmax>30</xmax>", "", r"object 1: bndbox/xmax: '' is no number of px"),
        (">dent<", ">hole<", r"object 1: class 'hole' is none of the model's \(dent, scratch\)"),
        ("<difficult>0<", "<difficult>1<", "object 1: difficult: who labelled it was not sure"),
        ("<width>100<", "<width>50<", r"size: says 50x80 px, .*a\.png is 100x80: label it again"),
        ("<width>100</width>", "", r"size/width: '' is no number of px"),
        ("<filename>a.png<", "<filename>b.png<", r"filename: says 'b\.png', and it is beside a\.png"),
        ("<annotation>", "<annotation><object></object>", r"object 1: bndbox/xmin: '' is no number"),
        ("</annotation>", "", r"a\.xml: is not XML"),
        ("annotation>", "note>", "note: is no `annotation`"),
        ("<annotation>", '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation>', "has a DOCTYPE or an ENTITY"),
    ],
)
def test_what_is_wrong_is_named_by_file_object_and_key(folder, old, new, says):
    file = folder / "a.xml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(BoardsError, match=says):
        read_labelled(folder, ASKED)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7"])
def test_no_encoding_hides_an_entity(folder, encoding):
    """Expanded, it would be read as the class."""
    file = folder / "a.xml"
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "dent">]>' + file.read_text().replace(">dent<", ">&b;<")
    file.write_bytes(text.encode(encoding))
    with pytest.raises(BoardsError, match=r"a\.xml"):
        read_labelled(folder, ASKED)


def test_the_folders_of_the_challenge_are_found(folder, tmp_path):
    for name, pattern in (("JPEGImages", "*.png"), ("Annotations", "*.xml")):
        (tmp_path / "voc" / name).mkdir(parents=True)
        for file in folder.glob(pattern):
            shutil.copy(file, tmp_path / "voc" / name)
    assert read_labelled(tmp_path / "voc", ASKED)[0].boxes.tolist() == [[10, 10, 30, 20]]


def test_a_picture_without_its_file_and_a_file_without_its_picture_are_named(folder):
    (folder / "a.png").rename(folder / "b.png")
    with pytest.raises(BoardsError, match=r"b\.png: its label file b\.xml is missing"):
        read_labelled(folder, ASKED)
    shutil.copy(folder / "a.xml", folder / "b.xml")
    with pytest.raises(BoardsError, match=r"a\.xml: its picture a\.png is missing"):
        read_labelled(folder, ASKED)
