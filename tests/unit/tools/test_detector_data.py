"""Which boards are trained on, and tiles that cover boards of any size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aoi_daemon.engine.labels import Asked
from aoi_daemon.kit.boards.labels import CLASS_NAMES, BoardsError, read_pairs
from tools.detector.data import IGNORE, NO_LABEL, TILE_PX, load_tiles, read_folders, split


def write(folder, name, width_px, height_px, label="0 0 30 30 1\n"):
    """A board with a gray ramp, so that a tile's place shows in its pixels."""
    image = np.add.outer(np.arange(height_px), np.arange(width_px)).astype(np.uint8)
    for ending in ("test", "temp"):
        cv2.imwrite(str(folder / f"{name}_{ending}.png"), image)
    (folder / f"{name}.txt").write_text(label)
    return image


def test_every_fifth_board_by_name_is_held_out(tmp_path):
    """Whatever the order in which the file system lists them."""
    for number in (7, 1, 9, 3, 5, 0, 2, 8, 4, 6):
        write(tmp_path, f"b{number}", 64, 64)
    rest, held = split(read_pairs(tmp_path), 0.2)
    assert [pair.name for pair in held] == ["b4", "b9"]
    assert [pair.name for pair in rest] == ["b0", "b1", "b2", "b3", "b5", "b6", "b7", "b8"]


@pytest.mark.parametrize("part", [0.0, -0.1, 0.6, 0.01])
def test_a_split_that_leaves_nothing_is_refused(tmp_path, part):
    """Too few boards, or no part at all."""
    write(tmp_path, "a", 64, 64)
    with pytest.raises(BoardsError, match="leaves nothing"):
        split(read_pairs(tmp_path), part)


def test_a_small_board_is_filled_up_with_substrate(tmp_path):
    """The label stays where it was."""
    image = write(tmp_path, "a", 200, 100, "10 20 60 70 3\n")
    tiles = load_tiles(read_pairs(tmp_path), 1)
    assert tiles.images.shape == (1, 2, TILE_PX, TILE_PX)
    assert np.array_equal(tiles.images[0, 0, :100, :200], image)
    assert (tiles.images[0, :, 100:] == 255).all()
    assert tiles.boxes[0, 0].tolist() == [10, 20, 60, 70]
    assert tiles.classes[0].tolist() == [2] + [NO_LABEL] * 31


def test_a_large_board_is_covered_and_cut_labels_are_ignored(tmp_path):
    """1000 px are two tiles from 0 and from 360; a label on one's rim is complete on the other."""
    image = write(tmp_path, "a", 1000, 640, "620 10 660 40 2\n")
    tiles = load_tiles(read_pairs(tmp_path), 1)
    assert len(tiles) == 2
    assert np.array_equal(tiles.images[1, 1], image[:, 360:])
    assert (tiles.classes[0, 0], tiles.classes[1, 0]) == (IGNORE, 1)
    assert tiles.boxes[0, 0].tolist() == [620, 10, 640, 40]
    assert tiles.boxes[1, 0].tolist() == [260, 10, 300, 40]


def test_parts_of_several_sizes_without_templates_become_tiles_that_say_where_the_part_is(tmp_path):
    """A small one fills a corner, a large one all of its tiles; templates are not looked for."""
    write(tmp_path, "a", 200, 100)
    write(tmp_path, "b", 1000, 640)
    for path in tmp_path.glob("*_temp.png"):
        path.unlink()
    pairs = read_folders([tmp_path], Asked(CLASS_NAMES, need_templates=False))
    tiles = load_tiles(pairs, 1, template=False)
    assert tiles.images.shape == (3, 1, TILE_PX, TILE_PX)
    assert tiles.areas.tolist() == [[0, 0, 200, 100], [0, 0, 640, 640], [0, 0, 640, 640]]


def test_the_same_folder_twice_is_refused(tmp_path):
    """A board in training and test at once would be a lie."""
    write(tmp_path, "a", 64, 64)
    with pytest.raises(BoardsError, match="named twice"):
        read_folders([tmp_path, tmp_path / "."], Asked(CLASS_NAMES))


def test_a_damaged_image_is_named_before_training(tmp_path):
    """The header is fine, the rest is missing."""
    write(tmp_path, "a", 64, 64)
    path = tmp_path / "a_temp.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BoardsError, match=r"a_temp.png: is a PNG that is cut short \(60 of"):
        load_tiles(read_pairs(tmp_path), 1)
