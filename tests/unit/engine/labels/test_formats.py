"""Every layout says the same of the same parts, and what is wrong in a file is refused by the file's name."""

import json

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import FORMATS, Asked, BoardsError, read_labelled
from aoi_daemon.engine.labels.formats import layout_of
from tests.unit.engine.labels.written import Label, Part, write

CLASSES = ("pad", "dent", "scratch")
ASKED = Asked(CLASSES, good=("pad",), need_templates=False)


def parts(seed, *, one_kind=False):
    """Six parts of several sizes, two good; boxes that lie apart."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(6):
        height, width = rng.integers(40, 90, 2).tolist()
        kinds = ["dent"] * 4 if one_kind else rng.choice(["dent", "scratch"], 4).tolist()
        labels = []
        for kind in kinds[: number % 4 + 1 if number % 3 else 0]:
            x, y = 9 * (len(labels) % 2) * 2, 9 * (len(labels) // 2) * 2
            x1, y1 = x + int(rng.integers(0, 4)), y + int(rng.integers(0, 4))
            labels.append(Label(x1, y1, x1 + int(rng.integers(1, 12)), y1 + int(rng.integers(1, 12)), kind))
        found[f"p{number}"] = Part(rng.integers(0, 256, (height, width), np.uint8), labels)
    return found


def as_read(pairs):
    """Name, size and labels of each part; a folder's name before it is left out."""
    return {
        pair.name.split("-")[-1]: (
            pair.width_px, pair.height_px,
            sorted((*box, CLASSES[kind]) for box, kind in zip(pair.boxes.tolist(), pair.classes, strict=True)),
        )
        for pair in pairs
    }  # fmt: skip


def as_written(shown):
    return {name: (part.image.shape[1], part.image.shape[0], sorted(part.labels)) for name, part in shown.items()}


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_written_in_a_layout_is_recognised_and_read(tmp_path, layout, seed):
    shown = parts(seed, one_kind=layout == "folders")
    folder = write(tmp_path / "set", layout, shown, CLASSES)
    assert layout_of(folder) == layout
    assert as_read(read_labelled(folder, ASKED)) == as_written(shown)


@pytest.mark.parametrize("layout", FORMATS)
def test_labels_of_what_is_no_defect_are_read_and_left_out(tmp_path, layout):
    """A part with pads alone is good."""
    image = np.zeros((50, 60), np.uint8)
    shown = {"a": Part(image, [Label(4, 4, 20, 20, "pad")]), "b": Part(image, [Label(4, 4, 20, 20, "dent")])}
    folder = write(tmp_path / "set", layout, shown, CLASSES)
    if layout == "folders":
        (folder / "pad" / "a_mask.png").unlink()  # a good part has none
    assert {pair.name.split("-")[-1]: pair.is_good for pair in read_labelled(folder, ASKED)} == {"a": True, "b": False}


@pytest.mark.parametrize("layout", FORMATS)
def test_a_template_lies_beside_its_part_in_every_layout(tmp_path, layout):
    image = np.zeros((50, 60), np.uint8)
    shown = {"a": Part(image, [Label(4, 4, 20, 20, "dent")], template=image)}
    folder = write(tmp_path / "set", layout, shown, CLASSES)
    asked = Asked(CLASSES, good=("pad",))
    (pair,) = read_labelled(folder, asked)
    assert pair.template.name == "a_temp.png"
    pair.template.unlink()
    with pytest.raises(BoardsError, match=r"its template .*a_temp\.png is missing"):
        read_labelled(folder, asked)
    assert read_labelled(folder, ASKED)[0].template_path is None


@pytest.mark.parametrize("layout", [layout for layout in FORMATS if layout != "deeppcb"])
def test_a_labelled_picture_that_exif_turns_is_refused(tmp_path, layout):
    """Nothing says whether the labels were drawn before the turn or after it."""
    from PIL import Image as Pillow

    shown = {"a": Part(np.zeros((60, 60), np.uint8), [Label(4, 4, 20, 30, "dent")])}
    folder = write(tmp_path / "set", layout, shown, CLASSES)
    (file,) = folder.rglob("a.png")
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.open(file).save(file, exif=exif)
    with pytest.raises(BoardsError, match=r"a\.png: its EXIF says that it is to be turned"):
        read_labelled(folder, ASKED)


@pytest.mark.parametrize("other", ["coco", "voc"])
def test_a_folder_of_two_layouts_is_refused_and_a_person_says_which(tmp_path, other):
    shown = {"a": Part(np.zeros((50, 60), np.uint8), [Label(4, 4, 20, 20, "dent")])}
    write(tmp_path / "set", "yolo", shown, CLASSES)
    folder = write(tmp_path / "set", other, shown, CLASSES)
    with pytest.raises(BoardsError, match=rf"may be of 2 layouts .*--labels yolo\|{other}"):
        layout_of(folder)
    for layout in ("yolo", other):
        pairs = read_labelled(folder, Asked(CLASSES, good=("pad",), need_templates=False, layout=layout))
        assert as_read(pairs) == as_written(shown)


def test_a_folder_of_no_layout_says_which_there_are(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20), np.uint8))
    with pytest.raises(BoardsError, match=r"holds no NAME_test\.png, and no other labels that are read \(deeppcb: .*voc: "):
        layout_of(tmp_path)
    with pytest.raises(BoardsError, match="no such folder"):
        read_labelled(tmp_path / "nowhere", ASKED)


@pytest.mark.parametrize("layout", FORMATS)
def test_a_set_of_good_parts_alone_is_refused_where_defects_are_needed(tmp_path, layout):
    folder = write(tmp_path / "set", layout, {"a": Part(np.zeros((50, 60), np.uint8))}, CLASSES)
    with pytest.raises(BoardsError, match="there is no defect to learn or test"):
        read_labelled(folder, ASKED)


def test_a_classifier_is_told_the_classes_that_are_on_the_frame(tmp_path):
    labels = [Label(4, 4, 20, 20, "scratch"), Label(30, 30, 40, 40, "dent"), Label(30, 4, 40, 20, "dent")]
    folder = write(tmp_path / "set", "coco", {"a": Part(np.zeros((50, 60), np.uint8), labels)}, CLASSES)
    (pair,) = read_labelled(folder, Asked(CLASSES, good=("pad",), need_templates=False, places="frame"))
    assert pair.boxes.tolist() == [[0, 0, 60, 50]] * 2
    assert [CLASSES[kind] for kind in pair.classes] == ["dent", "scratch"]


def spoil_bytes(rng, raw):
    """A file as a full disk, an editor or a bad cable leaves it."""
    at = int(rng.integers(len(raw)))
    cut = raw[:at]
    changed = raw[:at] + bytes([int(rng.integers(256))]) + raw[at + 1 :]
    return (cut, changed)[int(rng.integers(2))]


@pytest.mark.parametrize("layout", FORMATS)
def test_a_damaged_label_file_is_refused_by_name_or_says_what_it_said(tmp_path, layout):
    """Never a traceback, and never a label that the model or the picture does not have."""
    rng = np.random.default_rng(FORMATS.index(layout))
    folder = write(tmp_path / "set", layout, parts(1, one_kind=True), CLASSES)
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".txt", ".json", ".xml", ".yaml") or path.stem.endswith("_mask"))
    refused = 0
    for _ in range(60):
        file = files[int(rng.integers(len(files)))]
        raw = file.read_bytes()
        if not raw:
            continue
        file.write_bytes(spoil_bytes(rng, raw))
        try:
            pairs = read_labelled(folder, ASKED)
        except BoardsError as error:
            refused += 1
            assert str(folder) in str(error)
        else:
            for pair in pairs:
                x1, y1, x2, y2 = pair.boxes.reshape(-1, 4).T
                assert (x1 >= 0).all() and (y1 >= 0).all() and (x1 < x2).all() and (y1 < y2).all()
                assert (x2 <= pair.width_px).all() and (y2 <= pair.height_px).all()
                assert set(pair.classes.tolist()) <= {1, 2}
        file.write_bytes(raw)
    assert refused > 5


def test_coco_and_voc_say_the_key_that_is_wrong(tmp_path):
    """The JSON of a data set has no lines that an editor shows."""
    folder = write(tmp_path / "set", "coco", parts(1), CLASSES)
    file = folder / "_annotations.coco.json"
    said = json.loads(file.read_text())
    said["annotations"][1]["bbox"][2] = "12"
    file.write_text(json.dumps(said))
    with pytest.raises(BoardsError, match=r"_annotations\.coco\.json: annotations\[1\] \(id 1\)\.bbox: .* is not four numbers"):
        read_labelled(folder, ASKED)
