"""The commands `export` and `replay`: what they answer, and what they refuse."""

import json

import cv2
import numpy as np
import pytest
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.messages import Reason
from aoi_daemon.records import parts
from aoi_daemon.records.database import writing
from aoi_daemon.records.reviews import review
from tests.unit.records.conftest import NOON, Records

SIDE = 64


def board(*, damaged: bool) -> np.ndarray:
    image = np.full((SIDE, SIDE, 1), 40, np.uint8)
    image[20:40, 8:56] = 220
    if damaged:
        image[26:34, 20:32] = 40
    return image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    make_reference_bundle(folder, [GoldenPair(board(damaged=bad), board(damaged=False), not bad) for bad in (False, True)])
    return folder


@pytest.fixture
def line(tmp_path, bundle):
    """line.toml with a recipe, and records of four parts: good, bad, good but rejected then, LATE."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "source").mkdir()
    config = {"cameras": [{"kind": "replay", "source": "source"}], "recorder": {"folder": "records"}, "plc": {"answer_ms": 5.0}}
    (tmp_path / "line.toml").write_text(tomli_w.dumps(config))
    recipe = {"id": 1, "name": "demo", "bundle": str(bundle), "width_px": SIDE, "height_px": SIDE}
    (tmp_path / "recipes" / "demo.toml").write_text(tomli_w.dumps(recipe))
    records = Records(tmp_path / "records")
    (records.folder / "images").mkdir()
    cv2.imwrite(str(records.folder / "images" / "template.png"), board(damaged=False))
    shown = ((Reason.NONE, False), (Reason.DEFECT, True), (Reason.DEFECT, False), (Reason.LATE, False))
    for number, (reason, damaged) in enumerate(shown, 1):
        row = records.add(number, reason)
        cv2.imwrite(str(records.folder / "images" / f"{number}.png"), board(damaged=damaged))
        records.add_image(row, file=f"images/{number}.png")
        records.add_image(row, "template", file="images/template.png")
    records.config = tmp_path / "line.toml"
    yield records
    records.close()


def replay(line, *words):
    return main(["replay", "--config", str(line.config), *words])


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_replay_says_where_the_verdict_differs(line, capsys):
    assert replay(line) == 1
    out = capsys.readouterr().out
    assert "4 parts replayed, 3 compared: 1 verdicts differ" in out
    rows = [text for text in out.splitlines() if " was " in text]
    assert len(rows) == 2
    assert "was REJECT short" in rows[0] and "now PASS" in rows[0] and rows[0].split()[0] == "3"
    assert "was REJECT LATE" in rows[1] and "(not looked at then)" in rows[1]


def test_replay_as_json_is_complete(line, capsys):
    review(line.writer, 3, "false_call", by="a", at=NOON)
    assert replay(line, "--json") == 1
    found = told(capsys)
    assert (found["replayed"], found["compared"], found["differ"], found["skipped"]) == (4, 3, 1, {})
    assert [part["differs"] for part in found["parts"]] == [False, False, True, None]
    now = found["parts"][1]["now"]
    assert (now["passed"], now["reason"], now["worst_class"], now["defect_count"] > 0) == (False, "DEFECT", "difference", True)
    assert found["parts"][2]["review"] == "false_call"


@pytest.mark.parametrize(("words", "code", "ids"), [
    (("--part", "2"), 0, [2]), (("--part", f"{'f' * 32}-3"), 1, [3]), (("--limit", "2"), 0, [1, 2]),
    (("--only", "rejects"), 1, [2, 3, 4]), (("--only", "faults"), 1, [4]), (("--to", "2020-01-01"), 1, []),
    (("--from", "2026-11-22T12:00:02Z", "--to", "2026-11-22T12:00:03Z"), 0, [2]),
])  # fmt: skip
def test_replay_takes_the_parts_that_are_asked_for(line, capsys, words, code, ids):
    """With nothing to compare it has not shown that anything is right."""
    assert replay(line, "--json", *words) == code
    assert [part["id"] for part in told(capsys)["parts"]] == ids


def test_a_stricter_recipe_is_seen(line, capsys):
    recipe = line.config.parent / "recipes" / "demo.toml"
    recipe.write_text(recipe.read_text() + '\n[[limits]]\nname = "*"\nmin_width = 40.0\n')
    assert replay(line, "--part", "2", "--json") == 1
    assert told(capsys)["parts"][0]["now"]["passed"] is True


def test_what_cannot_be_replayed_is_counted(line, capsys):
    (line.folder / "images" / "1.png").unlink()
    (line.folder / "images" / "2.png").write_bytes(b"no picture")
    with writing(line.writer):
        line.writer.execute("DELETE FROM images WHERE part_id = 3 AND kind = 'frame'")
        other = parts.product_id(line.writer, parts.Product(9, "old", "", (), 1.0))
        line.writer.execute("UPDATE parts SET product_id = ? WHERE id = 4", (other,))
    assert replay(line, "--json") == 1
    assert told(capsys)["skipped"] == {"its picture's file is gone or damaged": 2, "without a picture": 1, "no recipe has the number 9 any more": 1}


def test_a_part_of_another_product_can_be_judged_by_a_recipe_of_choice(line, capsys):
    with writing(line.writer):
        other = parts.product_id(line.writer, parts.Product(9, "old", "", (), 1.0))
        line.writer.execute("UPDATE parts SET product_id = ? WHERE id = 2", (other,))
    assert replay(line, "--part", "2", "--recipe", "demo", "--json") == 0
    assert told(capsys)["differ"] == 0


def test_a_template_of_the_recipe_is_todays(line, capsys):
    """The board that was good is compared with a template that it does not match."""
    cv2.imwrite(str(line.config.parent / "golden.png"), board(damaged=True))
    recipe = line.config.parent / "recipes" / "demo.toml"
    recipe.write_text(recipe.read_text() + '\n[[templates]]\nfov = 0\nimage = "../golden.png"\n')
    assert replay(line, "--part", "1", "--json") == 1
    assert told(capsys)["parts"][0]["now"]["passed"] is False


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["replay", "--part", "99"], "--part 99: there is no such part"),
        (["replay", "--part", "x'; DROP TABLE parts"], "there is no such part"),
        (["replay", "--recipe", "none"], "--recipe none: no such recipe"),
        (["replay", "--from", "2026-11-23", "--to", "2026-11-22"], "--from is not before --to"),
        (["replay", "--precision", "int8"], "there is no model of precision int8"),
        (["replay", "--precision", "bf16"], "precision = 'bf16': onnx does not run it; backend = 'openvino' does"),
        (["export", "--format", "coco", "--out", "-"], "coco is a folder of pictures"),
        (["export", "--format", "coco", "--out", "x"], "--unreviewed takes what nobody has reviewed"),
    ],
)
def test_a_wrong_request_is_one_line_and_code_2(line, capsys, monkeypatch, tmp_path, words, error):
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--config", str(line.config)]) == 2
    found = capsys.readouterr().err
    assert error in found and found.count("\n") == 1 and found.startswith("aoi-daemon: ")


@pytest.mark.parametrize("words", [
    ["export", "--out", "x"], ["export", "--format", "xml", "--out", "x"], ["export", "--format", "csv"],
    ["export", "--format", "csv", "--out", "x", "--from", "yesterday"], ["replay", "--limit", "0"], ["replay", "--only", "passes"],
])  # fmt: skip
def test_a_wrong_command_line_is_code_2(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("error:") == 1


def test_a_configuration_without_a_recorder_asks_for_the_folder(line, capsys):
    line.config.write_text(line.config.read_text().replace("[recorder]", "[line]").replace('folder = "records"', ""))
    words = ["export", "--format", "csv", "--out", str(line.config.parent / "out.csv"), "--config", str(line.config)]
    assert main(words) == 2
    assert "has no [recorder]; name the folder with --records" in capsys.readouterr().err
    assert main([*words, "--records", str(line.folder)]) == 0
    assert capsys.readouterr().out.endswith("out.csv: 4 parts\n")


def test_records_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["export", "--format", "csv", "--out", str(tmp_path / "x"), "--records", str(tmp_path / "none")]) == 2
    assert "no such folder; is this the folder of [recorder]" in capsys.readouterr().err


def test_export_tells_what_it_left_out(line, tmp_path, capsys):
    review(line.writer, 2, "defect", by="a", at=NOON)
    assert main(["export", "--format", "yolo", "--out", str(tmp_path / "set"), "--config", str(line.config)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'set'}: 1 parts; left out: 3 not reviewed\n"


def test_help_has_examples(capsys):
    for command in ("export", "replay"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "examples:" in capsys.readouterr().out


def test_replay_and_the_line_judge_alike(line, capsys, bundle):
    """The verdict of every recorded picture is the one that the inspection stage itself comes to."""
    from aoi_daemon.config.load import load
    from aoi_daemon.config.schema import InspectionSection
    from aoi_daemon.inspection.gauge import Gauge
    from aoi_daemon.inspection.main import _look
    from aoi_daemon.messages import Announcement
    from aoi_daemon.pictures import read_picture
    from aoi_daemon.stage.stage import now_ns

    recipe = load(line.config).recipe
    gauge = Gauge(recipe, InspectionSection())
    template = read_picture(line.folder / "images" / "template.png", 1)
    with gauge.executor:
        for number in (1, 2, 3):
            image = read_picture(line.folder / "images" / f"{number}.png", 1)
            now = now_ns()
            part = Announcement(0, 0, 0, 1, 1, now, now, now + 10**10)
            theirs = _look(gauge, part, image, template, now).verdict
            ours = gauge.see(image, template, 0).verdict
            assert ours == theirs
