"""`aoi-daemon calibrate`, from the page to a camera that has been knocked."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager

import cv2
import pytest

from aoi_daemon.cli import main
from aoi_daemon.config.load import load
from aoi_daemon.engine.calibrate.page import checked
from aoi_daemon.stage.live_frames import LiveFrame
from tests.unit.target.rendering import seen

TARGET = checked(14, 10, 10.0)
PRINTED = ["--squares", "14x10", "--square-mm", "10"]


@pytest.fixture
def picture(tmp_path):
    def make(name="frame.png", **optics):
        file = tmp_path / name
        assert cv2.imwrite(str(file), seen(TARGET, **optics))
        return str(file)

    return make


@pytest.fixture
def line(tmp_path):
    """A line whose camera gives frames of 640 x 480 px; `calibration` is put below its camera."""

    def make(calibration="", recipe="", line="", camera='kind = "replay"\nsource = "boards"'):
        folder = tmp_path / "line"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "recipes").mkdir(parents=True)
        (folder / "bundle").mkdir()
        (folder / "bundle" / "manifest.json").touch()
        (folder / "boards").mkdir()
        (folder / "line.toml").write_text(
            f'[line]\nname = "l"\ntakt_ms = 50.0\nrecipe = "r"\n{line}\n[[cameras]]\nname = "top"\n{camera}\n'
            f"max_width_px = 640\nmax_height_px = 480\n{calibration}\n"
        )
        (folder / "recipes" / "r.toml").write_text(
            f'id = 1\nname = "r"\nbundle = "../bundle"\nwidth_px = 640\nheight_px = 480\n{recipe}\n'
        )
        return folder / "line.toml"

    return make


def test_what_measure_prints_is_taken_by_line_toml_and_check_tells_whether_the_camera_was_knocked(picture, line, capsys):
    assert main(["calibrate", "measure", picture(), *PRINTED]) == 0
    said = capsys.readouterr().out
    file = line(said)
    lens = load(file).line.cameras[0].calibration
    assert lens.px_per_mm == pytest.approx(4.4, rel=1e-3)
    assert len(lens.marks) == 16
    assert f"px_per_mm = {lens.px_per_mm:.4f}" in said
    config = ["--config", str(file), *PRINTED]
    assert main(["calibrate", "check", picture("again.png", seed=3), *config]) == 0
    assert "as it was measured" in capsys.readouterr().out
    assert main(["calibrate", "check", picture("knocked.png", shift_px=(4.0, -3.0)), *config]) == 1
    said = capsys.readouterr().out
    assert "camera top: the target lies +4.0" in said and "measure again" in said


def test_a_print_that_came_out_shorter_is_measured_as_long_as_it_is(picture, capsys):
    file = picture()
    scales = []
    for length in ("100", "98"):
        assert main(["calibrate", "measure", file, "--line-mm", length, "--json", *PRINTED]) == 0
        scales.append(json.loads(capsys.readouterr().out)["px_per_mm"])
    assert scales[1] / scales[0] == pytest.approx(100 / 98)


@pytest.fixture
def running(monkeypatch):
    """A line runs: the frames that its camera gives, one after the other, and what is asked of it."""
    frames: list = []
    asked: list = []

    class Frames:
        def next_frame(self, wait_s, *, fov=None):
            asked.append((wait_s, fov))
            return LiveFrame(1, 0, frames.pop(0)) if frames else None

    @contextmanager
    def frames_of_line(_path, camera):
        asked.append(camera)
        yield Frames()

    def request(_path, body):
        asked.append(body["do"])
        return {"ok": True}, []

    monkeypatch.setattr("aoi_daemon.engine.calibrate.pictures.frames_of_line", frames_of_line)
    monkeypatch.setattr("aoi_daemon.stage.control.request", request)
    return frames, asked


def test_a_running_line_gives_the_frames_and_looks_for_the_target_anew(line, running, capsys):
    frames, asked = running
    frames += [seen(TARGET, seed=number)[..., None] for number in (1, 2)]
    assert main(["calibrate", "measure", "--config", str(line()), *PRINTED]) == 0
    lens = capsys.readouterr().out
    small = checked(5, 4, 10.0)
    frames[:] = [seen(small, seed=3)[..., None]]
    assert main(["calibrate", "watch", "--config", str(line(lens)), "--squares", "5x4", "--most-px", "1.5", "--fov", "0"]) == 0
    watch = capsys.readouterr().out
    assert re.search(r"columns = 5\nrows = 4\nmost_px = 1.5\nfov = 0", watch)
    file = line(lens[: lens.index("marks = [")] + watch, line='[recorder]\nfolder = "records"\n')
    assert load(file).line.cameras[0].is_watched
    frames[:] = [seen(small, seed=4)[..., None], seen(small, seed=5, shift_px=(1.2, -1.3))[..., None]]
    check = ["calibrate", "check", "--camera", "top", "--config", str(file), "--wait-s", "7"]
    assert main(check) == 0, "which target it is needs not be said again"
    asked.clear()
    assert main(check) == 1
    assert asked == ["top", (7.0, 0), "targets"]
    assert "allowed are 1.5" in capsys.readouterr().out
    assert main(check) == 2
    assert re.search("camera top: no frame of field of view 0 came within 7 s; trigger it", capsys.readouterr().err)


def test_no_line_that_runs_is_told_in_a_line(line, capsys):
    assert main(["calibrate", "measure", "--config", str(line()), *PRINTED]) == 2
    assert "is the service running?" in capsys.readouterr().err


def test_what_a_camera_is_to_be_set_to_goes_by_what_it_is_set_to(picture, line, capsys):
    file = line(
        camera='kind = "genicam"\nproducer = "boards"\nchannels = 3\nsettings = [{ node = "BalanceRatioSelector", value = "Red" }, '
        '{ node = "BalanceRatio", value = 1.5 }]', recipe="channels = 3",
    )  # fmt: skip
    measure = ["calibrate", "measure", picture(tint=(0.8, 1.0, 0.5), light=(30, 180)), *PRINTED, "--config", str(file)]
    assert main([*measure, "--camera", "top"]) == 0
    said = capsys.readouterr().out
    at = said.index('value = "Red"')
    ratio = float(re.search(r'"BalanceRatio", value = ([\d.]+)', said[at:]).group(1))
    assert ratio == pytest.approx(3.0, rel=0.02)
    assert "for `settings` of this camera" in said
    assert main([*measure, "--camera", "top", "--json"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings[0] == {"node": "BalanceWhiteAuto", "value": "Off"}
    assert [each["value"] for each in settings[1::2]] == ["Blue", "Green", "Red"]


def test_light_that_is_too_much_is_warned_of_and_the_scale_is_measured(picture, capsys):
    assert main(["calibrate", "measure", picture(light=(40, 300)), *PRINTED]) == 0
    told = capsys.readouterr()
    assert "warning: " in told.err and "the paper is overexposed" in told.err
    assert "px_per_mm = 4.4" in told.out


def test_colour_brings_the_white_balance_and_gray_none(picture, capsys):
    assert main(["calibrate", "measure", picture(tint=(0.8, 1.0, 1.1), light=(30, 180)), *PRINTED]) == 0
    assert "# white balance: gains of red 0.9" in capsys.readouterr().out
    assert main(["calibrate", "measure", picture(), "--json", *PRINTED]) == 0
    assert json.loads(capsys.readouterr().out)["white_balance"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["measure", "PICTURE", "--line-mm", "71"], "--line-mm 71: .*printed to another scale"),
        (["measure", "PICTURE", "--squares", "7"], "--squares 7: not COLUMNSxROWS"),
        (["measure", "PICTURE", "--squares", "9x7", "--square-mm", "10"], "corners of the target are seen|no target"),
        (["measure", "gone.png"], "gone.png"),
        (["target", "--out", "t.pdf", "--square-mm", "1"], "--square-mm 1|in all"),
        (["target", "--out", "no/folder/t.pdf"], "No such file or directory"),
        (["check", "PICTURE", "--config", "gone.toml"], "gone.toml"),
    ],
)
def test_what_is_wrong_is_told_in_a_line_with_exit_code_2(picture, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    words = [picture() if word == "PICTURE" else word for word in arguments]
    assert main(["calibrate", *words]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert re.search(said, told)


def test_a_camera_that_was_not_measured_or_is_not_there_is_named(picture, line, capsys):
    for more, said in (([], "camera top has no `calibration`"), (["--camera", "side"], "--camera side: there is none .*top")):
        assert main(["calibrate", "check", picture(), "--config", str(line()), *more, *PRINTED]) == 2
        assert re.search(said, capsys.readouterr().err)


def test_the_target_of_the_examples_is_written(tmp_path, capsys):
    assert main(["calibrate", "target", "--out", str(tmp_path / "t.pdf"), "--paper", "a4", "--square-mm", "20"]) == 0
    assert "--squares 13x8 --square-mm 20" in capsys.readouterr().out
    assert (tmp_path / "t.pdf").stat().st_size > 1000
