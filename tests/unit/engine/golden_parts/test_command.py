"""`aoi-daemon golden`: what it adds, says and refuses; run as a person does, with the reference model."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.golden import store
from aoi_daemon.golden.manifest import MANIFEST, read_golden
from aoi_daemon.messages import Defect, Reason
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import Records

SIZE = 160
BOX = "50,50,90,90"


class Product:
    """A line with one recipe, and pictures of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(3)
        blocks = rng.integers(0, 2, (SIZE // 16, SIZE // 16)).astype(np.uint8) * 180 + 40
        self.good = np.kron(blocks, np.ones((16, 16), np.uint8))
        self.bad = self.good.copy()
        self.bad[50:90, 50:90] = 255 - self.bad[50:90, 50:90]
        make_reference_bundle(
            folder / "bundle", [GoldenPair(self.good, self.good, True), GoldenPair(self.bad, self.good, False)]
        )
        (folder / "recipes").mkdir()
        (folder / "source").mkdir()
        (folder / "source" / "board.png").touch()
        self.line = {
            "line": {"recipe": "demo"},
            "cameras": [{"kind": "replay", "source": "source", "max_width_px": SIZE, "max_height_px": SIZE}],
            "recorder": {"folder": "records"},
        }
        self.recipe = {"id": 1, "name": "demo", "bundle": "../bundle", "width_px": SIZE, "height_px": SIZE}
        self.write()
        for name, image in (("ok", self.good), ("scratch", self.bad), ("7_test", self.bad), ("7_temp", self.good)):
            cv2.imwrite(str(folder / f"{name}.png"), image)
        (folder / "7.txt").write_text("50 50 90 90 1\n")

    @property
    def config(self) -> Path:
        return self.folder / "line.toml"

    @property
    def golden(self):
        return read_golden(self.folder / "recipes" / "demo.golden")

    def write(self) -> None:
        self.config.write_text(tomli_w.dumps(self.line))
        (self.folder / "recipes" / "demo.toml").write_text(tomli_w.dumps(self.recipe))


@pytest.fixture
def product(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Product(tmp_path)


@pytest.fixture
def run(product, capsys):
    """The exit code, and what was printed."""

    def call(*words: object) -> tuple[int, str, str]:
        try:
            code = main(["golden", str(words[0]), "--config", str(product.config), *map(str, words[1:])])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


TEMPLATE = ("--template", "ok.png")


def test_a_good_and_a_bad_part_prove_the_product(product, run):
    code, out, _ = run("add", "--good", "ok.png", *TEMPLATE)
    assert code == 1 and out.startswith("ok: PASS, holds\nNOT PROVEN: recipe demo: 1 good and 0 bad golden parts")
    code, out, _ = run("add", "--bad", "scratch.png", "--box", f"{BOX},difference", *TEMPLATE, "--by", "anna")
    assert (code, out) == (
        0, "scratch: REJECT DEFECT, holds\nrecipe demo: PROVEN by 1 good and 1 bad golden parts; aoi-daemon reload takes them into the running line\n",
    )  # fmt: skip
    assert (product.golden.parts[1].by, str(product.golden.parts[1].boxes[0])) == ("anna", f"{BOX},difference")
    image, template = product.golden.picture(product.golden.parts[1], 1)
    assert (image[..., 0] == product.bad).all() and (template[..., 0] == product.good).all()
    code, out, _ = run("list", "--check", "--json")
    found = json.loads(out)
    assert (code, found["proof"], [part["holds"] for part in found["parts"]]) == (0, "PROVEN", [True, True])
    code, out, _ = run("list")
    assert code == 0 and [line.split()[:2] for line in out.splitlines()] == [["ok", "good"], ["scratch", "bad"]]


def test_what_lies_beside_a_picture_in_deeppcb_s_layout_is_taken(product, run):
    code, out, _ = run("add", "--bad", "7_test.png")
    assert code == 1 and out.startswith("7: REJECT DEFECT, holds\n")
    (part,) = product.golden.parts
    assert (part.template, str(part.boxes[0])) == ("7.template.png", f"{BOX},difference")


def test_the_recipe_s_template_is_what_parts_are_held_against(product, run):
    """A template that hides the defect: the line would pass the part, so it must not prove the product."""
    assert run("add", "--good", "ok.png", *TEMPLATE)[0] == 1
    assert run("add", "--bad", "7_test.png")[0] == 0
    cv2.imwrite("recipes/wrong.png", product.bad)
    product.recipe["templates"] = [{"fov": 0, "image": "wrong.png"}]
    product.write()
    code, out, _ = run("list", "--check")
    assert code == 1 and "7 is bad and passed" in out and "ok is good and was rejected" in out
    code, _, err = run("add", "--good", "7_temp.png", *TEMPLATE)
    assert code == 2 and "the recipe has a template of fov 0, which its parts are judged against" in err
    run("remove", "7")
    run("add", "--bad", "7_test.png")
    assert product.golden.parts[-1].template is None


def test_a_part_that_does_not_hold_is_kept_and_said(product, run):
    """What a person knows of the part is right; it is the model or the recipe that is wrong."""
    run("add", "--good", "ok.png", *TEMPLATE)
    code, out, _ = run("add", "--bad", "scratch.png", "--box", "100,100,140,140", *TEMPLATE)
    assert code == 1 and "scratch: REJECT DEFECT, does not hold: is bad, and its defect in 100,100,140,140 was not" in out
    assert "NOT PROVEN: recipe demo: scratch is bad, and its defect" in out and "golden remove --recipe demo NAME" in out
    assert len(product.golden.parts) == 2
    assert run("remove", "scratch")[:2] == (0, "removed: scratch; left: 1 good and 0 bad\nNOT PROVEN: " + out_text())


def out_text() -> str:
    return (
        "recipe demo: 1 good and 0 bad golden parts, one of each is needed: "
        "aoi-daemon golden add --recipe demo --bad PICTURE --box x1,y1,x2,y2\n"
    )


WRONG = {
    "no picture": (("add", "--good"), "--good and --bad need a picture, or --record ID"),
    "no such picture": (("add", "--good", "none.png", *TEMPLATE), "none.png: cannot be read: No such file"),
    "no picture in it": (("add", "--good", "line.toml", *TEMPLATE), "line.toml: is no picture"),
    "of another size": (("add", "--good", "small.png", *TEMPLATE), "small.png: is 32 x 32 px, the recipe is 160 x 160"),
    "one of two of another size": (("add", "--good", "7_test.png", "small.png"), "small.png: is 32 x 32 px"),
    "no template": (("add", "--good", "ok.png"), "the recipe has none of fov 0: --template"),
    "a template of another size": (("add", "--good", "ok.png", "--template", "small.png"), "small.png: is 32 x 32 px"),
    "no such template": (("add", "--good", "ok.png", "--template", "none.png"), "none.png: cannot be read"),
    "bad without a box": (("add", "--bad", "scratch.png", *TEMPLATE), "--box x1,y1,x2,y2; or put scratch.txt beside it"),
    "good with a box": (("add", "--good", "ok.png", "--box", BOX, *TEMPLATE), "a good one has none"),
    "a box of three": (("add", "--bad", "scratch.png", "--box", "1,2,3", *TEMPLATE), "--box 1,2,3: box [1.0, 2.0, 3.0]: must be"),
    "a box of words": (("add", "--bad", "scratch.png", "--box", "a,b,c,d", *TEMPLATE), "--box a,b,c,d: box"),
    "a box of nothing": (("add", "--bad", "scratch.png", "--box", "", *TEMPLATE), "--box : box"),
    "a box turned round": (("add", "--bad", "scratch.png", "--box", "90,50,50,90", *TEMPLATE), "x1 must be below x2"),
    "a box that is not a number": (("add", "--bad", "scratch.png", "--box", "nan,50,60,90", *TEMPLATE), "--box nan,50,60,90"),
    "a box beyond the picture": (("add", "--bad", "scratch.png", "--box", "50,50,90,161", *TEMPLATE), "is not inside 160 x 160 px"),
    "no such class": (("add", "--bad", "scratch.png", "--box", f"{BOX},rust", *TEMPLATE), "the bundle finds no rust (it finds: difference)"),
    "a box for two": (("add", "--bad", "scratch.png", "7_test.png", "--box", BOX), "are of one picture, and 2 are named"),
    "an empty label file": (("add", "--bad", "e_test.png", *TEMPLATE), "e.txt: is empty, which says that the part is good"),
    "a label of a class that is not there": (("add", "--bad", "c_test.png", *TEMPLATE), "c.txt:1:13: class 2, allowed are 1 to 1"),
    "a field of view that is none": (("add", "--good", "ok.png", "--fov", "-1", *TEMPLATE), "--fov -1: 0 to 65535"),
    "no such recipe": (("add", "--good", "ok.png", "--recipe", "other"), "--recipe other: there is no such recipe"),
    "a picture and a record": (("add", "--good", "ok.png", "--record", "1"), "--record stands in place of a picture"),
    "no records": (("add", "--good", "--record", "1"), "no such folder"),
    "neither good nor bad": (("add", "--record", "1"), "one of the arguments --good --bad is required"),
    "good and bad": (("add", "--good", "ok.png", "--bad", "ok.png"), "not allowed with argument"),
    "removing what is not there": (("remove", "x"), "there are no golden parts of this recipe"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_and_nothing_is_written(product, run, what):
    words, says = WRONG[what]
    cv2.imwrite("small.png", np.zeros((32, 32), np.uint8))
    for name, text in (("e", ""), ("c", "50 50 90 90 2\n")):
        cv2.imwrite(f"{name}_test.png", product.bad)
        Path(f"{name}.txt").write_text(text)
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert not product.golden.folder.exists()


def test_a_damaged_folder_takes_nothing_more_and_check_config_names_the_file(product, run, capsys):
    run("add", "--good", "ok.png", *TEMPLATE)
    assert main(["check-config", "--config", str(product.config)]) == 0
    assert "NOT PROVEN, will not become READY: recipe demo: 1 good and 0 bad" in capsys.readouterr().out
    run("add", "--bad", "7_test.png")
    assert main(["check-config", "--config", str(product.config)]) == 0
    assert "recipe demo: 1 good and 1 bad golden parts" in capsys.readouterr().out
    picture = product.golden.folder / "ok.png"
    picture.write_bytes(picture.read_bytes()[:-1] + b"x")
    before = (product.golden.folder / MANIFEST).read_bytes()
    code, _, err = run("add", "--bad", "scratch.png", "--box", BOX, *TEMPLATE)
    assert code == 2 and "ok.png: has SHA-256" in err
    assert run("list")[0] == 2
    assert (product.golden.folder / MANIFEST).read_bytes() == before
    assert main(["check-config", "--config", str(product.config)]) == 2
    assert "ok.png: has SHA-256" in capsys.readouterr().err
    assert run("remove", "ok")[0] == 0
    assert main(["check-config", "--config", str(product.config)]) == 0


def test_a_full_disk_is_exit_2_and_changes_nothing(product, run, monkeypatch):
    """1 would say that the part was kept."""
    run("add", "--good", "ok.png", *TEMPLATE)
    before = (product.golden.folder / MANIFEST).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "replace_file", full)
    for words in (("add", "--bad", "7_test.png"), ("remove", "ok")):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert err == "aoi-daemon: recipes/demo.golden: No space left on device; the golden parts are as they were\n"
    assert (product.golden.folder / MANIFEST).read_bytes() == before


def test_check_config_says_who_answers(product, capsys):
    product.recipe["accept_unproven"] = "anna, first day of the line"
    product.write()
    assert main(["check-config", "--config", str(product.config)]) == 0
    assert "recipe demo: NOT PROVEN, accepted: anna, first day of the line" in capsys.readouterr().out


# -- from records -----------------------------------------------------------------------


@pytest.fixture
def records(product):
    """Row 1: a reject with its picture and template; row 2: a good part; row 3: its picture was not kept."""
    found = Records(product.folder / "records")
    defect = (Defect(0, 0.9, 48.0, 48.0, 96.0, 300.0),)
    found.add(1, Reason.DEFECT, defects=defect)
    found.add(2)
    found.add(3, Reason.DEFECT, defects=defect)
    with writing(found.writer):
        found.writer.execute("UPDATE products SET classes = '[\"difference\"]'")
        found.writer.execute("UPDATE defects SET class = 'difference'")
    for row, image in ((1, product.bad), (2, product.good)):
        cv2.imwrite(str(found.folder / f"{row}.png"), image)
        found.add_image(row, file=f"{row}.png")
        found.add_image(row, kind="template", file="2.png")
    yield found
    found.close()


def review_as(records, row: int, verdict: str) -> None:
    review(records.writer, row, verdict, by="ben", at=1.8e9)


def test_a_recorded_reject_brings_its_boxes_once_a_person_has_confirmed_it(product, run, records):
    code, _, err = run("add", "--record", "1", "--bad")
    assert code == 2 and "have it reviewed on the page: its recorded defects are taken then" in err
    review_as(records, 1, "defect")
    code, out, _ = run("add", "--record", "1", "--bad")
    assert code == 1 and out.startswith("record-1: REJECT DEFECT, holds\n")
    (part,) = product.golden.parts
    assert [str(box) for box in part.boxes] == ["48,48,96,160,difference"], "cut at the picture's edge"
    assert part.source == f"record {'f' * 32}-1" and part.template is not None
    assert run("add", "--record", "2", "--good")[0] == 0


@pytest.mark.parametrize(
    ("words", "verdict", "says"),
    [
        (("--record", "1", "--good"), "defect", "--record 1: ben has reviewed it as defect"),
        (("--record", "1", "--bad", "--box", BOX), "false_call", "--record 1: ben has reviewed it as false_call"),
        (("--record", "3", "--bad"), "", "--record 3: its picture was not kept"),
        (("--record", "9", "--bad"), "", "--record 9: there is no such part"),
        (("--record", "9" * 30, "--bad"), "", "there is no such part"),
        (("--record", "x-1", "--bad"), "", "there is no such part"),
    ],
)
def test_a_record_that_says_otherwise_or_nothing_is_refused(product, run, records, words, verdict, says):
    if verdict:
        review_as(records, 1, verdict)
    code, _, err = run("add", *words)
    assert code == 2 and says in err
    assert not product.golden.folder.exists()


def test_a_record_of_another_product_is_refused(product, run, records):
    product.recipe["id"] = 5
    product.write()
    assert "was judged as recipe 1 demo, not as demo" in run("add", "--record", "2", "--good")[2]
