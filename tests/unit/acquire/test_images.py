from pathlib import Path

import cv2
import numpy as np
import pytest

from aoi_daemon.acquire import video as video_module
from aoi_daemon.acquire.images import Stills, Truth, list_stills
from aoi_daemon.acquire.video import Video
from aoi_daemon.errors import CameraError
from aoi_daemon.pictures import natural

MS = 1_000_000


def stills(folder, preload=100, colour=False):
    return Stills(folder.path, colour=colour, preload=preload, expose=lambda image, name: image)


def opened(path, preload=100, colour=False, takt_ns=10_000 * MS):
    return Video(path, colour=colour, preload=preload, takt_ns=takt_ns, expose=lambda image, name: image)


def refusal(make, *args, **kwargs):
    with pytest.raises(CameraError) as caught:
        make(*args, **kwargs)
    return str(caught.value)


def test_images_are_sorted_as_people_count():
    names = ["b10.png", "b9.png", "B1.png", "a2b10.png", "a2b9.png", "a.png"]
    assert [path.name for path in sorted(map(Path, names), key=natural)] == [
        "a.png", "a2b9.png", "a2b10.png", "B1.png", "b9.png", "b10.png",
    ]  # fmt: skip


def test_a_folder_without_templates_is_a_row_of_images(folder):
    folder.add("b10.png").add("b9.bmp").add("c_test.jpg").write("notes.md", "x")
    assert [still.image.name for still in list_stills(folder.path)] == ["b9.bmp", "b10.png", "c_test.jpg"]


def test_a_folder_with_templates_is_a_row_of_pairs_and_nothing_else(folder):
    folder.add_pair("b2").add_pair("b10").add("overview.png")
    pairs = [(still.image.name, still.template.name) for still in list_stills(folder.path)]
    assert pairs == [("b2_test.png", "b2_temp.png"), ("b10_test.png", "b10_temp.png")]


def test_labels_tell_good_from_bad_from_unknown(folder):
    folder.add_pair("a", label="").add_pair("b", label="1 2 3 4 5\n\n6 7 8 9 1\n").add_pair("c")
    truths = [still.truth for still in list_stills(folder.path)]
    assert truths == [Truth.GOOD, Truth.BAD, Truth.UNKNOWN]


def test_a_single_image_may_have_a_label_too(folder):
    folder.add("a.png").write("a.txt", "1 2 3 4 5").add("b.png")
    assert [still.truth for still in list_stills(folder.path)] == [Truth.BAD, Truth.UNKNOWN]


def test_an_empty_folder_is_refused_by_name(folder):
    assert f"{folder.path}: holds no image" in refusal(list_stills, folder.path)


@pytest.mark.parametrize(("there", "missing"), [("lonely_test.png", "lonely_temp"), ("lonely_temp.png", "lonely_test")])
def test_half_a_pair_is_refused_by_name(folder, there, missing):
    told = refusal(list_stills, folder.add_pair("a").add(there).path)
    assert there in told
    assert missing in told


def test_one_board_in_two_files_is_refused_by_name(folder):
    told = refusal(list_stills, folder.add_pair("a").add("a_test.jpg").path)
    assert "a_test.png" in told
    assert "a_test.jpg" in told


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1 2 3 4", "a.txt:2:8: the line has 4 numbers"),
        ("1 2 3 4 5 6", "a.txt:2:11: the line has 6 numbers"),
        ("a b c d e", "a.txt:2:1: 'a' is no whole number"),
        ("1 2.0 3 4 5", "a.txt:2:3: '2.0' is no whole number"),
        ("-1 2 3 4 5", "a.txt:2:1: '-1' is no whole number"),
    ],
)
def test_a_label_line_that_is_no_defect_is_refused_with_its_place(folder, line, says):
    told = refusal(list_stills, folder.add_pair("a", label=f"1 2 3 4 5\n{line}\n").path)
    assert says in told


def test_a_label_that_is_no_text_is_refused_by_name(folder):
    folder.add_pair("a")
    (folder.path / "a.txt").write_bytes(b"\xff\xfe\x00")
    assert "a.txt: is UTF-16 text; save it as UTF-8" in refusal(list_stills, folder.path)


@pytest.mark.parametrize("label", ["\ufeff1 2 3 4 5\r\n", "1 2 3 4 5  \t\r\n\r\n", "\t1  2 3 4 5"])
def test_a_label_as_other_editors_leave_it_is_read(folder, label):
    folder.add_pair("a")
    (folder.path / "a.txt").write_bytes(label.encode())
    assert [still.truth for still in list_stills(folder.path)] == [Truth.BAD]


def test_endings_are_found_in_upper_case_too(folder):
    folder.add("a_TEST.PNG").add("a_Temp.Png").write("a.TXT", "1 2 3 4 5\n")
    (still,) = list_stills(folder.path)
    assert (still.image.name, still.template.name, still.truth) == ("a_TEST.PNG", "a_Temp.Png", Truth.BAD)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["a_test.png", "a_TEST.png", "a_temp.png"], "is already the same part's image"),
        (["A_test.png", "a_temp.png"], "the same but for upper and lower case"),
        (["A_test.png", "A_temp.png", "a_test.png", "a_temp.png"], "the same but for upper and lower case"),
        (["a_test.png", "a_temp.png", "A.txt"], "the same but for upper and lower case"),
        (["a_test.png", "a_temp.png", "a.txt", "a.TXT"], "is already the same part's label file"),
        (["A.png", "a.txt"], "the same but for upper and lower case"),
    ],
)
def test_two_files_of_one_part_are_refused_by_name(folder, files, says):
    for file in files:
        (folder.write if file.lower().endswith("txt") else folder.add)(file, *[""] * file.lower().endswith("txt"))
    told = refusal(list_stills, folder.path)
    assert says in told and told.count(".") >= 2


def test_a_text_that_is_nobodys_label_may_be_called_anything(folder):
    folder.add("a.png").write("README.txt", "boards of May").write("readme.TXT", "more")
    assert [still.truth for still in list_stills(folder.path)] == [Truth.UNKNOWN]


@pytest.mark.parametrize("content", [b"", b"this is no image", None])
@pytest.mark.parametrize("position", [0, 3])
def test_an_unreadable_image_is_refused_at_open_wherever_it_is(folder, content, position):
    folder.add_all(4)
    path = folder.path / f"board{position}.png"
    path.write_bytes(path.read_bytes()[:40] if content is None else content)
    assert f"{path}: " in refusal(stills, folder, preload=2)


def test_a_pair_of_two_sizes_is_refused_by_name(folder):
    folder.add_pair("a").add("b_test.png", width=32).add("b_temp.png", width=40)
    told = refusal(stills, folder)
    assert "b_temp.png: is 40x24 px, but b_test.png is 32x24" in told


@pytest.mark.parametrize("preload", [1, 3, 100])
def test_images_that_were_not_preloaded_are_the_same_images(folder, preload):
    source = stills(folder.add_all(5), preload=preload)
    assert len(source) == 5
    for index in (0, 1, 2, 3, 4, 0, 4, 2, 3, 3):
        source.ahead(index)
        assert (source.take(index).image == index).all()
        assert (source.take(4 - index).image == 4 - index).all(), "also without asking ahead"


def test_pairs_keep_together(folder):
    source = stills(folder.add_pair("a", 1).add_pair("b", 2), preload=1)
    for index in (0, 1):
        picture = source.take(index)
        assert (picture.image == index + 1).all()
        assert (picture.template == index + 101).all()


def test_colour_is_read_only_where_the_camera_has_it(folder):
    assert stills(folder.add_all(1)).take(0).image.shape == (24, 32)
    assert stills(folder, colour=True).take(0).image.shape == (24, 32, 3)


@pytest.mark.parametrize("preload", [1, 3, 7, 100])
@pytest.mark.parametrize("order", [range(7), (0, 1, 2, 3, 4, 5, 6) * 3, (5, 6, 0, 1), (0, 3, 4, 2), (6, 6)])
def test_a_video_shows_each_frame_at_its_number_whatever_is_kept(video, preload, order):
    source = opened(video(7), preload=preload)
    assert len(source) == 7
    assert source.truth(3) is Truth.UNKNOWN
    for index in order:
        source.ahead(index)
        assert abs(source.take(index).image.astype(int) - 8 * index).max() <= 2


def test_a_video_in_colour_has_three_bands(video):
    assert opened(video(2), colour=True).take(1).image.shape == (24, 32, 3)


@pytest.mark.parametrize("content", [b"", b"this is no video" * 100])
def test_a_file_that_is_no_video_is_refused_by_name(tmp_path, content, capfd):
    path = tmp_path / "line.mp4"
    path.write_bytes(content)
    assert f"{path}: is no video that can be read" in refusal(opened, path)
    assert capfd.readouterr() == ("", "")


def test_a_video_that_decodes_slower_than_the_takt_must_be_kept_whole(video):
    path = video(7)
    assert "set preload to 7 to keep all frames" in refusal(opened, path, preload=3, takt_ns=1)
    assert len(opened(path, preload=7, takt_ns=1)) == 7


def test_a_video_that_goes_away_is_a_lost_camera(video):
    path = video(7)
    source = opened(path, preload=3)
    for index in range(7):
        source.ahead(index)
    path.write_bytes(np.zeros(100, np.uint8).tobytes())
    with pytest.raises(CameraError, match="frame 0 of 7 can no longer be read"):
        source.ahead(0)


@pytest.fixture
def said(monkeypatch):
    """The warnings, as (event, key-value pairs)."""
    found = []

    class Log:
        def warning(self, event, **more):
            found.append((event, more))

    monkeypatch.setattr(video_module, "logger", Log)
    return found


def jpeg(value, width=32, height=24):
    return cv2.imencode(".jpg", np.full((height, width), value, np.uint8))[1].tobytes()


@pytest.mark.parametrize("preload", [1, 4, 100])
def test_a_frame_of_another_size_is_a_part_without_an_image(tmp_path, preload, said):
    """OpenCV scales it to the size of the first, and would show the model something that no camera saw."""
    path = tmp_path / "line.mjpeg"
    frames = [jpeg(10), jpeg(20), jpeg(30, 48, 40), jpeg(40), jpeg(50, 24, 32), jpeg(60)]
    path.write_bytes(b"".join(frames))
    source = opened(path, preload=preload)
    for index in (*range(6), *range(6)):
        source.ahead(index)
        picture = source.take(index)
        assert (picture is None) == (index in (2, 4))
        assert picture is None or abs(picture.image.astype(int) - 10 * (index + 1)).max() <= 2
    assert [(event, more["count"], more["first"]) for event, more in said] == [("video_frames_left_out", 2, 2)]


@pytest.mark.parametrize("preload", [1, 100])
@pytest.mark.parametrize("codec", ["MJPG", "mp4v", "FFV1"])
@pytest.mark.parametrize("part", [0.55, 0.8])
def test_a_video_that_ends_early_says_so_and_keeps_its_last_frame_to_itself(tmp_path, preload, part, codec, said, capfd):
    """It may be half of one; FFmpeg fills up the rest."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 20, (64, 48))
    noise = np.random.default_rng(1)
    for _ in range(10):
        writer.write(noise.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    source = opened(path, preload=preload)
    last = len(source) - 1
    assert 0 < last < 9
    for index in range(last + 1):
        source.ahead(index)
        assert (source.take(index) is None) == (index == last)
    assert said[0] == ("video_ends_early", {"file": str(path), "frames": last + 1, "header_frames": 10})
    assert said[1][0] == "video_frames_left_out"
    assert capfd.readouterr() == ("", "")


def test_a_complete_video_has_nothing_to_say(video, said):
    assert all(opened(video(7)).take(index) is not None for index in range(7))
    assert said == []


def test_a_video_is_turned_as_its_rotation_says(tmp_path):
    """As a picture by its EXIF orientation."""
    path = tmp_path / "line.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (64, 48))
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, 32:] = 255
    for _ in range(3):
        writer.write(frame)
    writer.release()
    assert opened(path).take(0).image.shape == (48, 64)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tkhd") + 44
    one = 0x10000
    for place, value in enumerate((0, one, 0, -one, 0, 0, 0, 0, 0x40000000)):
        raw[at + 4 * place : at + 4 * place + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(bytes(raw))
    image = opened(path).take(0).image
    assert image.shape == (64, 48)
    assert image[60, 24] > 200 > 50 > image[4, 24], "turned clockwise: what was right is below"
