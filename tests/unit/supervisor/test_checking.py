"""Files are taken whole, or not at all."""

import cv2
import numpy as np
import pytest

from aoi_daemon.config.load import altered, load
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ConfigError
from aoi_daemon.preflight import check
from aoi_daemon.supervisor.checking import Checking, settled

RECIPE = 'id = 1\nname = "demo"\nbundle = "../bundle"\nwidth_px = 640\nheight_px = 640\n'


@pytest.fixture
def file(tmp_path):
    make_reference_bundle(tmp_path / "bundle")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/demo.toml").write_text(RECIPE)
    (tmp_path / "line.toml").write_text('[[cameras]]\nkind = "replay"\nsource = "."\n')
    return tmp_path / "line.toml"


def no_wait(_: float) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda folder: (folder / "line.toml").write_text("# another\n"), "line.toml"),
        (lambda folder: (folder / "recipes/demo.toml").unlink(), "demo.toml"),
        (lambda folder: (folder / "recipes/new.toml").write_text(RECIPE), "new.toml"),
    ],
)
def test_files_that_change_while_they_are_checked_are_refused(file, change, name):
    with pytest.raises(ConfigError, match=rf"{name}: changed while it was read"):
        settled(file, "", lambda _: change(file.parent))


def test_files_that_stay_are_taken(file):
    assert settled(file, "demo", no_wait).in_use == "demo"
    assert altered(load(file)) == []


def test_the_product_in_use_must_be_there(file):
    with pytest.raises(ConfigError, match=r"second\.toml: is gone, and it is the product in use"):
        settled(file, "second", no_wait)


def test_a_bundle_that_was_replaced_is_other_material(file):
    before = check(file).material
    manifest = file.parent / "bundle/manifest.json"
    manifest.write_text(manifest.read_text().replace('"reference"', '"other"'))
    assert check(file).material != before


def test_a_template_that_was_replaced_is_other_material(file, tmp_path):
    (file.parent / "recipes/demo.toml").write_text(RECIPE + '[[templates]]\nfov = 0\nimage = "../t.png"\n')
    template = np.zeros((640, 640, 1), np.uint8)
    assert cv2.imwrite(str(tmp_path / "t.png"), template)
    before = check(file).material
    assert cv2.imwrite(str(tmp_path / "t.png"), template + 1)
    assert check(file).material != before


class Log:
    def exception(self, event):
        pass


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConfigError("line.toml", ["wrong"]), "line.toml: wrong"),
        (PermissionError(13, "no"), "no"),
        (RecursionError("deep"), "the files cannot be checked: RecursionError: deep"),
    ],
)
def test_whatever_goes_wrong_is_an_answer(error, says):
    def work():
        raise error

    checking = Checking(work, Log())
    checking._thread.join(5)
    assert checking.done and checking.found is None
    assert says in checking.error


def test_what_was_found_is_handed_over(file):
    checking = Checking(lambda: check(file), Log())
    checking._thread.join(30)
    assert checking.done and checking.found == check(file)
