"""The demo of several views is a line that check-config takes, with a camera and a bundle for each view."""

import hashlib

import pytest
import tomli_w

from aoi_daemon.config.load import load
from aoi_daemon.config.views import views_of
from aoi_daemon.kit.line import views
from aoi_daemon.kit.line.demo import arguments
from aoi_daemon.kit.line.setup import DEMO_BUNDLE, demo_recipe, line_config


@pytest.mark.parametrize("count", range(1, views.MOST + 1))
def test_each_view_has_its_own_camera_fit_and_bundle(tmp_path, monkeypatch, count):
    monkeypatch.setattr(views, "BOARDS", 2)
    done = []
    boards = views.view_boards(tmp_path / "kept", count, done.append)
    assert (len(boards), done[-1]) == (count, 2 * count)
    config = line_config(boards[0], takt_ms=200.0, deadline_ms=200.0, plc_port=502, photo_eye_port=503, parts=5)
    recipe = demo_recipe(boards[0])
    views.with_views(boards, tmp_path, config, recipe)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "line.toml").write_text(tomli_w.dumps(config))
    (tmp_path / "recipes" / "demo.toml").write_text(tomli_w.dumps(recipe))
    found = load(tmp_path / "line.toml")
    made = views_of(found.recipe, found.line.cameras)
    assert [view.recipe.fit.kind for view in made] == ["tiles", "resize", "exact"][:count]
    hashes = {hashlib.sha256((view.recipe.bundle / "manifest.json").read_bytes()).hexdigest() for view in made}
    assert len(hashes) == count
    assert hashlib.sha256((DEMO_BUNDLE / "manifest.json").read_bytes()).hexdigest() not in hashes
    assert [camera.photo_eye is not None for camera in found.line.cameras] == [True, False, False][:count], "one eye sees a part"


@pytest.mark.parametrize(("words", "says"), [(["--views", "4"], "--views 4: 0"), (["--views", "-1"], "--views -1"), (["--views", "2", "--boards", "."], "--boards: are of one view")])
def test_what_does_not_go_together_is_refused(capsys, words, says):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_a_part_of_several_views_has_more_time():
    assert [arguments(words).takt_ms for words in ([], ["--views", "3"], ["--views", "3", "--takt-ms", "400"])] == [50.0, views.TAKT_MS, 400.0]
