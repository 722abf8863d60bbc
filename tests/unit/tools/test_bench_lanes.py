"""`tools/bench_lanes`: which run comes when, the pairs' ratios, and a line of two cameras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.setup import line_config
from tools.line import lanes


@given(st.integers(1, 50))
def test_each_pair_has_both_and_neither_is_always_the_first(pairs):
    found = lanes.order(pairs)
    assert [sorted(found[i : i + 2]) for i in range(0, len(found), 2)] == [[1, 2]] * pairs
    assert abs(found[::2].count(1) - found[::2].count(2)) <= 1


def test_the_ratio_of_a_pair_is_that_of_two_lanes_over_one_whichever_came_first():
    assert lanes.ratios([(1, 40.0), (2, 30.0), (2, 20.0), (1, 80.0)]) == [0.75, 0.25]
    low, high = lanes.interval([0.7, 0.8, 0.9])
    assert 0.7 <= low <= 0.8 <= high <= 0.9


@pytest.mark.parametrize("words", [["--pairs", "0"], ["--parts", "19"], ["--threads", "1"], ["--takt-ms", "9"], ["--backend", "tensorrt"], ["--report", "/none/such/x.json"]])
def test_a_wrong_command_line_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        lanes.arguments(words)
    assert ended.value.code == 2 and words[0] in capsys.readouterr().err


def test_a_line_of_two_cameras_is_one_that_the_daemon_takes(tmp_path, boards):
    config, recipe = line_config(boards, takt_ms=200, deadline_ms=200, plc_port=502, photo_eye_port=503), {}
    lanes.two_cameras(200)(config, recipe)
    config["inspection"] = {"lanes": 2, "threads": 1}
    line = LineConfig.model_validate(config)
    assert [camera.name for camera in line.cameras] == ["camera-1", "camera-2"]
    assert [camera.photo_eye is None for camera in line.cameras] == [False, True], "the PLC has one part sensor"
    assert recipe["accept_unproven"] and line.views_ms < 100


@pytest.fixture
def boards(tmp_path):
    write_boards(tmp_path / "boards", 1, 3, BoardOptions(width_px=160, height_px=160))
    return tmp_path / "boards"
