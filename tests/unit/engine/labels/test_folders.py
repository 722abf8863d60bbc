"""Sorted parts: good and bad, or a folder for each class; masks say where."""

import shutil

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import Asked, BoardsError, read_labelled
from tests.unit.engine.labels.written import Label, Part, write

IMAGE = np.zeros((80, 100), np.uint8)
ONE = Asked(("anomaly",), need_templates=False, places="any")
SEVERAL = Asked(("background", "dent", "scratch"), good=("background",), need_templates=False, places="any")


def put(folder, name, image=IMAGE):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), image)
    return file


def masked(*boxes, value=255):
    mask = np.zeros(IMAGE.shape, np.uint8)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = value
    return mask


def labels_of(pairs, classes):
    return {pair.name: [(classes[kind], *box) for kind, box in zip(pair.classes, pair.boxes.tolist(), strict=True)] for pair in pairs}


def test_a_model_of_one_class_takes_every_folder_but_good_for_bad(tmp_path):
    put(tmp_path, "good/a.png")
    put(tmp_path, "cut/a.png")
    put(tmp_path, "bad/a.png")
    found = read_labelled(tmp_path, ONE)
    assert labels_of(found, ONE.classes) == {"good-a": [], "cut-a": [("anomaly", 0, 0, 100, 80)], "bad-a": [("anomaly", 0, 0, 100, 80)]}
    assert [pair.is_placed for pair in found if not pair.is_good] == [False, False]


def test_a_mask_is_a_box_for_each_area_that_it_marks(tmp_path):
    put(tmp_path, "bad/a.png")
    put(tmp_path, "bad/a_mask.png", masked((5, 6, 10, 12), (40, 50, 41, 51)))
    (pair,) = read_labelled(tmp_path, ONE)
    assert (sorted(pair.boxes.tolist()), pair.is_placed) == ([[5, 6, 10, 12], [40, 50, 41, 51]], True)


def test_masks_are_found_as_mvtec_keeps_them(tmp_path):
    put(tmp_path / "test", "good/000.png")
    put(tmp_path / "test", "cut/000.png")
    put(tmp_path / "ground_truth", "cut/000_mask.png", masked((5, 6, 10, 12)))
    found = labels_of(read_labelled(tmp_path / "test", ONE), ONE.classes)
    assert found == {"good-000": [], "cut-000": [("anomaly", 5, 6, 10, 12)]}


def test_where_a_folder_names_no_class_the_mask_does(tmp_path):
    put(tmp_path, "bad/a.png")
    put(tmp_path, "bad/a_mask.png", masked((5, 6, 10, 12), value=1) + masked((30, 30, 40, 40), value=2))
    found = labels_of(read_labelled(tmp_path, SEVERAL), SEVERAL.classes)
    assert found == {"bad-a": [("dent", 5, 6, 10, 12), ("scratch", 30, 30, 40, 40)]}


@pytest.mark.parametrize(
    ("asked", "name", "mask", "says"),
    [
        (ONE, "bad/a", masked(), r"a_mask\.png: marks nothing, and its part is among the bad"),
        (ONE, "good/a", masked((1, 1, 5, 5)), r"a_mask\.png: marks a defect on a part that lies among the good ones"),
        (ONE, "bad/a", masked((1, 1, 5, 5))[:40], r"a_mask\.png: is 100x40 px, a\.png is 100x80"),
        (SEVERAL, "bad/a", masked((1, 1, 5, 5)), r"a_mask\.png: the value 255 is no class number of a defect \(there: 0 background"),
        (SEVERAL, "bad/a", None, r"does not say of which class it is, and the model has 2 \(dent, scratch\)"),
        (SEVERAL, "hole/a", None, r"hole: class 'hole' is none of the model's"),
        (ONE, "bad/a", (np.indices(IMAGE.shape).sum(0) % 2 * 255 * (np.indices(IMAGE.shape)[0] % 2)).astype(np.uint8), "marks 2000 areas"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, asked, name, mask, says):
    put(tmp_path, f"{name}.png")
    if mask is not None:
        put(tmp_path, f"{name}_mask.png", mask)
    with pytest.raises(BoardsError, match=says):
        read_labelled(tmp_path, asked)


def test_a_class_that_the_folder_names_needs_no_numbers_and_a_palette_has_none(tmp_path):
    """A drawing program saves a mask of two colours with a palette: its values are not what they were drawn as."""
    from PIL import Image

    put(tmp_path, "dent/a.png")
    Image.fromarray(masked((5, 6, 10, 12), value=1)).convert("P").save(tmp_path / "dent" / "a_mask.png")
    assert labels_of(read_labelled(tmp_path, SEVERAL), SEVERAL.classes) == {"dent-a": [("dent", 5, 6, 10, 12)]}
    (tmp_path / "dent").rename(tmp_path / "bad")
    with pytest.raises(BoardsError, match="has a palette, and its values are to be class numbers"):
        read_labelled(tmp_path, SEVERAL)


def test_a_mask_in_jpeg_and_one_without_its_part_are_refused(tmp_path):
    put(tmp_path, "bad/a.png")
    put(tmp_path, "bad/a_mask.jpg", masked((5, 6, 10, 12)))
    with pytest.raises(BoardsError, match=r"a_mask\.jpg: is a JPEG, which changes values"):
        read_labelled(tmp_path, ONE)
    (tmp_path / "bad" / "a_mask.jpg").rename(tmp_path / "bad" / "b_mask.jpg")
    with pytest.raises(BoardsError, match=r"b_mask\.jpg: the part that it is the mask of"):
        read_labelled(tmp_path, ONE)


def test_a_detector_is_told_where_each_defect_is(tmp_path):
    asked = Asked(("dent",), need_templates=False)
    folder = write(tmp_path / "set", "folders", {"a": Part(IMAGE, [Label(5, 6, 10, 12, "dent")])}, asked.classes)
    assert read_labelled(folder, asked)[0].boxes.tolist() == [[5, 6, 10, 12]]
    shutil.rmtree(folder)
    write(folder, "folders", {"a": Part(IMAGE, [Label(5, 6, 10, 12, "dent")])}, asked.classes)
    (folder / "dent" / "a_mask.png").unlink()
    with pytest.raises(BoardsError, match=r"a\.png: nothing says where it is bad, .* draw a_mask\.png beside it"):
        read_labelled(folder, asked)
