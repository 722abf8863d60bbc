"""Every place that reads a picture reads it by the one rule: through the places themselves, and the real commands."""

import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tomli_w

from aoi_daemon.acquire.images import Stills
from aoi_daemon.cli import main
from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.engine.build.calibrator import load_batch
from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.labels import image_size, read_image, read_pairs
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.errors import CameraError
from aoi_daemon.hmi.pictures import Pictures as Page
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import TensorInfo
from aoi_daemon.inspection.look import read_templates
from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.setup import board_size
from aoi_daemon.recorder.commands.replay import Replay

from .test_pictures import oriented, saved, seen

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "config" / "bundles" / "demo"
WIDTH, HEIGHT = 48, 32
UPRIGHT = np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH)
SIDEWAYS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""How a picture must be turned so that a person who turns it by the orientation sees it upright."""


def recipe_of(file: Path, **keys) -> Recipe:
    template = {"fov": 0, "image": file, **keys}
    return Recipe(id=1, name="r", bundle=Path(), width_px=WIDTH, height_px=HEIGHT, templates=[template])


def from_labels(file: Path):
    pair = file.with_name("a_temp.png")
    pair.write_bytes(saved(UPRIGHT))
    test = file.rename(file.with_name(f"a_test{file.suffix}"))
    (file.parent / "a.txt").write_text("1 1 9 9 1\n")
    (found,) = read_pairs(file.parent)
    assert (found.width_px, found.height_px) == (WIDTH, HEIGHT)
    assert image_size(test) == board_size(file.parent) == (WIDTH, HEIGHT)
    return read_image(found.test_path)


def from_bundle(file: Path):
    make_reference_bundle(file.parent / "b", [GoldenPair(UPRIGHT, UPRIGHT, True)])
    manifest = file.parent / "b" / "manifest.json"
    golden = file.parent / "b" / "golden000_test.png"
    was = golden.read_bytes()
    golden.write_bytes(file.read_bytes())
    manifest.write_text(manifest.read_text().replace(sha(was), sha(file.read_bytes()), 1))
    return next(iter(load_bundle(file.parent / "b").golden())).image


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def from_calibration(file: Path):
    inputs = [TensorInfo("images", "float32", (1, 3, HEIGHT, WIDTH))]
    planes = load_batch(Frame("a", file, None, 3), inputs, {"images": (1, 3, HEIGHT, WIDTH)})["images"]
    return np.rint(planes[0, 0] * 255)


READERS = {
    "replay camera": lambda file: Stills(file.parent, colour=False, preload=1, expose=lambda image, _: image).take(0).image,
    "template": lambda file: read_templates(recipe_of(file))[0],
    "template on the page": lambda file: Page([], recipe_of(file), [ReplayCamera(kind="replay", source=".")])._golden(0, 0)[0],
    "labels": from_labels,
    "qualify and bundle make": lambda file: Frame("a", file, None, 1).read()[0],
    "calibration of another model": from_calibration,
    "golden parts of a bundle": from_bundle,
    "replay of records": lambda file: Replay._read(type("At", (), {"_records": file.parent})(), file.name, recipe_of(file)),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_what_a_person_sees(reader, orientation, tmp_path):
    """A board photographed by a camera on its side: turned before anything looks at its size."""
    stored = seen(UPRIGHT, SIDEWAYS[orientation])
    for kind, suffix in (("PNG", "png"), ("TIFF", "tif")):
        folder = tmp_path / suffix
        folder.mkdir()
        file = folder / f"p.{suffix}"
        file.write_bytes(oriented(np.ascontiguousarray(stored), kind, orientation))
        assert np.array_equal(np.squeeze(READERS[reader](file)), UPRIGHT)


def test_nothing_else_decodes_a_picture():
    """One reader, or there are two rules. The probe runs trees that are older than it, and other programs have their own."""
    found = {
        file.relative_to(ROOT).as_posix()
        for folder in ("aoi_daemon", "tools")
        for file in (ROOT / folder).rglob("*.py")
        if re.search(r"\b(imread|imdecode|imreadmulti|IMREAD_\w+)\b", file.read_text(encoding="utf-8"))
    }
    others = ("aoi_daemon/pictures/", "tools/models/theirs/")
    assert {file for file in found if not file.startswith(others)} == {"tools/slower/probe.py"}


# -- by the commands -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A model that shows where a board differs from its template."""
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    make_reference_bundle(folder, [GoldenPair(board(damaged=bad), board(), not bad) for bad in (False, True)])
    return folder


def board(*, damaged: bool = False):
    image = np.full((HEIGHT, WIDTH), 40, np.uint8)
    image[8:20, 8:40] = 220
    if damaged:
        image[10:18, 12:24] = 40
    return image


@pytest.fixture
def line(tmp_path, reference):
    """line.toml with one recipe; `keys` are those of its template, whose file is `template.png`."""

    def make(template: bytes, **keys):
        (tmp_path / "recipes").mkdir(exist_ok=True)
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source/board.png").touch()
        (tmp_path / "template.png").write_bytes(template)
        config = {"cameras": [{"kind": "replay", "source": "source"}], "plc": {"answer_ms": 5.0}}
        (tmp_path / "line.toml").write_text(tomli_w.dumps(config))
        recipe = {
            "id": 1, "name": "demo", "bundle": str(reference), "width_px": WIDTH, "height_px": HEIGHT,
            "templates": [{"fov": 0, "image": "../template.png", **keys}],
        }  # fmt: skip
        (tmp_path / "recipes" / "demo.toml").write_text(tomli_w.dumps(recipe))
        return tmp_path / "line.toml"

    return make


DEEP = board().astype(np.uint16) << 4


@pytest.mark.parametrize(
    ("template", "keys", "why"),
    [
        (saved(DEEP), {}, r"template\.png: has more than 8 bits .*greatest value 3520: state bits = 12"),
        (saved(DEEP), {"bits": 10}, r"template\.png: greatest value 3520 does not fit bits = 10"),
        (saved(board()), {"bits": 12}, r"template\.png: has 8 bits a sample, bits = 12 is stated"),
        (saved(DEEP), {"bits": 8}, r"templates\[0\]\.bits = 8: .*greater than or equal to 9"),
        (saved(board())[:-1], {}, r"template\.png: is a PNG that is cut short"),
        (saved(board()[:-1]), {}, r"template\.png of fov 0 is 48 x 31 px, the recipe is 48 x 32"),
        (oriented(board(), "PNG", 6), {}, r"template\.png of fov 0 is 32 x 48 px"),
    ],
)
def test_check_config_refuses_a_template_in_one_line(line, template, keys, why, capsys):
    assert main(["check-config", "--config", str(line(template, **keys))]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"\S+demo\.toml:(\d+:)? [^\n]*{why}[^\n]*\n", err), err


def test_check_config_takes_a_template_whose_depth_is_stated(line, capsys):
    assert main(["check-config", "--config", str(line(saved(DEEP), bits=12))]) == 0
    assert "ok" in capsys.readouterr().out


def write_pair(folder: Path, name: str, test: bytes, template: bytes, *, bad: bool) -> None:
    (folder / f"{name}_test.png").write_bytes(test)
    (folder / f"{name}_temp.png").write_bytes(template)
    (folder / f"{name}.txt").write_text("12 10 24 18 1\n" if bad else "")


def qualify(bundle: Path, boards: Path, *words: str) -> dict:
    """The verdicts of `qualify`."""
    file = boards.parent / f"{boards.name}.json"
    main(["qualify", "--bundle", str(bundle), "--boards", str(boards), "--json", str(file), *words])
    return json.loads(file.read_text())


def test_qualify_judges_a_board_photographed_sideways_as_the_board_it_is(tmp_path, reference):
    """Every other picture is on its side or upside down, and says so."""
    found = []
    for name, turns in (("upright", [1] * 8), ("turned", range(1, 9))):
        (tmp_path / name).mkdir()
        for number, orientation in enumerate(turns):
            stored = np.ascontiguousarray(seen(board(damaged=number % 2 == 1), SIDEWAYS[orientation]))
            test = oriented(stored, "PNG", orientation)
            write_pair(tmp_path / name, f"b{number}", test, saved(board()), bad=number % 2 == 1)
        found.append(qualify(reference, tmp_path / name)["verdicts"])
    assert found[0] == found[1]
    assert len(found[0]) == 8


@pytest.fixture(scope="module")
def deep_boards(tmp_path_factory):
    """Twelve bad boards of the demo's kind, as a camera of 12 bits has them: in files of 16."""
    folder = tmp_path_factory.mktemp("deep") / "boards"
    write_boards(folder, 12, 5, BoardOptions(good_fraction=0.0))
    for file in folder.glob("*.png"):
        image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        # A camera of 12 bits fills the lower four, too: white is 4095.
        cv2.imwrite(str(file), (image.astype(np.uint16) << 4) | (image >> 4))
    return folder


def test_boards_of_12_bits_without_their_depth_let_no_defect_pass(deep_boards, capsys):
    """Cut to 8 bits as if they had 16 they are black, every defect passed, and nothing said so."""
    assert main(["qualify", "--bundle", str(DEMO), "--boards", str(deep_boards), "--precision", "fp32"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"^aoi-daemon: [^\n]*board000000_te\w+\.png: [^\n]*greatest value \d+: state bits = 12", err, re.M)


def test_boards_of_12_bits_with_their_depth_are_judged_like_any_other(deep_boards):
    report = qualify(DEMO, deep_boards, "--precision", "fp32", "--bits", "12")
    assert report["precisions"]["fp32"]["escapes"]["count"] == 0
    assert report["boards"]["bad"] == 12


def test_a_camera_replays_the_pictures_and_not_what_a_mac_left_beside_them(tmp_path):
    """`._a.png` is no picture, and stopped the camera."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(saved(board()))
    (tmp_path / "._a.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "circle.png").symlink_to("circle.png")
    assert len(Stills(tmp_path, colour=False, preload=1, expose=lambda image, _: image)) == 2


def test_a_camera_of_12_bits_is_replayed_with_its_depth(tmp_path):
    (tmp_path / "a.png").write_bytes(saved(DEEP))

    def open_stills(bits):
        return Stills(tmp_path, colour=False, bits=bits, preload=1, expose=lambda image, _: image)

    with pytest.raises(CameraError, match="state bits = 12"):
        open_stills(None)
    assert np.array_equal(open_stills(12).take(0).image, board())
