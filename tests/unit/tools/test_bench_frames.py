"""`tools/bench_frames`: the command line, pictures of any size, and a model that finds nothing in them."""

import numpy as np
import pytest

from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.pictures import list_pictures, read_picture
from tools.line import frames


@pytest.mark.parametrize(
    "words",
    [["--size", "4096"], ["--size", "15x640"], ["--size", "640x16385"], ["--size", "640X480"], ["--size", "-640x480"],
     ["--ring-mib", "0"], ["--parts", "0"], ["--recorded-percent", "101"], ["--report", "/none/such/frames.json"]],
)  # fmt: skip
def test_a_wrong_command_line_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        frames.arguments(words)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


@pytest.mark.parametrize(("size", "colour"), [((16, 16), False), ((65, 33), True), ((640, 480), False)])
def test_frames_are_of_the_size_that_was_asked_for_and_nothing_is_found_in_them(tmp_path, size, colour):
    boards, bundle, channels = tmp_path / "boards", tmp_path / "bundle", 3 if colour else 1
    boards.mkdir()
    frames.write_pictures(boards, size, colour=colour)
    frames.write_bundle(bundle, size, channels)
    pictures = [read_picture(path, channels) for path in list_pictures(boards)]
    assert len(pictures) == frames._PICTURES
    assert all(picture.shape == (size[1], size[0], channels) and picture.std() > 1 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)
    loaded = load_bundle(bundle)
    with OnnxExecutor(loaded.model_path("fp32"), loaded.manifest, threads=1, shape=pictures[0].shape) as executor:
        found = executor.infer(np.ascontiguousarray(pictures[0]), None, NO_DEADLINE)
    assert not found.scores.any()
