"""Pictures on the disk: whole, once, and traceable after a kill."""

import cv2
import numpy as np
import pytest

from aoi_daemon.recorder.pictures import INCOMING, LIST, Pictures
from tests.unit.recorder.conftest import SIZE, picture

AT = 1_795_348_800.0  # 2026-11-22T12:00Z


@pytest.fixture
def pictures(tmp_path):
    found = Pictures(tmp_path, 1)
    yield found
    found.close()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_read_back_as_it_was(pictures, tmp_path, channels):
    image = np.random.default_rng(1).integers(0, 256, (20, 30, channels), np.uint8)
    found = pictures.write(image, "part", AT)
    assert (found.file, found.width_px, found.height_px) == ("images/2026-11-22/12/part.png", 30, 20)
    file = tmp_path / found.file
    assert file.stat().st_size == found.size_bytes
    assert (cv2.imread(str(file), cv2.IMREAD_UNCHANGED).reshape(image.shape) == image).all()
    assert [path.name for path in (tmp_path / INCOMING).iterdir()] == [LIST]


def test_a_template_is_written_once_for_each_content(pictures, tmp_path):
    first = pictures.write_template(picture(5))
    before = (tmp_path / first.file).stat().st_mtime_ns
    assert pictures.write_template(picture(5)) == first
    assert (tmp_path / first.file).stat().st_mtime_ns == before
    assert pictures.write_template(picture(6)).file != first.file
    assert pictures.write_template(picture(5).reshape(SIZE // 2, SIZE * 2, 1)).file != first.file, "another shape"
    assert len(list((tmp_path / "templates").iterdir())) == 3


def test_what_is_not_yet_in_the_database_is_listed(pictures, tmp_path):
    names = [pictures.write(picture(), f"p{n}", AT).file for n in range(3)]
    assert (tmp_path / INCOMING / LIST).read_text().splitlines() == names
    pictures.recorded()
    assert (tmp_path / INCOMING / LIST).read_text() == ""
    pictures.write(picture(), "p9", AT)
    assert (tmp_path / INCOMING / LIST).read_text().splitlines() == ["images/2026-11-22/12/p9.png"]


def test_a_write_that_fails_leaves_nothing_half(pictures, tmp_path):
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        pictures.write(picture(), "p", AT)
    assert [path.name for path in (tmp_path / INCOMING).iterdir()] == [LIST]
    (tmp_path / "images").unlink()
    assert (tmp_path / pictures.write(picture(), "p", AT).file).exists()


def test_the_hours_folder_is_made_again_where_somebody_removed_it(pictures, tmp_path):
    import shutil

    pictures.write(picture(), "p1", AT)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(FileNotFoundError):
        pictures.write(picture(), "p2", AT)
    assert (tmp_path / pictures.write(picture(), "p3", AT).file).exists()
