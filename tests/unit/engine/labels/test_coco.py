"""COCO's file: what it says is checked key by key."""

import json
import shutil

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import Asked, BoardsError, read_labelled
from tests.unit.engine.labels.written import Label, Part, write

CLASSES = ("dent", "scratch")
ASKED = Asked(CLASSES, need_templates=False)


@pytest.fixture
def folder(tmp_path):
    """Two parts of 100 x 80 px, the second is good."""
    image = np.zeros((80, 100), np.uint8)
    return write(tmp_path / "set", "coco", {"a": Part(image, [Label(10, 10, 30, 20, "scratch")]), "b": Part(image)}, CLASSES)


def changed(folder, edit):
    file = folder / "_annotations.coco.json"
    said = json.loads(file.read_text())
    edit(said)
    file.write_text(json.dumps(said))
    return read_labelled(folder, ASKED)


def test_categories_go_by_name_and_ids_may_have_gaps(folder):
    def edit(said):
        said["categories"].insert(0, {"id": 0, "name": "unused by any"})
        said["categories"].reverse()

    assert [pair.classes.tolist() for pair in changed(folder, edit)] == [[1], []]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda s: s.pop("images"), "images: is no list: this is not a file of COCO's"),
        (lambda s: s["images"].clear(), "images: are none"),
        (lambda s: s["images"].append(3), r"images\[2\]: is no object"),
        (lambda s: s["images"][0].update(file_name="c.png"), r"images\[0\]\.file_name: the picture .*c\.png is missing"),
        (lambda s: s["images"][0].update(file_name="../a.png"), r"images\[0\]\.file_name: '\.\./a\.png' is no name of a picture"),
        (lambda s: s["images"][0].update(file_name="/etc/a.png"), "is no name of a picture"),
        (lambda s: s["images"][0].update(file_name=None), "None is no name of a picture"),
        (lambda s: s["images"][1].update(file_name="a.png"), r"images\[1\]\.file_name: 'a\.png' is there already"),
        (lambda s: s["images"][1].update(id=10), r"images\[1\]\.id: 10 is there already"),
        (lambda s: s["images"][0].update(width=50), r"images\[0\]: says 50x80 px, .*a\.png is 100x80: label it again"),
        (lambda s: s["images"][0].update(width="100"), r"images\[0\]\.width: '?100'? is no whole number"),
        (lambda s: s["images"].pop(1), r"b\.png: is none of the images of _annotations\.coco\.json"),
        (lambda s: s["annotations"][0].update(iscrowd=1), r"annotations\[0\] \(id 0\): iscrowd: is of several defects at once"),
        (lambda s: s["annotations"][0].update(image_id=99), "image_id 99 is none of the images"),
        (lambda s: s["annotations"][0].update(category_id=4), r"category_id 4 is none of the categories \(3, 8\)"),
        (lambda s: s["annotations"][0].update(category_id=True), r"category_id: 'True' is no whole number"),
        (lambda s: s["annotations"].append(dict(s["annotations"][0])), r"annotations\[1\] \(id 0\): the id is there already"),
        (lambda s: s["annotations"].append({**s["annotations"][0], "id": 7}), r"\(id 7\): box .* is there already"),
        (lambda s: s["annotations"][0].update(bbox=[1, 2, 3]), r"\.bbox: \[1, 2, 3\] is not four numbers"),
        (lambda s: s["annotations"][0].update(bbox=[90, 2, 30, 3]), r"box 90 2 120 5 px is not inside the picture of 100x80 px"),
        (lambda s: s["annotations"][0].update(bbox=[9, 2, 0, 3]), "has no area"),
        (lambda s: s["annotations"][0].update(bbox=[9, 2, float("nan"), 3]), "NaN is no number that JSON knows"),
        (lambda s: s["categories"].append({"id": 3, "name": "x"}), r"categories\[2\]: id 3 or name 'x' is there already"),
        (lambda s: s["categories"].append({"id": 4, "name": "dent"}), "name 'dent' is there already"),
        (lambda s: s["categories"][1].update(name="hole"), r"\(id 0\): class 'hole' is none of the model's \(dent, scratch\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_key(folder, edit, says):
    with pytest.raises(BoardsError, match=says):
        changed(folder, edit)


def test_a_box_that_a_tool_has_rounded_over_the_edge_is_cut_there(folder):
    (pair, _) = changed(folder, lambda said: said["annotations"][0].update(bbox=[-0.6, 70.25, 101.3, 10.4]))
    assert pair.boxes.tolist() == [[0, 70, 100, 80]]


def test_the_file_is_found_where_tools_put_it(folder, tmp_path):
    """In annotations/, or in an annotations/ beside the folder under its name."""
    file = folder / "_annotations.coco.json"
    (folder / "annotations").mkdir()
    shutil.move(file, folder / "annotations" / "instances.json")
    assert len(read_labelled(folder, ASKED)) == 2
    shutil.move(folder / "annotations", tmp_path / "annotations")
    (tmp_path / "annotations" / "instances.json").rename(tmp_path / "annotations" / "instances_set.json")
    (tmp_path / "annotations" / "instances_other.json").write_text("{}")
    assert len(read_labelled(folder, ASKED)) == 2


def test_two_files_are_refused(folder):
    shutil.copy(folder / "_annotations.coco.json", folder / "b.json")
    with pytest.raises(BoardsError, match=r"which of _annotations\.coco\.json, b\.json is meant"):
        read_labelled(folder, ASKED)


def test_two_pictures_of_one_name_are_refused(folder):
    cv2.imwrite(str(folder / "a.bmp"), np.zeros((80, 100), np.uint8))
    with pytest.raises(BoardsError, match=r"a\.png is a picture of the same name|a\.bmp is a picture of the same name"):
        read_labelled(folder, ASKED)


def test_pictures_in_folders_are_parts_of_different_names(folder):
    """day1/a.png and day2/a.png."""
    said = json.loads((folder / "_annotations.coco.json").read_text())
    for image, place in zip(said["images"], ("day1", "day2"), strict=True):
        (folder / place).mkdir()
        shutil.move(folder / image["file_name"], folder / place / "a.png")
        image["file_name"] = f"{place}/a.png"
    (folder / "_annotations.coco.json").write_text(json.dumps(said))
    assert [pair.name for pair in read_labelled(folder, ASKED)] == ["day1-a", "day2-a"]
